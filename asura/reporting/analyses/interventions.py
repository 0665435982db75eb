"""The figure of the interventions."""

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from asura.reporting.analyses.shared import Found, looks_of
from asura.reporting.figures.curves import draw_lines, lines_of
from asura.reporting.figures.marks import with_folders
from asura.reporting.figures.palette import INK, LINES, SPARE_COLOURS, Style
from asura.reporting.figures.style import (
    SEED_LINE,
    Drawn,
    legend,
    panels,
    say_what_is_left_out,
    series_handle,
    some,
    styled,
)
from asura.reporting.frames import Results
from asura.reporting.names import model_name

NAMES = {
    "other": "state of another example",
    "start": "first state of the model",
    "noise": "noise of the same norm",
    "cut": "no input at this iteration",
}
LOOK = {
    name: (Style(colour, marker), line)
    for name, colour, marker, line in zip(NAMES, SPARE_COLOURS, "os^v", LINES, strict=False)
}
LEVEL = Line2D([], [], color=INK, linewidth=0.9, linestyle=":", label="untouched")


@styled
def interventions(found: Found, results: Results, task: str) -> Drawn:
    """Accuracy against the iteration that is changed, a line for each intervention and a panel for each model."""
    frame = with_folders(found["interventions"])
    every = list(looks_of(results, task, frame["label"]))
    shown = some(every)
    frame = frame[frame["label"].isin(shown)].assign(value=frame["accuracy"])
    numbers = lines_of(frame, ["label", "intervention", "t"])
    untouched = frame.groupby("label")["untouched"].mean()

    drawn = panels([model_name(label) for label in shown], 1.7, 1.35, sharey=True)
    for axes, label in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["label"] == label]
        for name, of_kind in here.groupby("intervention", sort=False):
            style, line = LOOK[str(name)]
            draw_lines(axes, of_kind, "t", style, line)
            means = of_kind[of_kind["shows"] == "mean"]
            axes.plot(means["t"], means["value"], style.marker, color=style.colour, markersize=3.5)
        axes.axhline(untouched[label], color=INK, linestyle=":", linewidth=0.9, zorder=0, gid="untouched")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    drawn.name("iteration or block", "accuracy", numbered="x")
    say_what_is_left_out(drawn.figure, len(shown), len(every), "models")
    kinds = [name for name in NAMES if name in set(numbers["intervention"])]
    legend(drawn.figure, [*(series_handle(NAMES[name], *LOOK[name]) for name in kinds), SEED_LINE, LEVEL])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model", "t": "iteration"}))
