"""Assignments: evaluate a shuffled list of them, modulo a prime."""

import math
from typing import Annotated, Self

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.shared.primes import odd_prime

SYMBOLS = (":=", "+", "-", ".", "?")


class Assignments(Task):
    """A list of assignments in layers, an easier relative of `igsm`.

    The input is a shuffled list of assignments and a question. The variables form a graph of layers 0 … `depth`. Each
    has one statement `v := a op b .`, where op is + or -. In layer 0 both terms are numbers. In layer k the first term
    is a variable of layer k - 1, so that v has depth k exactly, and the second is a variable of any earlier layer.
    Variables are renamed at random in each example. The question `v ?` names a variable of the last layer. Its value
    modulo `modulus` is asked at the last position.

    Splits: `test`; `deeper`, graphs of depth `extrapolate_to`.
    """

    modulus: Annotated[int, AfterValidator(odd_prime)] = Field(7, ge=3, le=LARGEST)
    """Modulus of all values, an odd prime."""
    depth: int = Field(4, ge=1, le=LARGEST)
    """Depth of the variable that is asked for."""
    per_layer: int = Field(3, ge=1, le=LARGEST)
    """Number of variables of a layer."""
    extrapolate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: settings["depth"] + 2)
    """Depth of the split `deeper`. The default is `depth` + 2. The vocabulary has enough variable names for it."""

    @model_validator(mode="after")
    def _extrapolates(self) -> Self:
        if self.extrapolate_to < self.depth:
            raise ValueError(f"extrapolate_to must be at least depth, {self.depth}, found {self.extrapolate_to}")
        return self

    @property
    def names(self) -> int:
        """Number of variable names, the same for every split."""
        return self.per_layer * (self.extrapolate_to + 1)

    @property
    def vocabulary(self) -> int:
        """Numbers, then variable names, then SYMBOLS."""
        return self.modulus + self.names + len(SYMBOLS)

    @property
    def sequence_length(self) -> int:
        """Six tokens for each statement and two for the question."""
        return 6 * self.per_layer * (self.depth + 1) + 2

    @property
    def chance(self) -> float:
        """1 / modulus: the answer is a linear form in uniform numbers that `generate` keeps from being zero."""
        return 1 / self.modulus

    @property
    def input_bits(self) -> float:
        """At least those of the numbers and of the order of the statements."""
        statements = self.per_layer * (self.depth + 1)
        return 2 * self.per_layer * math.log2(self.modulus) + math.lgamma(statements + 1) / math.log(2)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {"deeper": self.model_copy(update={"depth": self.extrapolate_to})}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length)."""

        def uniform(high: int, *shape: int) -> Tensor:
            return torch.randint(high, (count, *shape), generator=generator)

        def permutation(size: int) -> Tensor:
            return torch.rand(count, size, generator=generator).argsort(1)

        nodes = self.per_layer * (self.depth + 1)
        names = self.modulus + permutation(self.names)[:, :nodes]
        assign, plus, minus, stop, ask = range(self.modulus + self.names, self.vocabulary)

        left, right = uniform(self.modulus, self.per_layer), uniform(self.modulus, self.per_layer)
        sign = 1 - 2 * uniform(2, nodes)
        value = (left + sign[:, : self.per_layer] * right) % self.modulus
        # Left alone, x - x and the like would make 0 the answer too often. The witness is another assignment,
        # without zeros in layer 0; a sign is flipped where a variable would be zero there. A variable that is
        # nonzero somewhere is uniform, being linear in the independent and uniform variables of layer 0.
        witness = 1 + uniform(self.modulus - 1, self.per_layer)
        for start in range(self.per_layer, nodes, self.per_layer):
            layer = slice(start, start + self.per_layer)
            first = start - self.per_layer + uniform(self.per_layer, self.per_layer)
            second = uniform(start, self.per_layer)
            a, b = witness.gather(1, first), witness.gather(1, second)
            sign[:, layer] *= torch.where((a + sign[:, layer] * b) % self.modulus == 0, -1, 1)
            witness = torch.cat([witness, (a + sign[:, layer] * b) % self.modulus], 1)
            result = value.gather(1, first) + sign[:, layer] * value.gather(1, second)
            value = torch.cat([value, result % self.modulus], 1)
            left = torch.cat([left, names.gather(1, first)], 1)
            right = torch.cat([right, names.gather(1, second)], 1)

        operator = torch.where(sign > 0, plus, minus)
        columns = [names, names.new_tensor(assign), left, operator, right, names.new_tensor(stop)]
        statements = torch.stack([column.expand_as(names) for column in columns], 2)  # (count, nodes, 6)
        shuffled = statements.gather(1, permutation(nodes)[..., None].expand_as(statements)).flatten(1)
        question = torch.stack([names[:, -1], names.new_tensor(ask).expand(count)], 1)
        targets = torch.full((count, self.sequence_length), IGNORE)
        targets[:, -1] = value[:, -1]
        return Batch(torch.cat([shuffled, question], 1), targets)

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The statements, the question and its answer: `v3 := 2 + 5 . v1 := v3 - v3 . … v1 ? 4`."""
        words = [*map(str, range(self.modulus)), *(f"v{index}" for index in range(self.names)), *SYMBOLS]
        return " ".join(words[token] for token in [*tokens.tolist(), int(targets[-1])])
