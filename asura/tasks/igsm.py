"""Symbolic i-GSM: the value of one parameter of a hierarchy, from statements that relate the parameters."""

import math
from typing import Annotated, NamedTuple, Self

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.shared.primes import odd_prime

SYMBOLS = (":=", "+", "-", "*", ".", "?", "")
"""Tokens after the numbers and the entities; the last one is padding."""
TERMS, FEWEST = 3, 2
"""The most terms of a statement; the fewest entities of a level."""
NO_NUMBER, TIMES, PLUS = 0, 1, 2
"""What a statement does with a number."""


class IGSM(Task):
    """Symbolic i-GSM (Saunshi et al., 2025, arXiv 2502.17416, after Ye et al., 2024, arXiv 2407.20311).

    A hierarchy has `levels` levels of 2 to `per_level` entities. Each entity below the first level has an edge from a
    random entity of the level above, and further edges are random, `parameters` in all. An edge is a parameter, written
    as its two entities: `A1#B3`. The parameters form a random acyclic graph. The first one is a number, as in
    `A1#B3 := 4 .` Each other one is a sum of 1 to 3 earlier ones or a difference of two. With probability 1/4 each, a
    number multiplies this or is added. As in the example of the paper, `2 * x + y` is 2 (x + y). The statements are
    shuffled and padded on the left.

    The question, as in `A1#B3 ?`, needs 1 to `parameters` of the parameters, uniformly. Each of these is a term of the
    next one or of the one after. The value modulo `modulus` is asked at the last position. A statement that would be
    zero whatever the numbers are adds a number, so that all answers are equally likely. The paper leaves the number of
    parameters open; its example has 12, of which the question needs 9.

    Splits: `test`; `more_parameters`, `extrapolate_to` parameters.
    """

    modulus: Annotated[int, AfterValidator(odd_prime)] = Field(7, ge=3, le=LARGEST)
    """Modulus of all values, an odd prime."""
    levels: int = Field(4, ge=2, le=26)
    """Number of levels of the hierarchy."""
    per_level: int = Field(4, ge=FEWEST, le=1024)
    """Largest number of entities of a level."""
    parameters: int = Field(12, ge=TERMS, le=LARGEST)
    """Number of parameters, which is that of the statements. At least `per_level` for each level but the first."""
    extrapolate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: settings["parameters"] + 4)
    """Number of parameters in the split `more_parameters`. The default is `parameters` + 4."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        fewest, most = (self.levels - 1) * self.per_level, (self.levels - 1) * self.per_level**2
        if not fewest <= self.parameters <= most:
            raise ValueError(
                f"parameters must be from {fewest} to {most} for {self.levels} levels of up to {self.per_level} "
                f"entities, found {self.parameters}"
            )
        if not self.parameters <= self.extrapolate_to <= most:
            raise ValueError(
                f"extrapolate_to must be from parameters, {self.parameters}, to {most}, found {self.extrapolate_to}"
            )
        return self

    @property
    def vocabulary(self) -> int:
        """Numbers, then entities, then SYMBOLS."""
        return self.modulus + self.levels * self.per_level + len(SYMBOLS)

    @property
    def sequence_length(self) -> int:
        """Of the longest example, in which statement k has k terms or TERMS; the question has three tokens."""
        return sum(5 + 3 * min(k, TERMS) for k in range(self.parameters)) + 3

    @property
    def chance(self) -> float:
        """1 / modulus: the answer is a linear form, which is not zero, in independent uniform numbers."""
        return 1 / self.modulus

    @property
    def input_bits(self) -> float:
        """At least those of the order of the statements, of what they do with numbers, and of the first number."""
        return math.lgamma(self.parameters + 1) / math.log(2) + 1.5 * (self.parameters - 1) + math.log2(self.modulus)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {"more_parameters": self.model_copy(update={"parameters": self.extrapolate_to})}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length)."""
        names = self._hierarchy(count, generator)
        asked = torch.randint(self.parameters, (count, 1), generator=generator)
        formulas = self._values(self._graph(asked, generator), generator)
        order = torch.rand(count, self.parameters, generator=generator).argsort(1)
        question = names.gather(1, asked[..., None].expand(-1, 1, 2))
        targets = torch.full((count, self.sequence_length), IGNORE)
        targets[:, -1:] = formulas.value.gather(1, asked)
        return Batch(self._written(names, formulas, order, question[:, 0]), targets)

    def _hierarchy(self, count: int, generator: Generator) -> Tensor:
        """The entities, as tokens, of each parameter, (count, parameters, 2), in random order."""

        def rand(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        sizes = torch.randint(FEWEST, self.per_level + 1, (count, self.levels), generator=generator)
        room = (sizes[:, :-1] * sizes[:, 1:]).sum(1, keepdim=True)
        sizes = torch.where(room < self.parameters, self.per_level, sizes)
        present = rand(self.levels, self.per_level).argsort(2).argsort(2) < sizes[..., None]
        possible = present[:, :-1, :, None] & present[:, 1:, None, :]  # (count, levels - 1, above, below)
        first = rand(*possible.shape[1:]).where(possible, -1)
        score = rand(*possible.shape[1:]) + (first == first.amax(2, keepdim=True))  # one edge to each entity below
        edges = score.where(possible, -1).flatten(1).topk(self.parameters).indices
        edges = edges.gather(1, rand(self.parameters).argsort(1))
        level, above = edges // self.per_level**2, edges // self.per_level % self.per_level
        below = edges % self.per_level
        return self.modulus + torch.stack([level * self.per_level + above, (level + 1) * self.per_level + below], 2)

    def _graph(self, asked: Tensor, generator: Generator) -> "_Graph":
        """The terms of each parameter; asked: (count, 1), the one of the question, which needs all that are before."""
        count, size = len(asked), self.parameters

        def rand(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        nodes = torch.arange(size)
        user = torch.minimum(nodes + 1 + (rand(size) < 0.5), asked)
        needed = (user[:, None] == nodes[:, None]) & (nodes < asked)[:, None]  # (count, parameter, term)
        earlier = nodes < nodes[:, None]
        terms = (rand(size, size) + needed).where(earlier, -1).topk(TERMS).indices
        wanted = torch.randint(1, TERMS + 1, (count, size), generator=generator)
        number = torch.maximum(wanted, needed.sum(2)).minimum(nodes)
        used = torch.arange(TERMS) < number[..., None]
        shuffled = (rand(size, TERMS) + ~used).argsort(2)
        return _Graph(terms.gather(2, shuffled), used, (number == 2) & (rand(size) < 0.5))

    def _values(self, graph: "_Graph", generator: Generator) -> "_Formulas":
        """Numbers and values of the parameters.

        The witness is another assignment of the numbers that are added. A linear form that is not zero there is not
        zero, and so uniform in independent uniform numbers. Where one is zero there, a number of its own is added.
        """
        count, size = graph.minus.shape

        def uniform(low: int, high: int) -> Tensor:
            return torch.randint(low, high, (count, size), generator=generator)

        what = (uniform(0, 4) - 1).clamp(min=NO_NUMBER)
        factor, added, nonzero = uniform(2, self.modulus), uniform(0, self.modulus), uniform(1, self.modulus)
        weight = graph.used.long()
        weight[..., 1] *= 1 - 2 * graph.minus.long()
        value, witness = torch.zeros(2, count, size, dtype=torch.int64)
        for k in range(size):
            terms = graph.terms[:, k]
            total = (value.gather(1, terms) * weight[:, k]).sum(1)
            form = (witness.gather(1, terms) * weight[:, k]).sum(1) % self.modulus
            what[:, k] = torch.where(form == 0, PLUS, what[:, k])
            factor[:, k] = torch.where(what[:, k] == TIMES, factor[:, k], 1)
            plus = what[:, k] == PLUS
            value[:, k] = (factor[:, k] * total + added[:, k] * plus) % self.modulus
            witness[:, k] = torch.where(plus, nonzero[:, k], factor[:, k] * form % self.modulus)
        return _Formulas(graph, what, torch.where(what == TIMES, factor, added), value)

    def _written(self, names: Tensor, formulas: "_Formulas", order: Tensor, question: Tensor) -> Tensor:
        """Tokens, (count, sequence_length), of the statements in this order and of the question."""
        assign, plus, minus, times, stop, ask, pad = range(self.vocabulary - len(SYMBOLS), self.vocabulary)
        graph, what, number, _ = formulas
        count, size = what.shape
        terms = names.gather(1, graph.terms.flatten(1)[..., None].expand(-1, -1, 2)).view(count, size, TERMS, 2)
        sign = torch.full((count, size, TERMS), plus)
        sign[..., 1] = torch.where(graph.minus, minus, plus)
        sign[..., 0] = torch.where(what == TIMES, times, plus)

        shown = graph.used.clone()
        shown[..., 0] &= what != NO_NUMBER
        columns = [names, names.new_tensor(assign), number.where(what != NO_NUMBER, pad)]
        for k in range(TERMS):
            columns += [sign[..., k].where(shown[..., k], pad), terms[..., k, :].where(graph.used[..., k, None], pad)]
        columns.append(names.new_tensor(stop))
        pieces = [c if c.dim() == 3 else c.expand(count, size)[..., None] for c in columns]
        statements = torch.cat(pieces, 2)
        shuffled = statements.gather(1, order[..., None].expand_as(statements)).flatten(1)
        text = torch.cat([shuffled, question, question.new_tensor(ask).expand(count, 1)], 1)

        # Close the gaps of what is not shown, towards the end.
        seen = text != pad
        place = self.sequence_length - 1 - (seen.flip(1).cumsum(1).flip(1) - 1)
        tokens = torch.full((count, self.sequence_length + 1), pad)
        return tokens.scatter_(1, place.where(seen, self.sequence_length), text)[:, :-1]

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; the number in the statement of the question; the first parameter's value."""
        assign, stop = self.vocabulary - len(SYMBOLS), self.vocabulary - 3
        here, second, sign, number, end = (tokens.roll(-k, 1) for k in range(5))
        asked = (here == tokens[:, -3:-2]) & (second == tokens[:, -2:-1]) & (sign == assign) & (number < self.modulus)
        first = (sign == assign) & (end == stop) & (number < self.modulus)
        answers = {"its own number": asked, "first number": first}
        found = {rule: (number * place).amax(1, keepdim=True) for rule, place in answers.items()}
        return super().shortcuts(tokens) | {rule: answer.expand_as(tokens) for rule, answer in found.items()}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The statements, the question and its answer: `A1#B3 := 4 . A2#B1 := 2 * A1#B3 . … A2#B1 ? 1`."""
        entities = [f"{chr(ord('A') + level)}{k + 1}" for level in range(self.levels) for k in range(self.per_level)]
        words = [*map(str, range(self.modulus)), *entities, *SYMBOLS]
        said = [words[token] for token in tokens.tolist() if token != self.vocabulary - 1]
        text = ""
        for before, word in zip(["", *said], said, strict=False):
            text += ("#" if before in entities and word in entities else " ") + word
        return f"{text.strip()} {int(targets[-1])}"


class _Graph(NamedTuple):
    """terms: (count, parameters, TERMS), places of earlier parameters; used: which of them are terms, of the same
    shape; minus: (count, parameters), whether the second one is subtracted.
    """

    terms: Tensor
    used: Tensor
    minus: Tensor


class _Formulas(NamedTuple):
    """what: (count, parameters), what each does with its number; number, value: of the same shape."""

    graph: _Graph
    what: Tensor
    number: Tensor
    value: Tensor
