"""The figure of the similarity of states."""

import pandas as pd

from asura.reporting.analyses.shared import Found, at_some, draw_heat_map, looks_of, means_of, size_of_heat_map
from asura.reporting.figures.heatmaps import colour_bar
from asura.reporting.figures.style import Drawn, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import Results
from asura.reporting.names import model_name

AXIS = "iteration or block"


@styled
def similarity(found: Found, results: Results, task: str) -> Drawn:
    """CKA of the states of each model after each two iterations, then of its iterations and the blocks of its stack."""
    own, beside = found["similarity"], found["similarity_stack"]
    order = list(looks_of(results, task, own["label"]))
    parts = []
    for label in order:
        parts.append(own[own["label"] == label].assign(panel=model_name(label)))
    for label in order:
        of_stack = beside[beside["label"] == label].rename(columns={"block": "other"})
        parts.append(of_stack.assign(panel=f"{model_name(label)} and its stack (columns)"))
    frame = pd.concat([part for part in parts if len(part)])
    every = list(frame["panel"].unique())
    shown = some(every)
    frame = at_some(frame[frame["panel"].isin(shown)], "panel", "t", "other")
    numbers = means_of(frame, ["panel", "label", "t", "other"], "cka")

    most = numbers.groupby("panel")[["t", "other"]].nunique().to_numpy().max()
    drawn = panels(shown, *size_of_heat_map(most, most, len(shown)))
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["panel"] == panel]
        mesh = draw_heat_map(axes, here.pivot(index="t", columns="other", values="value"))
    drawn.name(AXIS, AXIS, numbered="xy")
    colour_bar(drawn, mesh, "mean CKA")
    say_what_is_left_out(drawn.figure, len(shown), len(every), "heat maps")
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model"}))
