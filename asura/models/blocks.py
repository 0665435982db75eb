"""Blocks that papers have and most architectures here do not: norms at other places, and a gated MLP."""

import torch.nn.functional as F
from torch import Tensor, nn

from asura.models.layers import Block
from asura.models.settings import Architecture


class PostNormBlock(Block):
    """x = LN(x + Attn(x)), then x = LN(x + MLP(x)), on (B, T, d) (Vaswani et al., 2017, arXiv 1706.03762)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class SandwichBlock(Block):
    """x = LN(x + Attn(LN(x))), then x = LN(x + MLP(LN(x))), on (B, T, d) (Geiping et al., 2025, arXiv 2502.05171)."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__(settings)
        self.after_attention, self.after_mlp = nn.LayerNorm(settings.width), nn.LayerNorm(settings.width)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = self.after_attention(x + self.dropout(self.attention(self.attention_norm(x))))
        return self.after_mlp(x + self.dropout(self.mlp(self.mlp_norm(x))))


class GatedMLP(nn.Module):
    """W (SiLU(U x) ⊙ V x) on (..., d) (Shazeer, 2020, arXiv 2002.05202)."""

    def __init__(self, settings: Architecture) -> None:
        super().__init__()
        width, hidden = settings.width, settings.mlp_width or 4 * settings.width
        self.up = nn.Linear(width, 2 * hidden, settings.bias)
        self.down = nn.Linear(hidden, width, settings.bias)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * value)
