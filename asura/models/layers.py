"""The parts that every architecture is made of.

Pre-norm blocks of multi-head self-attention with rotary positions and QK-norm, and an MLP of GELU. Symbols in
shapes: B sequences, T positions, V tokens, d width, h heads.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from asura.tasks.base import IGNORE, LARGEST


class Architecture(BaseModel):
    """What every architecture is told: its size, and how often its blocks are applied."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    n: int = Field(1, ge=1, le=LARGEST, description="blocks with parameters of their own")
    i: int = Field(1, ge=1, le=LARGEST, description="iterations of the whole stack")
    width: int = Field(64, ge=1, le=LARGEST)
    heads: int = Field(4, ge=1, le=LARGEST)
    mlp_width: int | None = Field(None, ge=1, le=LARGEST, description="hidden width of the MLP; 4 × width by default")
    causal: bool = Field(True, description="next-token prediction; false lets every position see all others")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Architecture":
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} with {self.heads} heads: width must be divisible by twice the heads, "
                "so that each head has an even width to rotate"
            )
        return self

    @classmethod
    def iterates(cls) -> bool:
        """Whether i is a choice; the other architectures apply their blocks once."""
        return cls.model_fields["i"].annotation is int

    @property
    def effective_depth(self) -> int:
        """Block applications in one forward pass."""
        return self.n * self.i


@lru_cache(maxsize=16)
def rotary_angles(length: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine, each (length, head_width), of rotary positions (Su et al., 2021, arXiv 2104.09864)."""
    with torch.inference_mode(False):  # what inference mode makes cannot be trained with, and this is kept
        frequency = 10_000.0 ** -(torch.arange(0, head_width, 2, device=device) / head_width)
        angle = torch.outer(torch.arange(length, device=device), frequency)
        return angle.cos().repeat(1, 2), torch.cat((-angle.sin(), angle.sin()), dim=-1)


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x (..., T, head width), whose halves are the two coordinates of each pair."""
    cos, sin = angles
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin).to(x.dtype)


class Attention(nn.Module):
    """Multi-head self-attention on (B, T, d), with rotary positions and QK-norm (Henry et al., 2020)."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = nn.LayerNorm(width // heads, bias=False)
        self.k_norm = nn.LayerNorm(width // heads, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        angles = rotary_angles(length, width // self.heads, x.device)
        q, k = rotate(self.q_norm(q), angles), rotate(self.k_norm(k), angles)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class MLP(nn.Module):
    """GELU network on (..., d)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    """One pre-norm block on (B, T, d); an adapter, where given, runs beside attention and MLP."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        width = settings.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, settings.heads, settings.causal)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, settings.mlp_width or 4 * width)

    def forward(self, x: Tensor, adapter: nn.ModuleDict | None = None) -> Tensor:
        h = self.attention_norm(x)
        x = x + self.attention(h)
        if adapter is not None:
            x = x + adapter["attention"](h)
        h = self.mlp_norm(x)
        x = x + self.mlp(h)
        if adapter is not None:
            x = x + adapter["mlp"](h)
        return x


class Loss(NamedTuple):
    """Sums over the asked positions of a batch: the loss to minimise, and how many were answered rightly."""

    loss: Tensor
    correct: Tensor


class Model(nn.Module):
    """Embedding and head around a sequence of states z_1, z_2, …; a subclass says what the states are."""

    def __init__(self, settings: Architecture, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.embedding_norm = nn.LayerNorm(settings.width)
        self.head_norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, vocabulary, bias=False)

    def states(self, tokens: Tensor, iterations: int | None = None) -> Iterator[Tensor]:
        """Yield the state (B, T, d) after each iteration, `iterations` of them (as trained if None)."""
        raise NotImplementedError

    def guidance_weights(self) -> tuple[float, ...]:
        """Weight of each iteration's loss, in training; they sum to 1."""
        return (0.0,) * (self.settings.i - 1) + (1.0,)

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens to (B, T, d)."""
        return self.embedding_norm(self.embedding(tokens))

    def logits(self, state: Tensor) -> Tensor:
        """(B, T, d) to (B, T, V)."""
        return self.head(self.head_norm(state))

    def forward(self, tokens: Tensor, iterations: int | None = None) -> Tensor:
        """(B, T) tokens to the logits (B, T, V) of the last iteration."""
        *_, last = self.states(tokens, iterations)
        return self.logits(last)

    def loss(self, tokens: Tensor, targets: Tensor, z_loss: float = 0.0, recompute: bool = True) -> Loss:
        """Summed cross-entropy over asked positions; `correct` is of the last iteration.

        With guidance, `recompute` evaluates the head of each iteration again in the backward pass, so that one
        set of logits is alive at a time, whatever the number of iterations.
        """
        weights = self.guidance_weights()
        recompute = recompute and sum(weight > 0 for weight in weights) > 1
        total = torch.zeros((), device=tokens.device)
        for weight, state in zip(weights, self.states(tokens), strict=True):
            if not weight:
                continue
            if recompute:
                part = checkpoint(self._head_loss, state, targets, z_loss, use_reentrant=False)
            else:
                part = self._head_loss(state, targets, z_loss)
            total = total + weight * part.loss
        return Loss(total, part.correct)

    def _head_loss(self, state: Tensor, targets: Tensor, z_loss: float) -> Loss:
        logits = self.logits(state).flatten(0, 1).float()
        targets = targets.flatten()
        loss = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
        if z_loss:
            loss = loss + z_loss * (logits.logsumexp(-1).square() * (targets != IGNORE)).sum()
        return Loss(loss, (logits.detach().argmax(-1) == targets).sum())


def initialise(model: nn.Module, generator: Generator) -> None:
    """Give every parameter its starting value, drawn from the generator alone.

    Linear maps as torch does by default, uniform within 1/sqrt(fan-in); embeddings normal; norms at identity. A
    module with a start of its own has a method `initialise`, called after those of its parts.
    """
    for module in reversed(list(model.modules())):
        if hasattr(module, "initialise"):
            module.initialise(generator)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
