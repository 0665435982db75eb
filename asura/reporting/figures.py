"""The figures of a study by name: each is a function from Results to a matplotlib figure."""

from collections.abc import Callable

from matplotlib.figure import Figure

from asura.reporting import curves, heatmaps, scores
from asura.reporting.frames import Results
from asura.reporting.statistics import INTERVAL
from asura.reporting.style import write_figure

__all__ = ["CAPTIONS", "FIGURES", "write_figure"]

FIGURES: dict[str, Callable[[Results], Figure]] = {
    "score_against_iterations": scores.score_against_iterations,
    "grid": heatmaps.grid,
    "train_against_evaluation_iterations": heatmaps.train_against_evaluation_iterations,
    "iterations_at_evaluation": curves.iterations_at_evaluation,
    "learning_curves": curves.learning_curves,
    "score_against_parameters": scores.score_against_parameters,
    "score_against_flops": scores.score_against_flops,
}

_MEANS = (
    f"Points are means over seeds with their {INTERVAL} and each seed beside its mean; a cross marks a model with "
    "diverged runs, which are not averaged."
)
_NUMBER = (
    "The number in a marker is the i of the cell that the model belongs to, lines join the cells of one n, and a "
    "model that is neither recursive nor a control stands in every panel as nN for N blocks."
)
CAPTIONS = {
    "score_against_iterations": "Score against the trained number of iterations of the recursive models, with the "
    f"controls of their cells at the cell's n and i. {_MEANS}",
    "grid": f"Mean score over seeds, with the half-width of its {INTERVAL}, at every n and i; a control stands at "
    "its cell's n and i, and † says that a seed diverged.",
    "train_against_evaluation_iterations": "Mean score on the test split by the number of iterations in training "
    "and at evaluation; a frame marks where the two are equal.",
    "iterations_at_evaluation": "Score against the number of iterations at evaluation, in distribution (test) and "
    "on the harder splits; the marker stands at the trained i and holds it, points are seeds and bands the "
    f"{INTERVAL}.",
    "learning_curves": "Training loss and accuracy against tokens, each cell with its controls: means over seeds "
    "in a band from the lowest seed to the highest; a diverged run is a thin line that ends in a cross.",
    "score_against_parameters": f"Score against non-embedding parameters. {_NUMBER} {_MEANS}",
    "score_against_flops": f"Score against total training FLOPs. {_NUMBER} {_MEANS}",
}
