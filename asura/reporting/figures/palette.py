"""Colours that are read on white paper, and the style of each series."""

from collections.abc import Iterable
from itertools import cycle, product
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_rgb

from asura.reporting.frames import CONTROLS, Results, members

Colour = tuple[float, float, float]
Line = Any
"""A line style of matplotlib."""

LINES: tuple[Line, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (8, 2)), (0, (4, 1, 1, 1, 1, 1)))
INK = "0.35"
"""Of what belongs to no series."""

HEAT = mpl.colormaps["cividis"]


class Style(NamedTuple):
    """A series has the same colour and marker in every figure of a study, and no other series has both."""

    colour: Colour
    marker: str


FIXED = {
    "asura": Style(to_rgb("#0b62a4"), "o"),
    "asura_full": Style(to_rgb("#1d1d1d"), "D"),
    "iso_param": Style(to_rgb("#b35806"), "s"),
    "iso_param_depth": Style(to_rgb("#7a7200"), "d"),
    "iso_flop": Style(to_rgb("#00784f"), "^"),
    "iso_both": Style(to_rgb("#c0223b"), "v"),
    "iso_recursion": Style(to_rgb("#8a3f9e"), "p"),
}
SPARE_COLOURS = tuple(map(to_rgb, ("#0a7d8c", "#7b4a12", "#5a5a5a", "#b8377e", "#3f47a0", "#54761a", "#9a3412")))
SPARE_MARKERS = ("h", "8", "<", ">", "P", "H", "X", "*")  # one more than colours, so that pairs do not soon recur


def styles(results: Results) -> dict[str, Style]:
    """Series to its style: the study's own families in their order, then the controls in theirs."""
    series = members(results).sort_values("order", kind="stable")["series"].unique()
    own = [name for name in series if name not in CONTROLS]
    spare = [name for name in own if name not in FIXED]
    given = FIXED | {
        name: Style(colour, marker)
        for name, colour, marker in zip(spare, cycle(SPARE_COLOURS), cycle(SPARE_MARKERS), strict=False)
    }
    return {name: given[name] for name in [*own, *(name for name in CONTROLS if name in series)]}


def styles_of_models(results: Results, labels: Iterable[str]) -> dict[str, Style]:
    """A style for each of these models: the first of a series has that of the series, others have one of their own."""
    series = members(results).drop_duplicates("label").set_index("label")["series"]
    look, found = styles(results), dict[str, Style]()
    every = product(SPARE_MARKERS, SPARE_COLOURS)
    spare = (style for marker, colour in every if (style := Style(colour, marker)) not in look.values())
    for label in labels:
        own = look[series[label]]
        found[label] = next(spare) if own in found.values() else own
    return found


def luminance(colour: Any) -> float:
    """Relative luminance, as in WCAG 2.2."""
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Any, other: Any) -> float:
    """Contrast of two colours, as in WCAG 2.2: from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable_on(colour: Any) -> str:
    """Black or white, whichever is read more easily on a colour."""
    return max("black", "white", key=lambda ink: contrast(ink, colour))
