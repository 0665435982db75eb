"""A repository of one's own, with files that a study names as plugins."""

from pathlib import Path
from typing import Any

import pytest

from asura.common import plugins
from asura.common.errors import UserError
from asura.models import ARCHITECTURES
from asura.planning import plugins as kept
from asura.planning.cache import planned, write_plan
from asura.planning.planner import make
from tests.conftest import TINY
from tests.planning.own_code import GATED, LION, MODADD

OWN = TINY | {
    "plugins": ["gated.py", "sub/modadd.py"],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}, "modadd": {"p": 5}},
    "models": {"gated": {"n": 1, "i": 2}, "vanilla": {"n": 1}},
    "training": {"steps": 3, "batch": 4, "log_steps": 2},
}
FILES = {"gated.py": GATED, "sub/modadd.py": MODADD, "lion.py": LION}
GATED_ON_PHOP = "runs/phop/gated-n1-i2/seed0"


def own(repository: Path, **changes: Any) -> dict[str, Any]:
    """The study, read from its file."""
    return kept.at_their_places(OWN | changes, repository / "mine")


def prepare(repository: Path, **changes: Any) -> Path:
    """The results of the study, planned as the workflow does it."""
    config = own(repository, **changes)
    study = repository / "results" / "tiny"
    write_plan(planned("tiny", config, config, lambda: make(config)), study, study)
    return study


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was read and imported, as another process would not know it."""
    for module, name in ((kept, "_read"), (plugins, "_imported"), (plugins, "_active")):
        monkeypatch.setattr(module, name, {})
    monkeypatch.delitem(ARCHITECTURES, "gated", raising=False)


def refused(repository: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as error:
        make(own(repository, **changes))
    assert "\n" not in str(error.value)
    return str(error.value)
