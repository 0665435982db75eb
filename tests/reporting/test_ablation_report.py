"""An ablation's table and figure, on the study of the fixtures."""

import numpy as np
import pandas as pd
import pytest

from asura.reporting.ablation_report import ablation_figure, ablation_table, write_ablation
from asura.reporting.frames import COST, family, headline
from asura.reporting.tables import for_people


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


def test_the_figure_shows_every_model_and_seed_on_every_split(results):
    figure = ablation_figure(results)
    splits = results.scores["split"].unique()
    assert figure.axes[0].get_title() == "test"
    assert len(figure.axes) == len(splits)
    models = results.runs["label"].nunique()
    assert len(figure.axes[0].get_yticks()) == models
    seeds = [line for line in figure.axes[0].lines if line.get_gid() == "seeds"]
    finished = results.runs[results.runs["status"] == "finished"]
    assert sum(np.size(line.get_xdata()) for line in seeds) == len(finished)


def test_an_ablation_leaves_two_tables_and_two_figures(results, tmp_path):
    write_ablation(results, tmp_path)
    names = {f"{name}.{form}" for name in ("table", "metrics") for form in ("csv", "md", "tex", "html")}
    names |= {f"{name}.{form}" for name in ("figure", "iterations") for form in ("png", "svg", "pdf")}
    assert {path.name for path in tmp_path.iterdir()} == names
