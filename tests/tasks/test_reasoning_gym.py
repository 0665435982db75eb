import random

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.common.errors import UserError
from asura.planning.planner import make
from asura.tasks.base import IGNORE
from asura.tasks.reasoning_gym import CHARACTERS, END, PAD, SEEDS, SEPARATOR, ReasoningGym
from tests.conftest import TINY

gym = pytest.importorskip("reasoning_gym", reason="an extra")

SMALL = ReasoningGym(
    options={"max_terms": 3, "max_digits": 2},
    harder={"min_terms": 4, "max_terms": 5},
    train_items=400,
    test_items=200,
)
PROMPT = "State the final answer to the following arithmetic problem: "


def questions(task: ReasoningGym, count: int = 4000) -> dict[str, str]:
    """Answers by question, of many examples drawn."""
    batch = task.draw(count, torch.Generator().manual_seed(0))
    return dict(task.show(*example).split(" -> ") for example in zip(*batch, strict=True))


def generated(task: ReasoningGym, seed: int, size: int, **more: object) -> dict[str, str]:
    dataset = gym.create_dataset(task.generator, seed=seed, size=size, **{**task.options, **more})
    return {item["question"]: item["answer"] for item in dataset}


@run(max_examples=15)
@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 2**32))
def test_the_answer_is_the_sum_that_the_text_asks_for(digits: int, terms: int, seed: int):
    given_ = {"options": {"min_digits": digits, "max_digits": digits, "min_terms": terms, "max_terms": terms}}
    task = ReasoningGym(**given_, train_items=20, test_items=5)
    for example in zip(*task.draw(3, torch.Generator().manual_seed(seed)), strict=True):
        question, answer = task.show(*example).split(" -> ")
        assert question.startswith(PROMPT) and question.endswith(" =")
        terms_found = question.removeprefix(PROMPT).removesuffix(" =").split(" ")
        assert len(terms_found) == 2 * terms - 1
        total = int(terms_found[0])
        for sign, term in zip(terms_found[1::2], terms_found[2::2], strict=True):
            total += int(term) if sign == "+" else -int(term)
        assert int(answer) == total


def test_a_layout_worked_by_hand():
    task = ReasoningGym(generator="spell_backward", length=60, train_items=30, test_items=30)
    for tokens, targets in zip(*task.draw(20, torch.Generator().manual_seed(0)), strict=True):
        question, answer = task.show(tokens, targets).split(" -> ")[-2:]
        question = "Spell this word backward (example: sun -> " + question
        row = [*(CHARACTERS.index(c) for c in question), SEPARATOR, *(CHARACTERS.index(c) for c in answer), END]
        row += [PAD] * (62 - len(row))
        assert answer == question.split(": ")[-1][::-1]
        assert tokens.tolist() == row[:-1]
        start = len(question)
        asked = row[start + 1 : start + len(answer) + 2]
        expected = [IGNORE] * start + asked
        assert targets.tolist() == expected + [IGNORE] * (61 - len(expected))


def test_a_question_may_have_lines():
    task = ReasoningGym(generator="syllogism", length=300, train_items=50, test_items=50)
    tokens, targets = task.draw(1, torch.Generator().manual_seed(0))
    assert CHARACTERS.index("\n") in tokens
    question, answer = task.show(tokens[0], targets[0]).split(" -> ")
    assert question.startswith("Consider these statements:\\n1. ") and answer in ("Yes", "No")


def test_training_has_the_first_items_of_the_generator_each_question_once():
    expected = generated(SMALL, seed=0, size=400)
    assert questions(SMALL) == expected
    assert len(expected) < 400  # some were found twice
    batch = SMALL.draw(20000, torch.Generator().manual_seed(0))
    often = batch.tokens.unique(dim=0, return_counts=True)[1]
    mean = 20000 / len(expected)
    assert ((often - mean) ** 2 / mean).sum() < len(expected) + 5 * (2 * len(expected)) ** 0.5


def test_what_is_held_out_is_no_question_of_training():
    trained = questions(SMALL)
    test, harder = (questions(SMALL.splits[name]) for name in ("test", "harder"))
    everything = generated(SMALL, seed=SEEDS["test"], size=200)
    assert trained.keys() & everything.keys()  # there is something to take out
    assert test == {question: everything[question] for question in everything.keys() - trained.keys()}
    assert harder == generated(SMALL, seed=SEEDS["harder"], size=200, min_terms=4, max_terms=5)
    # Harder items that training has are taken out too.
    easier = SMALL.model_copy(update={"harder": {"max_terms": 2}}).splits["harder"]
    assert not questions(easier).keys() & trained.keys()


def test_seeds_are_further_apart_than_there_may_be_items():
    with pytest.raises(ValidationError, match="less than or equal to"):
        ReasoningGym(train_items=min(abs(a - b) for a in SEEDS.values() for b in SEEDS.values() if a != b) + 1)


def test_longer_items_are_left_out():
    whole = generated(SMALL, seed=0, size=400)
    longest = max(len(question + answer) for question, answer in whole.items())
    for length in (longest - 4, longest):
        kept = questions(SMALL.model_copy(update={"length": length, "harder": {}}))
        assert kept == {q: a for q, a in whole.items() if len(q + a) <= length}
    assert len(kept) == len(whole)


def test_chance_is_the_share_of_the_commonest_answer():
    answers = list(questions(SMALL).values())
    assert SMALL.chance == max(answers.count(answer) for answer in answers) / len(answers)
    held_out = list(questions(SMALL.splits["test"]).values())
    best = max(held_out.count(answer) for answer in held_out) / len(held_out)
    assert SMALL.splits["test"].chance == best


def test_items_do_not_depend_on_the_state_of_other_generators():
    first = questions(SMALL, 50)
    random.seed(5)
    torch.manual_seed(5)
    changed = SMALL.model_copy(update={"test_items": 199})  # other settings, so that they are generated anew
    assert questions(changed, 50) == first


def test_splits():
    assert list(ReasoningGym().splits) == ["test"]
    assert SMALL.splits == {name: SMALL.model_copy(update={"items": name}) for name in ("test", "harder")}
    assert SMALL.sequence_length == 129 and SMALL.vocabulary == 99


FEW = {"train_items": 200, "test_items": 20}
BAD: dict[str, tuple] = {
    "name": ({"generator": "chian_sum"}, "no such generator: found 'chian_sum'; did you mean 'chain_sum'?"),
    "option": ({"options": {"max_term": 3}}, "no such option of chain_sum: found 'max_term'; did you mean 'max_terms'"),
    "value": ({"options": {"max_terms": 0}}, "chain_sum fails with options {'max_terms': 0}", "max_terms must be"),
    "type": ({"options": {"max_terms": "x"}}, "chain_sum fails with options {'max_terms': 'x'}"),
    "harder": ({"harder": {"max_terms": 1}}, "chain_sum fails with options {'max_terms': 1}"),
    "too long": ({"length": 20}, "length is 20", "the shortest", "give a greater length"),
    "harder too long": ({"harder": {"min_terms": 20, "max_terms": 20}}, "the shortest harder item of chain_sum has"),
    "no answers": ({"generator": "graph_color"}, "no item of graph_color is printable ASCII with one answer"),
    "nothing left": ({"generator": "coin_flip", "options": {"min_trials": 3, "max_trials": 3}}, "training has all"),
    "seed": ({"options": {"seed": 3}}, "options: found seed, which the task sets itself"),
    "by hash": ({"generator": "word_ladder"}, "items differ from process to process"),
    "no mapping": ({"options": 3}, "options: found 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_had_is_refused_before_a_study_runs(name: str):
    bad, *parts = BAD[name]
    with pytest.raises(UserError) as error:
        make(TINY | {"tasks": {"reasoning_gym": FEW | bad}})
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
