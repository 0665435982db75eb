"""Plans that have been made, kept outside of the results, so that only the first start of a study builds its models."""

import json
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json, read_sealed, write_sealed
from asura.common.outside import module_digest
from asura.common.plugins import is_file_name
from asura.common.version import PACKAGE, __version__
from asura.planning.plan import Plan, from_json, write
from asura.planning.plugins import are_copied, copies, write_copies

FOLDER = Path(".snakemake", "asura")
KEPT = 8
"""Plans that are kept of each study, the newest."""


def planned(name: str, settings: Mapping[str, Any], config: Mapping[str, Any], make: Callable[[], Plan]) -> Path:
    """The file of the plan that `make` makes, which is called where these settings have not been planned yet.

    name: that of the study; of an ablation, both names.
    config: the study that the plan is of, to be written beside it.

    Raises what `make` does, and OSError.
    """
    path, code = FOLDER / name / f"{_digest_of(settings)[:16]}.json", _code()
    try:
        is_of_this_code = read_sealed(path).get("code") == code and _is_of_installed(read_plan(path))
    except UserError:
        is_of_this_code = False
    if not is_of_this_code:
        entry = {"config": json.loads(_as_json(config)), "plan": make().as_json(), "code": code}
        write_sealed(path, {**entry, "plugins": copies(config)} if config.get("plugins") else entry)
        for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    return path


def read_plan(path: Path) -> Plan:
    """The plan in a file of the cache. Raises UserError."""
    try:
        return from_json(read_sealed(path)["plan"], path)
    except KeyError:
        raise UserError(f"{path}: it holds no plan; delete it") from None


def write_plan(path: Path, folder: Path, study: Path) -> None:
    """Write the plan in a file of the cache to the results, see `plan.write`. Raises UserError, OSError.

    Copies of the files of one's own that it is of stand there before it does.
    """
    entry = read_sealed(path)
    write_copies(entry.get("plugins", {}), study)
    write(read_plan(path), entry["config"], folder, study)


def is_written(path: Path, folder: Path, study: Path) -> bool:
    """Whether the plan in a file of the cache, and its study, stand in a folder, and its runs in that of the study."""
    entry = read_sealed(path)
    try:
        found = [read_json(folder / name) for name in ("plan.json", "study.json")]
    except UserError:
        return False
    runs = (study / name / "run.json" for name in entry["plan"]["runs"])
    are_there = are_copied(entry.get("plugins", {}), study) and all(map(Path.is_file, runs))
    return found == [entry["plan"], entry["config"]] and are_there


def renew(path: Path) -> None:
    """Make a file of the cache newer than all that was made from it. Raises UserError, OSError.

    Its content changes too: a file that only has another time is no reason for Snakemake.
    """
    write_sealed(path, {**read_sealed(path), "renewed": time.time_ns()})


def _digest_of(settings: Mapping[str, Any]) -> str:
    return sha256(f"{__version__}\n{_as_json(settings)}\n".encode()).hexdigest()


def _code() -> str:
    """The digest of all code of this package: it plans, and the plan has digests of the code of each model."""
    state = sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        state.update(file.read_bytes())
    return state.hexdigest()


def _is_of_installed(plan: Plan) -> bool:
    """Whether the runs of a plan are of the packages of one's own that are installed now."""
    used = {item for run in plan.runs.values() for item in run.get("plugins", {}).items()}
    return all(module_digest(name) == digest for name, digest in used if not is_file_name(name))


def _as_json(content: Any) -> str:
    return json.dumps(content, default=str)
