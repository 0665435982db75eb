"""Arithmetic: evaluate a nested expression modulo 10."""

from typing import ClassVar

import torch
from torch import Tensor

from asura.tasks.shared.nested_expression import Nested


class Arithmetic(Nested):
    """Nested sums, differences and products of digits, modulo 10 (after Csordás et al., 2022, arXiv 2110.07732).

    The input is an expression such as `( ( 3 + 4 ) * 2 )`. Its value, a digit, is asked at the last bracket. Shorter
    expressions are padded on the left. The depth of an expression is uniform over `shallowest` … `depth`. Its levels
    have 1, 2, 4, … operators, up to `per_level`. The operators of a level are arguments, at random places, of those of
    the level above. All other arguments are uniform digits. The published expressions have no differences and nest at
    random.

    Splits: `test`; `deeper`, depths from `depth` + 1 to `extrapolate_to`.
    """

    operators: ClassVar[tuple[str, ...]] = ("+", "-", "*")
    infix: ClassVar[bool] = True
    arity: ClassVar[int] = 2

    def result(self, operators: Tensor, values: Tensor, used: Tensor) -> Tensor:
        """The results of operators (…), of both of the values (…, 2)."""
        left, right = values.unbind(-1)
        results = torch.stack([left + right, left - right, left * right], -1) % 10
        return results.gather(-1, operators[..., None]).squeeze(-1)
