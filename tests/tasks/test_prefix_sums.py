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
    for split in PrefixSums(length=length).splits.values():
        tokens, targets = split.generate(3, torch.Generator().manual_seed(seed))
        for bits, parities in zip(tokens.tolist(), targets.tolist(), strict=True):
            assert parities == list(accumulate(bits, xor))


def test_splits():
    def lengths(task: PrefixSums) -> dict[str, int]:
        return {name: split.length for name, split in task.splits.items()}

    shared = {"validation": 32, "test": 32}
    assert lengths(PrefixSums()) == shared | {"64_bits": 64, "128_bits": 128, "256_bits": 256, "512_bits": 512}
    assert lengths(PrefixSums(tested=(400, 48))) == shared | {"400_bits": 400, "48_bits": 48}
    assert list(lengths(PrefixSums(length=5)).values()) == [5, 5, 10, 20, 40, 80]


def test_show():
    assert PrefixSums(length=4).show(torch.tensor([1, 0, 1, 1]), torch.tensor([1, 1, 0, 1])) == "1011 -> 1101"


@pytest.mark.parametrize(("bad", "message"), [({"length": 0}, "length"), ({"tested": (64, 64)}, "distinct")])
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        PrefixSums(**bad)
