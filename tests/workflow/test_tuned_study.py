"""A study that is tuned: trials first, then a choice for each model, then its final runs."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asura.checking.code import accept, outdated
from asura.checking.verify import verify
from asura.common.errors import UserError
from asura.common.files import read_sealed, write_sealed
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.reporting.tuning_report import write_tuning
from tests.conftest import TINY
from tests.workflow.conftest import call, changed_by, runs_trained, succeed, that_has_run, write

STUDY = TINY | {
    "controls": ["iso_param"],
    "width": 16,
    "tune": {"over": {"learning_rate": [0.0001, 0.03]}, "seeds": [7]},
}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow in which the study has run: do not change it."""
    return that_has_run("tuned", STUDY, tmp_path_factory)


@pytest.fixture
def folder(tuned: Path, tmp_path: Path) -> Path:
    """A copy of that, to be changed; files keep their times."""
    return Path(shutil.copytree(tuned, tmp_path / "copy", symlinks=True))


def test_final_runs_have_what_the_trials_chose_on_validation(tuned: Path):
    study = tuned / "results" / "tiny"
    table = pd.read_csv(study / "tuning" / "table.csv")
    trials = pd.read_csv(study / "tuning" / "trials.csv")
    assert len(table) == 2 and len(trials) == 4
    for row in table.itertuples():
        own = trials[trials["model"] == row.model]
        best = own.loc[own["validation"].idxmax()]
        chosen = read_sealed(study / "tuning" / "choices" / "phop" / f"{row.model}.json")["settings"]
        assert chosen == {"learning_rate": best["learning_rate"]} and best["chosen"]
        final = RunFolder(study / "runs" / "phop" / row.model / "seed0")
        assert read_run(final.run).training.learning_rate == best["learning_rate"]
        assert final.read_metrics()[-1]["step"] == 12
    assert all((study / "tuning" / f"{name}.png").is_file() for name in ("rates", "budget"))


def test_what_is_shown_of_a_tuning_follows_from_its_trials_alone(folder: Path, tmp_path: Path):
    """It may be drawn while final runs are in training."""
    study = folder / "results" / "tiny"
    for record in study.glob("runs/phop/*/seed0/training.json"):
        record.unlink()
    (tmp_path / "drawn").mkdir()
    write_tuning(study, tmp_path / "drawn", "tiny")
    for name in ("rates.svg", "budget.svg", "table.csv"):
        assert (tmp_path / "drawn" / name).read_bytes() == (study / "tuning" / name).read_bytes(), name


def test_nothing_is_tried_or_trained_twice(folder: Path):
    results = []
    assert not changed_by(folder, lambda: results.append(call(folder)))
    assert "Nothing to be done" in results[0].stderr
    write(folder, STUDY | {"seeds": [0, 1]})
    trained = runs_trained(changed_by(folder, lambda: succeed(folder, "--until", "train")))
    assert len(trained) == 2 and all(run.endswith("/seed1") for run in trained)


def chosen_rates(folder: Path) -> dict[str, float]:
    """The chosen learning rate of each model, by its label."""
    files = (folder / "results" / "tiny" / "tuning" / "choices" / "phop").iterdir()
    return {file.stem: read_sealed(file)["settings"]["learning_rate"] for file in files}


def test_more_settings_are_tried_and_another_choice_trains_again_what_it_is_of(folder: Path):
    first = chosen_rates(folder)
    others = {0.0001, 0.03, 0.00001} - {first["asura-n1-i2"]}
    for rates in ([*first.values(), *others], sorted(others)):
        before = chosen_rates(folder)
        write(folder, STUDY | {"tune": STUDY["tune"] | {"over": {"learning_rate": list(dict.fromkeys(rates))}}})
        trained = runs_trained(changed_by(folder, lambda: succeed(folder)))
        after = chosen_rates(folder)
        final = {run.split("/")[2] for run in trained if "learning_rate" not in run}
        assert final == {label for label, rate in after.items() if rate != before[label]}
        assert "Nothing to be done" in call(folder).stderr
    assert "asura-n1-i2" in final
    run = RunFolder(folder / "results" / "tiny" / "runs" / "phop" / "asura-n1-i2" / "seed0").run
    assert read_run(run).training.learning_rate == after["asura-n1-i2"]


def test_trials_and_final_runs_of_other_code_are_accepted(folder: Path):
    results = folder / "results" / "tiny"
    records = sorted(results.glob("runs/*/*/*/training.json"))
    for record in records:
        write_sealed(record, read_sealed(record) | {"code": "other"})
    assert outdated(results) == {str(record.parent.relative_to(results)): ("training",) for record in records}
    assert [is_accepted for _, is_accepted in accept(results)] == [True] * len(records)
    assert outdated(results) == {}
    assert not runs_trained(changed_by(folder, lambda: succeed(folder)))


def test_results_that_follow_from_the_trials_are_verified(tuned: Path):
    said = list(verify(tuned / "results" / "tiny"))
    assert any("6 runs" in line for line in said)
    assert {"2 choices follow from the trials", "tables and figures of the tuning follow from its trials"} <= {*said}


def test_a_table_or_a_choice_that_does_not_follow_from_the_trials_is_named(folder: Path, monkeypatch):
    results = folder / "results" / "tiny"
    monkeypatch.setattr(  # to draw figures is slow, and those of the study are not what this is about
        "asura.checking.verify.write_figures", lambda _, to, study: shutil.copytree(results / "figures", to)
    )
    table = results / "tuning" / "trials.csv"
    table.write_text(table.read_text().replace("0.", "1.", 1))
    with pytest.raises(UserError, match=r"tuning/trials\.csv: missing, or not what follows"):
        list(verify(results))
    choice = next((results / "tuning" / "choices" / "phop").iterdir())
    write_sealed(choice, read_sealed(choice) | {"made_of": {}})
    with pytest.raises(UserError, match=f"{re.escape(choice.name)}: it is not what the trials choose"):
        list(verify(results))
