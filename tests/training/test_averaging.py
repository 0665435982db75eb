from typing import Any

import torch

from asura.models import build
from asura.training.trainer import Trainer
from asura.training.validation import Validation
from tests.conftest import tiny_run

CPU = torch.device("cpu")


def trainer_of(**training: Any) -> Trainer:
    return Trainer(tiny_run(training), CPU)


def own_weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def test_the_average_is_that_of_a_loop_written_plainly_and_training_is_as_without():
    averaged, plain = trainer_of(average=0.8), trainer_of()
    expected = {name: tensor.double() for name, tensor in own_weights(plain).items()}
    for _ in range(5):
        averaged.advance()
        plain.advance()
        expected = {name: 0.8 * expected[name] + 0.2 * tensor for name, tensor in own_weights(plain).items()}
    for name, tensor in averaged.weights().items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=0, atol=1e-6)
        assert torch.equal(own_weights(averaged)[name], own_weights(plain)[name])
    assert not torch.equal(averaged.weights()["head.weight"], own_weights(averaged)["head.weight"])


def test_the_average_is_what_is_validated():
    trainer = trainer_of(average=0.8, validation_examples=16, learning_rate=0.05)
    for _ in range(3):
        trainer.advance()
    before = own_weights(trainer)
    found = trainer.measure().validation
    model = build(trainer.run.model, trainer.run.task.vocabulary)
    model.load_state_dict(trainer.weights())
    validation = Validation(trainer.run, CPU)
    assert found == validation.measure(model) != validation.measure(trainer.model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in own_weights(trainer).items())


def test_the_average_of_a_run_that_starts_from_another_starts_there():
    other, trainer = Trainer(tiny_run(seeds=[1]), CPU), trainer_of(average=0.8)
    other.advance()
    trainer.start_from(other.weights())
    assert all(torch.equal(tensor, other.weights()[name]) for name, tensor in trainer.weights().items())
