"""Two-hop composition: answer from memorised facts."""

from functools import lru_cache
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from asura.common import randomness
from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Task

MOST_FACTS = 4 * LARGEST
"""The largest knowledge base, in two-hop facts; five times the published one."""


class Composition(Task):
    """Two-hop composition of facts (Wang et al., 2024, arXiv 2405.15071).

    Each entity is the head of `out_degree` atomic facts (h, r, t). Their relations are distinct, and their tails are
    any entities. (h, r1, b) and (b, r2, t) compose to the two-hop fact (h, r1, r2, t). The input is `h r1 r2`, or `. h
    r` for an atomic fact, and the tail is asked at the last position. The input does not name b: the facts follow from
    the settings, are the same in every example, and must be memorised.

    A fraction `held_out` of the atomic facts is never composed in training. Training draws uniformly from all atomic
    facts and from two-hop facts composed of the others, with `ratio` two-hop facts per atomic fact that is not held
    out. The defaults are the paper's, whose ratios are from 3.6 to 18. Its unseen facts are a sample of those here.

    Splits: `test` and `validation`, two-hop facts that are not in training, composed of facts that are not held out;
    `out_of_distribution`, two-hop facts composed of two held-out facts; `trained_facts`, the facts of training.

    `out_of_distribution` lists its facts, each once. There are about entities × (out_degree × held_out)² of them, and
    the defaults have 1,948. Two that share a held-out fact at the same hop have the same b, and the standard error is
    over clusters of those with the same b. For a model that knows half of the held-out facts at the second hop, it is
    0.016 with the defaults, but 0.08 with 100 entities and 40 relations.
    """

    entities: int = Field(2000, ge=2, le=LARGEST)
    """Number of entities."""
    relations: int = Field(200, ge=1, le=LARGEST)
    """Number of relations."""
    out_degree: int = Field(20, ge=1, le=LARGEST)
    """Number of atomic facts of an entity. At most `relations`."""
    held_out: float = Field(0.05, gt=0, lt=1)
    """Fraction of the atomic facts that training does not compose."""
    ratio: float = Field(12.6, gt=0, le=LARGEST)
    """Number of two-hop facts in training per atomic fact that is not held out (φ in the paper)."""
    knowledge_seed: int = Field(0, ge=0, le=LARGEST)
    """Seed of the facts."""
    facts: Literal["training", "validation", "test", "out_of_distribution"] = "training"
    """Which facts are drawn. The splits set this; a study leaves the default."""

    @model_validator(mode="after")
    def _has_facts_of_every_kind(self) -> Self:
        if self.out_degree > self.relations:
            raise ValueError(f"out_degree must be at most relations, {self.relations}, found {self.out_degree}")
        if (size := self.entities * max(self.relations, self.out_degree**2)) > MOST_FACTS:
            raise ValueError(
                f"entities × relations and entities × out_degree² must be at most {MOST_FACTS}, found {size}"
            )
        facts = self._knowledge
        if not len(facts["validation"]):
            raise ValueError(f"ratio {self.ratio} leaves no two-hop fact unseen; make it smaller, or out_degree larger")
        if not len(facts["out_of_distribution"]):
            raise ValueError(
                f"held_out {self.held_out}: no two-hop fact is composed of held-out ones; "
                "make it, entities or out_degree larger"
            )
        return self

    @property
    def vocabulary(self) -> int:
        """Entities, then relations, then the mark of an atomic fact."""
        return self.entities + self.relations + 1

    @property
    def sequence_length(self) -> int:
        """A head and two relations."""
        return 3

    @property
    def chance(self) -> float:
        """The frequency of the commonest tail, exactly."""
        tails = self._knowledge[self.facts][:, -1]
        return tails.bincount().max().item() / len(tails)

    @property
    def splits(self) -> dict[str, Self]:
        """See the class."""
        return {
            "validation": self.model_copy(update={"facts": "validation"}),
            "test": self.model_copy(update={"facts": "test"}),
            "out_of_distribution": self.model_copy(update={"facts": "out_of_distribution"}),
            "trained_facts": self,
        }

    @property
    def _knowledge(self) -> dict[str, Tensor]:
        return _knowledge(
            self.entities, self.relations, self.out_degree, self.held_out, self.ratio, self.knowledge_seed
        )

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, 3); of the facts out of distribution, each once, and all if so many."""
        facts = self._knowledge[self.facts]
        if self.facts == "out_of_distribution":
            drawn = facts[torch.randperm(len(facts), generator=generator)[:count]]
        else:
            drawn = facts[torch.randint(len(facts), (count,), generator=generator)]
        targets = torch.full((len(drawn), 3), IGNORE)
        targets[:, -1] = drawn[:, -1]
        return Batch(drawn[:, :-1].contiguous(), targets)

    def clusters(self, tokens: Tensor) -> Tensor:
        """The entity between the hops, of facts out of distribution; other facts have no held-out fact to share."""
        if self.facts != "out_of_distribution":
            return super().clusters(tokens)
        _, head, relation, tail = self._knowledge["training"][: self.entities * self.out_degree].T  # the atomic facts
        tails = torch.zeros(self.entities, self.vocabulary, dtype=torch.int64)
        tails[head, relation] = tail
        return tails[tokens[:, 0], tokens[:, 1]]

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task, and the commonest tail of the last relation among the facts of training."""
        trained = self._knowledge["training"]
        tails = torch.zeros(self.vocabulary, self.vocabulary, dtype=torch.int64)
        tails.index_put_((trained[:, 2], trained[:, 3]), torch.tensor(1), accumulate=True)
        return super().shortcuts(tokens) | {"last relation alone": tails.argmax(1)[tokens]}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The fact: `e7 r3 -> e52`, or `e7 r3 r21 -> e16`."""
        words = [f"e{token}" if token < self.entities else f"r{token - self.entities}" for token in tokens.tolist()]
        atomic = tokens[0] == self.vocabulary - 1
        return f"{' '.join(words[1:] if atomic else words)} -> e{targets[-1]}"


@lru_cache(maxsize=8)
def _knowledge(
    entities: int, relations: int, out_degree: int, held_out: float, ratio: float, seed: int
) -> dict[str, Tensor]:
    """The facts to draw from, by the name of `facts`, each (facts, 4): an input, then its answer."""
    source = randomness.generator("knowledge", seed)
    relation = entities + torch.rand(entities, relations, generator=source).argsort(1)[:, :out_degree].flatten()
    count = len(relation)
    head = torch.arange(entities).repeat_interleave(out_degree)
    tail = torch.randint(entities, (count,), generator=source)
    atomic = torch.stack([torch.full((count,), entities + relations), head, relation, tail], 1)
    held = torch.randperm(count, generator=source) < round(held_out * count)

    first = torch.arange(count).repeat_interleave(out_degree)
    second = (tail[:, None] * out_degree + torch.arange(out_degree)).flatten()  # the facts whose head is that tail
    two_hop = torch.stack([head[first], relation[first], relation[second], tail[second]], 1)
    composed = two_hop[~held[first] & ~held[second]]
    composed = composed[torch.randperm(len(composed), generator=source)]
    trained = round(ratio * int((~held).sum()))
    unseen = composed[trained:]
    return {
        "training": torch.cat([atomic, composed[:trained]]),
        "validation": unseen[: len(unseen) // 2],
        "test": unseen[len(unseen) // 2 :],
        "out_of_distribution": two_hop[held[first] & held[second]],
    }
