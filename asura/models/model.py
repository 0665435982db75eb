"""What every architecture is: an embedding, a state that is iterated, a head; and the loss that training minimises."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from asura.models.layers import Block
from asura.models.settings import Architecture, Recursive
from asura.tasks.base import IGNORE

SIGMA = 0.5
"""Of the logarithm of the rate that iterations are drawn at."""

LONGEST = 2048
"""Positions that can be learned."""

LOGITS_AT_ONCE = 2**25
"""Logits that training holds at once: where a batch has more, its positions are cut into chunks."""

State = tuple[Tensor, ...]
"""What an iteration leaves to the next; the first is z, (B, T, d)."""


class Unrolling(NamedTuple):
    """A pass through the model in training.

    It has a share of the loss, iterations, the first of them without gradient, and noise to start from (B, T, d).
    """

    share: float
    iterations: int
    without_gradient: int = 0
    noise: Tensor | None = None

    def part(self, place: int, parts: int) -> "Unrolling":
        """The pass for one of equal parts of the batch."""
        return self if self.noise is None else self._replace(noise=self.noise.chunk(parts)[place])


class Loss(NamedTuple):
    """Over the asked positions of a batch: the sum to minimise, how many were answered rightly, and measures' means."""

    loss: Tensor
    correct: Tensor
    measures: dict[str, Tensor]


class Model(nn.Module):
    """An architecture says what its state is: how it starts, what an iteration makes of it, and how it is read.

    What it needs of training beyond that, it says here as well: weights of the iterations' losses, a penalty, and
    measures (of each sequence) that are reported beside the scores.
    """

    measured: tuple[str, ...] = ()
    starts_from_noise = False
    activation_checkpointing = False
    """Whether each iteration with gradient is evaluated again in the backward pass, which then keeps states alone."""

    def __init__(self, settings: Architecture, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.positions = nn.Embedding(LONGEST, settings.width) if settings.positions == "learned" else None
        self.embedding_norm = nn.LayerNorm(settings.width)
        self.head_norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, vocabulary, settings.bias)

    def noise(self, batch: int, length: int, generator: Generator) -> Tensor | None:
        """The noise that a batch starts from in training, (B, T, d); None for none."""
        return None

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """The state before the first iteration, of tokens (B, T)."""
        raise NotImplementedError

    def iterate(self, state: State, t: int) -> State:
        """The state after iteration t, counted from 1."""
        raise NotImplementedError

    def read(self, state: State) -> Tensor:
        """What the head sees of a state, (B, T, d)."""
        return state[0]

    def guidance_weights(self, iterations: int) -> tuple[float, ...]:
        """Weight of each iteration's loss in training; they sum to 1."""
        return (0.0,) * (iterations - 1) + (1.0,)

    def penalty(self, state: State) -> Tensor | None:
        """What training adds to the mean loss, of the last state; None for nothing."""
        return None

    def measures(self, state: State) -> dict[str, Tensor]:
        """What is reported of a state, by the names in `measured`: each (B,)."""
        return {}

    def parts(self) -> list[nn.Module]:
        """The modules that are applied again and again: what is compiled, and sharded, each by itself."""
        return [module for module in self.modules() if isinstance(module, Block)]

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens to (B, T, d)."""
        e = self.embedding(tokens)
        if self.positions is not None:
            e = e + self.positions.weight[: tokens.shape[1]]
        return self.embedding_norm(e)

    def logits(self, z: Tensor) -> Tensor:
        """(B, T, d) to (B, T, V)."""
        return self.head(self.head_norm(z))

    def trajectory(
        self,
        tokens: Tensor,
        iterations: int | None = None,
        without_gradient: int = 0,
        noise: Tensor | None = None,
    ) -> Iterator[State]:
        """Yield the state after each iteration, `iterations` of them (as trained if None).

        An architecture that does not iterate has one, however many are asked for.
        """
        if iterations is None or not self.settings.iterates():
            iterations = self.settings.i
        state = self.start(tokens, noise)
        for t in range(1, iterations + 1):
            if t <= without_gradient:
                with torch.no_grad():
                    state = self.iterate(state, t)
            elif self.activation_checkpointing:
                state = checkpoint(self.iterate, state, t, use_reentrant=False)
            else:
                state = self.iterate(state, t)
            yield state

    def states(self, tokens: Tensor, iterations: int | None = None) -> Iterator[Tensor]:
        """Yield what the head sees (B, T, d) after each iteration."""
        return map(self.read, self.trajectory(tokens, iterations))

    def forward(self, tokens: Tensor, iterations: int | None = None) -> Tensor:
        """(B, T) tokens to the logits (B, T, V) after the last iteration."""
        *_, last = self.states(tokens, iterations)
        return self.logits(last)

    @property
    def draws(self) -> bool:
        """Whether training draws anything, and so needs a generator."""
        settings = self.settings
        iterations = isinstance(settings, Recursive) and bool(settings.drawn or settings.progressive)
        return iterations or self.starts_from_noise

    def drawn(self, batch: int, length: int, generator: Generator) -> list[Unrolling]:
        """What one batch is trained on, of this size, with its noise."""
        return [
            unrolling._replace(noise=self.noise(batch, length, generator)) for unrolling in self.unrollings(generator)
        ]

    def unrollings(self, generator: Generator | None = None) -> list[Unrolling]:
        """What one batch is trained on; without a generator, nothing is drawn and the plain pass stands alone."""
        settings = self.settings
        if not isinstance(settings, Recursive):
            return [Unrolling(1.0, settings.i)]
        drawn = settings.drawn and generator is not None
        iterations = draw_iterations(settings.i, generator) if drawn else settings.i
        truncated = max(0, iterations - (settings.backpropagate or iterations))
        if not settings.progressive or generator is None:
            return [Unrolling(1.0, iterations, truncated)]
        before = int(torch.randint(0, settings.i, (), generator=generator))
        after = int(torch.randint(1, settings.i - before + 1, (), generator=generator))
        passes = [
            Unrolling(1 - settings.progressive, iterations, truncated),
            Unrolling(settings.progressive, before + after, before),
        ]
        return [unrolling for unrolling in passes if unrolling.share]

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        z_loss: float = 0.0,
        passes: Sequence[Unrolling] | None = None,
        recompute: bool = True,
    ) -> Loss:
        """Summed cross-entropy over asked positions; `correct` and `measures` are of the first pass's last iteration.

        The passes are what `drawn` gave, by default those of a batch for which nothing is drawn. They come from outside
        so that nothing in here draws a number, which no compiler could follow.

        Where several iterations have a loss, or one has more than LOGITS_AT_ONCE logits, `recompute` evaluates the head
        again in the backward pass, for each iteration and chunk of positions, so that one chunk's logits are alive at
        a time. Neither the loss nor its gradient depends on it.
        """
        first, *others = (
            (unrolling.share, self.loss_of(unrolling, tokens, targets, z_loss, recompute))
            for unrolling in passes or self.unrollings()
        )
        total = first[0] * first[1].loss
        for share, result in others:
            total = total + share * result.loss
        return Loss(total, first[1].correct, first[1].measures)  # torch 2.11 does not compile _replace

    def loss_of(
        self,
        unrolling: Unrolling,
        tokens: Tensor,
        targets: Tensor,
        z_loss: float = 0.0,
        recompute: bool = True,
    ) -> Loss:
        """The loss of one pass, its share left out."""
        weights = self.guidance_weights(unrolling.iterations)
        chunks = math.ceil(targets.numel() / max(1, LOGITS_AT_ONCE // self.head.out_features))
        recompute = recompute and chunks * sum(weight > 0 for weight in weights) > 1
        total = torch.zeros((), device=tokens.device)
        trajectory = self.trajectory(tokens, unrolling.iterations, unrolling.without_gradient, unrolling.noise)
        for weight, state in zip(weights, trajectory, strict=True):
            if not weight:
                continue
            if recompute:
                part, correct = self._chunked_loss(self.read(state), targets, z_loss, chunks)
            else:
                part, correct = self._head_loss(self.read(state), targets, z_loss)
            total = total + weight * part
        penalty = self.penalty(state)
        if penalty is not None:
            total = total + penalty * (targets != IGNORE).sum()
        measures = {name: value.detach().mean() for name, value in self.measures(state).items()}
        return Loss(total, correct, measures)

    def _chunked_loss(self, z: Tensor, targets: Tensor, z_loss: float, chunks: int) -> tuple[Tensor, Tensor]:
        """`_head_loss`, one chunk of positions after the other, each evaluated again in the backward pass."""
        parts = zip(z.flatten(0, 1).chunk(chunks), targets.flatten().chunk(chunks), strict=True)
        results = [checkpoint(self._head_loss, *part, z_loss, use_reentrant=False) for part in parts]
        return sum(loss for loss, _ in results), sum(correct for _, correct in results)

    def _head_loss(self, z: Tensor, targets: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
        logits = self.logits(z).flatten(0, -2)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        targets = targets.flatten()
        loss = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
        if z_loss:
            loss = loss + z_loss * (logits.logsumexp(-1).square() * (targets != IGNORE)).sum()
        return loss, (logits.detach().argmax(-1) == targets).sum()


def draw_iterations(mean: int, generator: Generator | None) -> int:
    """A number of iterations, at least 1, with this mean (`Recursive.drawn`)."""
    normal = torch.randn((), generator=generator)
    rate = (mean - 1) * torch.exp(SIGMA * normal - SIGMA**2 / 2)
    return 1 + int(torch.poisson(rate, generator=generator))
