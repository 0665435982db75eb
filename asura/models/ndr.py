"""Neural Data Router: a copy gate and geometric attention (Csordás et al., 2022, arXiv 2110.07732)."""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.models.layers import QKV, Dropout
from asura.models.model import Model, State
from asura.models.settings import Recursive


class NDRSettings(Recursive):
    """Neural Data Router (Csordás et al., 2022, arXiv 2110.07732): a copy gate and geometric attention.

    It was published with `n: 1`, `i: 14`, one head, `causal: false`, an MLP of twice the width, and both dropouts at
    0.1.
    """

    architecture: Literal["ndr"] = "ndr"
    positions: Literal["rotary", "learned", "none"] = "none"
    """Position encoding. Geometric attention knows directions and distances, so none is needed. `rotary` has no
    effect."""
    qk_norm: bool = True
    """It has no effect: geometric attention has no QK-norm."""
    bias: bool = False
    """Whether attention and the head have biases. MLP and gate always have them."""
    gelu: Literal["exact", "tanh"] = "exact"
    """It has no effect: the MLP uses ReLU."""
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of the keys of attention, in training."""
    gate_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the positions whose gate is closed in an iteration of training, so that they are copied."""


def closest_first(match: Tensor) -> Tensor:
    """Geometric attention: each position attends to the closest match (equations 9 and 10).

    match is the log-odds (..., T, T) that target i matches source j; the weight of j is the probability of that
    times the probability that no source closer to i matches. At equal distance the source to the right is closer.
    """
    length = match.shape[-1]
    target, source = torch.arange(length, device=match.device)[:, None], torch.arange(length, device=match.device)
    distance = (target - source).abs()
    first = (target - distance + 1).clamp(min=0).expand_as(match)
    last = (target + distance - (source > target).long()).clamp(max=length - 1).expand_as(match)
    # The log-probability of no match from `first` to `last`, which leaves out j itself, from a running sum.
    running = F.pad(_running_sum(F.logsigmoid(-match)), (1, 0))
    nothing_closer = running.gather(-1, last + 1) - running.gather(-1, first)
    return (F.logsigmoid(match) + torch.where(distance > 0, nothing_closer, 0.0)).exp()


def _running_sum(x: Tensor) -> Tensor:
    """Over the last dimension, by doubling: torch's cumsum of floats differs from call to call on CUDA."""
    reach = 1
    while reach < x.shape[-1]:
        x = x + F.pad(x[..., :-reach], (reach, 0))
        reach *= 2
    return x


class GeometricAttention(nn.Module):
    """Directional geometric attention on (B, T, d): content and a preference for left or right make the match.

    Content and direction have a learned scale each. The weights of a position sum to at most 1: what is left is the
    probability that nothing matches. The published code can normalise them, and no study of it does.
    """

    def __init__(self, settings: NDRSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.causal = settings.heads, settings.causal
        self.qkv = QKV(width, settings.bias)
        self.direction = nn.Linear(width, 2 * settings.heads)
        self.content_bias = nn.Parameter(torch.zeros(settings.heads, 1, width // settings.heads))
        self.match_bias = nn.Parameter(torch.zeros(1))
        self.scale = nn.Parameter(torch.full((1,), (width // settings.heads) ** -0.5))
        self.direction_scale = nn.Parameter(torch.ones(1))
        self.key_dropout = nn.Dropout(settings.attention_dropout)
        self.out = nn.Linear(width, width, settings.bias)

    def weights(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Attention weights (B, h, T, T) and values (B, h, T, d / h)."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        directions = self.direction(x) * self.direction_scale
        left, right = directions.view(batch, length, 2, self.heads).permute(2, 0, 3, 1)
        match = (q + self.content_bias) @ self.key_dropout(k).transpose(-1, -2) * self.scale + self.match_bias
        match = match + torch.where(torch.ones_like(match).triu(1) > 0, right[..., None], left[..., None])
        nowhere = torch.eye(length, dtype=torch.bool, device=x.device)
        if self.causal:
            nowhere = torch.ones_like(nowhere).triu()
        return closest_first(match.float().masked_fill(nowhere, -torch.inf)), v

    def forward(self, x: Tensor) -> Tensor:
        weights, v = self.weights(x)
        mixed = weights.to(v.dtype) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))


class CopyGate(nn.Module):
    """How much of a position is replaced, (B, T, d), between 0 (it is copied) and 1; it starts near 0.05.

    In training, a share of the positions is copied whatever the gate says.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def initialise(self, _: Generator) -> None:
        """Start nearly closed."""
        nn.init.constant_(self.outer.bias, -3.0)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.outer(self.inner(x).relu()).sigmoid()
        if self.training and self.dropout:
            gate = gate.masked_fill(torch.rand_like(gate[..., :1]) < self.dropout, 0)
        return gate


class Router(nn.Module):
    """a = LN(x + Attn(x)); x' = g ⊙ LN(FFN(a)) + (1 - g) ⊙ x with g = Gate(a), on (B, T, d) (equations 3 to 5)."""

    def __init__(self, settings: NDRSettings) -> None:
        super().__init__()
        width, hidden = settings.width, settings.mlp_width or 4 * settings.width
        self.attention = GeometricAttention(settings)
        self.attention_norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.data_norm = nn.LayerNorm(width)
        self.gate = CopyGate(width, settings.gate_dropout)
        self.dropout = Dropout()

    def forward(self, x: Tensor) -> Tensor:
        a = self.attention_norm(x + self.dropout(self.attention(x)))
        data = self.data_norm(self.dropout(self.down(self.up(a).relu())))
        return torch.lerp(x, data.to(x.dtype), self.gate(a).to(x.dtype))  # autocast gives them other types


class NDR(Model):
    """z_t = R_n(… R_1(z_{t-1})), z_0 = e."""

    def __init__(self, settings: NDRSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.routers = nn.ModuleList(Router(settings) for _ in range(settings.n))

    def parts(self) -> list[nn.Module]:
        """The routers."""
        return list(self.routers)

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """The embedding."""
        return (self.embed(tokens),)

    def iterate(self, state: State, t: int) -> State:
        """One pass through the stack; any number of them can be asked for."""
        (z,) = state
        for router in self.routers:
            z = router(z)
        return (z,)
