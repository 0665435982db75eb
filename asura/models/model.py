"""What every architecture is: an embedding, a state that is iterated, a head; and the loss that training minimises."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from asura.common.randomness import generator as row_generator
from asura.models.layers import Block
from asura.models.settings import Architecture, Recursive
from asura.models.unrolling import State, Unrolling, guidance_weights, unrollings
from asura.tasks.base import IGNORE

LONGEST = 2048
"""Positions that can be learned."""

LOGITS_AT_ONCE = 2**25
"""Logits that training holds at once: where a batch has more, its positions are cut into chunks."""


class Loss(NamedTuple):
    """Over the asked positions of a batch: the sum to minimise, how many were answered rightly, and measures' means.

    With deep supervision, also the state that the next step on the batch goes on from.
    """

    loss: Tensor
    correct: Tensor
    measures: dict[str, Tensor]
    carried: State = ()


class Model(nn.Module):
    """An architecture says what its state is: how it starts, what an iteration makes of it, and how it is read.

    What it needs of training beyond that, it says here as well: weights of the iterations' losses, a penalty, and
    measures (of each sequence) that are reported beside the scores.
    """

    measured: tuple[str, ...] = ()
    starts_from_noise = False
    waits_for_device = False
    """Whether a pass in training asks the device for a number, such as an error to stop at, and so waits for it."""
    carries = 1
    """Parts of the state, the first ones, that go on to the next step of deep supervision; the rest is made anew."""
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

    def noise(self, rows: range, length: int, generator: Generator) -> Tensor | None:
        """The noise that these rows of a batch start from in training, (B, T, d); None for none.

        That of a row must not depend on which others are asked for, as with `normal_rows`.
        """
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
        """Weight of the loss after each iteration of a pass in training; they sum to 1."""
        return guidance_weights(self.settings, iterations)

    def position_weights(self, state: State, last: bool) -> Tensor | None:
        """Weight of each position's loss after an iteration of a pass, (B, T); None where all count equally."""
        return None

    def penalty(self, state: State, targets: Tensor) -> Tensor | None:
        """What training adds to the mean loss, of the last state and the targets (B, T); None for nothing."""
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

    @torch.no_grad()
    def answers(self, z: Tensor) -> Tensor:
        """The likeliest token at each position of z (B, T, d), from at most LOGITS_AT_ONCE logits at a time: (B, T)."""
        parts = z.detach().flatten(0, 1).chunk(self._chunks(z[..., 0]))
        return torch.cat([self.logits(part).argmax(-1) for part in parts]).view(z.shape[:-1])

    def trajectory(
        self,
        tokens: Tensor,
        iterations: int | None = None,
        without_gradient: int = 0,
        noise: Tensor | None = None,
        done: int = 0,
        carried: State = (),
    ) -> Iterator[State]:
        """Yield the state after each iteration, `iterations` of them (as trained if None).

        An architecture that does not iterate has one, however many are asked for. Where iterations were done before,
        `carried` is what they left.
        """
        if iterations is None or not self.settings.iterates():
            iterations = self.settings.i
        state = (*carried, *self.start(tokens, noise)[len(carried) :])
        for t in range(done + 1, done + iterations + 1):
            if t <= done + without_gradient:
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
        *_, last = self.trajectory(tokens, iterations)
        return self.logits(self.read(last))

    @property
    def draws(self) -> bool:
        """Whether training draws anything, and so needs a generator."""
        settings = self.settings
        iterations = isinstance(settings, Recursive) and bool(settings.drawn or settings.progressive)
        return iterations or self.starts_from_noise

    def drawn(
        self, rows: range, length: int, generator: Generator, progress: float = 1.0, segment: int = 0
    ) -> list[Unrolling]:
        """What these rows of a batch are trained on, of this length: the passes of the whole batch, their own noise."""
        return [
            unrolling._replace(noise=self.noise(rows, length, generator))
            for unrolling in self.unrollings(generator, progress, segment)
        ]

    def unrollings(
        self, generator: Generator | None = None, progress: float = 1.0, segment: int = 0
    ) -> list[Unrolling]:
        """What one batch is trained on; without a generator, nothing is drawn and the plain pass stands alone."""
        return list(unrollings(self.settings, generator, progress, segment))

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        z_loss: float = 0.0,
        passes: Sequence[Unrolling] | None = None,
        recompute: bool = True,
    ) -> Loss:
        """The sum of the cross-entropy over asked positions; `correct` and `measures` are of the first pass's last
        iteration.

        It is a sum and no mean, so that parts of a batch add up to its loss: before `backward`, divide it by the number
        of targets that are not negative, those of the whole batch.

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
        return Loss(total, first[1].correct, first[1].measures, first[1].carried)

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
        chunks = self._chunks(targets)
        recompute = recompute and chunks * sum(weight > 0 for weight in weights) > 1
        total = torch.zeros((), device=tokens.device)
        trajectory = self.trajectory(tokens, *unrolling[1:])
        for t, (weight, state) in enumerate(zip(weights, trajectory, strict=True), start=1):
            if not weight:
                continue
            of_positions = self.position_weights(state, t == len(weights))
            if recompute:
                part, correct = self._chunked_loss(self.read(state), targets, z_loss, of_positions, chunks)
            else:
                part, correct = self._head_loss(self.read(state), targets, z_loss, of_positions)
            total = total + weight * part
        penalty = self.penalty(state, targets)
        if penalty is not None:
            total = total + penalty * (targets != IGNORE).sum()
        measures = {name: value.detach().mean() for name, value in self.measures(state).items()}
        return Loss(total, correct, measures, self._carried(state))

    def _carried(self, state: State) -> State:
        """What the next step of deep supervision goes on from; nothing without it."""
        supervised = isinstance(self.settings, Recursive) and self.settings.deep_supervision > 1
        return tuple(part.detach() for part in state[: self.carries]) if supervised else ()

    def _chunks(self, positions: Tensor) -> int:
        """The number of parts of these positions, (B, T), none of which has more than LOGITS_AT_ONCE logits."""
        return math.ceil(positions.numel() / max(1, LOGITS_AT_ONCE // self.head.out_features))

    def _chunked_loss(
        self, z: Tensor, targets: Tensor, z_loss: float, weights: Tensor | None, chunks: int
    ) -> tuple[Tensor, Tensor]:
        """`_head_loss`, one chunk of positions after the other, each evaluated again in the backward pass."""
        of_positions = [None] * chunks if weights is None else weights.flatten().chunk(chunks)
        parts = zip(z.flatten(0, 1).chunk(chunks), targets.flatten().chunk(chunks), of_positions, strict=False)
        results = [
            checkpoint(self._head_loss, part, asked, z_loss, own, use_reentrant=False, preserve_rng_state=False)
            for part, asked, own in parts
        ]
        return sum(loss for loss, _ in results), sum(correct for _, correct in results)

    def _head_loss(self, z: Tensor, targets: Tensor, z_loss: float, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        logits = self.logits(z).flatten(0, -2)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        targets = targets.flatten()
        if weights is None:
            loss = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
        else:
            each = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="none")
            loss = (each * weights.flatten()).sum()
        if z_loss:
            squares = logits.logsumexp(-1).square() * (targets != IGNORE)
            loss = loss + z_loss * (squares if weights is None else squares * weights.flatten()).sum()
        return loss, (logits.detach().argmax(-1) == targets).sum()


def normal_rows(rows: range, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Normal numbers of this shape for each row of a batch, which follow from the generator and the row alone."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.stack([torch.randn(shape, generator=row_generator("row", seed, row)) for row in rows])
