"""Low-rank adapters: what a block may do differently at each iteration while its weights stay shared."""

import math

import torch.nn.functional as F
from torch import Generator, Tensor, nn


class LoRA(nn.Module):
    """x A^T B^T on (..., d), rank r (Hu et al., 2021, arXiv 2106.09685)."""

    def __init__(self, width: int, rank: int, bias: bool = False, start: str = "zero") -> None:
        super().__init__()
        self.a = nn.Linear(width, rank, bias)
        self.b = nn.Linear(rank, width, bias)
        self.start = start

    def initialise(self, _: Generator) -> None:
        """Start as the zero map, or as its two maps start."""
        if self.start == "zero":
            for parameter in self.b.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class ABBA(nn.Module):
    """gamma (B1 A1) ⊙ (B2 A2) applied to (..., d), of rank up to r1 r2 (Singhal et al., 2025, arXiv 2505.14238).

    The d×d product is never formed: its Khatri-Rao factors, (d, r1 r2) and (r1 r2, d), are applied one after the
    other, as in the paper. gamma is 1/sqrt(r1 r2).
    """

    def __init__(self, width: int, rank: int, second_rank: int, start: str = "zero") -> None:
        super().__init__()
        self.a1 = nn.Linear(width, rank, bias=False)
        self.b1 = nn.Linear(rank, width, bias=False)
        self.a2 = nn.Linear(width, second_rank, bias=False)
        self.b2 = nn.Linear(second_rank, width, bias=False)
        self.gamma = 1 / math.sqrt(rank * second_rank)
        self.start = start

    def initialise(self, _: Generator) -> None:
        """Start as the zero map, or as its four maps start."""
        if self.start == "zero":
            nn.init.zeros_(self.b1.weight)

    def forward(self, x: Tensor) -> Tensor:
        down = (self.a1.weight[:, None] * self.a2.weight[None]).flatten(0, 1)
        up = (self.b1.weight[:, :, None] * self.b2.weight[:, None]).flatten(1)
        return self.gamma * F.linear(F.linear(x, down), up)
