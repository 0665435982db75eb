"""Compositional table lookup: apply a sequence of memorised functions, one after another."""

import math
from functools import lru_cache
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from asura.common import randomness
from asura.common.errors import UserError
from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, TRIES, Batch, Task, hashed
from asura.tasks.shared.depths import check_depths


class TableLookup(Task):
    """Compositional table lookup (Liška et al., 2018, arXiv 1802.06467; Csordás et al., 2022, arXiv 2110.07732).

    The input names a symbol and up to `depth` tables. A table is a bijection of the symbols. The tables follow from the
    settings, are the same in every example, and must be memorised. The answer, asked at the last position, is the
    symbol after all tables have been applied in turn. The number of tables is uniform over `shallowest` … `depth`.
    Shorter examples are padded on the left.

    A hash of the input decides whether it is one of training, validation or test. Inputs with one table are all of
    training, since nothing else teaches what the table says.

    Training leaves out what two settings name: a share `reserved` of the compositions of each depth, whatever the
    symbol, and every composition with one of the last `uncomposed` tables, which occur alone. Csordás et al. have
    `{tables: 11, uncomposed: 2, reserved: 0.25, validate_to: 8}`, but reserve at most 200 compositions of a depth.

    Splits: `test`; `deeper`, from `validate_to` + 1 to `extrapolate_to` tables; `deeper_validation`, from `depth` + 1
    to `validate_to` tables, if that is any; `new_compositions`, reserved ones, if any are; `new_tables`, compositions
    with at least one of the tables that training does not compose, if there are any.
    """

    sweeps: ClassVar[dict[str, tuple[str, ...]]] = {"depth": ("shallowest", "depth", "validate_to", "extrapolate_to")}

    bits: int = Field(3, ge=1, le=10)
    """Number of bits of a symbol. There are 2^bits symbols."""
    tables: int = Field(8, ge=1, le=LARGEST)
    """Number of tables."""
    shallowest: int = Field(1, ge=1, le=LARGEST)
    """Smallest number of tables to apply."""
    depth: int = Field(5, ge=1, le=LARGEST)
    """Largest number of tables to apply."""
    extrapolate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: settings["depth"] + 5)
    """Largest number of tables in the split `deeper`. The default is `depth` + 5."""
    validate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: settings["depth"])
    """Largest number of tables in the split `deeper_validation`, on which a choice can be made that is to serve
    `deeper`. The default is `depth`, without such a split."""
    reserved: float = Field(0.0, ge=0, lt=1)
    """Share of the compositions of each depth from 2 that training does not contain."""
    uncomposed: int = Field(0, ge=0, le=LARGEST)
    """Number of tables that training shows alone, and never composes."""
    compositions: Literal["trained", "reserved", "uncomposed"] = "trained"
    """Which compositions are drawn. The splits set this; a study leaves the default."""
    order: Literal["forward", "backward"] = "forward"
    """`forward` writes the symbol and then the tables in the order of their application. `backward` reverses this."""
    table_seed: int = Field(0, ge=0, le=LARGEST)
    """Seed of the tables."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        check_depths(self.shallowest, self.depth, self.extrapolate_to)
        if not self.depth <= self.validate_to <= self.extrapolate_to:
            bounds = f"depth, {self.depth}, and at most extrapolate_to, {self.extrapolate_to}"
            raise ValueError(f"validate_to must be at least {bounds}, found {self.validate_to}")
        if self.uncomposed and self.uncomposed > self.tables - 2:
            raise ValueError(f"uncomposed must leave two of the {self.tables} tables, found {self.uncomposed}")
        if (self.reserved or self.uncomposed) and self.depth < 2:
            raise ValueError("reserved and uncomposed tables need a depth of at least 2")
        return self

    @property
    def symbols(self) -> int:
        """Number of symbols."""
        return 1 << self.bits

    @property
    def vocabulary(self) -> int:
        """Symbols, then tables, then padding."""
        return self.symbols + self.tables + 1

    @property
    def sequence_length(self) -> int:
        """The symbol and the most tables."""
        return self.depth + 1

    @property
    def chance(self) -> float:
        """2^-bits: bijections of a uniform symbol are uniform."""
        return 1 / self.symbols

    @property
    def input_bits(self) -> float:
        """Those of a symbol and the most tables."""
        return self.bits + self.depth * math.log2(self.tables)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        composed = {"shallowest": max(2, self.shallowest)}
        splits = {"deeper": self._between(self.validate_to, self.extrapolate_to)}
        if self.reserved:
            splits["new_compositions"] = self.model_copy(update=composed | {"compositions": "reserved"})
        if self.uncomposed:
            splits["new_tables"] = self.model_copy(update=composed | {"compositions": "uncomposed"})
        return splits

    @property
    def splits(self) -> dict[str, Self]:
        """See the class."""
        if self.validate_to == self.depth:
            return super().splits
        chosen_on = self._between(self.depth, self.validate_to).model_copy(update={"part": "validation"})
        return super().splits | {"deeper_validation": chosen_on}

    def _between(self, done: int, depth: int) -> Self:
        """More tables than are `done`, up to `depth`; of compositions as deep none is reserved."""
        update = {"shallowest": min(done + 1, depth), "depth": depth, "validate_to": depth, "reserved": 0.0}
        return self.model_copy(update=update)

    def is_always_trained(self, tokens: Tensor) -> Tensor:
        """A symbol and one table, from which alone the table can be learnt."""
        return (tokens < self.vocabulary - 1).sum(1) <= 2

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw examples as every task does; of compositions that training does not have, every input is held out."""
        return super().draw(count, generator) if self.compositions == "trained" else self.generate(count, generator)

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length)."""
        depths = torch.randint(self.shallowest, self.depth + 1, (count, 1), generator=generator)
        symbol = torch.randint(self.symbols, (count, 1), generator=generator)
        used = torch.arange(self.depth) < depths
        table = self._compositions(used, generator)

        tables = _tables(self.symbols, self.tables, self.table_seed)
        value = symbol
        for at in range(self.depth):
            value = torch.where(used[:, at : at + 1], tables[table[:, at : at + 1], value], value)

        padding = self.vocabulary - 1
        tokens = torch.cat([symbol, (self.symbols + table).where(used, padding)], 1)  # padding comes last for now
        if self.order == "backward":
            tokens = tokens.flip(1)
        else:
            tokens = tokens.gather(1, (torch.arange(self.depth + 1) + depths + 1) % (self.depth + 1))
        targets = torch.full_like(tokens, IGNORE)
        targets[:, -1:] = value
        return Batch(tokens, targets)

    def _compositions(self, used: Tensor, generator: Generator) -> Tensor:
        """Tables to apply, (count, depth), of which those that are `used` count."""
        count, composed = len(used), self.tables - self.uncomposed
        depths = used.sum(1, keepdim=True)
        table = torch.randint(composed, used.shape, generator=generator)
        if self.reserved:
            self._draw_again(table, used, generator)
        if self.uncomposed:
            place = (torch.rand(count, 1, generator=generator) * depths).long()
            any_table = torch.randint(self.tables, (count, 1), generator=generator)
            new = torch.randint(composed, self.tables, (count, 1), generator=generator)
            old = any_table.where(depths == 1, table.gather(1, place))
            table.scatter_(1, place, new if self.compositions == "uncomposed" else old)
        return table

    def _draw_again(self, table: Tensor, used: Tensor, generator: Generator) -> None:
        """Draw those tables anew that are a reserved composition, or none where reserved ones are wanted."""
        composed = used.sum(1) > 1
        wanted = composed & (self.compositions == "reserved")
        left = torch.arange(len(used))
        for _ in range(TRIES):
            is_reserved = composed[left] & (hashed(table[left].where(used[left], -1)) < self.reserved)
            left = left[is_reserved != wanted[left]]
            if not len(left):
                return
            table[left] = torch.randint(self.tables - self.uncomposed, (len(left), self.depth), generator=generator)
        raise UserError("TableLookup: too few compositions to reserve some of each depth; make tables larger")

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; one table, the last that is applied; and all tables but that one."""
        sequence = self._padding_first(tokens)
        tables = _tables(self.symbols, self.tables, self.table_seed)
        symbol, *values = self._values(sequence)
        last = (sequence[:, -1:] - self.symbols).clamp(0, self.tables - 1)
        depth = (sequence < self.vocabulary - 1).sum(1, keepdim=True) - 1
        before = torch.cat([symbol, *values], 1).gather(1, (depth - 1).clamp(min=0))
        answers = {"last table alone": tables[last, symbol], "without the last table": before}
        return super().shortcuts(tokens) | {name: answer.expand_as(tokens) for name, answer in answers.items()}

    @property
    def steps(self) -> int:
        """The most tables."""
        return self.depth

    def answers(self, tokens: Tensor, steps: int | None = None) -> Tensor:
        """The symbol after the first tables, or after all, at the last position."""
        found = torch.full_like(tokens, IGNORE)
        found[:, -1:] = self._values(self._padding_first(tokens))[-1 if steps is None else steps]
        return found

    def _padding_first(self, tokens: Tensor) -> Tensor:
        """Inputs, (count, length), as padding, the symbol, and the tables in the order of their application."""
        sequence = tokens if self.order == "forward" else tokens.flip(1)
        return sequence.gather(1, (sequence != self.vocabulary - 1).long().argsort(stable=True, dim=1))

    def _values(self, sequence: Tensor) -> list[Tensor]:
        """The symbol, and what it is after 1, 2, … tables, each (count, 1); where no table is left, it stays."""
        tables = _tables(self.symbols, self.tables, self.table_seed)
        first = (sequence < self.symbols).long().argmax(1, keepdim=True)
        values = [sequence.gather(1, first)]
        for step in range(1, sequence.shape[1]):
            at = first + step
            table = sequence.gather(1, at.clamp(max=sequence.shape[1] - 1)) - self.symbols
            looked_up = tables[table.clamp(0, self.tables - 1), values[-1]]
            values.append(torch.where(at < sequence.shape[1], looked_up, values[-1]))
        return values

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The symbol, the tables, and the answer: `101 t3 t0 -> 010`, or backward, `t0 t3 101 -> 010`."""
        words = [f"{symbol:0{self.bits}b}" for symbol in range(self.symbols)]
        words += [f"t{table}" for table in range(self.tables)]
        question = [words[token] for token in tokens.tolist() if token < len(words)]
        return f"{' '.join(question)} -> {words[targets[-1]]}"


@lru_cache(maxsize=8)
def _tables(symbols: int, tables: int, seed: int) -> Tensor:
    """The table of each function, (tables, symbols)."""
    return torch.rand(tables, symbols, generator=randomness.generator("tables", seed)).argsort(1)
