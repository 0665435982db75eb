"""Runs that no plan contains any more."""

from pathlib import Path

import pytest

from asura.common.errors import UserError
from asura.planning.parts import left_folders, planned_folders
from asura.planning.prune import unplanned_runs
from tests.conftest import TINY
from tests.planning.plans import prepare, prepare_ablation

STUDY = TINY | {"ablated": {"n": 1, "i": 2}}
WIDER = ["asura-n1-i2+mlp_width=16", "asura-n1-i2+mlp_width=8"]


def test_a_run_is_unplanned_once_neither_the_study_nor_an_ablation_contains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "tiny"
    prepare(STUDY | {"seeds": [0, 1]}, tmp_path)
    assert unplanned_runs(study) == []
    prepare(STUDY, tmp_path)
    prepare_ablation(STUDY, tmp_path, "wider", {"asura": {"mlp_width": [8, 16]}})
    removed = study / "runs" / "phop" / "asura-n1-i2" / "seed1"
    assert unplanned_runs(study) == [removed]
    (study / "ablations" / "wider" / "plan.json").unlink()
    assert [path.parent.name for path in unplanned_runs(study) if path != removed] == WIDER


def test_trials_and_ablations_of_an_earlier_study_are_none_of_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study, wider = tmp_path / "tiny", {"asura": {"mlp_width": [8, 16]}}
    listed = STUDY | {"ablations": [{"wider": wider}]}
    prepare(listed, tmp_path)
    prepare_ablation(listed, tmp_path, "wider", wider)
    assert planned_folders(study) == [study, study / "ablations" / "wider"] and left_folders(study) == []
    prepare(STUDY, tmp_path)  # it may be made on demand too
    assert planned_folders(study) == [study, study / "ablations" / "wider"]
    prepare(STUDY | {"width": 16}, tmp_path)
    assert planned_folders(study) == [study] and left_folders(study) == [study / "ablations" / "wider"]
    assert {path.parent.name for path in unplanned_runs(study)} == {
        "asura-n1-i2+mlp_width=16",
        "asura-n1-i2+mlp_width=8",
    }
    (study / "tuning").mkdir()
    (study / "tuning" / "plan.json").write_text("{}")
    assert study / "tuning" in left_folders(study)
    prepare(STUDY | {"tune": {"over": {"learning_rate": [0.1, 0.2]}, "seeds": [7]}}, tmp_path)
    assert study / "tuning" in planned_folders(study)


def test_a_folder_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"it has no plan\.json; give the results of a study"):
        unplanned_runs(tmp_path)
