"""Notes that a study keeps of the data that it shares with other studies, which are not its own to delete.

A note is a file below the study's results. It says what was there, and stands in for it as the output of a rule.
"""

import json
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json, write_text


def write_note(path: Path, content: Any) -> None:
    """Write a note. Raises OSError."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def stands(note: Path, data: Path) -> bool:
    """Whether what a note in `packages`, `corpora` or `benchmarks` says is still in the data folder."""
    kind, name = note.parent.name, note.stem
    if kind == "packages":
        return (data / kind / name).is_file()
    try:
        said = {"corpora": "manifest.json", "benchmarks": "floor.json"}[kind]
        return read_json(note) == read_json(data / kind / name / said)
    except UserError:
        return False
