"""Plans that have been made, kept outside of the results, so that only the first start of a study builds its models."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json, read_sealed, write_sealed, write_text
from asura.common.version import PACKAGE, __version__
from asura.planning.plan import Plan, from_json, write

FOLDER = Path(".snakemake", "asura")
KEPT = 8
"""Plans that are kept of each study, the newest."""


def planned(name: str, settings: Mapping[str, Any], config: Mapping[str, Any], make: Callable[[], Plan]) -> Path:
    """The file of the plan that `make` makes, which is called where these settings have not been planned yet.

    name: that of the study; of an ablation, both names.
    config: the study that the plan is of, to be written beside it.

    Raises what `make` does, and OSError.
    """
    path = FOLDER / name / f"{_digest(settings)[:16]}.json"
    try:
        read_plan(path)
    except UserError:
        plan = make()
        write_sealed(path, {"config": json.loads(_as_json(config)), "plan": plan.as_json()})
        for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    return path


def read_plan(path: Path) -> Plan:
    """The plan in a file of the cache. Raises UserError."""
    return from_json(read_sealed(path)["plan"], path)


def write_plan(path: Path, folder: Path, study: Path) -> None:
    """Write the plan in a file of the cache to the results, see `plan.write`. Raises UserError, OSError."""
    write(read_plan(path), read_sealed(path)["config"], folder, study)


def is_written(path: Path, folder: Path, study: Path) -> bool:
    """Whether the plan in a file of the cache, and its study, stand in a folder, and its runs in that of the study."""
    entry = read_sealed(path)
    try:
        found = [read_json(folder / name) for name in ("plan.json", "study.json")]
    except UserError:
        return False
    runs = (study / name / "run.json" for name in entry["plan"]["runs"])
    return found == [entry["plan"], entry["config"]] and all(map(Path.is_file, runs))


def renew(path: Path) -> None:
    """Make a file newer than all that has been made from it. Raises OSError."""
    write_text(path, path.read_text(encoding="utf-8"))


def _digest(settings: Mapping[str, Any]) -> str:
    """What a plan follows from: settings, and the code that plans and that is planned with."""
    state = sha256(f"{__version__}\n{_as_json(settings)}\n".encode())
    for file in sorted(PACKAGE.rglob("*.py")):
        state.update(file.read_bytes())
    return state.hexdigest()


def _as_json(content: Any) -> str:
    return json.dumps(content, default=str)
