"""The word problem of a group: the product of its elements so far, which is state tracking."""

import math
from functools import cache
from itertools import combinations, permutations
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import Batch, Task

Group = Literal["S3", "S4", "S5", "A5"]


class WordProblem(Task):
    """Word problem of a finite group (Merrill et al., 2024, arXiv 2404.08819), the standard task of state tracking.

    The input is a word: uniform elements of the group, one token each. The answer at every position is the product of
    the elements so far. `S3`, `S4` and `S5` are all permutations of so many things, `A5` the even ones of five. A
    product applies its left factor first, so that the answer is the state of the things after so many moves.

    Transformers of fixed depth compute functions in TC⁰. The word problems of S3 and S4, which are solvable groups, are
    in TC⁰. Those of S5 and A5 are complete for NC¹ (Barrington, 1989). Unless TC⁰ = NC¹, the depth must grow with the
    length of the word; its logarithm suffices. Merrill et al. put a token before each word, and mix words of all
    lengths up to the longest. Here all words have one length, and every prefix of a word is asked.

    Splits: `test`; `longer`, words of twice the length; `longest`, of four times the length.
    """

    group: Group = "S5"
    """The group: `S3` has 6 elements, `S4` 24, `S5` 120 and `A5` 60."""
    length: int = Field(16, ge=1, le=LARGEST)
    """Number of elements of a word."""

    @property
    def vocabulary(self) -> int:
        """The elements of the group, in lexicographic order; the first is the identity."""
        return len(_elements(self.group))

    @property
    def sequence_length(self) -> int:
        """The length of a word."""
        return self.length

    @property
    def chance(self) -> float:
        """1 / elements: a product with a uniform element is uniform."""
        return 1 / self.vocabulary

    @property
    def input_bits(self) -> float:
        """Those of the elements of a word."""
        return self.length * math.log2(self.vocabulary)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {
            "longer": self.model_copy(update={"length": 2 * self.length}),
            "longest": self.model_copy(update={"length": 4 * self.length}),
        }

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw words and their products, both (count, length)."""
        tokens = torch.randint(self.vocabulary, (count, self.length), generator=generator)
        return Batch(tokens, self.answers(tokens))

    @property
    def steps(self) -> int:
        """Doublings until the product is that of the whole word."""
        return (self.length - 1).bit_length()

    def answers(self, tokens: Tensor, steps: int | None = None) -> Tensor:
        """Products of the last 2^steps elements up to each position, or of all."""
        return self._products(tokens)[-1 if steps is None else steps]

    def _products(self, tokens: Tensor) -> list[Tensor]:
        """The products, at each position, of the last 1, 2, 4, … elements up to it, and at last of all of them."""
        found = [tokens]
        for doubling in range((self.length - 1).bit_length()):
            identities_first = F.pad(found[-1], (1 << doubling, 0))[:, : self.length]
            found.append(_table(self.group)[identities_first, found[-1]])
        return found

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; the product of the last 2, 4, … elements; and of the answer no more than its sign.

        The rule of the sign answers the identity where the answer is even, and a transposition where it is odd.
        """
        *windows, answer = self._products(tokens)
        answers = {f"last {1 << doubling} elements": window for doubling, window in enumerate(windows) if doubling}
        sign = _signs(self.group)
        return super().shortcuts(tokens) | answers | {"sign alone": sign.argmax() * sign[answer]}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The word and its products, each as the new order of the things: `213 132 -> 213 231`."""
        names = ["".join(str(1 + thing) for thing in element) for element in _elements(self.group)]
        word, products = (" ".join(names[element] for element in row.tolist()) for row in (tokens, targets))
        return f"{word} -> {products}"


def _sign(element: tuple[int, ...]) -> int:
    """0 for an even permutation, 1 for an odd one."""
    return sum(one > other for one, other in combinations(element, 2)) % 2


@cache
def _elements(group: Group) -> list[tuple[int, ...]]:
    """The permutations, in lexicographic order, each as the list of the things in their new places."""
    every = permutations(range(int(group[1])))
    return [element for element in every if group[0] == "S" or not _sign(element)]


@cache
def _table(group: Group) -> Tensor:
    """The product of each element with each, (elements, elements); the left one is applied first."""
    elements = _elements(group)
    number = {element: k for k, element in enumerate(elements)}
    return torch.tensor([[number[tuple(left[k] for k in right)] for right in elements] for left in elements])


@cache
def _signs(group: Group) -> Tensor:
    """The sign of each element, (elements,)."""
    return torch.tensor([_sign(element) for element in _elements(group)])
