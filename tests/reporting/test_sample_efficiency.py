"""The figure of scores against the number of training examples."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from asura.reporting.figures import FIGURES
from asura.reporting.figures.palette import FIXED
from asura.reporting.frames import Results
from asura.reporting.whole_curve import gap
from tests.reporting.conftest import crosses, lines, of_sizes, panels

SIZES = {100: 0.3, 1_000: 0.1, 10_000: 0.02, None: 0.0}


@pytest.fixture(scope="module")
def study(build: Callable) -> Results:
    return of_sizes(build([("asura", 1, 4)], diverged=[("asura-n1-i4", 1)]), SIZES)


def test_models_that_differ_in_their_training_set_are_one_line_of_each_split(study: Results):
    figure, numbers = FIGURES["score_against_examples"](study, "phop")
    (axes,) = panels(figure)
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["100", "1k", "10k", "∞"]
    models = list(numbers["model"].unique())
    assert models[0] == "asura-n1-i4" and len(models) == 6 and not any("examples" in model for model in models)
    joined = [line for line in lines(axes, "mean") if len(line.get_xdata()) == 3]
    assert len(joined) == 2 * len(models)
    for colour in {to_rgb(line.get_color()) for line in joined}:
        own = [line for line in joined if to_rgb(line.get_color()) == colour]
        assert len(own) == 2 and own[0].get_linestyle() != own[1].get_linestyle()
    (legend,) = figure.legends
    colours = {handle.get_label(): to_rgb(handle.get_color()) for handle in legend.legend_handles}
    assert colours["ASURA 1×4"] == FIXED["asura"].colour
    assert len(crosses(axes)) == len(SIZES)  # the run that diverged, once for each size


def test_its_numbers_are_those_of_the_tables(study: Results):
    numbers = FIGURES["score_against_examples"](study, "phop").numbers
    means = numbers[numbers["shows"] == "mean"].set_index(["split", "run"])
    for row in gap(study).itertuples():
        for split in ("training", "test"):
            seeds = (0, 2) if row.model.startswith("asura-n1-i4") else (0, 1, 2)
            drawn = means.loc[split, " ".join(f"runs/phop/{row.model}/seed{seed}" for seed in seeds)]
            assert drawn["examples"] == row.examples
            shown = [drawn[name] for name in ("value", "low", "high")]
            assert shown == pytest.approx([getattr(row, split + end) for end in ("", "_low", "_high")])
    endless = means.loc["test"][np.isinf(means.loc["test", "examples"])]
    assert len(endless) == 6 and not np.isinf(means.loc["training", "examples"]).any()


def test_models_of_one_series_have_colours_of_their_own(build: Callable):
    study = of_sizes(build([("asura", 1, 2), ("asura", 1, 4)], diverged=()), {100: 0.1, 1_000: 0.0})
    alone = study.roles["label"]
    cells = study._replace(
        **{name: frame[~frame["label"].isin(alone)] for name, frame in study._asdict().items() if "label" in frame}
    )
    (axes,) = panels(FIGURES["score_against_examples"](cells, "phop").figure)
    assert len({to_rgb(line.get_color()) for line in lines(axes, "mean")}) == 2


def test_many_models_have_a_panel_each(study: Results, build: Callable):
    several = of_sizes(build([("asura", 1, 2), ("asura", 1, 4)], diverged=()), {100: 0.1, 1_000: 0.0})
    figure = FIGURES["score_against_examples"](several, "phop").figure
    titles = [axes.get_title().replace("\n", " ") for axes in panels(figure)]
    assert len(titles) == 12 and titles[0] == "ASURA 1×2"
    assert {axes.get_xlabel() for axes in panels(figure)} == {"", "training examples"}


def test_numbers_that_would_overlap_are_left_out(build: Callable):
    study = of_sizes(build([("asura", 1, 4)], diverged=()), {1000: 0.3, 1040: 0.2, 5000: 0.1, None: 0.0})
    (axes,) = panels(FIGURES["score_against_examples"](study, "phop").figure)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1k", "5k", "∞"]
