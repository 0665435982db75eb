"""What the tables, figures and the report of a study were made of, and so whether they are to be made again."""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, write_text
from asura.common.source import path_of, reached, source_digest
from asura.planning.outputs import ANALYSIS, FRAMES
from asura.planning.standing import Standing

MADE_OF = "made_of.json"
"""In the folder of each product: the digest of the runs, and of the code that wrote it."""

MADE_OF_IN_PAGE = re.compile(r'<meta name="made-of" content="([^"]*)">')
"""The same in the report, which stands in no folder of its own: of itself, and of what it shows."""

REPORT = "report.html"
HEAD = 100_000  # characters of the report that hold what it was made of

MODULES = {
    "tidy": ["collect"],
    "tables": ["tables"],
    "figures": ["figures"],
    "ablation": ["ablation_report", "effects"],
    "tuning": ["tuning_report"],
    "analysis": ["analysis_report"],
    "report": ["report"],
}
"""Modules of `asura.reporting` that write the tidy frames, the tables, the figures, the folder of an ablation or
of the tuning, what the analyses found, or the report."""


_TEXTS = path_of("asura.reporting").parent


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


def report_made_of(study: Path, ablations: Iterable[str], is_analysed: bool) -> dict[str, Any]:
    """What the report follows from: its own code and texts, and what all that it shows was made of.

    Raises UserError.
    """
    texts = [*_TEXTS.glob("captions/*.rst"), *_TEXTS.glob("templates/*")]
    content = sha256(b"".join(path.read_bytes() for path in sorted(texts))).hexdigest()[:16]
    made_of = {folder: read_json(study / folder / MADE_OF) for folder in _shown_with(ablations, is_analysed)}
    settings = checksum(study / "study.json")
    return {"code": _code("report"), "texts": content, "settings": settings, **made_of}


def _shown_with(ablations: Iterable[str], is_analysed: bool) -> list[str]:
    """The folders of what the report shows, below the study's."""
    return ["tables", "figures", *([ANALYSIS] if is_analysed else []), *(f"ablations/{name}" for name in ablations)]


def _made_of(digest: str, product: str) -> dict[str, str]:
    return {"runs": digest, "code": _code(product)}


def _code(product: str) -> str:
    roots = [f"asura.reporting.{module}" for module in MODULES[product]]
    return source_digest(reached(roots, ("asura.reporting.",), ()))


class Products:
    """The products of a study: tidy frames, then tables and figures, and a report that holds these and the ablations.

    study: the folder of its results.
    standing: what stands of its runs.
    ablations: the same of each ablation that is part of it.
    """

    def __init__(self, study: Path, standing: Standing, ablations: Mapping[str, Standing]) -> None:
        self.study, self.standing, self.ablations = study, standing, ablations

    def sources(self, product: str) -> list[str]:
        """The files that the tables, the figures or the report are made from."""
        if product == REPORT:
            return [*self.notes, f"{self.study}/study.json"]
        return [f"{self.study}/tidy/{name}" for name in (*(f"{frame}.csv" for frame in FRAMES), MADE_OF)]

    @property
    def notes(self) -> list[str]:
        """What the products that the report holds were made of."""
        return [
            f"{self.study}/{folder}/{MADE_OF}"
            for folder in _shown_with(self.ablations, bool(self.standing.plan.analyses))
        ]

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
        """The report says in its head what it was made of."""
        is_analysed = bool(self.standing.plan.analyses)
        if is_analysed and not is_made_of(self.study / ANALYSIS, self.standing.digest_of_analyses, ANALYSIS):
            return False
        for name, standing in self.ablations.items():
            if not is_made_of(self.study / "ablations" / name, standing.digest, "ablation"):
                return False
        with (self.study / REPORT).open(encoding="utf-8", errors="replace") as report:
            found = MADE_OF_IN_PAGE.search(report.read(HEAD))
        made_of = report_made_of(self.study, self.ablations, is_analysed)
        return found is not None and unescape(found[1]) == json.dumps(made_of, sort_keys=True)
