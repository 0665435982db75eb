"""One run on one process or on many: which rows of a batch each takes, what is summed, and who writes.

Every process holds the whole batch's numbers: it draws the batch of a step, and what the model draws, as all others
do, takes its share of the rows, and adds what it has counted to what the others have. So a run is the same on any
number of processes, but for the order in which numbers are added.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from asura.common.errors import UserError
from asura.common.world import REMEDY, World, world
from asura.models.model import Loss, Model
from asura.models.settings import Recursive
from asura.planning.training_settings import Training
from asura.training.devices import with_compiled_parts

Item = TypeVar("Item")
Weights = Mapping[str, Tensor]
States = Mapping[str, Mapping[str, Tensor]]
"""What optimisers keep of each parameter, by its name."""

SECONDS_TO_MEET = 300
"""Time that processes are given to find each other: of a WORLD_SIZE that was left over, the others never come."""

SECONDS_TO_SAVE = 600
"""Time that processes are given to leave, once a signal has come."""


class Alone:
    """The only process of a run."""

    index, count = 0, 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, and shows progress."""
        return self.index == 0

    def loss_of(self, model: Model, training: Training) -> Callable[..., Loss]:
        """What training calls for `model.loss`, whose gradient is the mean over processes; shards the model if asked.

        Optimisers are to be made after it. Raises UserError where processes cannot share the batch or the model.
        """
        return with_compiled_parts(model).loss if training.compile else model.loss

    def accumulating(self) -> AbstractContextManager:
        """A context for all parts of a batch but the last, whose gradients need not be shared yet."""
        return nullcontext()

    def rows(self, batch: Tensor, parts: int) -> Tensor:
        """This process's rows of a batch (rows, …) that is cut into parts: as many of each part."""
        return batch

    def batch_of(self, rows: Tensor, parts: int) -> Tensor:
        """The whole batch of which every process gives its `rows`."""
        return rows

    def mine(self, items: Iterable[Item]) -> Iterator[Item]:
        """This process's share of the items."""
        return islice(items, self.index, None, self.count)

    def total(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Of each value, all of one shape, the sum over processes."""
        return values

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """Of each number, the largest that a process gave."""
        return numbers

    def whole(self, tensor: Tensor) -> Tensor:
        """A tensor, put together where it lies in shards."""
        return tensor

    def write(self, act: Callable[[], object]) -> None:
        """Let the first process write, while the others wait; where that fails, all end."""
        act()

    def state(self, model: nn.Module, optimisers: list[Optimizer]) -> tuple[Weights, States]:
        """Weights, and what the optimisers keep: whole on the first process, nothing on the others."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        return model.state_dict(), {names[p]: kept for optimiser in optimisers for p, kept in optimiser.state.items()}

    def restore(self, model: nn.Module, optimisers: list[Optimizer], weights: Weights, states: States) -> None:
        """Take up a state, whole on every process. Raises RuntimeError where the weights are of another model."""
        model.load_state_dict(weights)
        names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        for optimiser in optimisers:
            order = [names[parameter] for group in optimiser.param_groups for parameter in group["params"]]
            kept = {k: states[name] for k, name in enumerate(order) if name in states}
            optimiser.load_state_dict({**optimiser.state_dict(), "state": kept})


ALONE = Alone()


class Several(Alone):
    """One of several processes, which torchrun has started."""

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count
        self._replica: DistributedDataParallel | None = None

    def loss_of(self, model: Model, training: Training) -> Callable[..., Loss]:
        """See `Alone`."""
        if training.batch % (training.accumulate * self.count):
            raise UserError(
                f"training.batch: found {training.batch} for {self.count} processes and accumulate "
                f"{training.accumulate}; it must be a multiple of {training.accumulate * self.count}"
            )
        if training.parallel == "fsdp":
            self._shard(model)
            return super().loss_of(model, training)
        loss = _LossOf(model, super().loss_of(model, training))
        self._replica = DistributedDataParallel(
            loss, find_unused_parameters=_may_pass_over(model), gradient_as_bucket_view=True
        )
        return self._replica

    def _shard(self, model: Model) -> None:
        """Every block by itself, and all the rest; or all at once where blocks are applied again.

        Sharded by itself, a block would be gathered in every iteration, forwards and backwards.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        for name, parameter in model.named_parameters():
            if not parameter.ndim:
                raise UserError(f"training.parallel: fsdp cannot shard {name}, which is one number; use ddp")
        mesh = init_device_mesh(next(model.parameters()).device.type, (self.count,))
        for module in [*(model.parts() if model.settings.i == 1 else []), model]:
            fully_shard(module, mesh=mesh)
        register_fsdp_forward_method(model, "loss")

    def accumulating(self) -> AbstractContextManager:
        """See `Alone`; shards are always shared, since whole gradients would not fit."""
        return self._replica.no_sync() if self._replica else nullcontext()

    def rows(self, batch: Tensor, parts: int) -> Tensor:
        """See `Alone`."""
        cut: Tensor = batch.unflatten(0, (parts, self.count, -1))
        return cut[:, self.index].flatten(0, 1)

    def batch_of(self, rows: Tensor, parts: int) -> Tensor:
        """See `Alone`."""
        every = [torch.empty_like(rows) for _ in range(self.count)]
        dist.all_gather(every, rows)
        return torch.stack([own.unflatten(0, (parts, -1)) for own in every], dim=1).flatten(0, 2)

    def total(self, *values: Tensor) -> tuple[Tensor, ...]:
        """See `Alone`."""
        summed = torch.stack(values)
        dist.all_reduce(summed)
        return summed.unbind()

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """See `Alone`."""
        agreed = torch.tensor(numbers)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return tuple(agreed.tolist())

    def whole(self, tensor: Tensor) -> Tensor:
        """See `Alone`."""
        from torch.distributed.tensor import DTensor

        whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return whole

    def write(self, act: Callable[[], object]) -> None:
        """See `Alone`."""
        error = None
        if self.first:
            try:
                act()
            except (OSError, UserError) as found:
                error = found
        (failed,) = self.largest(error is not None)
        if error:
            raise error
        if failed:
            raise SystemExit(1)

    def state(self, model: nn.Module, optimisers: list[Optimizer]) -> tuple[Weights, States]:
        """See `Alone`."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        found: tuple[Mapping[str, Any], Mapping[str, Any]] = get_state_dict(model, optimisers, options=options)
        weights, kept = found
        return weights, kept.get("state", {})

    def restore(self, model: nn.Module, optimisers: list[Optimizer], weights: Weights, states: States) -> None:
        """See `Alone`."""
        from torch.distributed.checkpoint.state_dict import (
            StateDictOptions,
            get_optimizer_state_dict,
            set_model_state_dict,
            set_optimizer_state_dict,
        )

        set_model_state_dict(model, dict(weights), options=StateDictOptions(full_state_dict=True))
        if not states:
            return
        groups = get_optimizer_state_dict(model, optimisers)["param_groups"]
        kept: dict[str, Any] = {"state": states, "param_groups": groups}
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_optimizer_state_dict(model, optimisers, kept, options=options)
        names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        for optimiser in optimisers:  # torch has begun a state of those parameters too that had none
            for parameter in [p for p in optimiser.state if names[p] not in states]:
                del optimiser.state[parameter]

    def leave(self) -> None:
        """Part from the other processes."""
        if self._replica:
            # Were DDP the last to hold the group, its end would wait for threads that wait for it: for ever.
            del self._replica.reducer, self._replica.logger
        dist.destroy_process_group()


class _LossOf(nn.Module):
    """A model's loss as a forward pass, which is what DDP watches."""

    def __init__(self, model: Model, loss: Callable[..., Loss]) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, *arguments: Any, **settings: Any) -> Loss:
        return self._loss(*arguments, **settings)


def _may_pass_over(model: Model) -> bool:
    """Whether a step may leave parameters without gradient: those of iterations that it does not take, or not back."""
    settings = model.settings
    if not isinstance(settings, Recursive):
        return False
    rules = settings.drawn, settings.progressive, settings.backpropagate, settings.growing
    return any(rules) or settings.deep_supervision > 1


@contextmanager
def joined() -> Iterator[Alone]:
    """This process among those that torchrun has started, or alone.

    Raises UserError where the environment contradicts itself, others do not come, or a machine lacks accelerators.
    """
    here = world()
    if here.size == 1:
        yield ALONE
        return
    backend = "gloo"
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator and os.environ.get("ASURA_DEVICE") != "cpu":
        wanted, there = here.local_size, torch.accelerator.device_count()
        if wanted > there:
            raise UserError(f"{wanted} processes on a machine with {there} {accelerator.type} devices; start {there}")
        torch.accelerator.set_device_index(here.local_rank)
        backend = f"cpu:gloo,{accelerator.type}:{dist.get_default_backend_for_device(accelerator)}"
    _meet(backend, here)
    processes = Several(here.rank, here.size)
    try:
        yield processes
    finally:
        processes.leave()


def _meet(backend: str, here: World) -> None:
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(seconds=SECONDS_TO_MEET)))
        dist.init_process_group(backend, store=store, rank=here.rank, world_size=here.size)
    except (ValueError, RuntimeError) as error:
        reason = f"they did not meet ({str(error).splitlines()[0]})"
        raise UserError(f"WORLD_SIZE: found {here.size}, but {reason}; {REMEDY}") from None
