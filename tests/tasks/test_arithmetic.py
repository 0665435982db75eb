import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.arithmetic import Arithmetic

settings = st.builds(Arithmetic, depth=st.integers(1, 6), per_level=st.integers(1, 4))


@given(settings, st.integers(0, 2**32))
def test_the_answer_is_what_python_makes_of_the_text(settings: Arithmetic, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(5, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            text, answer = task.show(*example).split(" -> ")
            assert eval(text) % 10 == int(answer)
            assert len(text.split()) == 4 * sum(text.count(sign) for sign in task.operators) + 1


def test_an_expression_worked_by_hand():
    task = Arithmetic(depth=2)
    tokens = torch.tensor([task.words.index(word) for word in ["", "", *"((3-9)*7)"]])
    assert task.show(tokens, torch.tensor([-100] * 10 + [8])) == "( ( 3 - 9 ) * 7 ) -> 8"
    results = task.result(torch.arange(3), torch.tensor([[3, 9]]).expand(3, 2), torch.ones(3, 2) == 1)
    assert results.tolist() == [2, 4, 7]


def test_arguments_are_not_a_setting():
    with pytest.raises(ValidationError, match="arguments"):
        Arithmetic.model_validate({"arguments": 3})
