import pytest
import torch

from asura.tasks import TASKS
from asura.tasks.phop import PHop
from asura.training.batches import Drawn, batches, training_set
from tests.conftest import HERE


def test_a_fixed_set_is_taken_once_in_an_epoch_in_a_new_order_every_time():
    task = PHop(hops=1, alphabet=4, length=12)
    fixed, wanted = batches(task, 4, 3, examples=10), training_set(task, 3, 10)
    steps = [fixed.at(step) for step in range(10)]  # four epochs
    rows = torch.cat([batch.tokens for batch in steps])
    epochs = [rows[start : start + 10].tolist() for start in range(0, 40, 10)]
    assert all(sorted(epoch) == sorted(wanted.tokens.tolist()) for epoch in epochs)
    assert epochs[0] != epochs[1]
    for batch in (steps[0], fixed.at(7)):  # in any order
        assert torch.equal(task.answers(batch.tokens), batch.targets)
    assert torch.equal(fixed.at(2).tokens, steps[2].tokens)
    assert not torch.equal(training_set(task, 4, 10).tokens, wanted.tokens)


def test_batches_do_not_depend_on_the_order_they_are_asked_in():
    task = PHop(length=8)
    forwards, backwards = Drawn(task, 4, seed=1), Drawn(task, 4, seed=1)
    last = 2**18 // 32 + 5  # the batches of two drawings
    steps = [0, 1, last - 1, last]
    in_order = {step: forwards.at(step) for step in steps}
    for step in reversed(steps):
        again = backwards.at(step)
        assert torch.equal(again.tokens, in_order[step].tokens)
        assert torch.equal(again.targets, in_order[step].targets)
        assert again.tokens.shape == (4, 8)


def test_every_step_and_every_seed_has_other_batches():
    batches = [Drawn(PHop(length=16), 4, seed).at(step) for seed in (0, 1) for step in (0, 1, 5000)]
    rows = torch.cat([batch.tokens for batch in batches])
    assert rows.unique(dim=0).shape == rows.shape


@pytest.mark.parametrize("name", HERE)
def test_a_batch_larger_than_a_drawing_is_drawn_alone(name: str):
    task = TASKS[name]()
    size = 2**18 // task.sequence_length + 1
    assert Drawn(task, size, 0).at(3).tokens.shape == (size, task.sequence_length)
