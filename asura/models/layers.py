"""The parts that every architecture is made of.

Pre-norm blocks of multi-head self-attention with rotary positions and QK-norm, and an MLP of GELU. Symbols in
shapes: B sequences, T positions, V tokens, d width, h heads.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asura.models.settings import Architecture


def angles(length: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine, each (length, head_width), of rotary positions (Su et al., 2021, arXiv 2104.09864)."""
    with torch.inference_mode(False):  # what inference mode makes cannot be trained with, and this is kept
        frequency = 10_000.0 ** -(torch.arange(0, head_width, 2, device=device) / head_width)
        angle = torch.outer(torch.arange(length, device=device), frequency)
        return angle.cos().repeat(1, 2), torch.cat((-angle.sin(), angle.sin()), dim=-1)


rotary_angles = lru_cache(maxsize=16)(angles)
"""`angles`, kept; a compiler would not see the cache, and says so."""


def rotate(x: Tensor, at: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x (..., T, head width), whose halves are the two coordinates of each pair."""
    cos, sin = at
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin).to(x.dtype)


class QKV(nn.Linear):
    """Queries, keys and values, (B, T, d) to (B, T, 3d): three maps, side by side."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__(width, 3 * width, bias)


class Attention(nn.Module):
    """Multi-head self-attention on (B, T, d), where asked with QK-norm (Henry et al., 2020) and rotary positions."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        width, head_width = settings.width, settings.width // settings.heads
        self.heads, self.causal, self.rotary = settings.heads, settings.causal, settings.positions == "rotary"
        self.qkv = QKV(width, settings.bias)
        self.q_norm = nn.LayerNorm(head_width, bias=False) if settings.qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(head_width, bias=False) if settings.qk_norm else nn.Identity()
        self.out = nn.Linear(width, width, settings.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.rotary:
            angles_of = angles if torch.compiler.is_compiling() else rotary_angles
            at = angles_of(length, width // self.heads, x.device)
            q, k = rotate(q, at), rotate(k, at)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class MLP(nn.Module):
    """GELU network on (..., d)."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        width, hidden = settings.width, settings.mlp_width or 4 * settings.width
        self.up = nn.Linear(width, hidden, settings.bias)
        self.down = nn.Linear(hidden, width, settings.bias)
        self.approximate = "tanh" if settings.gelu == "tanh" else "none"

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate=self.approximate))


class Dropout(nn.Dropout):
    """Dropout at the rate of the training, which sets it (`set_dropout`); without a training there is none."""

    def __init__(self) -> None:
        super().__init__(0.0)


def set_dropout(model: nn.Module, rate: float) -> None:
    """Let all parts of a model that have a dropout of the training drop at a rate."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = rate


class Block(nn.Module):
    """One pre-norm block on (B, T, d); an adapter, where given, runs beside attention and MLP."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(settings.width)
        self.attention = Attention(settings)
        self.mlp_norm = nn.LayerNorm(settings.width)
        self.mlp = MLP(settings)
        self.dropout = Dropout()

    def forward(self, x: Tensor, adapter: nn.ModuleDict | None = None) -> Tensor:
        h = self.attention_norm(x)
        x = x + self.dropout(self.attention(h))
        if adapter is not None:
            x = x + adapter["attention"](h)
        h = self.mlp_norm(x)
        x = x + self.dropout(self.mlp(h))
        if adapter is not None:
            x = x + adapter["mlp"](h)
        return x


class ConcatSkip(nn.Linear):
    """A projection of [z; e] from 2d to d: recall (Bansal et al., 2022, arXiv 2202.05826)."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__(2 * settings.width, settings.width, settings.bias)

    def forward(self, z: Tensor, e: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.cat((z, e), dim=-1))


class PassThroughSkip(ConcatSkip):
    """The same, started as [I | 0], which passes z through."""

    def initialise(self, _: torch.Generator) -> None:
        """Start as the first half of its input."""
        nn.init.eye_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
