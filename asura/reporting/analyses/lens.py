"""The figure of the lens."""

import pandas as pd

from asura.reporting.analyses.shared import Found, draw, lines, looks_of, model_handles
from asura.reporting.figures.curves import whole_numbers
from asura.reporting.figures.style import SEED_LINE, Drawn, legend, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import Results

PANELS = {
    "accuracy": "accuracy",
    "probability": "probability of the right answer",
    "rank": "rank of the right answer",
    "entropy": "entropy (nats)",
    "divergence": "KL to the last reading (nats)",
    "flipped": "positions that change their answer",
}


@styled
def lens(found: Found, results: Results, task: str) -> Drawn:
    """What the head reads against the blocks that have been applied, a panel for each quantity."""
    frame = found["lens"]
    every = looks_of(results, task, frame["label"])
    look = {label: every[label] for label in some(list(every))}
    n = results.runs.drop_duplicates("label").set_index("label")["n"]
    frame = frame[frame["label"].isin(look)]
    frame = frame.assign(applied=(frame["iteration"] - 1) * frame["label"].map(n) + frame["block"])
    numbers = pd.concat([lines(frame, title, "applied", name) for name, title in PANELS.items()])
    drawn = panels(list(PANELS.values()), 1.7, 1.2, sharex=True)
    for axes, title in zip(drawn.axes[0], PANELS.values(), strict=True):
        draw(axes, numbers[numbers["panel"] == title], look)
        for line in axes.lines:  # of two readings, a panel may have one point
            line.set(marker="o", markersize=2)
        whole_numbers(axes, numbers["x"].max())
    drawn.name("blocks applied", "mean", numbered="y")
    say_what_is_left_out(drawn.figure, len(look), len(every), "models")
    legend(drawn.figure, [*model_handles(look), SEED_LINE])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model", "x": "blocks_applied"}))
