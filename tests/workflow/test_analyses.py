"""A study that looks inside the loop of its trained models."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from asura.analysis.analyse import analyse
from asura.checking.verify import verify
from asura.common.errors import UserError
from asura.planning.analysis_settings import Analyses
from asura.planning.plan import load
from asura.reporting.analysis_report import found_in
from tests.workflow.conftest import STUDY, call, changed_by, runs_trained, succeed, write

MODELS = ["asura-n1-i2", "vanilla-n1+mlp_width=98"]
ANALYSED = STUDY | {"analyses": {"models": MODELS, "examples": 20, "lens": {}, "dynamics": {"iterations": 6}}}
HERE = Path("results", "tiny", "analysis")


@pytest.fixture(scope="module")
def analysed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished study in which its analyses have run: do not change it."""
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("analysed") / "copy", symlinks=True))
    write(folder, ANALYSED)
    changed = changed_by(folder, lambda: succeed(folder))
    assert not runs_trained(changed)
    assert {path for path in changed if path.startswith("runs/phop/asura")} == {
        f"runs/phop/asura-n1-i2/seed0/{name}"
        for name in [
            *(f"analysis/{table}.csv" for table in ("lens", "dynamics", "dynamics_paths", "dynamics_end")),
            "analysis/analysis.json",
            "analyse.log",
        ]
    }
    return folder


def test_rows_tables_and_figures_are_there_and_the_report_shows_them(analysed: Path):
    rows = pd.read_csv(analysed / HERE / "tidy" / "lens.csv")
    assert list(rows.columns[:5]) == ["task", "label", "seed", "iteration", "block"]
    assert rows["label"].value_counts().to_dict() == {"asura-n1-i2": 2, "vanilla-n1+mlp_width=98": 1}
    for name in ("phop/lens.svg", "phop/dynamics.png", "tables/dynamics_end.md"):
        assert (analysed / HERE / name).is_file()
    runs = pd.read_csv(analysed / "results" / "tiny" / "tidy" / "runs.csv")
    assert set(runs["code"]) == {"here"}
    page = (analysed / "results" / "tiny" / "report.html").read_text()
    assert "Inside the loop" in page and page.count("What the head reads") == 1


def test_rows_of_all_runs_have_places_of_their_own(analysed: Path, monkeypatch):
    monkeypatch.chdir(analysed)
    study = Path("results", "tiny")
    found = found_in(study, load(study / "plan.json"))
    assert set(found) == {"lens", "dynamics", "dynamics_paths", "dynamics_end"}
    assert all(frame.index.is_unique for frame in found.values()) and set(found["lens"]["label"]) == {*MODELS}


def test_nothing_is_analysed_twice_and_other_settings_train_nothing(analysed: Path):
    assert "Nothing to be done" in call(analysed, "--dry-run").stdout
    write(analysed, ANALYSED | {"analyses": ANALYSED["analyses"] | {"dynamics": {"iterations": 7}}})
    asked = call(analysed, "--dry-run").stdout
    write(analysed, ANALYSED)
    assert "analyse asura-n1-i2 on phop" in asked and "train " not in asked and "evaluate " not in asked


def test_what_is_damaged_is_analysed_again(analysed: Path):
    run = analysed / "results" / "tiny" / "runs" / "phop" / "asura-n1-i2" / "seed0"
    table, asked = run / "analysis" / "lens.csv", Analyses.model_validate(ANALYSED["analyses"])
    right = table.read_bytes()
    assert analyse(run, asked)["left_out"] == {} and table.read_bytes() == right
    table.write_text("iteration,block\n")
    analyse(run, asked)
    assert table.read_bytes() == right


def test_a_deleted_table_is_made_again_also_where_a_score_is(analysed: Path, tmp_path: Path):
    folder = Path(shutil.copytree(analysed, tmp_path / "copy", symlinks=True))
    study = folder / "results" / "tiny"
    (study / "runs" / "phop" / MODELS[0] / "seed0" / "analysis" / "lens.csv").unlink()
    (study / "runs" / "phop" / MODELS[1] / "seed0" / "evaluation.json").unlink()
    (study / "jobs" / "phop" / MODELS[1] / "0" / "evaluated").unlink()
    asked = call(folder, "--dry-run").stdout
    assert f"analyse {MODELS[0]} on phop" in asked and f"evaluate {MODELS[1]} on phop" in asked


def test_what_is_shown_must_follow_from_the_rows(analysed: Path):
    study = analysed / "results" / "tiny"
    assert "files of analyses follow from the rows of their runs" in " ".join(verify(study))
    table = analysed / HERE / "tables" / "lens.csv"
    right = table.read_text()
    table.write_text(right.replace("0.", "1."))
    with pytest.raises(UserError, match=r"lens.csv: missing, or not what follows"):
        list(verify(study))
    table.write_text(right)
