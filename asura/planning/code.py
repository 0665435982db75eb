"""Which source code a result follows from, and its digest: a record of other code is not made again by itself."""

from collections.abc import Iterable

from asura.common.plugins import modules_of, source_of, sources_of
from asura.common.registry import is_shipped
from asura.common.source import imports_of, reached, source_digest
from asura.models import model_of
from asura.models.evaluated import EvaluatedSettings
from asura.models.settings import Architecture
from asura.planning.training_settings import Training
from asura.tasks import Task
from asura.tasks.in_words import Written
from asura.tasks.text import Text

FOLLOWED = ("asura.models.", "asura.tasks.", "asura.corpora.tokens")
"""Imports that are followed: what a model computes and what a task asks, and the reader of token files."""

REGISTRIES = ("asura.models", "asura.models.registry", "asura.tasks", "asura.tasks.registry")
"""They import every architecture and every task, whichever a run is of."""

OF_NO_RESULT = tuple(
    f"asura.training.{name}"
    for name in ("admitted", "checkpoints", "origin", "progress", "provenance", "signals", "tensors", "usage")
)
"""What training also imports: it says how a run goes, and keeps it."""

TRAINING = (
    "asura.common.randomness",
    "asura.models.initial",
    "asura.planning.factories",
    "asura.planning.training_settings",
    *reached(["asura.training.loop"], ("asura.training.",), OF_NO_RESULT),
)
EVALUATION = (
    "asura.common.randomness",
    "asura.evaluation.accuracy",
    "asura.evaluation.evaluate",
    "asura.evaluation.scorer",
    "asura.planning.study_settings",
    "asura.training.batches",
    "asura.training.devices",
    "asura.training.processes",
)
OF_TEXTS = ("asura.evaluation.likelihood",)
ANALYSIS = (
    "asura.analysis.analyse",
    "asura.common.randomness",
    "asura.evaluation.evaluate",
    "asura.planning.analysis_settings",
    "asura.planning.costs",
)
OF_BENCHMARKS = ("asura.corpora.benchmarks", "asura.evaluation.benchmark_scores", "asura.evaluation.lm_eval_model")


def training_code(model: Architecture, task: Task) -> str:
    """The digest of the code that the weights of a run follow from: architecture, layers, task, loop, optimisers."""
    return source_digest([*_model_and_task(model, task), *TRAINING])


def evaluation_code(model: Architecture, task: Task, benchmarks: Iterable[str]) -> str:
    """The digest of the code that the scores of given weights follow from: architecture, layers, task, scoring."""
    scoring = OF_TEXTS if isinstance(task, Text) else ()
    of_benchmarks = OF_BENCHMARKS if list(benchmarks) else ()
    return source_digest([*_model_and_task(model, task), *EVALUATION, *scoring, *of_benchmarks])


def analysis_code(model: Architecture, task: Task) -> str:
    """The digest of the code that analyses of given weights follow from: architecture, layers, task, analyses."""
    return source_digest([*_model_and_task(model, task), *reached(ANALYSIS, ("asura.analysis",), ())])


def plugins_of(model: Architecture, task: Task, training: Training) -> dict[str, str]:
    """The digests of the code of one's own that a run uses, by the names of its files and modules; see `Run`.

    Raises UserError where some of it is in no file.
    """
    named = [name for name in (training.optimiser, training.schedule) if ":" in name]
    named += [model.factory] if isinstance(model, EvaluatedSettings) else []
    return sources_of({kind.__module__ for kind in _kinds(model, task)}.union(*map(modules_of, named)))


def _kinds(model: Architecture, task: Task) -> list[type]:
    written = [type(task.task), type(task.text)] if isinstance(task, Written) else []
    return [type(model), model_of(model), type(task), *written]


def _model_and_task(model: Architecture, task: Task) -> set[str]:
    """Modules of this package that a model and a task are made of. The rest is part of the identity of their runs."""
    roots: set[str] = set()
    for module in {kind.__module__ for kind in _kinds(model, task)}:
        of_own = () if is_shipped(module) else imports_of(source_of(module))
        roots.update([module] if is_shipped(module) else (name for name in of_own if name.startswith(FOLLOWED)))
    return reached(roots, FOLLOWED, REGISTRIES)
