"""Standard errors over test examples, against simulation and arithmetic."""

import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from asura.common.errors import UserError
from asura.reporting.outcomes import effects, read_effects, standard_error


def write(folder: Path, score: list[float], weight: list[float]) -> Path:
    tensors = {"test.score": np.array(score, np.float32), "test.weight": np.array(weight, np.float32)}
    save_file(tensors, folder / "outcomes.safetensors")
    return folder / "outcomes.safetensors"


def test_of_equal_weights_it_is_the_standard_error_of_a_mean(tmp_path: Path):
    found = read_effects(write(tmp_path, [2, 4, 3, 3], [4, 4, 4, 4]))
    # .5, 1, .75, .75: deviations -.25, .25, 0, 0, variance .125 / 3
    assert found is not None and found.tolist() == pytest.approx([-0.25, 0.25, 0, 0])
    assert standard_error(found) == pytest.approx(math.sqrt(0.125 / 3 / 4))


def test_an_example_that_was_asked_nothing_has_no_effect(tmp_path: Path):
    found = read_effects(write(tmp_path, [1, 0, 1, 0], [1, 1, 1, 0]))
    # (1, 0, 1, 0) - 2/3 (1, 1, 1, 0), over the mean weight 3/4
    assert found is not None and found.tolist() == pytest.approx([4 / 9, -8 / 9, 4 / 9, 0])


def test_of_a_ratio_it_is_how_much_the_ratio_varies_between_test_sets():
    random = np.random.default_rng(0)

    def documents(count: int) -> tuple[np.ndarray, np.ndarray]:
        size = random.integers(50, 500, count).astype(float)
        return size * random.normal(2.5, 0.3, count), size

    ratios = [bits.sum() / size.sum() for bits, size in (documents(200) for _ in range(4000))]
    assert standard_error(effects(*documents(20_000))) * 10 == pytest.approx(np.std(ratios), rel=0.05)


def test_without_outcomes_there_is_nothing_and_damaged_ones_are_named(tmp_path: Path):
    assert read_effects(tmp_path / "outcomes.safetensors") is None
    save_file({}, tmp_path / "outcomes.safetensors")  # of a run that failed
    assert read_effects(tmp_path / "outcomes.safetensors") is None
    (tmp_path / "outcomes.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"outcomes\.safetensors: it cannot be read"):
        read_effects(tmp_path / "outcomes.safetensors")
