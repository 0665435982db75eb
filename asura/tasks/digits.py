"""Handwritten digits: say which digit an image of 8 × 8 pixels shows."""

from functools import cache
from typing import NamedTuple, Self

import torch
from pydantic import Field
from torch import Generator, Tensor

from asura.common.randomness import generator as generator_of
from asura.tasks.base import IGNORE, Batch, Task

SIDE, BRIGHTEST = 8, 16


class Images(NamedTuple):
    """pixels: (count, 8, 8), from 0 to 16; digits: (count,), what they show."""

    pixels: Tensor
    digits: Tensor


class Digits(Task):
    """Handwritten digits (Alpaydin and Kaynak, 1998, doi 10.24432/C50P49): the 1,797 images of scikit-learn.

    The input is the 64 pixels of an image, row by row. The digit is asked at the last pixel. A fifth of the images is
    held out for `test` and a tenth for `validation`, the same in every study. Images are drawn with replacement. The
    standard error of a score is therefore that of the 359 images of `test`, and says nothing about other images.

    Splits: `validation` and `test`, held-out images; `noisy`, those of `test` with uniform noise of up to `noise_to` on
    every pixel; `shifted`, those of `test` rolled by one pixel up, down, left or right.
    """

    levels: int = Field(17, ge=2, le=BRIGHTEST + 1)
    """Number of grey levels. The 17 levels of the images are rounded down to these."""
    noise_to: int = Field(4, ge=1, le=BRIGHTEST)
    """Largest noise on a pixel in the split `noisy`, in units of the 17 levels."""
    noise: int = Field(0, ge=0, le=BRIGHTEST)
    """Largest noise on a pixel, in units of the 17 levels."""
    shift: int = Field(0, ge=0, lt=SIDE)
    """Number of pixels by which an image is rolled, in one of four directions."""

    @property
    def vocabulary(self) -> int:
        """The levels, or the ten digits if these are more."""
        return max(self.levels, 10)

    @property
    def sequence_length(self) -> int:
        """The pixels."""
        return SIDE**2

    @property
    def chance(self) -> float:
        """The share of the commonest digit among the images."""
        digits = _images(self.part).digits
        return digits.bincount().max().item() / len(digits)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {
            "noisy": self.model_copy(update={"noise": self.noise_to}),
            "shifted": self.model_copy(update={"shift": 1}),
        }

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw pixels and the digit at the last of them, both (count, 64)."""
        images = _images(self.part)
        drawn = torch.randint(len(images.digits), (count, 1, 1), generator=generator)
        directions = self.shift * torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])
        down, right = directions[torch.randint(4, (count, 1), generator=generator)].unbind(2)
        rows, columns = ((torch.arange(SIDE) - by) % SIDE for by in (down, right))  # (count, 8)
        pixels = images.pixels[drawn, rows[:, :, None], columns[:, None, :]].flatten(1)
        noise = torch.randint(-self.noise, self.noise + 1, pixels.shape, generator=generator)
        tokens = (pixels + noise).clamp(0, BRIGHTEST) * self.levels // (BRIGHTEST + 1)
        targets = torch.full_like(tokens, IGNORE)
        targets[:, -1] = images.digits[drawn[:, 0, 0]]
        return Batch(tokens, targets)

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The rows of the image, each level a sign from 0 to g, and the digit: `00590000 … 000d8000 -> 7`."""
        rows = tokens.view(SIDE, SIDE).tolist()
        image = " ".join("".join("0123456789abcdefg"[level] for level in row) for row in rows)
        return f"{image} -> {int(targets[-1])}"


@cache
def _images(which: str) -> Images:
    """The images of a part."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=generator_of("digits", "held out"))
    test, validation = len(order) // 5, len(order) // 10
    first, second = len(order) - test - validation, len(order) - test
    chosen = {"training": order[:first], "validation": order[first:second], "test": order[second:]}[which]
    pixels, digits = torch.from_numpy(data.images).long(), torch.from_numpy(data.target).long()
    return Images(pixels[chosen], digits[chosen])
