from itertools import accumulate
from operator import xor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.prefix_sums import PrefixSums


@given(st.integers(1, 70), st.integers(0, 2**32))
def test_answers_are_the_running_exclusive_or(length: int, seed: int):
    tokens, targets = PrefixSums(length=length).draw(3, torch.Generator().manual_seed(seed))
    for bits, parities in zip(tokens.tolist(), targets.tolist(), strict=True):
        assert parities == list(accumulate(bits, xor))


def test_splits():
    splits = PrefixSums(length=5).splits
    assert {name: task.length for name, task in splits.items()} == {
        "validation": 5,
        "test": 5,
        "longer": 10,
        "longest": 20,
    }


def test_show():
    assert PrefixSums(length=4).show(torch.tensor([1, 0, 1, 1]), torch.tensor([1, 1, 0, 1])) == "1011 -> 1101"


def test_bad_settings_are_refused():
    with pytest.raises(ValidationError, match="length"):
        PrefixSums(length=0)
