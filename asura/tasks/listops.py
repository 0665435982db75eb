"""ListOps: evaluate nested operations on lists of digits."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from asura.tasks.shared.nested_expression import Nested


class ListOps(Nested):
    """ListOps (Nangia & Bowman, 2018, arXiv 1804.06028; Csordás et al., 2022, arXiv 2110.07732).

    The input is an expression such as `[MAX 2 9 [MIN 4 7 ] 0 ]`. Its value, a digit, is asked at the last bracket.
    Shorter expressions are padded on the left. The operators are minimum, maximum, median (rounded down if it lies
    between two digits) and sum modulo 10. Each has 2 to `arguments` arguments. The depth of an expression is uniform
    over `shallowest` … `depth`. Its levels have 1, 2, 4, … operators, up to `per_level`. The operators of a level are
    arguments, at random places, of those of the level above. All other arguments are uniform digits. The published
    expressions nest at random. Here the number of operators of a level is bounded, so that the length grows linearly
    with the depth.

    Splits: `test`; `deeper`, depths from `depth` + 1 to `extrapolate_to`.
    """

    operators: ClassVar[tuple[str, ...]] = ("[MIN", "[MAX", "[MED", "[SM")
    infix: ClassVar[bool] = False

    arguments: int = Field(5, ge=2, le=16)
    """Largest number of arguments of an operator."""

    @property
    def arity(self) -> int:
        """The most arguments of an operator."""
        return self.arguments

    def result(self, operators: Tensor, values: Tensor, used: Tensor) -> Tensor:
        """The results of operators (…), of those of the values (…, arguments) that are used."""
        count = used.sum(-1, keepdim=True)
        ascending = values.where(used, 10).sort(-1).values
        least, most = ascending[..., :1], ascending.gather(-1, count - 1)
        median = (ascending.gather(-1, (count - 1) // 2) + ascending.gather(-1, count // 2)) // 2
        total = (values * used).sum(-1, keepdim=True) % 10
        return torch.cat([least, most, median, total], -1).gather(-1, operators[..., None]).squeeze(-1)
