"""The folder of one run, and what stands in it."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.errors import UserError
from asura.files import read_json
from asura.study import Run
from asura.validation import checked, in_file


class RunFolder:
    """Names of the files of a run: the settings come first, and each file is made from those before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run.json"
        self.metrics = path / "metrics.jsonl"  # grows while training
        self.checkpoint = path / "checkpoint.safetensors"  # only of a run that has not ended
        self.weights = path / "weights.safetensors"
        self.record = path / "training.json"  # only of a run that has ended
        self.evaluation = path / "evaluation.json"

    def read_record(self) -> dict[str, Any]:
        """What training left. Raises UserError where it has not ended."""
        if not self.record.is_file():
            raise UserError(f"{self.record}: no such file; the run has not been trained to its end")
        return read_json(self.record)

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of the metrics, less one that was cut short. Raises UserError."""
        try:
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"{self.metrics}: it cannot be read ({error.strerror})") from None
        return [row for row in map(_parsed, lines) if row is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def read_run(path: Path) -> Run:
    """Read and check a run.json. Raises UserError."""
    content = read_json(path)
    with in_file(str(path)):
        return checked(Run, content, "")


def digest(run: Run) -> str:
    """SHA-256 of all that a run is."""
    return sha256(run.model_dump_json().encode()).hexdigest()
