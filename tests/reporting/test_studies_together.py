"""Several studies in one set of frames, tables and figures."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import asura
from asura.cli import app
from asura.common.errors import UserError
from asura.common.files import read_json, write_sealed
from asura.reporting.collect import collect
from asura.reporting.comparing import Comparing
from asura.reporting.frames import COLUMNS
from asura.reporting.studies_together import together
from asura.reporting.tables import comparison, runs
from tests.reporting.written_runs import MODELS, folder_of, plan_of, write_run, write_study

EXTERNAL: dict[str, Any] = {"label": "theirs", "task": "NA", "split": "test", "metric": "accuracy", "score": [0.7]}
EXTERNAL |= {"source": "Doe", "parameters": None, "training_flops": None}


def write(folder: Path, models: list[dict[str, Any]], seeds: list[int], value: float, **plan: Any) -> Path:
    """A study named as its folder, all of whose runs have this score and a tenth of their seed."""
    folder.mkdir()
    planned = plan_of([{**model, "seeds": seeds} for model in models], seeds)._asdict() | {"roles": [], "questions": []}
    write_sealed(folder / "plan.json", planned | plan)
    (folder / "study.json").write_text(json.dumps({"name": folder.name}))
    for model in models:
        for seed in seeds:
            write_run(folder_of(folder, model["label"], seed), value + seed / 10)
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    write_study(tmp_path / "one")
    (tmp_path / "one" / "study.json").write_text(json.dumps({"name": "one"}))
    return tmp_path / "one"


def planned(study: Path, **changes: Any) -> None:
    write_sealed(study / "plan.json", read_json(study / "plan.json") | changes)


def test_rows_of_every_study_stand_under_its_name(one: Path, tmp_path: Path):
    two = write(tmp_path / "two", [MODELS[0]], [2, 3], 0.3)
    found = together([one, two])
    for name, frame in found._asdict().items():
        assert list(frame) == ["study", *COLUMNS[name]]
    for study in (one, two):
        alone = collect(study)
        for name in ("scores", "curves", "resources", "roles", "questions"):
            own = getattr(found, name).query("study == @study.name").drop(columns="study").reset_index(drop=True)
            pd.testing.assert_frame_equal(own, getattr(alone, name), check_dtype=False)
    third = 1 / 3
    assert Comparing(found).scores("NA", "asura-n1-i2").to_dict() == pytest.approx(
        {0: third, 1: third + 1 / 7, 2: 0.5, 3: 0.6}
    )
    row = comparison(found).set_index("model").loc["asura-n1-i2"]
    assert row["seeds"] == 4 and row["score"] == pytest.approx((2 * third + 1 / 7 + 1.1) / 4)
    assert runs(found)["study"].tolist().count("two") == 2


def test_a_run_that_two_studies_have_counts_once(one: Path, tmp_path: Path):
    two = write(tmp_path / "two", [MODELS[0]], [1, 2], 0.9)
    found = together([one, two])
    assert found.runs[["study", "label", "seed"]].values.tolist() == [
        ["one", "asura-n1-i2", 0],
        ["one", "asura-n1-i2", 1],
        ["one", "bare-n1-i2", 0],
        ["one", "bare-n1-i2", 1],
        ["two", "asura-n1-i2", 2],
    ]
    assert not found.scores.duplicated(["task", "label", "seed", "split", "iterations", "metric"]).any()
    assert set(together([two, one]).runs.query("label == 'asura-n1-i2' and seed == 1")["study"]) == {"two"}


def other_settings(study: Path, **changes: Any) -> None:
    runs = read_json(study / "plan.json")["runs"]
    planned(
        study,
        runs={
            name: run | {key: run.get(key, {}) | value for key, value in changes.items()} for name, run in runs.items()
        },
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"hops": 2}}, r"the task NA: one and two have other values of hops; rename it"),
        ({"model": {"heads": 1}}, r"asura-n1-i2 on NA: one and two have other values of model\.heads"),
        ({"training": {"steps": 9}}, r"asura-n1-i2 on NA: one and two have other values of training\.steps"),
        ({"plugins": {"own.py": "0" * 16}}, r"asura-n1-i2 on NA: one and two have other values of plugins\.own\.py"),
    ],
)
def test_two_meanings_of_one_name_are_refused_in_a_line(one: Path, tmp_path: Path, changes: dict, said: str):
    two = write(tmp_path / "two", [MODELS[0]], [2], 0.3)
    other_settings(two, **changes)
    with pytest.raises(UserError, match=said) as refused:
        together([one, two])
    assert "\n" not in str(refused.value)


def test_what_changes_no_bit_and_another_label_are_no_other_meaning(one: Path, tmp_path: Path):
    two = write(tmp_path / "two", [MODELS[0] | {"label": "asura-n1-i2+x=1"}], [2], 0.3)
    assert len(together([one, two]).runs) == 5
    three = write(tmp_path / "three", [MODELS[0]], [4], 0.3)
    other_settings(three, training={"checkpoint_steps": 3})
    assert len(together([one, three]).runs) == 5


def test_other_metrics_and_scores_of_others_are_refused(one: Path, tmp_path: Path):
    two = write(tmp_path / "two", [MODELS[0] | {"metric": "exact_match"}], [2], 0.3)
    with pytest.raises(UserError, match="the task NA: one and two have other values of metric"):
        together([one, two])
    three = write(tmp_path / "three", [MODELS[0]], [2], 0.3, external=[EXTERNAL])
    assert together([one, three]).external["label"].tolist() == ["theirs"]
    planned(one, external=[EXTERNAL | {"score": [0.8]}])
    with pytest.raises(UserError, match=r"theirs on NA \(test, accuracy\): one and three have other values of score"):
        together([one, three])
    planned(one, external=[EXTERNAL | {"label": "asura-n1-i2"}])
    with pytest.raises(UserError, match="asura-n1-i2 on NA: one and three have other values"):
        together([one, three])


def test_the_command_writes_frames_tables_and_figures_and_leaves_the_studies(one: Path, tmp_path: Path):
    two, to = write(tmp_path / "two", [MODELS[0]], [2], 0.3), tmp_path / "both"
    before = {path: path.read_bytes() for study in (one, two) for path in study.rglob("*") if path.is_file()}
    done = CliRunner().invoke(app, ["collect", str(one), str(two), "--to", str(to)])
    assert done.exit_code == 0, done.output
    assert before == {path: path.read_bytes() for study in (one, two) for path in study.rglob("*") if path.is_file()}
    headline = asura.results(to).headline
    assert headline["study"].tolist() == ["one"] * 4 + ["two"]
    numbers = pd.read_csv(to / "figures" / "NA" / "score_against_flops.csv", keep_default_na=False)
    assert "two/runs/NA/asura-n1-i2/seed2" in set(numbers["run"])
    assert (to / "tables" / "comparison.md").is_file()


def test_what_cannot_be_collected_is_refused_in_a_line(one: Path, tmp_path: Path):
    for arguments, said in (
        ([str(one), str(one)], "found 2 studies without --to"),
        ([str(one), str(one), "--to", str(tmp_path / "c")], "one: two of the studies have this name"),
        ([str(one), "--to", str(one)], "--to: .* has the results of a study"),
    ):
        with pytest.raises(UserError, match=said):
            CliRunner().invoke(app, ["collect", *arguments], catch_exceptions=False)
