"""The workflow itself, on a study of seconds: what it makes, and what it does again after a change."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from asura.common.files import read_sealed
from tests.workflow.conftest import STUDY, TO_THE_FRAMES, call, changed_by, runs_trained, succeed, write


def test_the_study_leaves_tables_figures_and_a_report(finished: Path):
    results = finished / "results" / "tiny"
    for name in ("comparison", "runs", "matching", "resources"):
        for form in ("csv", "md", "tex", "html"):
            assert (results / "tables" / f"{name}.{form}").stat().st_size > 0
    assert len(list((results / "figures" / "phop").iterdir())) == 5 * 4  # one cell has no grid, for example
    assert (results / "report.html").stat().st_size > 1e5
    comparison = pd.read_csv(results / "tables" / "comparison.csv")
    assert set(comparison["role"]) == {"cell", "iso_param", "study model"}
    resources = pd.read_csv(results / "tables" / "resources.csv")
    assert (resources["train_seconds"] > 0).all() and len(resources) == 3


def test_the_report_asks_for_nothing_from_the_network(finished: Path):
    report = (finished / "results" / "tiny" / "report.html").read_text(encoding="utf-8")
    for loading in ('<script src="http', '<link rel="stylesheet" href="http', '<img src="http', "@import"):
        assert loading not in report


def test_a_diverged_run_is_recorded_and_the_others_go_on(finished: Path):
    runs = pd.read_csv(finished / "results" / "tiny" / "tables" / "runs.csv").set_index("model")
    diverged = runs.loc["vanilla-n1+learning_rate=1e+38"]
    assert diverged["status"] == "diverged" and diverged["step"] <= 12 and pd.isna(diverged["score"])
    assert runs.loc["asura-n1-i2", "status"] == "finished" and 0 <= runs.loc["asura-n1-i2", "score"] <= 1
    comparison = pd.read_csv(finished / "results" / "tiny" / "tables" / "comparison.csv").set_index("model")
    assert comparison["diverged"].to_dict()["vanilla-n1+learning_rate=1e+38"] == 1


def test_a_second_run_has_nothing_to_do(folder: Path):
    results: list[subprocess.CompletedProcess] = []
    assert not changed_by(folder, lambda: results.append(call(folder)))
    assert results[0].returncode == 0 and "Nothing to be done" in results[0].stderr


def test_the_learning_rate_of_one_model_retrains_that_model_alone(folder: Path):
    models = STUDY["models"] | {"vanilla": {"n": 1, "training": {"learning_rate": 0.01}}}
    write(folder, STUDY | {"models": models})
    changed = changed_by(folder, lambda: succeed(folder))
    assert runs_trained(changed) == {"runs/phop/vanilla-n1+learning_rate=0.01/seed0"}
    assert {"tables/comparison.csv", "figures/phop/learning_curves.png", "report.html"} <= changed


def test_settings_of_the_study_retrain_every_run_they_reach_in_its_place(folder: Path):
    write(folder, STUDY | {"training": STUDY["training"] | {"learning_rate": 0.01}})
    trained = runs_trained(changed_by(folder, lambda: succeed(folder, "--until", "train")))
    assert {run.split("/")[2].split("-")[0] for run in trained} == {"asura", "vanilla"} and len(trained) == 2


def test_a_new_seed_trains_that_seed_alone(folder: Path):
    write(folder, STUDY | {"seeds": [0, 1]})
    trained = runs_trained(changed_by(folder, lambda: succeed(folder, "--until", "train")))
    assert len(trained) == 3 and all(run.endswith("/seed1") for run in trained)


def test_more_examples_evaluate_again_and_train_nothing(folder: Path):
    write(folder, STUDY | {"evaluation": {"examples": 60}})
    changed = changed_by(folder, lambda: succeed(folder, *TO_THE_FRAMES))
    assert not runs_trained(changed)
    assert sum(path.endswith("evaluation.json") for path in changed) == 3


def test_the_code_of_a_figure_redraws_figures_alone(folder: Path):
    code = folder / "asura" / "reporting" / "figures" / "curves.py"
    text = code.read_text()
    code.write_text(text + "\n# changed\n")
    assert not changed_by(folder, lambda: succeed(folder))
    code.write_text(text + "\nCHANGED = True\n")
    changed = changed_by(folder, lambda: succeed(folder))
    assert {path.split("/")[0] for path in changed} == {"figures", "logs", "report.html", "plan.json", "study.json"}
    assert not any(path.startswith("logs/tables") for path in changed)


def test_a_setting_that_changes_no_plan_is_shown_in_the_report(folder: Path):
    write(folder, STUDY | {"causal": True})
    changed = changed_by(folder, lambda: succeed(folder))
    assert {path.split("/")[0] for path in changed} == {"logs", "report.html", "plan.json", "study.json"}
    assert "Nothing to be done" in call(folder).stderr


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    "harmed",
    [
        [("", shutil.rmtree), ("training.json", Path.unlink), ("evaluation.json", Path.unlink)],
        [("weights.safetensors", Path.unlink), ("training.json", cut_short), ("evaluation.json", cut_short)],
    ],
    ids=["deleted", "damaged"],
)
def test_a_run_of_which_something_was_deleted_or_damaged_is_made_again(
    folder: Path, harmed: list[tuple[str, Callable[[Path], object]]]
):
    """Each of the three runs has lost something else; of the last, only the scores."""
    results = folder / "results" / "tiny"
    runs = [results / "runs" / "phop" / label / "seed0" for label in ("asura-n1-i2", "vanilla-n1+mlp_width=98")]
    runs.append(results / "runs" / "phop" / "vanilla-n1+learning_rate=1e+38" / "seed0")
    scores = (results / "tidy" / "scores.csv").read_bytes()
    before = [[read_sealed(run / name) for name in ("training.json", "evaluation.json")] for run in runs]
    for run, (name, harm) in zip(runs, harmed, strict=True):
        harm(run / name)
    changed = changed_by(folder, lambda: succeed(folder, *TO_THE_FRAMES))
    assert runs_trained(changed) == {run.relative_to(results).as_posix() for run in runs[:2]}
    assert (results / "tidy" / "scores.csv").read_bytes() == scores
    for run, (training, evaluation) in zip(runs, before, strict=True):
        assert read_sealed(run / "training.json")["weights"] == training["weights"]
        assert read_sealed(run / "evaluation.json")["rows"] == evaluation["rows"]


def test_what_was_deleted_of_the_results_is_made_again(folder: Path):
    results = folder / "results" / "tiny"
    lost = [
        results / "tables" / "comparison.csv",
        results / "figures" / "phop" / "learning_curves.png",
        results / "tidy" / "scores.csv",
    ]
    content = [path.read_bytes() for path in (lost[0], lost[2])]
    for path in lost:
        path.unlink()
    changed = changed_by(folder, lambda: succeed(folder))
    assert runs_trained(changed) == set() and lost[1].is_file()
    assert [path.read_bytes() for path in (lost[0], lost[2])] == content


def test_a_training_that_is_forced_is_done_again_once_and_to_the_same_bits(folder: Path):
    run = folder / "results" / "tiny" / "runs" / "phop" / "asura-n1-i2" / "seed0"
    before = json.loads((run / "training.json").read_text())
    weights = (run / "weights.safetensors").stat().st_mtime_ns
    succeed(folder, "--forcerun", "train", "--dry-run")
    assert json.loads((run / "training.json").read_text()) == before
    succeed(folder, "--forcerun", "train", "--until", "train")
    after = json.loads((run / "training.json").read_text())
    assert (run / "weights.safetensors").stat().st_mtime_ns != weights and after["weights"] == before["weights"]
    assert after["sessions"][0]["time"] != before["sessions"][0]["time"]
    assert not runs_trained(changed_by(folder, lambda: succeed(folder, "--until", "train")))


def test_the_study_of_a_file_is_not_merged_with_the_default(folder: Path):
    succeed(folder, "plan", "--forcerun", "plan")
    assert json.loads((folder / "results" / "tiny" / "study.json").read_text()) == STUDY
    assert [path.name for path in (folder / "results").iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump(STUDY | {"modles": {}}), "study.yaml: modles: no such key: found 'modles'; did you mean"),
        (yaml.safe_dump(STUDY) + "seeds: [1]\n", "'seeds' stands there twice"),
        (
            yaml.safe_dump(STUDY | {"width": 2, "heads": 1, "models": {"asura": {"n": 2, "i": 1}}}),
            "study.yaml: controls: no iso_param of",
        ),
    ],
)
def test_a_bad_study_is_refused_before_anything_runs(folder: Path, text: str, message: str):
    (folder / "study.yaml").write_text(text)
    results: list[subprocess.CompletedProcess] = []
    assert not changed_by(folder, lambda: results.append(call(folder)))
    assert results[0].returncode != 0
    assert message in results[0].stderr and "Traceback" not in results[0].stderr


def test_results_that_cannot_be_written_are_named(folder: Path):
    shutil.rmtree(folder / "results")
    (folder / "results").write_text("a file")
    result = call(folder)
    assert result.returncode != 0
    assert "asura: results: it is no folder" in result.stderr and "Traceback" not in result.stderr
