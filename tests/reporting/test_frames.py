import numpy as np
import pandas as pd
import pytest

from asura.reporting.frames import (
    COLUMNS,
    Results,
    failures_by_model,
    family,
    headline,
    members,
    primary_scores,
    tidy,
)
from tests.reporting.conftest import DIVERGED, GRID, cells_and_controls, headline_by_model, headline_scores

CONTROLS = ["iso_param", "iso_flop", "iso_both", "iso_param_depth", "iso_recursion"]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_frame_declares_its_columns_and_types_also_without_rows(name: str, results: Results, empty: Results):
    for frame in (getattr(results, name), getattr(empty, name)):
        assert list(frame) == list(COLUMNS[name])
        assert {column: str(kind) for column, kind in frame.dtypes.items()} == COLUMNS[name]
    assert len(getattr(empty, name)) == 0


def test_a_frame_takes_the_declared_columns_and_no_others():
    row = {"deviation": 0, "label": "a", "task": "t", "n": 1, "control_of": "c", "control": "b"}
    assert tidy("roles", [row]).values.tolist() == [["t", "a", "b", "c", 0.0]]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("asura-n1-i4", "asura"),
        ("asura_full-n12-i16", "asura_full"),
        ("asura-n1-i4+long_skip=none", "asura+long_skip=none"),
        ("vanilla-n4", "vanilla"),
        ("vanilla-n4+mlp_width=98+steps=2400", "vanilla+mlp_width=98+steps=2400"),
        ("asura-n1-i4+name=a-n2-i2", "asura+name=a-n2-i2"),
    ],
)
def test_family(label: str, expected: str):
    assert family(label) == expected


def test_each_cell_is_followed_by_its_controls_in_order(results: Results):
    table = members(results)
    rows = list(table[["task", "cell", "role", "label"]].itertuples(index=False, name=None))
    assert rows == cells_and_controls(results)
    assert list(table["role"]) == ["cell", *CONTROLS] * len(GRID)
    own = table["label"] == table["cell"]
    assert list(table["series"]) == [
        family if role == "cell" else role for family, _, _ in GRID for role in ["cell", *CONTROLS]
    ]
    assert list(zip(table["cell_family"][own], table["cell_n"][own], table["cell_i"][own], strict=True)) == GRID
    assert (table["n"] * table["i"] == table["effective_depth"]).all()


def test_a_shared_control_appears_in_each_of_its_cells(results: Results):
    table = members(results)
    shared = table[table["label"] == "bare-n1-i4"]
    assert list(shared["cell"]) == ["asura-n1-i4", "asura_full-n1-i4"]
    assert set(shared["role"]) == {"iso_recursion"}


def test_controls_stand_in_their_order_whatever_that_of_the_plan(results: Results):
    mixed = results._replace(roles=results.roles.sample(frac=1, random_state=3).reset_index(drop=True))
    assert members(mixed).equals(members(results))


def test_a_model_that_nothing_is_matched_to_is_a_study_model(results: Results):
    table = members(results._replace(roles=tidy("roles", [])))
    assert list(table["label"]) == list(results.runs["label"].unique())
    assert (table["cell"] == table["label"]).all()
    assert set(table["role"]) == {"study model"}


def test_a_cell_that_is_also_a_control_of_another_keeps_its_own_row(results: Results):
    role = {"task": "phop", "label": "vanilla-n1+mlp_width=384", "control": "iso_param", "deviation": 0.0}
    roles = [*results.roles.to_dict("records"), role | {"control_of": "bare-n1-i2"}]
    table = members(results._replace(roles=tidy("roles", roles)))
    rows = table.loc[table["cell"] == "bare-n1-i2", ["role", "label"]]
    assert rows.values.tolist() == [["cell", "bare-n1-i2"], ["iso_param", "vanilla-n1+mlp_width=384"]]
    assert len(table) == len(members(results)) + 2


def test_tasks_are_kept_apart_and_in_their_order(build):
    table = members(build([("asura", 1, 2)], tasks=("phop", "addition"), seeds=(0,)))
    assert list(table["task"]) == ["phop"] * 6 + ["addition"] * 6


def test_the_headline_is_of_the_test_split_at_the_trained_iterations(results: Results):
    expected = headline_scores(results)
    found = headline(results)
    assert len(found) == len(results.runs) - 1
    for row in found.itertuples():
        assert row.value == expected[row.task, row.label][row.seed]
    by_model = {key: values.to_dict() for key, values in headline_by_model(results).items()}
    assert by_model == expected


def test_only_the_primary_metric_is_a_score(results: Results):
    other = results.scores.assign(metric="exact_match", value=0.0)
    both = results._replace(scores=pd.concat([other, results.scores], ignore_index=True))
    assert headline_by_model(both).keys() == headline_by_model(results).keys()
    assert len(headline(both)) == len(headline(results))
    assert (primary_scores(both)["value"] > 0).all()


def test_a_score_that_is_no_number_is_none(results: Results):
    nothing = results._replace(scores=results.scores.assign(value=np.nan))
    assert headline(nothing).empty and headline_by_model(nothing) == {}


def test_a_diverged_run_has_no_score_and_is_counted(results: Results):
    label, seed = DIVERGED
    assert list(headline_by_model(results)["phop", label].index) == [0, 2]
    assert seed not in primary_scores(results).query("label == @label")["seed"].values
    counts = failures_by_model(results)
    assert counts.pop(("phop", label)) == {"diverged": 1}
    assert all(count == {"diverged": 0} for count in counts.values())


def test_runs_out_of_memory_are_counted_beside_those_that_diverged_where_there_are_any(build):
    failing = {"diverged": [("asura-n1-i2", 0), ("asura-n1-i2", 2)], "out_of_memory": [("asura-n1-i2", 1)]}
    counts = failures_by_model(build([("asura", 1, 2)], **failing))
    assert counts.pop(("phop", "asura-n1-i2")) == {"diverged": 2, "out of memory": 1}
    assert all(count == {"diverged": 0, "out of memory": 0} for count in counts.values())
