"""Runs that no plan contains any more."""

from pathlib import Path

import pytest

from asura.common.errors import UserError
from asura.planning.prune import unplanned_runs
from tests.conftest import TINY
from tests.planning.plans import prepare, prepare_ablation

STUDY = TINY | {"ablated": {"n": 1, "i": 2}}


def test_a_run_is_unplanned_once_neither_the_study_nor_an_ablation_contains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "tiny"
    prepare(STUDY | {"seeds": [0, 1]}, tmp_path)
    prepare_ablation(STUDY, tmp_path, "wider", {"asura": {"mlp_width": [8, 16]}})
    assert unplanned_runs(study) == []
    prepare(STUDY, tmp_path)
    assert unplanned_runs(study) == [study / "runs" / "phop" / "asura-n1-i2" / "seed1"]
    (study / "ablations" / "wider" / "plan.json").unlink()
    labels = [path.parent.name for path in unplanned_runs(study)]
    assert labels == ["asura-n1-i2", "asura-n1-i2+mlp_width=16", "asura-n1-i2+mlp_width=8"]


def test_a_folder_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"it has no plan\.json; give the results of a study"):
        unplanned_runs(tmp_path)
