"""The files that a study leaves in its results: names that the rules declare and that `asura.reporting` writes."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asura.common.names import EVALUATED


def results_folder() -> Path:
    """Where the results of all studies are: ASURA_RESULTS, or `results`."""
    return Path(os.environ.get("ASURA_RESULTS", "results"))


FRAMES = (
    "runs",
    "roles",
    "scores",
    "questions",
    "test_errors",
    "curves",
    "snapshots",
    "sweep",
    "external",
    "resources",
)
"""Tidy frames, in `tidy/NAME.csv`."""

TABLES = ("questions", "paper", "comparison", "runs", "metrics", "matching", "resources")
"""Tables of every study."""

EXTRA_TABLES = {"steps": "every", "difficulty": "swept", "gap": "examples"}
"""Tables of a study that asks for what they show, by the key of its models that says so."""

EXTERNAL = "external"
"""The table of a study with scores that others report."""

FIGURES = (
    "score_against_iterations",
    "grid",
    "train_against_evaluation_iterations",
    "iterations_at_evaluation",
    "learning_curves",
    "score_against_steps",
    "difficulty_against_iterations",
    "score_against_examples",
    "score_against_parameters",
    "score_against_flops",
)
"""Figures of a task, in the order in which they are read."""

NOT_RECURSIVE = ("vanilla", EVALUATED)
"""Architectures without iterations: our stacks, and what other code computes."""

TUNING = "tuning"
"""The part of a study that tries settings: the folder of its plan and its results, and a name that no ablation has."""

ABLATION_TABLES = {"table": "table", "metrics": "every metric"}
"""Tables of an ablation, and what each shows."""

ABLATION_FIGURES = {"figure": "differences", "iterations": "scores over iterations"}
"""Figures of an ablation, and what each shows."""

TABLE_FORMATS = ("csv", "md", "tex", "html")
FIGURE_FORMATS = ("png", "pdf", "svg", "csv")
"""The drawing, and in `csv` the numbers in it."""

OF_AN_ABLATION = [
    *(f"{table}.{form}" for table in ABLATION_TABLES for form in TABLE_FORMATS),
    *(f"{figure}.{form}" for figure in ABLATION_FIGURES for form in FIGURE_FORMATS),
]
"""All files of an ablation."""

EFFECTS = [f"effects.{form}" for form in TABLE_FORMATS]
"""The table of an ablation with factors."""


TUNING_TABLES = {"table": "table", "trials": "every trial"}
"""Tables of a tuning, and what each shows."""

TUNING_FIGURES = {"rates": "scores over what was tried", "budget": "scores over the number of trials"}
"""Figures of a tuning, and what each shows."""

OF_TUNING = [
    *(f"{table}.{form}" for table in TUNING_TABLES for form in TABLE_FORMATS),
    *(f"{figure}.{form}" for figure in TUNING_FIGURES for form in FIGURE_FORMATS),
]
"""All files of a tuning."""


ANALYSIS = "analysis"
"""The folder of what a study's analyses found: below `tidy` every row, below the name of a task the figures."""

ANALYSIS_FRAMES = {
    "lens": ("lens",),
    "steps": ("steps",),
    "dynamics": ("dynamics", "dynamics_paths", "dynamics_end"),
    "fixed_points": ("fixed_points", "fixed_points_map", "fixed_points_start"),
    "similarity": ("similarity", "similarity_stack"),
    "probes": ("probes",),
    "interventions": ("interventions", "interventions_skips"),
    "exits": ("exits", "exits_area"),
}
"""The frames of each analysis."""


PATHS = "_paths"
"""End of the name of a frame that is drawn, and too long for a table."""


def analysis_files(analyses: Iterable[str], tasks: Iterable[str]) -> dict[str, list[str]]:
    """Stems of the files of analyses, below their folder: rows in `tidy`, tables, and figures by task."""
    names = list(analyses)
    frames = [frame for name in names for frame in ANALYSIS_FRAMES[name]]
    return {
        "tidy": [f"tidy/{frame}" for frame in frames],
        "tables": [f"tables/{frame}" for frame in frames if not frame.endswith(PATHS)],
        "figures": [figure_path(task, name) for task in tasks for name in names],
    }


def choice_file(task: str, label: str) -> str:
    """Where the choice of a model stands, below the study's results."""
    return f"{TUNING}/choices/{task}/{label}.json"


def figures_of(models: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The figures of a study as pairs of task and figure, less those that have nothing to show.

    models: rows with `task`, `architecture`, `n` and `i`, and what else is asked of them. A benchmark of a text is a
    task TEXT/BENCHMARK.
    """
    sizes: dict[str, set[tuple[int, int]]] = {}
    asked: dict[str, set[str]] = {}
    examples: dict[str, set[float | None]] = {}
    for model in models:
        asked.setdefault(model["task"], set()).update(key for key in ("every", "swept") if _is_said(model.get(key)))
        given = model.get("examples")
        examples.setdefault(model["task"], set()).add(given if _is_said(given) else None)
        of_task = sizes.setdefault(model["task"], set())
        if model["architecture"] not in NOT_RECURSIVE:
            of_task.add((model["n"], model["i"]))
    for task, recursive in sizes.items():
        without = {
            "score_against_iterations": not recursive,
            "grid": len(recursive) < 2,
            "train_against_evaluation_iterations": len({i for _, i in recursive}) < 2,
            "iterations_at_evaluation": not recursive,
            "learning_curves": "/" in task,
            "score_against_steps": "/" in task or "every" not in asked[task],
            "difficulty_against_iterations": not recursive or "/" in task or "swept" not in asked[task],
            "score_against_examples": "/" in task or len(examples[task]) < 2,
        }
        yield from ((task, figure) for figure in FIGURES if not without.get(figure))


def tables_of(models: Iterable[Mapping[str, Any]], has_external: bool) -> list[str]:
    """The tables of a study, less those that have nothing to show; the models are as for `figures_of`."""
    rows = list(models)
    extra = [name for name, key in EXTRA_TABLES.items() if any(_is_said(row.get(key)) for row in rows)]
    return [*TABLES, *extra, *([EXTERNAL] if has_external else [])]


def _is_said(value: Any) -> bool:
    """Whether a cell of a plan, or of a frame, where nothing is a NaN, is not empty."""
    return value is not None and value == value


def planned_figures(models: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """The figures of a study from the models of its plan: task, figure and path, see `figure_path`."""
    rows = [
        {**model, "task": task}
        for model in models
        for task in (model["task"], *(f"{model['task']}/{name}" for name in model["benchmarks"]))
    ]
    return [(task, figure, figure_path(task, figure)) for task, figure in figures_of(rows)]


def figure_path(task: str, figure: str) -> str:
    """Where a figure is in the folder `figures`, without its suffix."""
    return f"{task.replace('/', '+')}/{figure}"
