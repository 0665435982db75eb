"""Ablations as rules: found without being listed, with a target of their own, and as part of a study."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from asura.checking.verify import verify
from asura.common.errors import UserError
from tests.conftest import ROOT
from tests.workflow.conftest import STUDY, call, changed_by, runs_trained, succeed, write

LEFT = {f"{name}.{form}" for name in ("table", "metrics") for form in ("csv", "md", "tex", "html")} | {
    f"{name}.{form}" for name in ("figure", "iterations") for form in ("png", "svg", "pdf", "csv")
}
FACTORS = {"iteration_norm": ["per_iteration", "shared", "none"]}
NORMS = {"asura": FACTORS, "factors": FACTORS}
CELL = {"ablated": {"n": 1, "i": 2}}


def test_a_named_ablation_is_part_of_the_study_and_trains_nothing_twice(folder: Path, monkeypatch):
    write(folder, STUDY | CELL | {"ablations": ["iteration_norm", {"norms": NORMS}]})
    changed = changed_by(folder, lambda: succeed(folder))
    trained = {run.split("/")[2] for run in runs_trained(changed)}
    assert trained == {"asura-n1-i2+iteration_norm=shared", "asura-n1-i2+iteration_norm=none"}
    report = (folder / "results" / "tiny" / "report.html").read_text(encoding="utf-8")
    assert "iteration_norm" in report and "Ablations" in report
    results = folder / "results" / "tiny"
    # To draw figures is slow: those of the study, which are not what this is about, stand for themselves.
    monkeypatch.setattr(
        "asura.checking.verify.write_figures", lambda _, to, study: shutil.copytree(results / "figures", to)
    )
    said = {f"table and figures of the ablation {name} follow from its runs" for name in ("iteration_norm", "norms")}
    assert said <= {*verify(results)}
    for file in ("norms/effects.csv", "iteration_norm/table.csv"):
        path = results / "ablations" / file
        path.write_text(path.read_text().replace("0.", "1.", 1))
        with pytest.raises(UserError, match=f"{file}: missing, or not what follows"):
            list(verify(results))


def test_effects_are_made_before_the_note_that_says_what_an_ablation_is_of(folder: Path):
    write(folder, STUDY | CELL | {"ablations": [{"norms": NORMS}]})
    done = call(folder, "--dry-run", "--until", "ablation")
    assert "compute the effects of the ablation norms" in done.stdout + done.stderr


def test_what_is_finished_of_a_study_and_its_ablation_is_drawn_and_marked(folder: Path):
    write(folder, STUDY | CELL | {"ablations": ["iteration_norm"]})
    succeed(folder, "results/tiny/plan.json", "results/tiny/ablations/iteration_norm/plan.json")
    results = folder / "results" / "tiny"
    (results / "runs" / "phop" / "vanilla-n1+mlp_width=98" / "seed0" / "training.json").unlink()
    changed = changed_by(folder, lambda: succeed(folder, "partial"))
    assert {path.split("/")[0] for path in changed} == {"partial", "logs"}
    assert "PARTIAL RESULTS: 2 of 3 runs" in (results / "partial" / "tables" / "comparison.md").read_text()
    assert "PARTIAL" in (results / "partial" / "figures" / "phop" / "learning_curves.svg").read_text()
    runs = pd.read_csv(results / "partial" / "tables" / "runs.csv")
    assert runs["status"].tolist().count("missing") == 1
    ablation = "partial/ablations/iteration_norm"
    assert {path.removeprefix(f"{ablation}/") for path in changed if path.startswith(ablation)} == LEFT
    shown = (results / ablation / "table.md").read_text()
    assert "PARTIAL RESULTS: 1 of 3 runs" in shown


def test_every_ablation_can_be_planned_and_holds_more_than_one_model(folder: Path):
    names = [path.stem for path in sorted((ROOT / "rules" / "ablations").glob("*.smk"))]
    names.remove("pretrained_prior")  # is for studies of text
    assert len(names) == 13
    write(folder, STUDY | {"ablations": names})
    result = call(folder, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert {name for name in names if f"write the plan of the ablation {name}" in result.stdout + result.stderr} == {
        *names
    }


def test_an_ablation_without_a_file_is_refused(folder: Path):
    write(folder, STUDY | {"ablations": ["iteration_nrom"]})
    result = call(folder)
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert "ablations: no file rules/ablations/iteration_nrom.smk" in result.stderr
    assert "did you mean 'iteration_norm'" in result.stderr
