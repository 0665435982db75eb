"""The figure of the steps that iterations have taken."""

import numpy as np
import pandas as pd

from asura.reporting.analyses.shared import Found, at_some, draw_heat_map, looks_of, means_of, size_of_heat_map
from asura.reporting.figures.heatmaps import colour_bar
from asura.reporting.figures.style import Drawn, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import Results
from asura.reporting.names import model_name

LAYERS = {"agreement": "trained: step", "untrained": "untrained: step"}


@styled
def steps(found: Found, results: Results, task: str) -> Drawn:
    """Agreement of each iteration with the answer after each step, a panel for each model; below, before training."""
    frame = found["steps"]
    frame = frame.assign(reading=np.maximum(frame["iteration"], frame["block"].where(frame["iteration"] == 1, 0)))
    every = list(looks_of(results, task, frame["label"]))
    shown = some(every)
    frame = at_some(frame[frame["label"].isin(shown)], "label", "reading")
    about = ["label", "reading", "step"]
    means = pd.concat([means_of(frame, about, weights).assign(weights=weights) for weights in LAYERS])
    most = means.groupby("label")["reading"].nunique().max()
    size = size_of_heat_map(means["step"].max(), most, len(shown))
    drawn = panels([model_name(label) for label in shown], *size, layers=2, sharey=True)
    for weights, layer in zip(LAYERS, drawn.axes, strict=True):
        for axes, label in zip(layer, shown, strict=True):
            here = means[(means["label"] == label) & (means["weights"] == weights)]
            values = here.pivot(index="step", columns="reading", values="value")
            mesh = draw_heat_map(axes, values)
    drawn.name("iteration or block", *LAYERS.values(), numbered="x")
    colour_bar(drawn, mesh, "agreement with the answer after so many steps")
    say_what_is_left_out(drawn.figure, len(shown), len(every), "models")
    numbers: pd.DataFrame = means.rename(columns={"label": "model"})
    return Drawn(drawn.figure, numbers)
