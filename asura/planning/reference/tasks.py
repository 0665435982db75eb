"""The page of the tasks: what each is, an example, and its settings."""

from itertools import chain

from asura.common.randomness import generator
from asura.corpora.settings import Corpus, Embedded, Files, Hub
from asura.planning.reference.markdown import own_rows, page, paragraphs, rows, table
from asura.tasks import TASKS, Task

READ = ("reasoning_gym", "text")
"""Kinds whose examples need an extra package or a prepared corpus, which the reference must not depend on."""

INTRODUCTION = """
Every task generates its examples from a seed, except `text`, which reads a corpus. A study names a task by its kind, as
in `phop: {hops: 3}`, or by any other name with the key `task`. `asura sample FILE TASK` prints examples.

The splits `validation` and `test` have the distribution of training, and no input in common with it or with each
other. Make every choice on `validation`. Each other split differs from `test` in one respect. Where a task has few
distinct inputs, a hash of the input decides whether it belongs to training (3/4), `validation` or `test` (1/8 each).
Where it has many, `asura plan` prints the share of inputs that training has too. It also prints other shares that say
how hard a split is, such as the fixed points of `phop`.

Chance is the score of the best guess that does not read the input, with the default settings. A *shortcut* is a rule
that scores without solving the task, such as copying the last token. `asura plan` prints the best one for each split,
and evaluation scores all of them on the examples that models see. `accuracy` counts asked positions, `exact_match`
counts whole examples, and in `bits_per_byte` lower is better.
""".strip()


def tasks_page() -> str:
    """docs/tasks.md."""
    parts = chain.from_iterable(_task(name, kind) for name, kind in TASKS.shipped.items())
    return page(["# Tasks", INTRODUCTION, *parts])


def _task(name: str, kind: type[Task]) -> list[str]:
    task = kind()
    chance = "depends on the generator" if name == "reasoning_gym" else f"{task.chance:.3g}"
    if name in READ:
        shown = [f"`asura sample FILE {name}` prints examples."]
    else:
        example = task.draw(1, generator("reference", name))
        shown = ["An example:", f"```text\n{task.show(example.tokens[0], example.targets[0])}\n```"]
    return [
        f"## `{name}`",
        paragraphs(kind),
        f"Metric: `{task.metric}`. Chance: {chance}.",
        *shown,
        table(own_rows(kind, Task)),
        *(_corpora() if name == "text" else []),
    ]


def _corpora() -> list[str]:
    parts = ["### `corpus`", paragraphs(Corpus), table(rows(Corpus))]
    for kind in (Embedded, Hub, Files):
        source = kind.__name__.lower()
        parts += [f"#### `source: {source}`", paragraphs(kind), table(own_rows(kind, Corpus))]
    return parts
