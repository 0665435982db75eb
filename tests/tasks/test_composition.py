from collections import Counter
from itertools import combinations

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.evaluation.accuracy import accuracy
from asura.tasks.composition import Composition

SMALL = {"entities": 8, "relations": 6, "out_degree": 4, "held_out": 0.25, "ratio": 2}


def facts(task: Composition, count: int, seed: int = 0) -> Counter[tuple[str, ...]]:
    """How often each fact is drawn: head, relations, tail."""
    drawn = torch.stack(task.draw(count, torch.Generator().manual_seed(seed)), 1)
    rows, times = drawn.unique(dim=0, return_counts=True)
    found = [tuple(task.show(*example).replace(" -> ", " ").split()) for example in rows]
    assert len(set(found)) == len(found)
    return Counter(dict(zip(found, times.tolist(), strict=True)))


class Knowledge:
    """All facts, by drawing until every one has been seen."""

    def __init__(self, task: Composition) -> None:
        self.validation, self.test, self.out_of_distribution, training = (
            set(facts(task.splits[name], 30 * task.entities * task.out_degree**2))
            for name in ("validation", "test", "out_of_distribution", "trained_facts")
        )
        self.unseen = self.validation | self.test
        self.atomic = {fact for fact in training if len(fact) == 3}
        self.trained = training - self.atomic
        tails = {(head, relation): tail for head, relation, tail in self.atomic}
        assert len(tails) == len(self.atomic)
        self.hops: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
            (h, r1, r2, t): ((h, r1, b), (b, r2, t))
            for (h, r1), b in tails.items()
            for (bridge, r2), t in tails.items()
            if bridge == b
        }


@st.composite
def tasks(draw: st.DrawFn) -> Composition:
    out_degree = draw(st.integers(2, 4))
    try:
        return Composition(
            entities=draw(st.integers(4, 9)),
            relations=draw(st.integers(out_degree, 8)),
            out_degree=out_degree,
            held_out=draw(st.floats(0.2, 0.5)),
            ratio=draw(st.floats(0.5, 1)),
            knowledge_seed=draw(st.integers(0, 1000)),
        )
    except ValidationError:
        reject()


@settings(deadline=None)
@given(tasks())
def test_facts_are_composed_of_the_right_ones(task: Composition):
    known = Knowledge(task)
    heads = Counter(head for head, _, _ in known.atomic)
    assert len(heads) == task.entities and set(heads.values()) == {task.out_degree}
    assert known.trained | known.unseen | known.out_of_distribution <= set(known.hops)

    # Which facts are held out is not shown; those that occur in distribution are not.
    composed = {hop for fact in known.trained | known.unseen for hop in known.hops[fact]}
    held_out = {hop for fact in known.out_of_distribution for hop in known.hops[fact]}
    assert not composed & held_out
    assert not known.trained & known.unseen and not known.validation & known.test
    assert 0 <= len(known.test) - len(known.validation) <= 1
    count = len(known.atomic)
    assert len(held_out) <= round(task.held_out * count) <= count - len(composed)
    assert len(known.trained) == round(task.ratio * (count - round(task.held_out * count)))
    within = {fact for fact, hops in known.hops.items() if set(hops) <= composed}
    assert within == known.trained | known.unseen
    assert {fact for fact, hops in known.hops.items() if set(hops) <= held_out} == known.out_of_distribution


def test_training_draws_all_its_facts_alike():
    task = Composition(**SMALL)
    found = facts(task, 40000)
    assert len(found) == 32 + 2 * 24
    assert all(abs(times - 500) < 112 for times in found.values())  # five standard errors


def test_an_example_worked_by_hand():
    task = Composition(**SMALL)
    answer = torch.tensor([-100, -100, 5])
    assert task.show(torch.tensor([7, 8, 13]), answer) == "e7 r0 r5 -> e5"
    assert task.show(torch.tensor([14, 7, 8]), answer) == "e7 r0 -> e5"
    tokens, targets = task.draw(200, torch.Generator().manual_seed(0))
    atomic = tokens[:, 0] == 14
    assert 40 < atomic.sum() < 120  # of 32 / 80
    assert (tokens[atomic, 1] < 8).all() and (tokens[~atomic, 0] < 8).all()
    assert ((tokens[:, 2] >= 8) & (tokens[:, 2] < 14)).all()
    assert (targets[:, :-1] == -100).all()


@pytest.mark.parametrize("name", ["test", "out_of_distribution", "trained_facts"])
def test_chance_is_the_share_of_the_commonest_tail(name: str):
    task = Composition(**SMALL).splits[name]
    tails = Counter(fact[-1] for fact in facts(task, 5000))
    assert task.chance == pytest.approx(max(tails.values()) / tails.total())


def test_facts_follow_from_the_settings_alone():
    assert set(facts(Composition(**SMALL), 5000, seed=1)) == set(facts(Composition(**SMALL), 5000, seed=2))
    assert set(facts(Composition(**SMALL), 5000)) != set(facts(Composition(**SMALL, knowledge_seed=1), 5000))


def test_facts_out_of_distribution_are_listed_each_once():
    task = Composition(**SMALL).splits["out_of_distribution"]
    every = facts(task, 10**6)
    assert set(every.values()) == {1} and len(every) > 4
    assert len(facts(task, 3)) == 3
    assert len(task.draw(len(every) + 1, torch.Generator()).tokens) == len(every)
    orders = [task.draw(10**6, torch.Generator().manual_seed(seed)).tokens for seed in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1]) and not torch.equal(orders[0], orders[2])


@settings(deadline=None)
@given(tasks())
def test_facts_that_share_a_held_out_fact_at_the_same_hop_are_one_cluster(task: Composition):
    hops = Knowledge(task).hops
    split = task.splits["out_of_distribution"]
    tokens, targets = split.draw(10**6, torch.Generator().manual_seed(0))
    found = [tuple(split.show(*example).replace(" -> ", " ").split()) for example in zip(tokens, targets, strict=True)]
    cluster = dict(zip(found, split.clusters(tokens).tolist(), strict=True))
    for one, other in combinations(found, 2):
        if any(mine == its for mine, its in zip(hops[one], hops[other], strict=True)):
            assert cluster[one] == cluster[other]
        if hops[one][1][0] != hops[other][1][0]:
            assert cluster[one] != cluster[other]
    drawn = task.draw(20, torch.Generator().manual_seed(0)).tokens
    assert task.clusters(drawn).tolist() == list(range(20))


def test_the_standard_error_covers_held_out_facts_that_are_known_or_not():
    split = Composition().splits["out_of_distribution"]
    tokens, _ = split.draw(2560, torch.Generator().manual_seed(0))
    assert len(tokens) == 1948
    cluster = split.clusters(tokens)
    second = (cluster * split.vocabulary + tokens[:, 2]).unique(return_inverse=True)[1]
    source = torch.Generator().manual_seed(0)
    values, errors = [], []
    for _ in range(300):
        right = (torch.rand(int(second.max()) + 1, generator=source) < 0.5)[second].long()
        score = accuracy(right, torch.ones_like(right), cluster)
        values.append(score.value)
        errors.append(score.standard_error)
    assert torch.tensor(values).std().item() == pytest.approx(torch.tensor(errors).mean().item(), rel=0.15)
    assert max(errors) < 0.02 and sum(errors) / 300 < 0.0165
    by_itself = accuracy(right, torch.ones_like(right)).standard_error
    assert by_itself < 0.8 * errors[-1]


def test_published_sizes():
    task = Composition()
    assert task.vocabulary == 2201
    tokens = task.draw(40000, torch.Generator().manual_seed(0)).tokens
    share = (tokens[:, 0] == 2200).float().mean()
    assert share == pytest.approx(40000 / (40000 + 12.6 * 38000), abs=0.0067)  # five standard errors


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"entities": 1}, "greater than or equal to 2"),
        ({"held_out": 0.0}, "greater than 0"),
        ({"held_out": 1.0}, "less than 1"),
        ({"ratio": float("nan")}, "ratio"),
        ({"ratio": 25.0}, "ratio 25.0 leaves no two-hop fact unseen"),
        ({"held_out": 1e-6}, "held_out 1e-06: no two-hop fact is composed of held-out ones"),
        ({"out_degree": 201}, "out_degree must be at most relations, 200, found 201"),
        ({"relations": 10**6}, "must be at most 4194304, found 2000000000"),
        ({"facts": "held_out"}, "facts"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Composition(**bad)
