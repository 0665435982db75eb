"""What is read at each iteration and block, and which step of the task that is."""

import math
from typing import Any

import pytest
import torch

from asura.analysis.lens import lens, measured
from asura.analysis.readings import readings
from asura.analysis.steps import distinct_answers, steps
from asura.analysis.subject import NotApplicable
from asura.models import build
from asura.planning.analysis_settings import Lens, Steps
from asura.tasks.addition import Addition
from asura.tasks.prefix_sums import PrefixSums
from asura.tasks.table_lookup import TableLookup
from asura.tasks.word_problem import WordProblem
from tests.analysis.subjects import TASK, oracle, subject
from tests.models.variants import small


def test_quantities_of_the_lens_worked_out_by_hand():
    # Three readings of one position whose answer is token 0: right, wrong, right.
    p = torch.tensor([[[0.5, 0.25, 0.25]], [[0.2, 0.4, 0.4]], [[0.7, 0.2, 0.1]]])
    found = {name: values[:, 0].tolist() for name, values in measured(p.log(), torch.tensor([0])).items()}
    assert found["probability"] == pytest.approx([0.5, 0.2, 0.7])
    assert found["rank"] == [1, 3, 1]
    assert found["accuracy"] == [True, False, True] and found["settled"] == [False, False, True]
    assert math.isnan(found["flipped"][0]) and found["flipped"][1:] == [1, 1]
    assert found["entropy"][0] == pytest.approx(1.5 * math.log(2))
    kl = 0.7 * math.log(0.7 / 0.5) + 0.2 * math.log(0.2 / 0.25) + 0.1 * math.log(0.1 / 0.25)
    assert found["divergence"] == [pytest.approx(kl), pytest.approx(found["divergence"][1]), pytest.approx(0)]


def test_the_last_reading_is_what_the_model_answers_whatever_the_parts():
    model = small(i=3, architecture="asura")
    whole = subject(model, examples=9)
    (*_, last) = lens(whole, Lens())["lens"]
    targets = whole.batch.targets
    right = (model(whole.batch.tokens).argmax(-1) == targets)[whole.asked].double().mean().item()
    assert last["accuracy"] == pytest.approx(right) and last["divergence"] == pytest.approx(0, abs=1e-6)


def test_blocks_within_an_iteration_are_read_where_they_leave_the_state():
    tokens = TASK.draw(2, torch.Generator().manual_seed(0)).tokens
    stack: Any = build({"architecture": "vanilla", "n": 3, "width": 8, "heads": 2}, 7).eval()
    found = list(readings(stack, tokens))
    assert [(each.iteration, each.block) for each in found] == [(1, 1), (1, 2), (1, 3)]
    z = stack.blocks[0](stack.embed(tokens))
    assert torch.equal(found[0].z, z) and torch.equal(found[1].z, stack.blocks[1](z))
    assert torch.equal(stack.logits(found[2].z), stack(tokens))
    asura = small(i=2, architecture="asura", n=2).eval()
    assert [(each.iteration, each.block) for each in readings(asura, tokens)] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    coda = small(i=2, architecture="recurrent_depth", n=2).eval()
    assert [(each.iteration, each.block) for each in readings(coda, tokens)] == [(1, 2), (2, 2)]
    assert not any(module._forward_hooks for model in (stack, asura) for module in model.modules())


def test_a_model_that_takes_one_step_an_iteration_gives_the_diagonal():
    rows = steps(subject(oracle()), Steps())["steps"]
    assert len(rows) == 9 and all(row["positions"] > 10 for row in rows)
    for row in rows:
        assert row["agreement"] == (1.0 if row["step"] == row["iteration"] else 0.0)
        assert row["untrained"] < 0.5


def test_a_step_is_counted_where_no_other_has_its_answer():
    asked = subject(oracle(), examples=3)
    answers, counted = distinct_answers(asked, 3)
    for example, place in asked.asked.nonzero().tolist():
        own = answers[:, example, place].tolist()
        assert counted[:, example, place].tolist() == [own.count(answer) == 1 for answer in own]
    assert not counted[:, ~asked.asked].any()


STEPPED = [TASK, PrefixSums(length=9), WordProblem(group="S3", length=8), TableLookup(), TableLookup(order="backward")]


@pytest.mark.parametrize("task", STEPPED, ids=lambda task: type(task).__name__)
def test_the_answer_after_all_steps_is_the_answer(task):
    tokens, targets = task.draw(64, torch.Generator().manual_seed(0))
    assert torch.equal(task.answers(tokens), targets)
    assert torch.equal(task.answers(tokens, steps=task.steps), targets)
    assert not torch.equal(task.answers(tokens, steps=1), targets)


def test_a_task_that_does_not_say_its_steps_is_left_out_in_a_line():
    task = Addition()
    model = build({"architecture": "bare", "i": 2, "width": 8, "heads": 2}, task.vocabulary)
    with pytest.raises(NotApplicable, match="does not say what is right after fewer steps"):
        steps(subject(model, task), Steps())
