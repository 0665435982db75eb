from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from asura.tasks.base import IGNORE
from asura.tasks.table_lookup import TableLookup

settings = st.builds(
    TableLookup,
    bits=st.integers(2, 4),
    tables=st.integers(3, 6),
    depth=st.integers(2, 7),
    order=st.sampled_from(["forward", "backward"]),
    table_seed=st.integers(0, 100),
)


def draw(task: TableLookup, count: int, seed: int = 0) -> Iterator[tuple[str, list[str], str]]:
    """Symbol, tables in the order of their application, and answer, as each example's text has them."""
    return read(task, torch.stack(task.draw(count, torch.Generator().manual_seed(seed)), 1))


def generate(task: TableLookup, count: int) -> Iterator[tuple[str, list[str], str]]:
    """The same of examples of any part."""
    return read(task, torch.stack(task.generate(count, torch.Generator().manual_seed(0)), 1))


def read(task: TableLookup, examples: Tensor) -> Iterator[tuple[str, list[str], str]]:
    for example in examples:
        question, answer = task.show(*example).split(" -> ")
        symbol, *tables = question.split()[:: 1 if task.order == "forward" else -1]
        yield symbol, tables, answer


def tables_of(task: TableLookup) -> dict[str, dict[str, str]]:
    """The tables, as examples of depth 1 give them away."""
    once = TableLookup(bits=task.bits, tables=task.tables, depth=1, table_seed=task.table_seed)
    batch = once.draw(40 * task.symbols * task.tables, torch.Generator().manual_seed(0))
    tables: dict[str, dict[str, str]] = {}
    for symbol, [table], answer in read(once, torch.stack(batch, 1).unique(dim=0)):
        assert symbol not in tables.setdefault(table, {})
        tables[table][symbol] = answer
    return tables


@given(settings, st.integers(0, 2**32))
def test_the_answer_is_that_of_the_tables(settings: TableLookup, seed: int):
    tables = tables_of(settings)
    assert len(tables) == settings.tables
    symbols = {f"{symbol:0{settings.bits}b}" for symbol in range(2**settings.bits)}
    assert all(set(table) == set(table.values()) == symbols for table in tables.values())
    for task in [settings, *settings.splits.values()]:
        for symbol, names, answer in draw(task, 3, seed):
            assert task.shallowest <= len(names) <= task.depth
            for name in names:
                symbol = tables[name][symbol]
            assert answer == symbol


@given(settings, st.integers(0, 2**32))
def test_padding_comes_first_and_the_last_position_is_asked(task: TableLookup, seed: int):
    tokens, targets = task.draw(3, torch.Generator().manual_seed(seed))
    padding = task.symbols + task.tables
    for row in tokens.tolist():
        named = [token for token in row if token != padding]
        assert row == [padding] * (len(row) - len(named)) + named
        assert [token < task.symbols for token in named].index(True) == (
            0 if task.order == "forward" else len(named) - 1
        )
    assert (targets[:, :-1] == IGNORE).all() and (targets[:, -1] != IGNORE).all()


def test_backward_is_forward_from_right_to_left():
    forward, backward = TableLookup(), TableLookup(order="backward")
    assert list(generate(forward, 50)) == list(generate(backward, 50))
    tokens = (task.generate(50, torch.Generator().manual_seed(0)).tokens for task in (forward, backward))
    assert not torch.equal(*tokens)


def test_symbols_tables_depths_and_answers_are_uniform():
    task = TableLookup(bits=2, tables=3, depth=4)
    count = 6000
    symbols, tables, answers = zip(*generate(task, count), strict=True)
    firsts = [names[0] for names in tables]
    depths = [len(names) for names in tables]
    for found, kinds in ((symbols, 4), (firsts, 3), (depths, 4), (answers, 4)):
        share = 1 / kinds
        assert len(set(found)) == kinds
        error = (share * (1 - share) / count) ** 0.5
        assert all(abs(found.count(one) / count - share) < 5 * error for one in set(found))


def test_one_table_is_always_trained_and_never_held_out():
    task = TableLookup(bits=2, tables=3, depth=2)
    trained = {(symbol, *names) for symbol, names, _ in draw(task, 2000)}
    assert sum(len(names) == 2 for names in trained) == 4 * 3
    for name in ("validation", "test"):
        assert all(len(names) == 2 for _, names, _ in draw(task.splits[name], 200))


def test_rules_are_those_of_the_tables():
    for order in ("forward", "backward"):
        task = TableLookup(bits=2, tables=3, depth=3, order=order)
        tables = tables_of(task)
        batch = task.generate(50, torch.Generator().manual_seed(0))
        rules = task.shortcuts(batch.tokens)
        for k, (symbol, names, _) in enumerate(read(task, torch.stack(batch, 1))):
            assert f"{rules['last table alone'][k, -1]:02b}" == tables[names[-1]][symbol]
            for name in names[:-1]:
                symbol = tables[name][symbol]
            assert f"{rules['without the last table'][k, -1]:02b}" == symbol


def test_the_seed_chooses_the_tables():
    assert tables_of(TableLookup()) == tables_of(TableLookup(depth=2, order="backward"))
    assert tables_of(TableLookup()) != tables_of(TableLookup(table_seed=1))


def test_splits():
    splits = TableLookup().splits
    assert {name: (task.shallowest, task.depth) for name, task in splits.items()} == {
        "validation": (1, 5),
        "test": (1, 5),
        "deeper": (6, 10),
    }
    assert TableLookup(depth=2, extrapolate_to=3).splits["deeper"].shallowest == 3


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"bits": 0}, "greater than or equal to 1"),
        ({"bits": 11}, "less than or equal to 10"),
        ({"tables": 0}, "greater than or equal to 1"),
        ({"order": "sideways"}, "order"),
        ({"depth": 2, "shallowest": 3}, "shallowest must be at most depth, 2, found 3"),
        ({"depth": 4, "extrapolate_to": 3}, "extrapolate_to must be at least depth, 4, found 3"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        TableLookup(**bad)
