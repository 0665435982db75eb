"""A run in training: one step after another, and one object that can be saved and taken up again."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.models import build
from asura.models.layers import set_dropout
from asura.models.model import Loss, Model
from asura.models.settings import Recursive
from asura.models.unrolling import State, Unrolling
from asura.planning.runs import Run
from asura.training.averaging import Average
from asura.training.batches import batches
from asura.training.clipping import clip
from asura.training.devices import autocast, sent
from asura.training.optimisers import optimisers, rate_factor
from asura.training.processes import ALONE, Alone
from asura.training.replay import Replayed
from asura.training.validation import Validation


class Metrics(NamedTuple):
    """Means since the last line of metrics, at `step` steps done.

    `diverged_at` is the first step whose loss, or the norm of whose gradient, is no number. `validation` is empty where
    the run asks for none.
    """

    step: int
    tokens: int
    loss: float
    accuracy: float
    gradient_norm: float
    learning_rate: float
    diverged_at: int | None
    measures: dict[str, float]
    validation: dict[str, float]


class Trainer:
    """Model, optimisers and position of a run, on one process or on each of several."""

    def __init__(self, run: Run, device: torch.device, processes: Alone = ALONE) -> None:
        self.run, self.device, self.step = run, device, 0
        self.model: Model = build(run.model, run.task.vocabulary, run.seed, device)
        self.model.activation_checkpointing = run.training.activation_checkpointing
        set_dropout(self.model, run.training.dropout)
        self._processes = processes
        self._loss = processes.loss_of(self.model, run.training)
        self._replayed = Replayed(self.model) if self._is_replayed() else None
        self._optimisers = optimisers(self.model, run.training)
        self._average = Average(self.model, run.training.average) if run.training.average else None
        self._batches = batches(run.task, run.training.batch, run.seed, run.training.examples)
        self._validation = Validation(run, device) if run.training.validation_examples else None
        settings = run.model
        self._supervision = settings.deep_supervision if isinstance(settings, Recursive) else 1
        self._carried: State = ()  # of this process's rows, to the next step on the same batch
        # Of each step since the last metrics: loss, correct, asked, gradient norm, measures of the model.
        self._window: list[Tensor] = []

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of another run of the same model. Raises UserError where they do not fit."""
        try:
            self._processes.restore(self.model, [], weights, {})
        except RuntimeError:
            raise UserError(f"{self.run.label}: the weights that it starts from are of another model") from None
        if self._average:
            self._average.restart()

    def _is_replayed(self) -> bool:
        """Whether the pass of a step is a CUDA graph: only where it is the whole step's, and waits for nothing."""
        training, whole = self.run.training, self.run.training.accumulate == self._processes.count == 1
        waits = training.activation_checkpointing or self.model.waits_for_device
        return training.cuda_graph and self.device.type == "cuda" and whole and not waits

    def advance(self) -> None:
        """Take one step of the optimisers."""
        training, processes = self.run.training, self._processes
        place, segment = divmod(self.step, self._supervision)
        batch = self._batches.at(place)
        asked = max(1, int((batch.targets >= 0).sum()))
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = training.learning_rate * rate_factor(training, self.step)
        rows = [sent(processes.rows(part, training.accumulate), self.device) for part in batch]
        rows += self._carried if segment else ()
        *others, last = zip(*(part.chunk(training.accumulate) for part in rows), strict=True)
        share = asked / processes.count
        with processes.accumulating():
            results = [self._pass(part, share, self._drawn(segment, place)) for place, part in enumerate(others)]
        results.append(self._pass(last, share, self._drawn(segment, len(others))))
        norm = processes.whole(clip(self.model, training))
        for optimiser in self._optimisers:
            optimiser.step()
        if self._average:
            self._average.update()
        loss, correct = _sum(result.loss for result in results), _sum(result.correct for result in results)
        shares = len(results) * processes.count
        means = [_sum(result.measures[name] for result in results) / shares for name in self.model.measured]
        loss, correct, *means = processes.total(loss, correct, *means)
        self._carried = tuple(torch.cat(parts) for parts in zip(*(result.carried for result in results), strict=True))
        self._window.append(torch.stack([loss, correct, torch.full_like(loss, asked), norm, *means]))
        self.step += 1

    def _drawn(self, segment: int, place: int) -> list[Unrolling]:
        """The passes of the part at a place in the batch, on which so many steps have been taken before.

        What dropout draws is seeded here.
        """
        training, processes = self.run.training, self._processes
        progress = self.step / training.steps
        share = place * processes.count + processes.index
        torch.manual_seed(generator("dropout", self.run.seed, self.step, share).initial_seed())
        if not self.model.draws:
            return self.model.unrollings(None, progress, segment)
        size = training.batch // (training.accumulate * processes.count)
        rows = range(share * size, (share + 1) * size)
        draws = generator("training", self.run.seed, self.step)
        return self.model.drawn(rows, self.run.task.sequence_length, draws, progress, segment)

    def _pass(self, part: Sequence[Tensor], divisor: float, drawn: list[Unrolling]) -> Loss:
        """What `_backward` does, by whichever way is faster."""
        if self._replayed:
            return self._replayed(self._backward, part, divisor, drawn)
        return self._backward(part, divisor, drawn)

    def _backward(self, part: Sequence[Tensor], divisor: float | Tensor, drawn: list[Unrolling]) -> Loss:
        """Add the gradient of the loss on a part of the batch, divided by a number."""
        tokens, targets, *carried = part
        passes = [unrolling._replace(carried=tuple(carried)) for unrolling in drawn]
        with autocast(self.run.training, self.device):
            result = self._loss(tokens, targets, z_loss=self.run.training.z_loss, passes=passes)
        (result.loss / divisor).backward()
        return result._replace(loss=result.loss.detach())

    @property
    def done(self) -> bool:
        """Whether all steps have been taken."""
        return self.step >= self.run.training.steps

    def measure(self) -> Metrics:
        """Metrics of the steps since the last call of `forget`; waits for the device."""
        training = self.run.training
        window = torch.stack(self._window).cpu().double()
        lost = (~window[:, [0, 3]].isfinite().all(1)).nonzero()
        loss, correct, asked = window[:, :3].sum(0).tolist()
        return Metrics(
            step=self.step,
            tokens=self.step * training.batch * self.run.task.sequence_length,
            loss=loss / asked,
            accuracy=correct / asked,
            gradient_norm=window[:, 3].mean().item(),
            learning_rate=training.learning_rate * rate_factor(training, self.step - 1),
            diverged_at=self.step - len(window) + 1 + int(lost[0]) if len(lost) else None,
            measures=dict(zip(self.model.measured, window[:, 4:].mean(0).tolist(), strict=True)),
            validation=self._validated(),
        )

    def _validated(self) -> dict[str, float]:
        if not self._validation:
            return {}
        with self._averaged():
            return self._validation.measure(self.model)

    def forget(self) -> None:
        """Begin a new line of metrics."""
        self._window = []

    def _averaged(self) -> AbstractContextManager:
        """A context in which the model has the average for weights, if there is one."""
        return self._average.in_place() if self._average else nullcontext()

    def weights(self) -> Mapping[str, Tensor]:
        """Those of the model, or their average; on the first process."""
        with self._averaged():
            weights = self._processes.state(self.model, [])[0]
            return {name: tensor.clone() for name, tensor in weights.items()} if self._average else weights

    def state(self) -> dict[str, Tensor]:
        """Tensors from which, with the step, `restore` goes on to the same bits; whole on the first process."""
        weights, states = self._processes.state(self.model, self._optimisers)
        tensors = {f"model.{name}": tensor for name, tensor in weights.items()}
        for parameter, state in states.items():
            tensors |= {f"optimiser.{parameter}.{key}": tensor for key, tensor in state.items()}
        if self._average:
            tensors |= {f"average.{name}": tensor for name, tensor in self.weights().items()}
        if self._window:
            tensors["window"] = torch.stack(self._window)
        for k, rows in enumerate(self._carried):
            tensors[f"carried.{k}"] = self._processes.batch_of(rows, self.run.training.accumulate)
        return tensors

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Take up a saved state of the same run."""
        states: dict[str, dict[str, Tensor]] = {}
        for name, tensor in _below("optimiser.", tensors).items():
            parameter, key = name.rsplit(".", 1)
            states.setdefault(parameter, {})[key] = tensor
        self._processes.restore(self.model, self._optimisers, _below("model.", tensors), states)
        if self._average:
            with self._averaged():
                self._processes.restore(self.model, [], _below("average.", tensors), {})
        self._window = list(tensors["window"].to(self.device)) if "window" in tensors else []
        carried = sorted(_below("carried.", tensors).items(), key=lambda item: int(item[0]))
        parts = self.run.training.accumulate
        self._carried = tuple(self._processes.rows(batch, parts).to(self.device) for _, batch in carried)
        self.step = step


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, tensors)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
