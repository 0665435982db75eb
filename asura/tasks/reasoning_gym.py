"""Reasoning Gym: the questions of one of its generators, answered character by character."""

from collections import Counter
from dataclasses import fields
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, JsonValue, field_validator
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.common.validation import LARGEST, nearest, short
from asura.tasks.base import IGNORE, Batch, Metric, Task

CHARACTERS = "".join(map(chr, range(ord(" "), ord("~") + 1))) + "\n"
SEPARATOR, END, PAD = range(len(CHARACTERS), len(CHARACTERS) + 3)

SEEDS = {"training": 0, "test": LARGEST, "harder": 2 * LARGEST, "validation": 3 * LARGEST}
"""The seed of item 0: item k has the seed of item 0 plus k, so these are no closer than there may be items."""

UNREPEATABLE = (
    {"isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note", "word_ladder"}  # by Python's hash
    | {"time_intervals"}  # by the date
)
"""Generators of which the same seed makes other items in another process, so that none can be held out."""


class Pool(NamedTuple):
    """tokens: (items, length + 2) uint8, question, SEPARATOR, answer, END and padding. chance: see the task."""

    tokens: Tensor
    chance: float


class ReasoningGym(Task):
    """A generator of Reasoning Gym (Stojanovski et al., 2025, arXiv 2505.24760), as next-token prediction.

    An example is question, separator, answer, end, padding, character by character. The characters of the answer and
    the end are asked. An answer is correct only if it is exactly the generator's. Each question occurs once in a split.
    Items that are not printable ASCII, have no single answer, or have more characters than `length` are left out, so
    `length` should leave room for the split `harder`. Items are drawn with replacement. The task needs `pip install
    -e ".[reasoning]"`.

    Splits: `validation`, `test`, and `harder` if the setting `harder` is given. Questions of training are in none of
    them, and those of `validation` are not in `test`.
    """

    metric: ClassVar[Metric] = "exact_match"
    reads_its_answers: ClassVar[bool] = True

    generator: str = "chain_sum"
    """Name of the generator in Reasoning Gym."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the generator that differ from its defaults. `seed` and `size` are set by the task."""
    harder: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the generator in the split `harder`, in addition to `options`. Without them there is no such
    split."""
    train_items: int = Field(10000, ge=1, le=LARGEST)
    """Number of items generated for training."""
    test_items: int = Field(2560, ge=1, le=LARGEST)
    """Number of items generated for each other split. Items of training are then removed from them."""
    length: int = Field(128, ge=2, le=LARGEST)
    """Largest number of characters of a question and its answer together."""
    items: Literal["training", "validation", "test", "harder"] = "training"
    """Which items are drawn. The splits set this; a study leaves the default."""

    @field_validator("generator")
    @classmethod
    def _repeatable(cls, generator: str) -> str:
        if generator in UNREPEATABLE:
            raise ValueError(f"found {generator!r}, whose items differ from process to process; give another")
        return generator

    @field_validator("options", "harder")
    @classmethod
    def _no_seed(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := {"seed", "size"} & set(options):
            raise ValueError(f"found {', '.join(sorted(taken))}, which the task sets itself; leave it out")
        return options

    @property
    def vocabulary(self) -> int:
        """Characters, separator, end and padding."""
        return len(CHARACTERS) + 3

    @property
    def sequence_length(self) -> int:
        """Question, separator and answer; the end is never an input."""
        return self.length + 1

    @property
    def chance(self) -> float:
        """The share of the commonest answer among the items.

        It is asked of a study before anything runs: items of any split that cannot be had are a UserError here.
        """
        for split in self.splits.values():
            _pool(split.model_dump_json())
        return _pool(self.model_dump_json()).chance

    @property
    def splits(self) -> dict[str, Self]:
        """See the class."""
        names = ["validation", "test", *(["harder"] if self.harder else [])]
        return {name: self.model_copy(update={"items": name}) for name in names}

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, length + 1), the targets one position ahead."""
        pool = _pool(self.model_dump_json()).tokens
        drawn = pool[torch.randint(len(pool), (count,), generator=generator)].long()
        tokens, following = drawn[:, :-1], drawn[:, 1:]
        asked = ((tokens == SEPARATOR).cumsum(1) > 0) & (following != PAD)
        return Batch(tokens, torch.where(asked, following, IGNORE))

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        r"""Question and answer, `4 + 3 = -> 7`; the end of a line is written `\n`."""
        question = tokens[: tokens.tolist().index(SEPARATOR)]
        answer = targets[targets != IGNORE][:-1]
        texts = ("".join(CHARACTERS[token] for token in part.tolist()) for part in (question, answer))
        return " -> ".join(texts).replace("\n", "\\n")


@lru_cache(maxsize=8)
def _pool(settings: str) -> Pool:
    """The items of a task's settings. Raises UserError."""
    task = ReasoningGym.model_validate_json(settings)
    answers = _answers(settings)
    if task.items != "training":
        trained = _answers(task.model_copy(update={"items": "training"}).model_dump_json())
        seen = _answers(task.model_copy(update={"items": "validation"}).model_dump_json())
        others = [trained, seen] if task.items == "test" else [trained]
        answers = {question: answer for question, answer in answers.items() if all(question not in o for o in others)}
        if not answers:
            raise UserError(
                f"reasoning_gym: training has all {len(trained)} questions of {task.generator} that {task.items} asks; "
                "give fewer train_items, or options that make more questions"
            )
    code = {character: token for token, character in enumerate(CHARACTERS)}
    rows = bytearray()
    for question, answer in answers.items():
        row = bytes([*(code[c] for c in question), SEPARATOR, *(code[c] for c in answer), END])
        rows += row.ljust(task.length + 2, bytes([PAD]))
    tokens = torch.frombuffer(rows, dtype=torch.uint8).view(len(answers), -1)
    return Pool(tokens, max(Counter(answers.values()).values()) / len(answers))


@lru_cache(maxsize=8)
def _answers(settings: str) -> dict[str, str]:
    """The answers to the questions of a task's settings, held out or not. Raises UserError."""
    task = ReasoningGym.model_validate_json(settings)
    name, options = task.generator, task.options | (task.harder if task.items == "harder" else {})
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError:
        raise UserError("reasoning_gym: its package is missing; run `pip install reasoning-gym==0.1.25`") from None
    if name not in DATASETS:
        raise UserError(f"reasoning_gym: no such generator{nearest(name, DATASETS)}")
    allowed = {field.name for field in fields(DATASETS[name][1])} - {"seed", "size"}
    for key in options:
        if key not in allowed:
            raise UserError(f"reasoning_gym: no such option of {name}{nearest(key, allowed)}")
    count = task.train_items if task.items == "training" else task.test_items
    try:
        dataset = create_dataset(name, seed=SEEDS[task.items], size=count, **options)
        found = {item["question"]: item["answer"] for item in map(dataset.__getitem__, range(count))}
    except Exception as error:  # of whatever kind: generators check their options early, late, or not at all
        raise UserError(f"reasoning_gym: {name} fails with options {short(options)} ({error!r})") from None
    readable = {q: a for q, a in found.items() if isinstance(a, str) and set(q + a) <= set(CHARACTERS)}
    if not readable:
        raise UserError(f"reasoning_gym: no item of {name} is printable ASCII with one answer; give another generator")
    shortest = min(len(q) + len(a) for q, a in readable.items())
    if shortest > task.length:
        raise UserError(
            f"reasoning_gym: length is {task.length}, and the shortest {task.items} item of {name} has {shortest} "
            "characters; give a greater length"
        )
    return {q: a for q, a in readable.items() if len(q) + len(a) <= task.length}
