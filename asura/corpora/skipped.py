"""What a corpus has that is no document."""

from dataclasses import dataclass


@dataclass
class Skipped:
    """Counts of what was read and not used."""

    rows: int = 0
    """Rows without text: null, or without the column."""
    blank: int = 0
    """Documents of nothing but white space."""

    def __str__(self) -> str:
        return f"skipped {self.rows:,} rows without text and {self.blank:,} blank documents"
