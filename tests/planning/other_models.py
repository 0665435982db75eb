"""Models of other code, as someone else might have them."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asura.evaluation.evaluate import load_trained


class Tied(nn.Module):
    """Its head has the weights of its embedding."""

    def __init__(self, vocabulary: int = 4, width: int = 5, seed: int = 0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.middle = nn.Linear(width, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embedding.weight
        self.seed = seed

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.middle(self.embedding(tokens)).relu())


class Reversed(Tied):
    """Every position sees the token that is as far from the end."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens.flip(1))


def copying(vocabulary: int = 4):
    """A function and no module."""
    return lambda tokens: F.one_hot(tokens, vocabulary).float()


def of_checkpoint(vocabulary: int, more: list) -> nn.Module:
    assert Path(more[0]["path"]).is_file()
    return Tied(vocabulary)


def trained(run: str) -> nn.Module:
    return load_trained(Path(run), torch.device("cpu"))[1]


def nothing() -> None:
    return None


def of_width(width: int) -> nn.Module:
    return nn.Linear(width, width)


def text():
    return lambda tokens: "logits"


no_function = 3
