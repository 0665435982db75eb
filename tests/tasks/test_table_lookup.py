from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from asura.common.errors import UserError
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


PUBLISHED = TableLookup(tables=11, uncomposed=2, reserved=0.25, validate_to=8)
NEW = {"t9", "t10"}


def test_a_quarter_of_the_compositions_of_each_depth_is_reserved():
    trained = {tuple(names) for _, names, _ in draw(PUBLISHED, 40000)}
    reserved = {tuple(names) for _, names, _ in draw(PUBLISHED.splits["new_compositions"], 20000)}
    assert not trained & reserved
    assert {len(names) for names in trained} == {1, 2, 3, 4, 5} == {1, *map(len, reserved)}
    for depth in (2, 3):  # of which each composition is drawn
        kept, left_out = ({names for names in of if len(names) == depth} for of in (trained, reserved))
        assert len(kept | left_out) == 9**depth
        assert len(left_out) / 9**depth == pytest.approx(0.25, abs=4 * (3 / 16 / 9**depth) ** 0.5)
    assert len({names[0] for names in reserved}) == 9  # nothing but the composition is new
    for name in ("validation", "test"):
        assert not {tuple(names) for _, names, _ in draw(PUBLISHED.splits[name], 2000)} & reserved


def test_depths_are_uniform_whatever_is_reserved():
    depths = [len(names) for _, names, _ in draw(PUBLISHED.model_copy(update={"shallowest": 2}), 4000)]
    assert all(depths.count(depth) / 4000 == pytest.approx(1 / 4, abs=0.035) for depth in (2, 3, 4, 5))


def test_tables_that_training_does_not_compose_occur_alone_and_in_their_split():
    trained = list(draw(PUBLISHED, 20000))
    assert {names[0] for _, names, _ in trained if len(names) == 1} == {f"t{table}" for table in range(11)}
    assert not NEW & {name for _, names, _ in trained if len(names) > 1 for name in names}
    places = set()
    for _, names, _ in draw(PUBLISHED.splits["new_tables"], 500):
        assert len(names) > 1 and len(NEW & {*names}) == 1
        places |= {(len(names), at) for at, name in enumerate(names) if name in NEW}
    assert len(places) == 2 + 3 + 4 + 5
    for name in ("validation", "test", "deeper", "deeper_validation", "new_compositions"):
        assert not NEW & {name for _, names, _ in draw(PUBLISHED.splits[name], 500) for name in names}


def test_published_splits():
    assert {name: (task.shallowest, task.depth, task.part) for name, task in PUBLISHED.splits.items()} == {
        "validation": (1, 5, "validation"),
        "test": (1, 5, "test"),
        "deeper": (9, 10, "test"),
        "new_compositions": (2, 5, "test"),
        "new_tables": (2, 5, "test"),
        "deeper_validation": (6, 8, "validation"),
    }
    tables = tables_of(PUBLISHED)
    for task in PUBLISHED.splits.values():
        assert type(task).model_validate(task.model_dump()) == task and task.vocabulary == PUBLISHED.vocabulary
        for symbol, names, answer in draw(task, 20):
            for name in names:
                symbol = tables[name][symbol]
            assert answer == symbol


def test_too_few_compositions_are_refused():
    with pytest.raises(UserError, match="too few compositions to reserve some of each depth"):
        TableLookup(tables=1, depth=2, reserved=0.5).splits["new_compositions"].draw(200, torch.Generator())
    with pytest.raises(UserError, match="too few compositions to reserve some of each depth"):
        TableLookup(tables=2, depth=2, reserved=0.001).splits["new_compositions"].draw(200, torch.Generator())


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
        ({"validate_to": 4}, "validate_to must be at least depth, 5, and at most extrapolate_to, 10, found 4"),
        ({"validate_to": 11}, "validate_to must be at least depth, 5, and at most extrapolate_to, 10, found 11"),
        ({"uncomposed": 7}, "uncomposed must leave two of the 8 tables, found 7"),
        ({"reserved": 0.25, "depth": 1}, "reserved and uncomposed tables need a depth of at least 2"),
        ({"reserved": 1.0}, "less than 1"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        TableLookup(**bad)
