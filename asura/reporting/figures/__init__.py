"""The figures of a study by name: each is a function from Results and a task to a figure with its numbers."""

from collections.abc import Callable
from pathlib import Path

from asura.planning.outputs import figure_path, figures_of
from asura.reporting.figures import curves, heatmaps, sample_efficiency, scores, whole_curve
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.figures.style import Drawn
from asura.reporting.frames import Results

FIGURES: dict[str, Callable[[Results, str], Drawn]] = {
    "score_against_iterations": scores.score_against_iterations,
    "grid": heatmaps.grid,
    "train_against_evaluation_iterations": heatmaps.train_against_evaluation_iterations,
    "iterations_at_evaluation": curves.iterations_at_evaluation,
    "learning_curves": curves.learning_curves,
    "score_against_steps": whole_curve.score_against_steps,
    "difficulty_against_iterations": whole_curve.difficulty_against_iterations,
    "score_against_examples": sample_efficiency.score_against_examples,
    "score_against_parameters": scores.score_against_parameters,
    "score_against_flops": scores.score_against_flops,
}


def write_figures(results: Results, folder: Path, study: str, note: str | None = None) -> None:
    """Draw the figures of every task into a folder of its own. Raises OSError."""
    source = source_of(results, study)
    models = results.runs.drop_duplicates(["task", "label"]).to_dict("records")
    for task, name in figures_of(models):
        write_figure(FIGURES[name](results, task), folder / figure_path(task, name), source, note)
