import re
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.base import IGNORE
from asura.tasks.igsm import IGSM

PAPER = (
    "E#I := 4 . E#J := E#I . K#N := I#N + J#O + F#K . F#K := E#J . J#O := F#K + K#O + E#J . H#J := E#J + F#K . "
    "I#P := L#M + I#N + K#O . I#M := J#O + J#P + F#K . J#P := H#J - F#K . L#M := I#N + J#P + F#K . "
    "I#N := 2 * J#P + H#J + E#I . K#O := J#P + I#N + E#J . I#P ? 0"
)
"""The example of the paper (arXiv 2502.17416, table 2)."""


@st.composite
def settings(draw: st.DrawFn) -> IGSM:
    levels, per_level = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    fewest, most = max(3, (levels - 1) * per_level), (levels - 1) * per_level**2
    parameters, further = sorted(draw(st.integers(fewest, min(most, 30))) for _ in range(2))
    modulus = draw(st.sampled_from([3, 5, 7, 11]))
    return IGSM(modulus=modulus, levels=levels, per_level=per_level, parameters=parameters, extrapolate_to=further)


def read(text: str) -> tuple[dict[str, list[str]], str, int]:
    """The formulas by their parameter, the parameter asked for, and the answer."""
    *statements, question = text.split(" . ")
    formulas = {}
    for statement in statements:
        parameter, formula = statement.split(" := ")
        assert parameter not in formulas
        formulas[parameter] = formula.split(" ")
    asked, mark, answer = question.split(" ")
    assert mark == "?"
    return formulas, asked, int(answer)


def value(formulas: dict[str, list[str]], parameter: str) -> int:
    """As the worked answer of the paper has it: a factor is that of all terms."""
    words = formulas[parameter]
    factor = 1
    if words[1:2] == ["*"]:
        factor, words = int(words[0]), words[2:]
    signed = zip(["+", *words[1::2]], words[::2], strict=True)
    terms = [(int(t) if t.isdigit() else value(formulas, t)) * (-1 if sign == "-" else 1) for sign, t in signed]
    return factor * sum(terms)


def needed(formulas: dict[str, list[str]], parameter: str) -> set[str]:
    return {parameter}.union(*(needed(formulas, word) for word in formulas[parameter] if "#" in word))


def drawn(task: IGSM, count: int, seed: int = 0) -> Iterator[tuple[dict[str, list[str]], str, int]]:
    batch = task.generate(count, torch.Generator().manual_seed(seed))
    return (read(task.show(*example)) for example in zip(*batch, strict=True))


def test_the_oracle_answers_the_example_of_the_paper():
    formulas, asked, answer = read(PAPER)
    assert value(formulas, "I#N") % 7 == 4 and value(formulas, "L#M") % 7 == 5
    assert value(formulas, asked) % 7 == answer
    assert len(formulas) == 12 and len(needed(formulas, asked)) == 9


@given(settings(), st.integers(0, 2**32))
def test_the_answer_is_that_of_the_text(task: IGSM, seed: int):
    for split in task.splits.values():
        for formulas, asked, answer in drawn(split, 3, seed):
            assert answer == value(formulas, asked) % task.modulus
            assert len(formulas) == split.parameters


@given(settings(), st.integers(0, 2**32))
def test_statements_are_those_of_the_grammar(task: IGSM, seed: int):
    for formulas, _, _ in drawn(task, 3, seed):
        assert sum(len(formula) == 1 and formula[0].isdigit() for formula in formulas.values()) >= 1
        for parameter, formula in formulas.items():
            text = " ".join(formula)
            assert re.fullmatch(r"\d+|(\d+ [*+] )?\w\d+#\w\d+(( [+] \w\d+#\w\d+){0,2}| - \w\d+#\w\d+)", text)
            terms = re.findall(r"\w\d+#\w\d+", text)
            assert len(set(terms)) == len(terms) and parameter not in terms
            numbers = [int(word) for word in formula if word.isdigit()]
            assert all(0 <= number < task.modulus for number in numbers)
            assert formula[1:2] != ["*"] or numbers[0] > 1


@given(settings(), st.integers(0, 2**32))
def test_parameters_are_edges_of_a_hierarchy(task: IGSM, seed: int):
    for formulas, _, _ in drawn(task, 3, seed):
        edges = [re.fullmatch(r"([A-Z])(\d+)#([A-Z])(\d+)", parameter) for parameter in formulas]
        levels = [(ord(edge[1]) - 65, ord(edge[3]) - 65) for edge in edges if edge]
        assert len(levels) == len(formulas) and all(below == above + 1 for above, below in levels)
        assert {above for above, _ in levels} == set(range(task.levels - 1))
        parents, children = ({edge[k] + edge[k + 1] for edge in edges if edge} for k in (1, 3))
        assert all(name in children for name in parents if name[0] != "A")
        for level in range(1, task.levels):
            assert 2 <= sum(name[0] == chr(65 + level) for name in children) <= task.per_level


def test_only_the_last_position_asks():
    _, targets = IGSM().draw(50, torch.Generator().manual_seed(0))
    assert (targets[:, :-1] == IGNORE).all() and (targets[:, -1] != IGNORE).all()


def test_the_question_needs_any_number_of_parameters_and_they_form_long_chains():
    def depth(formulas: dict[str, list[str]], parameter: str) -> int:
        return 1 + max((depth(formulas, word) for word in formulas[parameter] if "#" in word), default=0)

    examples = list(drawn(IGSM(), 2400))
    numbers = [len(needed(formulas, asked)) for formulas, asked, _ in examples]
    assert all(abs(numbers.count(k) - 200) < 68 for k in range(1, 13))  # five standard errors
    depths = [depth(formulas, asked) for formulas, asked, _ in examples]
    assert all(found <= number for found, number in zip(depths, numbers, strict=True))
    of_nine = [found for found, number in zip(depths, numbers, strict=True) if number == 9]
    assert 6 < sum(of_nine) / len(of_nine) < 8.5  # the paper's example is 8 deep


@pytest.mark.parametrize("task", [IGSM(), IGSM(modulus=3, levels=2, per_level=2, parameters=3, extrapolate_to=4)])
def test_answers_are_uniform_whatever_the_question_needs(task: IGSM):
    examples = list(drawn(task, 6000))
    deep = [answer for formulas, asked, answer in examples if len(formulas[asked]) > 1]
    for answers in (deep, [answer for _, _, answer in examples]):
        error = (task.chance * (1 - task.chance) / len(answers)) ** 0.5
        assert all(abs(answers.count(k) / len(answers) - task.chance) < 5 * error for k in range(task.modulus))


def test_statements_entities_and_terms_are_shuffled():
    task = IGSM()
    examples = list(drawn(task, 2000))
    firsts = [next(iter(formulas.items())) for formulas, _, _ in examples]
    assert len({parameter for parameter, _ in firsts}) == 48  # all edges between levels of four entities
    numbers = sum(len(formula) == 1 and formula[0].isdigit() for _, formula in firsts) / 2000
    assert numbers == pytest.approx(1 / 12, abs=0.031)  # five standard errors
    of_one_term = [" ".join(f) for formulas, _, _ in examples for f in formulas.values() if str(f).count("#") == 1]
    for sign in "*+":
        share = sum(sign in formula for formula in of_one_term) / len(of_one_term)
        assert share == pytest.approx(0.25, abs=5 * (0.1875 / len(of_one_term)) ** 0.5)


def test_shortcuts_read_the_numbers_that_they_name():
    task = IGSM()
    tokens, targets = task.draw(1000, torch.Generator().manual_seed(0))
    rules = task.shortcuts(tokens)
    for k, example in enumerate(zip(tokens, targets, strict=True)):
        formulas, asked, _ = read(task.show(*example))
        (first,) = [int(formula[0]) for formula in formulas.values() if len(formula) == 1 and "#" not in formula[0]]
        own = formulas[asked][0]
        assert rules["first number"][k, -1] == first
        assert rules["its own number"][k, -1] == (int(own) if own.isdigit() else 0)


def test_splits():
    splits = IGSM().splits
    assert {name: task.parameters for name, task in splits.items()} == {
        "validation": 12,
        "test": 12,
        "more_parameters": 16,
    }
    assert IGSM(extrapolate_to=20).splits["more_parameters"].parameters == 20


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"modulus": 2}, "greater than or equal to 3"),
        ({"modulus": 9}, "odd prime"),
        ({"levels": 1}, "levels"),
        ({"per_level": 1}, "per_level"),
        ({"parameters": 11}, "parameters must be from 12 to 48 for 4 levels of up to 4 entities, found 11"),
        ({"parameters": 49}, "parameters must be from 12 to 48"),
        ({"extrapolate_to": 11}, "extrapolate_to must be from parameters, 12, to 48, found 11"),
        ({"extrapolate_to": 49}, "extrapolate_to must be from parameters, 12, to 48, found 49"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        IGSM(**bad)
