"""ListOps: evaluate nested operations on lists of digits."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from asura.tasks.shared.nested_expression import Nested


class ListOps(Nested):
    """ListOps (Nangia & Bowman, 2018, arXiv 1804.06028; Csordás et al., 2022, arXiv 2110.07732).

    The operators are the smallest and the largest of their arguments, their median, rounded down if it lies
    between two, and their sum modulo 10. `Nested` says how expressions are drawn; published ones nest at random,
    and here the number of operators of a level is bounded, so that length grows linearly with depth.
    """

    operators: ClassVar[tuple[str, ...]] = ("[MIN", "[MAX", "[MED", "[SM")
    infix: ClassVar[bool] = False

    arguments: int = Field(5, ge=2, le=16)
    """The most arguments of an operator."""

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
