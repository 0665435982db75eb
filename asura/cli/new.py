"""Commands that write a file of one's own to begin with, and its test."""

import keyword
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from asura.common.errors import UserError

Name = Annotated[str, typer.Argument(help="Its name in studies, and of the file; letters, digits and '_'.")]
To = Annotated[Path, typer.Option(help="The folder to write to.")]

new = typer.Typer(help="Write an architecture or a task of your own to begin with, and its test.", no_args_is_help=True)


@new.command()
def architecture(name: Name, to: To = Path()) -> None:
    """Write NAME.py, a looped stack whose input returns, and test_NAME.py with the contract of every architecture."""
    from asura.models import ARCHITECTURES

    _write(name, to, "architecture", list(ARCHITECTURES), ARCHITECTURE, TEST_OF_ARCHITECTURE)


@new.command()
def task(name: Name, to: To = Path()) -> None:
    """Write NAME.py, addition modulo a number, and test_NAME.py with the contract of every task."""
    from asura.tasks import TASKS

    _write(name, to, "task", list(TASKS), TASK, TEST_OF_TASK)


def _write(name: str, to: Path, what: str, shipped: list[str], source: str, test: str) -> None:
    from importlib.util import find_spec

    from asura.common.files import write_text

    is_word = name.isidentifier() and name.isascii() and name[0] != "_"
    if not is_word or name != name.lower() or keyword.iskeyword(name):
        raise UserError(f"{name}: it is no name for a file; give small letters, digits and '_', the first a letter")
    if name in shipped:
        raise UserError(f"{name}: it is the name of a shipped {what}; give another than {', '.join(shipped)}")
    kind = "".join(part.capitalize() for part in name.split("_"))
    if kind in (taken := _imported(source) | _imported(test)):
        raise UserError(f"{name}: its class would be {kind}, which the file imports; give another than {_named(taken)}")
    words = {"name": name, "kind": kind}
    texts = {to / f"{name}.py": source, to / f"test_{name}.py": test}
    for path in texts:
        if path.exists():
            raise UserError(f"{path}: it exists already; give another name or another folder")
    if find_spec(name):
        raise UserError(f"{name}: a Python module has this name, which the file would hide; give another")
    for path, text in texts.items():
        write_text(path, Template(text).substitute(words))
        typer.echo(path)
    typer.echo(f"Name it in a study, as in `plugins: [{name}.py]`, and run `pytest {to / f'test_{name}.py'}`.")


def _imported(source: str) -> set[str]:
    """The classes that a file of a template imports."""
    lines = (line.partition(" import ")[2] for line in source.splitlines() if " import " in line)
    return {name for line in lines for name in line.split(", ") if name[0].isupper()}


def _named(kinds: set[str]) -> str:
    return ", ".join(sorted(kind.lower() for kind in kinds if not kind.isupper()))


ARCHITECTURE = '''\
"""$kind: what it computes, and where it is from."""

from typing import Literal

from torch import Tensor, nn

from asura import architecture
from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive


class ${kind}Settings(Recursive):
    """A stack of blocks whose input returns before every iteration."""

    architecture: Literal["$name"] = "$name"
    returning: float = 1.0
    """Factor of the input that returns."""


@architecture(${kind}Settings)
class $kind(Model):
    """z_t = B_n(… B_1(z_{t-1} + returning · e)), z_0 = e."""

    def __init__(self, settings: ${kind}Settings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.returning = settings.returning
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """The state before the first iteration, from tokens (B, T): z and e, both (B, T, width)."""
        e = self.embed(tokens)
        return e, e

    def iterate(self, state: State, t: int) -> State:
        """The state after iteration t, counted from 1."""
        z, e = state
        z = z + self.returning * e
        for block in self.blocks:
            z = block(z)
        return z, e
'''

TEST_OF_ARCHITECTURE = '''\
"""What every architecture owes, and what $name is by its equation."""

import torch
from $name import ${kind}Settings

from asura import build
from asura.testing import ArchitectureContract


class Test$kind(ArchitectureContract):
    settings = ${kind}Settings(n=2, i=3, width=16, heads=2)


def test_it_is_bare_recursion_where_nothing_returns() -> None:
    size = {"n": 2, "i": 3, "width": 16, "heads": 2}
    tokens = torch.randint(5, (2, 7))
    own = build(${kind}Settings(**size, returning=0.0), vocabulary=5)
    bare = build({"architecture": "bare", **size}, vocabulary=5)
    assert torch.equal(own(tokens), bare(tokens))
'''

TASK = '''\
"""$kind: what is asked, and where it is from."""

import math

import torch
from pydantic import Field
from torch import Generator, Tensor

from asura import task
from asura.tasks.base import IGNORE, Batch, Task


@task("$name")
class $kind(Task):
    """The input is `a + b =`. The answer, at the last position, is the sum modulo `p`."""

    p: int = Field(31, ge=2, le=997)
    """The modulus."""

    @property
    def vocabulary(self) -> int:
        """The numbers, + and =."""
        return self.p + 2

    @property
    def sequence_length(self) -> int:
        """Tokens of an input."""
        return 4

    @property
    def chance(self) -> float:
        """All sums are equally likely."""
        return 1 / self.p

    @property
    def input_bits(self) -> float:
        """Of the two numbers. Where there are few inputs, some are held out for validation and test."""
        return 2 * math.log2(self.p)

    def generate(self, count: int, generator: Generator) -> Batch:
        """Tokens and targets, both (count, 4)."""
        a, b = torch.randint(self.p, (2, count), generator=generator)
        plus, equals = torch.full_like(a, self.p), torch.full_like(a, self.p + 1)
        targets = torch.full((count, 4), IGNORE)
        targets[:, 3] = (a + b) % self.p
        return Batch(torch.stack([a, plus, b, equals], 1), targets)

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """One example in one line."""
        return f"{tokens[0]} + {tokens[2]} = {targets[3]} (mod {self.p})"
'''

TEST_OF_TASK = '''\
"""What every task owes, and that the answers of $name are right."""

from $name import $kind

from asura.tasks import IGNORE
from asura.testing import TaskContract


class Test$kind(TaskContract):
    task = $kind(p=11)

    def answers(self, tokens: list[int]) -> list[int]:
        """By counting on from the first number."""
        found = tokens[0]
        for _ in range(tokens[2]):
            found = found + 1 if found + 1 < 11 else 0
        return [IGNORE, IGNORE, IGNORE, found]
'''
