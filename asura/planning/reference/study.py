"""The page of the study file: every key, with its type, default and meaning."""

from itertools import chain

from asura.models.settings import Architecture, Recursive
from asura.planning.ablations import About
from asura.planning.control_settings import ControlEntry
from asura.planning.evaluated import EvaluatedEntry
from asura.planning.external import External
from asura.planning.reference.markdown import own_rows, page, paragraphs, rows, table
from asura.planning.schema import MODELS, definitions
from asura.planning.study import Study
from asura.planning.study_settings import Ablated, Evaluation, ModelEntry, Question, Resources, TaskEntry
from asura.planning.training_settings import Training
from asura.planning.tune_settings import Range, Tune
from asura.tasks import TASKS

INTRODUCTION = """
A study is one YAML file. It says which models are trained on which tasks, with which matched controls and seeds, and
how they are evaluated. This page lists every key. `configs/README.md` lists the studies of this repository.

```yaml
# yaml-language-server: $schema=study.schema.json
name: mine                            # results are written to results/mine
seeds: [0, 1, 2]                      # every model is trained once per seed
tasks:
  phop: {hops: 3, length: 32}         # the name is also the kind of task
  long:                               # any other name needs the key `task`
    task: phop
    length: 64
    training: {steps: 2000}           # for this task only
models:
  asura: {n: [1, 2], i: [2, 4]}       # a list makes a grid: four models
  vanilla:                            # a list of mappings gives several models
    - {n: 4}
    - {n: 8, training: {learning_rate: 1.0e-3}}
controls: [iso_param, iso_flop]       # trained for every model above
width: 64
heads: 4
training: {steps: 600, batch: 20, learning_rate: 3.0e-3, warmup_steps: 50}
evaluation: {iterations: up_to_twice, examples: 256}
```

The first line makes editors that use the YAML language server complete keys, show their descriptions and mark mistakes.
`asura plan FILE` checks a study and prints what it would run, without training anything. A wrong key or value is
refused with the nearest correct one.

Settings of training and of models are merged. Those of a model replace those of its task, which replace those of the
study. In the tables below, *required* marks a key without a default. Sizes without an upper limit are at most
1,048,576.
""".strip()

CONTROLS_INTRODUCTION = """
[Architectures and controls](architectures.md#controls) describes the controls. `controls` is a list of names, or a
mapping of names to settings, as in `controls: {iso_param: {training: {learning_rate: 1.0e-3}}, iso_flop: {}}`. Every
control has these settings:
""".strip()

ABLATIONS_INTRODUCTION = """
A file in `rules/ablations` gives settings by architecture, as `models` does. Models have the size given by `ablated`.
The file may also have these keys:
""".strip()


def study_page() -> str:
    """docs/study-file.md."""
    kinds = ", ".join(f"[`{kind}`](tasks.md#{kind})" for kind in TASKS.shipped)
    return page(
        [
            "# The study file",
            INTRODUCTION,
            "## Keys of a study",
            table(rows(Study)),
            "## `tasks`",
            f"The kinds of tasks are {kinds}. [Tasks](tasks.md) lists their settings. Every task also has these keys:",
            table(rows(TaskEntry)),
            "## `models`",
            "Every architecture has these settings. Each may be a list of values:",
            table(rows(Architecture)),
            "All architectures but `vanilla` are recursive and have these settings as well:",
            table(own_rows(Recursive, Architecture)),
            "Every model also has these keys:",
            table(rows(ModelEntry)),
            "The architectures follow, with the settings and defaults that each has of its own.",
            *chain.from_iterable(_architecture(name, kind) for name, kind in MODELS.items()),
            "## `controls`",
            CONTROLS_INTRODUCTION,
            table(rows(ControlEntry)),
            "## `training`",
            table(rows(Training)),
            "## `tune`",
            paragraphs(Tune),
            table(rows(Tune)),
            "A range, in place of a list of values, has these keys:",
            table(rows(Range)),
            "## `evaluation`",
            table(rows(Evaluation)),
            "## `questions`",
            paragraphs(Question),
            table(rows(Question)),
            "## `evaluated`",
            paragraphs(EvaluatedEntry),
            table(rows(EvaluatedEntry)),
            "## `external`",
            paragraphs(External),
            table(rows(External)),
            "## `ablated`",
            table(rows(Ablated)),
            "## `resources`",
            paragraphs(Resources),
            table(rows(Resources)),
            "## Ablation files",
            ABLATIONS_INTRODUCTION,
            table(rows(About)),
        ]
    )


def _architecture(name: str, kind: type[Architecture]) -> list[str]:
    base = next(base for base in kind.__mro__[1:] if base.__name__ in definitions())  # whose settings the page has
    return [f"### `{name}`", paragraphs(kind), table(own_rows(kind, base))]
