"""The file of external scores that a study may name."""

import csv
from pathlib import Path
from typing import Any

import yaml

from asura.common.errors import UserError
from asura.common.validation import checked, in_file
from asura.planning.external import External


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file. Raises UserError."""
    if path.suffix not in (".csv", ".yaml", ".yml"):
        raise UserError(f"external: found {path.name!r}; give a list of rows, or a file of them in .csv or .yaml")
    try:
        text = path.read_text(encoding="utf-8-sig")  # a spreadsheet writes a mark before the text
        rows = _rows_of_table(text) if path.suffix == ".csv" else yaml.safe_load(text)
    except (OSError, ValueError, csv.Error, yaml.YAMLError) as error:
        raise UserError(f"external: {path}: it cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(rows, list):
        raise UserError(f"external: {path}: found {type(rows).__name__}; give a list of rows, or a CSV file")
    with in_file(f"external: {path}"):
        return [checked(External, _without_empty(row), f"row {k}").stated() for k, row in enumerate(rows, 1)]


def _rows_of_table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises csv.Error for one that is not as long as its header."""
    header, *rows = csv.reader(text.splitlines(), strict=True) if text.strip() else [[]]
    if len({*header}) < len(header) or "" in header:
        raise csv.Error(f"its header is {','.join(header)}; give each column a name, and each name once")
    for k, row in enumerate(rows, 1):
        if row and len(row) != len(header):
            raise csv.Error(f"row {k} has {len(row)} cell(s), the header {len(header)}; put text with commas in quotes")
    return [dict(zip(header, row, strict=True)) for row in rows if row]


def _without_empty(row: Any) -> Any:
    return {key: value for key, value in row.items() if value != ""} if isinstance(row, dict) else row
