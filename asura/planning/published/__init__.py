"""What papers report: a file for each, with columns benchmark, role (cell, or a control) and published."""

from pathlib import Path

PAPERS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.csv"))}
