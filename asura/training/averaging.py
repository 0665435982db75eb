"""The average of a model's weights over the steps of its training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Exponential moving average of a model's weights, which starts at them and is kept beside them."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._weights = list(model.parameters())
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """Start at the weights as they are."""
        self._average = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Move to the weights, after a step."""
        torch._foreach_lerp_(self._average, [weight.detach() for weight in self._weights], 1 - self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for weights, and then its own again, bit for bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        if reshard := getattr(self._model, "reshard", None):
            reshard()  # FSDP keeps what it last gathered of the outermost module
        for weight, average in zip(self._weights, self._average, strict=True):
            own = weight.detach().clone()
            weight.copy_(average)
            average.copy_(own)
