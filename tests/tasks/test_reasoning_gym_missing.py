import sys

import pytest
import torch

from asura.common.errors import UserError
from asura.planning.planner import make
from asura.tasks.reasoning_gym import ReasoningGym
from tests.conftest import TINY


@pytest.fixture(autouse=True)
def _no_package(monkeypatch):
    for name in ("reasoning_gym", "reasoning_gym.factory"):
        monkeypatch.setitem(sys.modules, name, None)


def test_what_a_study_says_is_read_without_the_package():
    task = ReasoningGym(harder={"max_terms": 9})
    assert (task.vocabulary, task.sequence_length, list(task.splits)) == (99, 129, ["validation", "test", "harder"])


def test_a_missing_package_is_named():
    settings = {"test_items": 77}  # of which nothing was generated before
    with pytest.raises(UserError, match=r"package is missing; run `pip install reasoning-gym==0\.1\.25`"):
        ReasoningGym(**settings).draw(1, torch.Generator())
    with pytest.raises(UserError, match="package is missing"):
        make(TINY | {"tasks": {"reasoning_gym": settings}})
