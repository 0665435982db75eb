"""How a model in training does on the validation split, measured without changing its training."""

import torch
import torch.nn.functional as F
from torch import Tensor

from asura.common.randomness import generator
from asura.models.model import Model
from asura.planning.runs import Run
from asura.tasks import IGNORE
from asura.training.devices import autocast


class Validation:
    """Examples of the validation split, the same for every model and every seed."""

    def __init__(self, run: Run, device: torch.device) -> None:
        self._training, self._device = run.training, device
        self._batch = run.task.splits["validation"].draw(run.training.validation_examples, generator("validation"))

    @torch.no_grad()
    def measure(self, model: Model) -> dict[str, float]:
        """Mean loss of an asked position in nats, and the shares of right answers and of right examples."""
        was_training = model.training
        model.eval()
        found = torch.stack([self._sums(model, *parts) for parts in self._parts()]).sum(0).tolist()
        model.train(was_training)
        loss, correct, asked, exact, examples = found
        return {
            "validation_loss": loss / asked,
            "validation_accuracy": correct / asked,
            "validation_exact_match": exact / examples,
        }

    def _parts(self) -> list[tuple[Tensor, ...]]:
        size = max(1, self._training.batch // self._training.accumulate)
        return list(zip(*(part.split(size) for part in self._batch), strict=True))

    def _sums(self, model: Model, tokens: Tensor, targets: Tensor) -> Tensor:
        """Sums over examples of loss, right answers, asked positions, right examples, and examples that ask: (5,)."""
        targets = targets.to(self._device)
        with autocast(self._training, self._device):
            logits = model(tokens.to(self._device)).float()
        asked = targets != IGNORE
        right = ((logits.argmax(-1) == targets) & asked).sum(1)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
        counts = [right.sum(), asked.sum(), ((right == asked.sum(1)) & asked.any(1)).sum(), asked.any(1).sum()]
        return torch.stack([loss, *counts]).cpu()
