"""The frames of a study in one line of Python."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import asura
from asura.common.errors import UserError
from asura.reporting.collect import write_results
from asura.reporting.frames import COLUMNS, Results
from asura.reporting.study_results import HEADLINE, StudyResults
from tests.conftest import ROOT
from tests.reporting.conftest import DIVERGED, headline_scores


@pytest.fixture
def study(results: Results, tmp_path: Path) -> Path:
    scores = results.scores
    text = scores[scores["split"] == "test"].assign(metric="bits_per_byte", value=2.5)
    mixed = results._replace(scores=pd.concat([scores, text], ignore_index=True))
    write_results(mixed, tmp_path / "tidy")
    return tmp_path


def test_a_study_is_read_in_one_line(study: Path, results: Results):
    for path in (study, str(study)):
        found = asura.results(path)
        pd.testing.assert_frame_equal(found.runs, results.runs)
        pd.testing.assert_frame_equal(found.curves, results.curves)
        assert found.metrics == sorted({*results.scores["metric"], "bits_per_byte"})


def test_no_mean_is_one_over_several_quantities(study: Path, results: Results):
    found = asura.results(study)
    for metric in found.metrics:
        assert set(found.scores(metric)["metric"]) == {metric}
    assert sum(len(found.scores(metric)) for metric in found.metrics) == len(pd.read_csv(study / "tidy" / "scores.csv"))
    assert (found.scores("bits_per_byte").groupby("label")["value"].mean() == 2.5).all()
    of_accuracy = results.scores[results.scores["metric"] == "accuracy"]
    pd.testing.assert_frame_equal(found.scores("accuracy"), of_accuracy.reset_index(drop=True))
    assert set(found.test_errors("accuracy")["metric"]) <= {"accuracy"}
    assert set(found.resources("train")["rule"]) == {"train"}


def test_the_headline_is_one_row_for_each_run(study: Path, results: Results):
    """The fixture mixes two metrics, three splits and many numbers of iterations in `scores`."""
    found = asura.results(study).headline
    key = ["task", "label", "seed"]
    assert list(found) == HEADLINE and found[key].values.tolist() == results.runs[key].values.tolist()
    scored = found.dropna(subset="score").set_index(key)["score"].to_dict()
    by_model = headline_scores(results)
    assert scored == {(*model, seed): value for model, seeds in by_model.items() for seed, value in seeds.items()}
    (failed,) = found[found["score"].isna()].itertuples()
    assert (failed.label, failed.seed, failed.status) == (*DIVERGED, "diverged")
    assert not found[["role", "metric", "training_flops", "inference_flops_per_token"]].isna().any(axis=None)
    roles = found.drop_duplicates("label").set_index("label")["role"]
    assert roles["asura-n1-i4"] == "cell" and roles["bare-n1-i4"] == "iso_recursion"
    assert asura.results(study).headline["training_flops"].sum() == results.runs["training_flops"].sum()


def test_a_benchmark_is_no_second_run(results: Results, tmp_path: Path):
    on_benchmark = results.runs.assign(task="phop/piqa", metric="accuracy")
    mixed = results._replace(runs=pd.concat([results.runs, on_benchmark], ignore_index=True))
    write_results(mixed, tmp_path / "tidy")
    assert len(asura.results(tmp_path).headline) == len(results.runs)


def test_the_figure_of_the_documentation_shows_the_mean_of_each_model(study: Path, monkeypatch: pytest.MonkeyPatch):
    page = (ROOT / "docs" / "python.md").read_text()
    (block,) = (text for text in re.findall(r"```python\n(.*?)```", page, re.S) if ".headline" in text)
    assert len([line for line in block.splitlines() if line]) <= 6
    monkeypatch.chdir(study)
    plt.switch_backend("agg")
    names: dict = {}
    exec(block.replace("results/smoke", str(study)), names)
    found = names["headline"]
    drawn = {
        (x, round(y, 9))
        for line in names["axes"].lines
        for x, y in np.column_stack(line.get_data())
        if line.get_marker() not in ("", "None", None)
    }
    means = found.dropna(subset="score").groupby(["role", "training_flops"])["score"].mean()
    assert drawn >= {(flops, round(score, 9)) for (_, flops), score in means.items()}
    assert (study / "score_against_flops.png").stat().st_size > 0
    plt.close("all")


def test_frames_that_are_attributes_have_no_column_of_mixed_quantities():
    """Such a frame has a column which names the quantity, and is a method: its argument is a value of that column."""
    mixed = {name for name, columns in COLUMNS.items() if {"value", "standard_error", "rule"} & set(columns)}
    assert mixed == {"scores", "test_errors", "snapshots", "sweep", "external", "resources"}
    attributes = {name for name in StudyResults.__dataclass_fields__ if not name.startswith("_")}
    assert attributes == COLUMNS.keys() - mixed and all(callable(getattr(StudyResults, name)) for name in mixed)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda found: found.scores("acuracy"), "metric: .*'acuracy'; did you mean 'accuracy'"),
        (lambda found: found.test_errors("bits"), "metric: .*'bits'"),
        (lambda found: found.resources("plan"), "rule: .*'plan'.*allowed: evaluate, train"),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(study: Path, ask, said: str):
    with pytest.raises(UserError, match=said):
        ask(asura.results(study))


def test_a_study_that_is_not_collected_is_refused_in_a_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"tidy/runs\.csv: no such file; collect the study first"):
        asura.results(tmp_path)


def test_the_documentation_has_every_frame_and_every_column_in_order():
    page = (ROOT / "docs" / "python.md").read_text()
    parts = re.findall(r"^### `(\w+)`.*?\n(.*?)(?=^##|\Z)", page, re.M | re.S)
    documented = {name: re.findall(r"^\| `(\w+)` \| \S", text, re.M) for name, text in parts}
    assert documented == {name: list(columns) for name, columns in COLUMNS.items()} | {"headline": HEADLINE}
