import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.datasets import load_digits

from asura.planning.planner import make
from asura.tasks.base import IGNORE
from asura.tasks.digits import Digits
from tests.conftest import TINY

DATA = load_digits()
IMAGES = DATA.images.astype(int)
SIGNS = "0123456789abcdefg"


def read(text: str) -> tuple[np.ndarray, int]:
    """Levels (8, 8) and digit."""
    image, digit = text.split(" -> ")
    return np.array([[SIGNS.index(sign) for sign in row] for row in image.split(" ")]), int(digit)


def drawn(task: Digits, count: int, seed: int = 0) -> list[tuple[np.ndarray, int]]:
    batch = task.draw(count, torch.Generator().manual_seed(seed))
    return [read(task.show(*example)) for example in zip(*batch, strict=True)]


def found(image: np.ndarray) -> list[int]:
    """Places of an image among scikit-learn's, whole."""
    return np.flatnonzero((image == IMAGES).all((1, 2))).tolist()


@given(st.integers(2, 17), st.integers(0, 2**32))
def test_an_image_is_one_of_the_data_at_its_levels_with_its_digit(levels: int, seed: int):
    fine, coarse = drawn(Digits(), 5, seed), drawn(Digits(levels=levels), 5, seed)
    for (whole, digit), (image, same) in zip(fine, coarse, strict=True):
        (place,) = found(whole)
        assert digit == same == DATA.target[place]
        assert (image == whole * levels // 17).all()
        assert image.max() < levels


def test_only_the_last_pixel_asks():
    _, targets = Digits().draw(50, torch.Generator().manual_seed(0))
    assert (targets[:, :-1] == IGNORE).all() and (targets[:, -1] != IGNORE).all()


def test_a_fifth_of_the_images_is_for_test_a_tenth_for_validation_and_always_the_same():
    places = {}
    for name, task in {"training": Digits(), **Digits().splits}.items():
        tokens = task.draw(16000, torch.Generator().manual_seed(0)).tokens.unique(dim=0)
        places[name] = {place for image in tokens.view(-1, 8, 8).numpy() for place in found(image)}
    assert not places["training"] & places["test"] and not places["validation"] & places["test"]
    assert not places["training"] & places["validation"] and len(places["validation"]) == 179
    assert len(places["training"]) in (1258, 1259)  # some 0.01 of them are not drawn
    assert len(places["test"]) == 359
    # Another order would let a model be evaluated on images it was trained on.
    assert sorted(places["test"])[:8] == [2, 13, 27, 31, 34, 46, 54, 57]


@given(st.integers(1, 16), st.integers(0, 2**32))
def test_noise_changes_pixels_by_its_strength_at_most(noise: int, seed: int):
    whole, changed = drawn(Digits(), 4, seed), drawn(Digits(noise=noise), 4, seed)
    for (image, digit), (noisy, same) in zip(whole, changed, strict=True):
        assert digit == same
        assert 0 < np.abs(noisy - image).max() <= noise


def test_noise_is_uniform_where_no_pixel_is_cut_off():
    whole, noisy = (Digits(noise=k).draw(3000, torch.Generator().manual_seed(0)).tokens for k in (0, 2))
    change = (noisy - whole)[(whole >= 2) & (whole <= 14)]
    shares = torch.bincount(change + 2) / len(change)
    assert len(shares) == 5
    assert (shares - 0.2).abs().max() < 5 * (0.16 / len(change)) ** 0.5


@given(st.integers(0, 7), st.integers(0, 2**32))
def test_a_shifted_image_is_rolled_in_one_of_four_directions(shift: int, seed: int):
    whole, rolled = drawn(Digits(), 4, seed), drawn(Digits(shift=shift), 4, seed)
    for (image, digit), (shifted, same) in zip(whole, rolled, strict=True):
        rolls = [np.roll(image, by, axis) for by in (shift, -shift) for axis in (0, 1)]
        assert digit == same and any((shifted == roll).all() for roll in rolls)


def test_every_direction_is_taken():
    whole, shifted = drawn(Digits(), 400), drawn(Digits(shift=1), 400)
    taken = [
        (by, axis)
        for (image, _), (rolled, _) in zip(whole, shifted, strict=True)
        for by in (1, -1)
        for axis in (0, 1)
        if (np.roll(image, by, axis) == rolled).all()
    ]
    assert len(taken) == 400
    assert all(60 < taken.count(way) < 140 for way in [(1, 0), (-1, 0), (1, 1), (-1, 1)])


def test_chance_is_the_share_of_the_commonest_digit_of_the_images_drawn():
    task = Digits()
    for kind in (task, task.splits["test"]):
        digits = kind.draw(20000, torch.Generator().manual_seed(0)).targets[:, -1]
        assert digits.bincount().max() / 20000 == pytest.approx(kind.chance, abs=0.012)
    assert task.chance * 1259 == pytest.approx(137)
    assert task.splits["test"].chance * 359 == pytest.approx(45)
    (model,) = make(TINY | {"tasks": {"digits": {}}}).models
    assert model["chance"] == task.splits["test"].chance  # that of the images a model is scored on


def test_splits():
    splits = Digits(levels=4, noise_to=6).splits
    assert splits["validation"] == Digits(levels=4, noise_to=6, part="validation")
    assert splits["test"] == Digits(levels=4, noise_to=6, part="test")
    assert splits["noisy"] == Digits(levels=4, noise_to=6, part="test", noise=6)
    assert splits["shifted"] == Digits(levels=4, noise_to=6, part="test", shift=1)


def test_show():
    tokens, targets = torch.zeros(64, dtype=torch.int64), torch.full((64,), IGNORE)
    tokens[2], tokens[63], targets[63] = 16, 9, 7
    blank = " ".join(["00000000"] * 6)
    assert Digits().show(tokens, targets) == f"00g00000 {blank} 00000009 -> 7"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"levels": 1}, "greater than or equal to 2"),
        ({"levels": 18}, "less than or equal to 17"),
        ({"noise_to": 0}, "noise_to"),
        ({"shift": 8}, "less than 8"),
        ({"part": "all"}, "'training', 'validation' or 'test'"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Digits(**bad)
