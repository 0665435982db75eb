"""What the tables, figures and the report of a study were made of, and so whether they are to be made again."""

import json
from collections.abc import Mapping
from pathlib import Path

from asura.common.errors import UserError
from asura.common.files import read_json, write_text
from asura.common.source import reached, source_digest
from asura.planning.outputs import FRAMES
from asura.planning.standing import Standing

MADE_OF = "made_of.json"
"""In the folder of each product: the digest of the runs, and of the code that wrote it."""

REPORT = "report.html"
SCORED = ("training.json", "evaluation.json")

MODULES = {
    "tidy": ["collect"],
    "tables": ["tables", "beside_published"],
    "figures": ["figures"],
    "ablation": ["ablation_report"],
}
"""Modules of `asura.reporting` that write the tidy frames, the tables, the figures, or the folder of an ablation."""


def note_made_of(folder: Path, digest: str, product: str) -> None:
    """Note in a folder that this code has written a product there, from runs of this digest. Raises OSError."""
    write_text(folder / MADE_OF, json.dumps(_made_of(digest, product), indent=1) + "\n")


def is_made_of(folder: Path, digest: str, product: str) -> bool:
    """Whether the product in a folder was written by this code, from runs of this digest."""
    try:
        return read_json(folder / MADE_OF) == _made_of(digest, product)
    except UserError:
        return False


def runs_of(folder: Path) -> str:
    """The digest of the runs that the product in a folder is of. Raises UserError."""
    return str(read_json(folder / MADE_OF).get("runs"))


def _made_of(digest: str, product: str) -> dict[str, str]:
    roots = [f"asura.reporting.{module}" for module in MODULES[product]]
    return {"runs": digest, "code": source_digest(reached(roots, ("asura.reporting.", "asura.planning.published"), ()))}


class Products:
    """The products of a study: tidy frames, then tables and figures, and a report that holds these and the ablations.

    study: the folder of its results.
    standing: what stands of its runs.
    ablations: the same of each ablation that is part of it.
    """

    def __init__(self, study: Path, standing: Standing, ablations: Mapping[str, Standing]) -> None:
        self.study, self.standing, self.ablations = study, standing, ablations

    def sources(self, product: str) -> list[str]:
        """The files that a product is made from."""
        if product == "tidy":
            return [f"{self.study}/{run}/{name}" for run in self.standing.plan.runs for name in SCORED]
        if product == REPORT:
            return self.notes
        return [f"{self.study}/tidy/{name}" for name in (*(f"{frame}.csv" for frame in FRAMES), MADE_OF)]

    @property
    def notes(self) -> list[str]:
        """What the products that the report holds were made of."""
        folders = ["tables", "figures", *(f"ablations/{name}" for name in self.ablations)]
        return [f"{self.study}/{folder}/{MADE_OF}" for folder in folders]

    def is_fresh(self, product: str) -> bool:
        """Whether a product, and all that it is made from, was made by this code from the runs that are there."""
        if product == "tidy":
            return is_made_of(self.study / product, self.standing.digest, product)
        if product == REPORT:
            return self.is_fresh("tables") and self.is_fresh("figures") and self._is_report_fresh()
        return self.is_fresh("tidy") and is_made_of(self.study / product, self.standing.digest, product)

    def is_stale(self) -> bool:
        """Whether a product is there that is to be made again."""
        products = ("tidy", "tables", "figures", REPORT)
        return any((self.study / product).exists() and not self.is_fresh(product) for product in products)

    def _is_report_fresh(self) -> bool:
        """The report ends with a comment, which says what it was made of."""
        for name, standing in self.ablations.items():
            if not is_made_of(self.study / "ablations" / name, standing.digest, "ablation"):
                return False
        with (self.study / REPORT).open("rb") as report:
            expected = "".join(Path(note).read_text(encoding="utf-8") for note in self.notes).encode()
            report.seek(0, 2)
            report.seek(max(0, report.tell() - len(expected) - 80))
            return expected in report.read()
