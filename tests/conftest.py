from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from asura.planning import make
from asura.study import Run
from asura.tasks import TASKS

ROOT = Path(__file__).parent.parent
HERE = [name for name in TASKS if name != "reasoning_gym" or find_spec(name)]
"""Tasks that can be drawn here: the package of one is an extra."""
settings.register_profile("patient", deadline=None)  # how fast something is, no test asserts
settings.load_profile("patient")
TINY = {
    "name": "tiny",
    "seeds": [0],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
    "models": {"asura": {"n": 1, "i": 2}},
    "width": 8,
    "heads": 2,
    "training": {"steps": 12, "batch": 4, "log_steps": 5, "checkpoint_steps": 4},
    "evaluation": {"examples": 50},
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def tiny_run(training: dict | None = None, **changes: object) -> Run:
    """The one run of the tiny study, with changes to its training and to the study."""
    config = TINY | {"training": TINY["training"] | (training or {})} | changes
    return Run.model_validate(next(iter(make(config).runs.values())))
