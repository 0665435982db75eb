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
    assert list(table["model"]) == [family(label) for label in labels]
    assert list(table["against"])[1:] == [family(label) for label in labels[:-1]]
    scores = headline(results).set_index(["label", "seed"])["value"]
    for place in (1, 5):
        own, other = scores[labels[place]], scores[labels[place - 1]]
        both = own.index.intersection(other.index)
        assert table["difference"].iloc[place] == pytest.approx((own - other).mean())
        assert table["score"].iloc[place] == pytest.approx(own.mean())
        assert table["pairs"].iloc[place] == len(both)
    assert pd.isna(table["difference"].iloc[0]) and table["pairs"].iloc[0] == 0
    assert {*COST} <= set(table)
    assert for_people(table)["against"].iloc[0] == "–"


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
