"""The figures of a study by name: each is a function from Results to a matplotlib figure."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from asura.reporting.figures import curves, heatmaps, scores
from asura.reporting.figures.style import write_figure
from asura.reporting.frames import Results

FIGURES: dict[str, Callable[[Results], Figure]] = {
    "score_against_iterations": scores.score_against_iterations,
    "grid": heatmaps.grid,
    "train_against_evaluation_iterations": heatmaps.train_against_evaluation_iterations,
    "iterations_at_evaluation": curves.iterations_at_evaluation,
    "learning_curves": curves.learning_curves,
    "score_against_parameters": scores.score_against_parameters,
    "score_against_flops": scores.score_against_flops,
}


def write_figures(results: Results, folder: Path, note: str | None = None) -> None:
    """Draw every figure into a folder. Raises OSError."""
    for name, draw in FIGURES.items():
        write_figure(draw(results), folder / name, note)
