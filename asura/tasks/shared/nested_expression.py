"""Nested expressions of digits and operators, written as text: what `listops` and `arithmetic` share."""

import math
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from asura.common import randomness
from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.shared.depths import check_depths

CLOSE, PAD, OPERATOR = 10, 11, 12
"""Tokens after the ten digits; OPERATOR is the first of the operators."""


class Nested(Task):
    """An expression of operators whose arguments are digits or operators in turn. Its value is a digit.

    Its depth is uniform over `shallowest` … `depth`. Its levels have 1, 2, 4, … operators, up to `per_level`. The
    operators of a level are arguments, at random places, of those of the level above. All other arguments are uniform
    digits. Operators are uniform, and so are their numbers of arguments, from 2 to `arity`. The value is asked at
    the last bracket. Shorter expressions are padded on the left.

    A subclass has `arity`, `operators`, their results, and whether they are infix.

    Splits: `test`; `deeper`, depths from `depth` + 1 to `extrapolate_to`.
    """

    operators: ClassVar[tuple[str, ...]]
    infix: ClassVar[bool]

    shallowest: int = Field(1, ge=1, le=128)
    """Smallest depth of an expression. `3 + 4` has depth 1."""
    depth: int = Field(5, ge=1, le=128)
    """Largest depth of an expression."""
    per_level: int = Field(2, ge=1, le=16)
    """Largest number of operators of a level."""
    extrapolate_to: int = Field(le=128, default_factory=lambda settings: settings["depth"] + 3)
    """Largest depth of the split `deeper`. The default is `depth` + 3."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        check_depths(self.shallowest, self.depth, self.extrapolate_to)
        return self

    @property
    def arity(self) -> int:
        """The most arguments of an operator."""
        raise NotImplementedError

    @property
    def words(self) -> list[str]:
        """Digits, closing bracket, padding, operators, and the opening bracket of infix ones."""
        return [*"0123456789", ")" if self.infix else "]", "", *self.operators, *("(" if self.infix else "")]

    @property
    def vocabulary(self) -> int:
        """The words."""
        return len(self.words)

    @property
    def sequence_length(self) -> int:
        """The longest expression: each operator stands in the place of an argument, but for the first one."""
        return 1 + sum(self._level_sizes) * (self._own_tokens + self.arity - 1)

    @property
    def chance(self) -> float:
        """The frequency of the commonest value among 2^16 expressions drawn once, always the same ones.

        Its standard error is below 0.002; there is no closed form.
        """
        return _chance(self)

    @property
    def input_bits(self) -> float:
        """At least those of the digits and operators of the shallowest expression."""
        operators = sum(self._level_sizes[: self.shallowest])
        return operators * math.log2(len(self.operators)) + (operators + 1) * math.log2(10)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        shallowest = min(self.depth + 1, self.extrapolate_to)
        return {"deeper": self.model_copy(update={"shallowest": shallowest, "depth": self.extrapolate_to})}

    @property
    def _level_sizes(self) -> list[int]:
        return [min(2**level, self.per_level) for level in range(self.depth)]

    @property
    def _own_tokens(self) -> int:
        return 3 if self.infix else 2  # an operator and its brackets

    def result(self, operators: Tensor, values: Tensor, used: Tensor) -> Tensor:
        """The results of operators (…), of those of the values (…, arguments) that are used."""
        raise NotImplementedError

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length)."""
        depths = torch.randint(self.shallowest, self.depth + 1, (count, 1), generator=generator)
        levels = self._grow(count, generator)

        # From the bottom up: what operators evaluate to, and how many tokens wide they are.
        value = width = depths.new_empty(count, 0)  # there are none below the last level
        filled = []
        for level, (operators, digits, used, places) in reversed(list(enumerate(levels))):
            present = level < depths  # else each operator of the level is but a digit
            values = digits.flatten(1).scatter(1, places, value).view_as(digits)
            widths = used.long().flatten(1).scatter(1, places, width).view_as(digits)
            value = self.result(operators, values, used).where(present, digits[..., 0])
            width = (widths.sum(2) + self._own_tokens).where(present, 1)
            filled.append((present, operators, values, widths, places, width))

        # From the top down: where they begin. Later writings hide earlier ones: arguments that are not used are
        # where the bracket closes, and those that are operators are where these begin, in the next round.
        nowhere = self.sequence_length
        tokens = torch.full((count, nowhere + 1), PAD)
        start = nowhere - width
        for present, operators, values, widths, places, width in reversed(filled):
            argument = start[..., None] + 1 + widths.cumsum(2) - widths + self.infix * torch.arange(self.arity)
            sign = argument[..., 1] - 1 if self.infix else start
            for position, token in [
                (argument.flatten(1), values.flatten(1)),
                (start + width - 1, torch.full_like(start, CLOSE)),
                (start, torch.full_like(start, OPERATOR + len(self.operators))),
                (sign, OPERATOR + operators),
            ]:
                tokens.scatter_(1, position.where(present, nowhere), token)
            start = argument.flatten(1).gather(1, places)

        targets = torch.full((count, nowhere), IGNORE)
        targets[:, -1:] = value
        return Batch(tokens[:, :-1], targets)

    def _grow(self, count: int, generator: Generator) -> list["_Level"]:
        """The levels of expressions of full depth."""

        def uniform(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(low, high, (count, *shape), generator=generator)

        levels = []
        for here, below in pairwise([*self._level_sizes, 0]):
            used = torch.arange(self.arity) < uniform(2, self.arity + 1, here, 1)
            order = torch.rand(count, here * self.arity, generator=generator) + used.flatten(1)
            digits = uniform(0, 10, here, self.arity)
            levels.append(_Level(uniform(0, len(self.operators), here), digits, used, order.topk(below).indices))
        return levels

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; the first and the last digit, the largest and the smallest."""
        is_digit = tokens < CLOSE
        places = torch.arange(tokens.shape[1])
        first = places.where(is_digit, tokens.shape[1]).amin(1, keepdim=True)
        last = places.where(is_digit, -1).amax(1, keepdim=True)
        answers = {"first digit": tokens.gather(1, first), "last digit": tokens.gather(1, last)}
        answers["largest digit"] = tokens.where(is_digit, -1).amax(1, keepdim=True)
        answers["smallest digit"] = tokens.where(is_digit, CLOSE).amin(1, keepdim=True)
        return super().shortcuts(tokens) | {name: answer.expand_as(tokens) for name, answer in answers.items()}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The expression and its value: `[MAX 2 9 [MIN 4 7 ] 0 ] -> 9`, or `( ( 3 + 4 ) * 2 ) -> 4`."""
        words = self.words
        return f"{' '.join(words[token] for token in tokens.tolist() if token != PAD)} -> {targets[-1]}"


class _Level(NamedTuple):
    """Operators of a level, (count, here); their arguments, (count, here, arguments); and which are used.

    places: (count, below), where among all arguments of the level the operators of the next one stand.
    """

    operators: Tensor
    digits: Tensor
    used: Tensor
    places: Tensor


@lru_cache(maxsize=64)
def _chance(task: Nested) -> float:
    source = randomness.generator("chance")
    values = torch.cat([task.generate(2**10, source).targets[:, -1] for _ in range(2**6)])
    return values.bincount().max().item() / len(values)
