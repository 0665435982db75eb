"""What every architecture owes the rest of the package."""

import pytest
import torch
from torch import Tensor

from asura.models import build
from asura.models.model import Model
from asura.models.settings import Architecture
from asura.planning.control_settings import TOLERANCE
from asura.planning.costs import Cost, counted
from asura.planning.matching import controls
from asura.planning.runs import Run
from asura.planning.study import Study
from asura.planning.training_settings import Training
from asura.planning.variants import Variant
from asura.tasks.phop import PHop
from asura.training.trainer import Trainer

VOCABULARY, LENGTH = 5, 9
TASK = PHop(hops=1, alphabet=3, length=8)
OF_STUDY = ("width", "heads", "mlp_width", "causal")
"""Settings of models that a study has for all of them."""


class ArchitectureContract:
    """Tests of one architecture. A class that derives from it says of which settings."""

    settings: Architecture
    """A small model of a registered architecture, at least 16 wide, so that controls can be matched with it."""

    def changed(self, **changes: object) -> Architecture:
        """The settings with changes, checked."""
        return type(self.settings).model_validate({**self.settings.model_dump(), **changes})

    def model(self, seed: int = 0, **changes: object) -> Model:
        """The model of the settings with changes, as it is evaluated."""
        return build(self.changed(**changes), VOCABULARY, seed).eval()

    def test_logits_have_a_value_for_each_position_and_token(self) -> None:
        """At the trained number of iterations, at one, and beyond."""
        model = self.model()
        with torch.no_grad():
            for iterations in (None, 1, self.settings.i + 2):
                assert model(_tokens(), iterations).shape == (3, LENGTH, VOCABULARY)
                for state in model.states(_tokens(), iterations):
                    assert state.shape == (3, LENGTH, self.settings.width)

    def test_a_causal_model_does_not_see_ahead_and_the_other_does(self) -> None:
        """What is answered before a token does not hang on it, unless `causal` is false."""
        before, after = _tokens(), _tokens()
        after[:, -1] = (after[:, -1] + 1) % VOCABULARY
        with torch.no_grad():
            causal, other = self.model(causal=True), self.model(causal=False)
            assert torch.allclose(causal(before)[:, :-1], causal(after)[:, :-1], atol=1e-5), "it sees ahead"
            is_blind = torch.allclose(other(before)[:, :-1], other(after)[:, :-1], atol=1e-5)
            assert not is_blind, "with causal: false it should attend to all positions"

    def test_weights_follow_from_the_seed_alone(self) -> None:
        """The same seed gives the same bits, and another seed others."""
        torch.manual_seed(0)
        first, other = self.model(1).state_dict(), self.model(2).state_dict()
        torch.manual_seed(1)
        again = self.model(1).state_dict()
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

    def test_a_model_on_meta_has_its_shapes_and_no_weights(self) -> None:
        """The plan counts parameters and FLOPs on such a model."""
        model = build(self.settings, VOCABULARY, device="meta")
        assert all(parameter.is_meta for parameter in model.parameters())
        shapes = {name: weight.shape for name, weight in self.model().state_dict().items()}
        assert {name: weight.shape for name, weight in model.state_dict().items()} == shapes
        assert model(_tokens().to("meta")).shape == (3, LENGTH, VOCABULARY)

    def test_more_iterations_go_on_from_fewer(self) -> None:
        """A model that is evaluated for longer passes through the states of a shorter evaluation."""
        model = self.model()
        numbers = (self.settings.i + 1, self.settings.i + 4) if self.settings.iterates() else (1, 1)
        with torch.no_grad():
            few, many = ([*model.states(_tokens(), number)] for number in numbers)
        assert (len(few), len(many)) == numbers
        for one, other in zip(few, many, strict=False):
            assert torch.allclose(one, other, atol=1e-6)

    def test_training_is_resumed_to_the_same_bits(self) -> None:
        """A training that was saved and restored ends as one that was not."""
        straight, first, second = (Trainer(_run(self.settings), torch.device("cpu")) for _ in range(3))
        for trainer, steps in ((straight, 5), (first, 2)):
            for _ in range(steps):
                trainer.advance()
        second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.step)
        for _ in range(3):
            second.advance()
        assert second.measure() == straight.measure()
        assert set(straight.measure().measures) == set(straight.model.measured)
        for name, tensor in straight.state().items():
            assert torch.equal(second.state()[name], tensor), name

    def test_every_parameter_is_trained(self) -> None:
        """Each has a gradient after one of a few steps; a part that never has one is forgotten in `iterate`."""
        trainer = Trainer(_run(self.settings), torch.device("cpu"))
        left = {name for name, _ in trainer.model.named_parameters()}
        for _ in range(5):
            trainer.advance()
            left -= {name for name, parameter in trainer.model.named_parameters() if parameter.grad is not None}
        assert not left

    def test_every_control_is_within_two_percent_of_it(self) -> None:
        """Parameters, FLOPs and depth of the controls are counted on the built models."""
        cell = self.cell()
        own = _on_task(cell)
        for control, variant, deviation in controls(_study(self.settings), cell):
            its = _on_task(variant)
            parameters, flops = its.parameters / own.parameters, its.flops / own.flops
            total = flops * variant.training.steps / cell.training.steps
            passes = variant.model.i / (cell.model.i * getattr(cell.model, "passes", 1))
            off = {
                "iso_param": [parameters],
                "iso_flop": [flops],
                "iso_both": [parameters, total],
                "iso_param_depth": [parameters, variant.model.effective_depth / cell.model.effective_depth],
                "iso_recursion": [variant.model.n / cell.model.n, passes],
            }[control]
            assert all(abs(ratio - 1) <= TOLERANCE for ratio in off), control
            assert abs(deviation) == pytest.approx(max(abs(ratio - 1) for ratio in off)), control

    def cell(self) -> Variant:
        """The model in a study that has it alone."""
        study = _study(self.settings)
        (task,) = study.named_tasks()
        (cell,) = study.variants(task)
        return cell


def _tokens() -> Tensor:
    return torch.randint(VOCABULARY, (3, LENGTH), generator=torch.Generator().manual_seed(0))


def _run(settings: Architecture) -> Run:
    training = Training(steps=5, batch=4)
    return Run(task_name="phop", task_kind="phop", task=TASK, label="model", model=settings, training=training, seed=0)


def _study(settings: Architecture) -> Study:
    own = settings.model_dump(exclude={"architecture", *OF_STUDY})
    own = {key: [list(value)] if isinstance(value, tuple) else value for key, value in own.items()}
    return Study.model_validate(
        {
            "name": "contract",
            "seeds": [0],
            "tasks": {"phop": TASK.stated()},
            "models": {settings.architecture: own},
            "controls": ["iso_param", "iso_flop", "iso_both", "iso_param_depth", "iso_recursion"],
            **settings.model_dump(include={*OF_STUDY}),
            "training": {"steps": 200, "batch": 4},
        }
    )


def _on_task(variant: Variant) -> Cost:
    """Its costs, counted without the formula that planning uses."""
    task = variant.task.task
    return counted(variant.model, task.vocabulary, task.sequence_length)
