"""Scores of snapshots, of examples of the training, and at each difficulty."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.evaluation.evaluate import evaluate
from asura.evaluation.scorer import Scorer
from asura.models.model import Model
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.planning.study_settings import Evaluation
from asura.reporting.frames import COLUMNS, Results, tidy
from asura.reporting.whole_curve import difficulty
from asura.tasks.table_lookup import TableLookup, _tables
from tests.conftest import TINY, tiny_run, trained_folder

CPU = torch.device("cpu")
LOOKUP: dict[str, Any] = {"table_lookup": {"depth": 3}}


def without(row: dict, *keys: str) -> dict:
    return {key: value for key, value in row.items() if key not in keys}


def test_the_last_point_is_the_final_score_and_each_other_that_of_a_training_that_ends_there(tmp_path):
    run = tiny_run({"schedule": "constant"}).model_copy(update={"snapshot_steps": 4})
    found = evaluate(trained_folder(tmp_path / "long", run).path, Evaluation(examples=50, every=4))
    ended = trained_folder(tmp_path / "short", tiny_run({"schedule": "constant", "steps": 8}))
    early = evaluate(ended.path, Evaluation(examples=50))
    assert list(dict.fromkeys(row["step"] for row in found["snapshots"])) == [4, 8, 12]
    for step, rows in ((8, early["rows"]), (12, found["rows"])):
        at = [without(row, "step") for row in found["snapshots"] if row["step"] == step]
        assert at == [row for row in rows if row["iterations"] == 2] != []


def test_examples_of_the_training_have_a_split_where_they_are_a_fixed_set(tmp_path):
    run = tiny_run({"examples": 3, "steps": 150, "learning_rate": 0.03, "validation_examples": 0})
    rows = evaluate(trained_folder(tmp_path / "fixed", run).path, Evaluation(examples=50))["rows"]
    found = {row["split"]: row for row in rows if (row["iterations"], row["metric"]) == (2, "accuracy")}
    assert found["training"]["examples"] <= 3 and found["training"]["value"] == 1
    assert found["test"]["value"] < 1
    drawn = evaluate(trained_folder(tmp_path / "drawn", tiny_run()).path, Evaluation(examples=50))["rows"]
    assert "training" not in {row["split"] for row in drawn}


class Oracle:
    """Applies one table of table lookup in an iteration; the state is the symbol so far, and all tables."""

    def __init__(self, task: TableLookup) -> None:
        self.task, self.settings, self.measured = task, SimpleNamespace(i=3), ()
        self.head = SimpleNamespace(out_features=task.vocabulary)

    def trajectory(self, tokens: Tensor, iterations: int) -> Iterator[tuple[Tensor, Tensor]]:
        task = self.task
        padding = (tokens == task.vocabulary - 1).sum(1, keepdim=True)
        sequence = tokens.gather(1, (torch.arange(tokens.shape[1]) + padding) % tokens.shape[1])
        value, tables = sequence[:, :1], _tables(task.symbols, task.tables, task.table_seed)
        for t in range(1, iterations + 1):
            is_left = t < tokens.shape[1] - padding
            table = (sequence[:, min(t, tokens.shape[1] - 1)][:, None] - task.symbols).clamp(0, task.tables - 1)
            value = torch.where(is_left, tables[table, value], value)
            yield value, tokens

    def read(self, state: tuple[Tensor, Tensor]) -> Tensor:
        return state[0].expand_as(state[1])

    def logits(self, z: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(z, self.task.vocabulary).float()

    def measures(self, state: object) -> dict[str, Tensor]:
        return {}


def test_an_oracle_that_takes_one_step_an_iteration_gives_the_triangle():
    run = Run.model_validate(next(iter(make(TINY | {"tasks": LOOKUP}).runs.values())))
    assert isinstance(run.task, TableLookup)
    asked = Evaluation(examples=400, sweep={"depth": (1, 2, 4, 5, 6)})
    rows = list(Scorer(run, asked, CPU).sweep(cast(Model, Oracle(run.task)), range(1, 8)))
    assert {(row["setting"], row["trained"]) for row in rows} == {("depth", 3)}
    found = {(r["difficulty"], r["iterations"]): r["value"] for r in rows if r["metric"] == "accuracy"}
    assert found.keys() == {(depth, t) for depth in range(1, 7) for t in range(1, 8)}  # with the trained depth
    for (depth, t), value in found.items():
        assert value == 1 if t >= depth else value < 0.5  # chance is 1/8
    key = {"task": "table_lookup", "label": "oracle", "seed": 0}
    numbers = {name: 0 for name, kind in COLUMNS["runs"].items() if kind == "int64"}
    runs = [numbers | key | {"metric": "accuracy", "i": 3}]
    frames = {"runs": runs, "sweep": [key | row for row in rows]}
    table = difficulty(Results(**{name: tidy(name, frames.get(name, [])) for name in COLUMNS}))
    assert table["iterations_to_95"].tolist() == table["difficulty"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_task_without_the_setting_is_not_swept(tmp_path):
    folder = trained_folder(tmp_path, tiny_run())
    assert evaluate(folder.path, Evaluation(examples=20, sweep={"depth": (1,)}))["sweep"] == []


def test_what_a_sweep_asks_is_held_out_but_for_what_is_always_trained():
    task = TableLookup(depth=3)
    seen = {tuple(row) for row in TableLookup(depth=2, shallowest=2).generate(4000, torch.Generator()).tokens.tolist()}
    at = {depth: task.at_difficulty("depth", depth) for depth in (1, 2)}
    assert (at[1].part, at[2].part) == ("training", "test")
    drawn = {tuple(row) for row in at[2].draw(400, torch.Generator()).tokens.tolist()}
    assert len(drawn) < len(seen) / 4 and drawn <= seen


def test_snapshots_that_are_missing_are_not_passed_over(tmp_path):
    run = tiny_run().model_copy(update={"snapshot_steps": 4})
    folder: RunFolder = trained_folder(tmp_path, run)
    folder.snapshot(8).unlink()
    with pytest.raises(UserError, match=r"snapshots/8\.safetensors: missing"):
        evaluate(folder.path, Evaluation(examples=20, every=4))
