"""The figure of the probes."""

from asura.reporting.analyses.shared import Found, at_some, draw_heat_map, looks_of, means_of, size_of_heat_map
from asura.reporting.figures.heatmaps import colour_bar
from asura.reporting.figures.style import Drawn, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import Results
from asura.reporting.names import model_name


@styled
def probes(found: Found, results: Results, task: str) -> Drawn:
    """Selectivity of the probes for the answer after each step at each iteration, a panel for each model."""
    frame = found["probes"]
    every = list(looks_of(results, task, frame["label"]))
    shown = some(every)
    frame = at_some(frame[frame["label"].isin(shown)], "label", "t")
    numbers = means_of(frame, ["label", "t", "step"], "selectivity")

    most = numbers.groupby("label")["t"].nunique().max()
    size = size_of_heat_map(numbers["step"].nunique(), most, len(shown))
    drawn = panels([model_name(label) for label in shown], *size, sharey=True)
    for axes, label in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["label"] == label]
        mesh = draw_heat_map(axes, here.pivot(index="step", columns="t", values="value"))
    drawn.name("iteration or block", "step of the task", numbered="x")
    colour_bar(drawn, mesh, "mean selectivity")
    say_what_is_left_out(drawn.figure, len(shown), len(every), "models")
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model", "t": "iteration"}))
