"""The forward and backward pass of a step as CUDA graphs, which a GPU replays without waiting for Python."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.models.model import Loss, Model
from asura.models.unrolling import Unrolling
from asura.training.devices import is_out_of_memory

Pass = Callable[[Sequence[Tensor], float | Tensor, list[Unrolling]], Loss]
"""Adds the gradient of the loss on some rows, divided by a number. It is given tokens, targets and what was carried;
that number; and the passes through the model."""

GRAPHS = 64
"""Graphs of a run, one for each way through the model. A pass beyond them is computed without, to the same bits."""


class Replayed:
    """A pass of a model, captured when it comes for the first time and from then on replayed, to the same bits.

    What follows from anything but the tensors that it is given, a pass must do in the same way every time.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._captured: dict[Hashable, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, computed: Pass, part: Sequence[Tensor], divisor: float | Tensor, drawn: list[Unrolling]) -> Loss:
        """What `computed` gives for the rest, which holds until the next call; gradients that were there are replaced.

        Raises UserError where the model waits for the device.
        """
        way = (len(part), *(unrolling._replace(noise=None) for unrolling in drawn))
        if way not in self._captured:
            if len(self._captured) == GRAPHS:
                return computed(part, divisor, drawn)
            self._captured[way] = _Captured(computed, self._model, self._pool, part, drawn)
        return self._captured[way].replay(part, divisor, drawn)


class _Captured:
    """One way through the model: a graph, and the tensors that it reads and writes."""

    def __init__(self, computed: Pass, model: Model, pool: Any, part: Sequence[Tensor], drawn: list[Unrolling]) -> None:
        device = part[0].device
        self._parameters = list(model.parameters())
        self._part, self._divisor = [tensor.clone() for tensor in part], torch.ones((), device=device)
        self._drawn = [u if u.noise is None else u._replace(noise=u.noise.to(device)) for u in drawn]
        random = torch.cuda.get_rng_state(device)
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):  # what is set up once, such as handles of libraries, is not to be captured
            computed(self._part, self._divisor, self._drawn)
        torch.cuda.current_stream(device).wait_stream(aside)
        model.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(self._graph, pool=pool):
                self._result = computed(self._part, self._divisor, self._drawn)
        except RuntimeError as error:
            cause = error.__context__ or error  # where a capture fails, so does its end
            if is_out_of_memory(cause):
                raise cause from None
            raise UserError(
                f"training.cuda_graph: {model.settings.architecture} waits for the GPU within a pass, or copies to it, "
                "so the pass cannot be captured; say so in its class (waits_for_device = True), or leave out "
                f"cuda_graph ({str(cause).splitlines()[0]})"
            ) from None
        self._gradients = [parameter.grad for parameter in self._parameters]
        torch.cuda.set_rng_state(random, device)

    def replay(self, part: Sequence[Tensor], divisor: float | Tensor, drawn: list[Unrolling]) -> Loss:
        for own, given in zip(self._part, part, strict=True):
            own.copy_(given)
        for mine, other in zip(self._drawn, drawn, strict=True):
            if mine.noise is not None and other.noise is not None:
                mine.noise.copy_(other.noise)
        self._divisor.fill_(divisor)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._result
