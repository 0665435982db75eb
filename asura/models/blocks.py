"""Blocks that papers have and most architectures here do not: norms at other places."""

from torch import Tensor

from asura.models.layers import Block


class PostNormBlock(Block):
    """x = LN(x + Attn(x)), then x = LN(x + MLP(x)), on (B, T, d) (Vaswani et al., 2017, arXiv 1706.03762)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = self.attention_norm(x + self.attention(x))
        return self.mlp_norm(x + self.mlp(x))
