"""Arithmetic: evaluate a nested expression, modulo 10."""

from typing import ClassVar

import torch
from torch import Tensor

from asura.tasks.shared.nested_expression import Nested


class Arithmetic(Nested):
    """Nested sums, differences and products of digits, modulo 10 (after Csordás et al., 2022, arXiv 2110.07732).

    An expression reads `( ( 3 + 4 ) * 2 )`, and its value is asked at the last bracket. `Nested` says how
    expressions are drawn; published ones have no differences, and nest at random.
    """

    operators: ClassVar[tuple[str, ...]] = ("+", "-", "*")
    infix: ClassVar[bool] = True
    arity: ClassVar[int] = 2

    def result(self, operators: Tensor, values: Tensor, used: Tensor) -> Tensor:
        """The results of operators (…), of both of the values (…, 2)."""
        left, right = values.unbind(-1)
        results = torch.stack([left + right, left - right, left * right], -1) % 10
        return results.gather(-1, operators[..., None]).squeeze(-1)
