"""An ablation's table and figure, on the study of the fixtures."""

import pandas as pd
import pytest

from asura.reporting.ablations import ablation_figure, ablation_table, write_ablation
from asura.reporting.frames import headline


def test_every_model_is_compared_with_the_first_of_its_task(results):
    table = ablation_table(results)
    runs = results.runs.drop_duplicates("label").sort_values("order")
    assert len(table) == len(runs)
    scores = headline(results).set_index(["label", "seed"])["value"]
    first, other = runs["label"].iloc[0], runs["label"].iloc[1]
    expected = (scores[other] - scores[first]).mean()
    assert table["difference"].iloc[1] == pytest.approx(expected)
    assert pd.isna(table["difference"].iloc[0]) and table["pairs"].iloc[0] == 0
    assert table["score"].iloc[1] == pytest.approx(scores[other].mean())
    assert {"parameters", "flops_per_token", "training_flops", "tokens", "effective_depth"} <= set(table)


def test_the_figure_shows_every_model_and_seed_on_every_split(results):
    figure = ablation_figure(results)
    splits = results.scores["split"].unique()
    assert figure.axes[0].get_title() == "test"
    assert len(figure.axes) == len(splits)
    models = results.runs["label"].nunique()
    assert len(figure.axes[0].get_yticks()) == models
    seeds = [line for line in figure.axes[0].lines if line.get_gid() == "seeds"]
    finished = results.runs[results.runs["status"] == "finished"]
    assert sum(len(line.get_xdata()) for line in seeds) == len(finished)


def test_an_ablation_leaves_a_table_and_two_figures(results, tmp_path):
    write_ablation(results, tmp_path)
    names = {f"table.{form}" for form in ("csv", "md", "tex", "html")}
    names |= {f"{name}.{form}" for name in ("figure", "iterations") for form in ("png", "svg", "pdf")}
    assert {path.name for path in tmp_path.iterdir()} == names
