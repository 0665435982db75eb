"""An ablation's table and figure, on the study of the fixtures."""

import pandas as pd
import pytest

from asura.planning.outputs import FIGURE_FORMATS
from asura.reporting.ablation_report import ablation_table, write_ablation
from asura.reporting.figures.differences import differences
from asura.reporting.frames import COST, family, headline
from asura.reporting.names import model_name
from asura.reporting.tables import for_people
from tests.reporting.conftest import lines


def test_each_model_is_compared_with_its_own(results):
    labels = list(results.runs["label"].unique())
    before = dict(zip(labels[1:], labels[:-1], strict=True))  # None for the first
    ablated = results._replace(runs=results.runs.assign(against=results.runs["label"].map(before)))
    table = ablation_table(ablated)
    assert len(table) == len(labels) and set(table["metric"]) == {"accuracy"}
    scores = headline(results).set_index(["label", "seed"])["value"]
    rows = table.to_dict("records")
    for label, other in list(before.items())[:6]:
        expected = (scores[label] - scores[other]).mean()
        (row,) = (row for row in rows if row["difference"] == pytest.approx(expected, abs=1e-12))
        assert (row["model"], row["reference"]) == (family(label), family(other))
        assert row["score"] == pytest.approx(scores[label].mean())
        assert row["pairs"] == len(scores[label].index.intersection(scores[other].index))
    assert {*COST} <= set(table)


def test_the_reference_is_marked_and_the_others_follow_by_their_effect(results):
    reference = results.runs["label"].iloc[0]
    against = [None if label == reference else reference for label in results.runs["label"]]
    ablated = results._replace(runs=results.runs.assign(against=against))
    table = ablation_table(ablated)
    assert list(table["role"].fillna("")) == ["reference"] + [""] * (len(table) - 1)
    assert pd.isna(table["difference"].iloc[0]) and table["pairs"].iloc[0] == 0
    assert table["difference"].iloc[1:].is_monotonic_decreasing
    assert for_people(table)["reference"].iloc[0] == "–"
    bits = {"metric": "bits_per_byte"}
    less = ablated._replace(runs=ablated.runs.assign(**bits), scores=ablated.scores.assign(**bits))
    assert ablation_table(less)["difference"].iloc[1:].is_monotonic_increasing


def compared(results, reference):
    """The results of an ablation in which each model has this reference."""
    against = results.runs["label"].map(lambda label: None if label == reference else reference)
    return results._replace(runs=results.runs.assign(against=against))


def test_the_figure_shows_differences_from_the_reference_the_best_first(results):
    drawn = differences(compared(results, "asura-n1-i4"))
    assert [axes.get_title() for axes in drawn.figure.axes] == ["test", "hops 4", "length 64"]
    scores = headline(results).set_index(["label", "seed"])["value"]
    labels = [label for label in results.runs["label"].unique() if label != "asura-n1-i4"]
    pairs = {label: (scores[label] - scores["asura-n1-i4"]).dropna() for label in labels}
    (axes,) = (axes for axes in drawn.figure.axes if axes.get_title() == "test")
    (mean,) = lines(axes, "mean")
    by_place = [value for _, value in sorted(zip(mean.get_ydata(), mean.get_xdata(), strict=True))]
    assert by_place == pytest.approx(sorted((own.mean() for own in pairs.values()), reverse=True))
    best = max(labels, key=lambda label: pairs[label].mean())
    assert drawn.figure.axes[0].get_yticklabels()[0].get_text().replace("\n", " ") == model_name(family(best))
    (seeds,) = lines(axes, "seeds")
    assert sorted(seeds.get_xdata()) == pytest.approx(sorted(value for own in pairs.values() for value in own))
    on_test = drawn.numbers[(drawn.numbers["split"] == "test") & (drawn.numbers["shows"] == "mean")]
    assert sorted(on_test["value"]) == pytest.approx(sorted(by_place))


def test_an_interval_knows_the_test_examples_of_its_split(results):
    """Every split has its own, and a larger error over them gives a wider interval."""

    def widths(error: float) -> pd.Series:
        with_error = results._replace(scores=results.scores.assign(standard_error=error))
        numbers = differences(compared(with_error, "asura-n1-i4")).numbers
        means = numbers[numbers["shows"] == "mean"]
        return (means["high"] - means["low"]).groupby(means["split"]).mean()

    assert (widths(0.1) > widths(0.0) + 0.05).tolist() == [True] * 3


def test_a_ladder_keeps_its_order_and_nothing_to_compare_is_said(results):
    labels = list(results.runs["label"].unique())
    before = dict(zip(labels[1:], labels[:-1], strict=True))
    ladder = differences(results._replace(runs=results.runs.assign(against=results.runs["label"].map(before))))
    places = ladder.figure.axes[0].get_yticklabels()
    assert [place.get_text().replace("\n", " ") for place in places] == [model_name(family(x)) for x in labels[1:]]
    nothing = differences(results._replace(runs=results.runs.assign(against=None)))
    assert not nothing.figure.axes and "No finished run" in nothing.figure.texts[0].get_text()


def test_an_ablation_leaves_two_tables_and_two_figures(results, tmp_path):
    write_ablation(results, tmp_path, "mine")
    names = {f"{name}.{form}" for name in ("table", "metrics") for form in ("csv", "md", "tex", "html")}
    names |= {f"{name}.{form}" for name in ("figure", "iterations") for form in FIGURE_FORMATS}
    assert {path.name for path in tmp_path.iterdir()} == names
