"""A study as the default one would leave it: 24 models of one task, three seeds, one run diverged."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asura.reporting.figures import FIGURES
from asura.reporting.figures.style import Drawn
from asura.reporting.frames import COLUMNS, Results, headline, tidy
from asura.reporting.statistics import Scale, mean_interval
from tests.reporting.written_runs import write_study

COMMIT = "0a1b2c"
EVERY = 200
STEPS, BATCH, LENGTH, CHANCE, SOLVED = 600, 32, 32, 0.25, 0.95
BLOCK, FORWARD_BACKWARD = 49_152, 6
EMBEDDING = 512
SPLITS = {"test": 0.0, "hops_4": 0.12, "length_64": 0.2}
FULL_DEPTH = {1: 0.62, 2: 0.86, 4: 0.985, 8: 0.99}
DIVERGED = ("asura-n2-i4", 1)
OF_TEST = 0.004  # standard error of every score over test examples


def mean_and_bounds(values: Iterable[float], test_error: float = 0.0) -> tuple[float, float, float]:
    mean, low, high, _ = mean_interval(list(values), Scale(CHANCE, 1), test_error)
    return mean, low, high


def headline_scores(results: Results) -> dict[tuple[str, str], dict[int, float]]:
    """(task, label) to seed to score, from a look at every row."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for run in results.runs.itertuples():
        for row in results.scores.itertuples():
            asked = (run.task, run.label, run.seed, "test", run.i, run.metric)
            if (row.task, row.label, row.seed, row.split, row.iterations, row.metric) == asked:
                found.setdefault((run.task, run.label), {})[run.seed] = row.value
    return found


def cells_and_controls(results: Results) -> list[tuple[str, str, str, str]]:
    """Task, cell, role and label of what a study compares, in its order."""
    controls = list(results.roles.itertuples())
    cells = {(role.task, role.control_of) for role in controls}
    rows = []
    for task, label in dict.fromkeys(zip(results.runs["task"], results.runs["label"], strict=True)):
        if (task, label) in cells:
            rows.append((task, label, "cell", label))
            own = [role for role in controls if (role.task, role.control_of) == (task, label)]
            rows += [(task, label, role.control, role.label) for role in own]
    return rows


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def lines(axes: Axes, gid: str) -> list[Any]:
    return [line for line in axes.lines if line.get_gid() == gid]


def crosses(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() == "x"]


def model(
    label: str, n: int, i: int, parameters: int, score: float, steps: int = STEPS, weights: int | None = None
) -> dict:
    flops = float(FORWARD_BACKWARD * (weights or BLOCK * n * i) + 4_000)
    tokens = steps * BATCH * LENGTH
    return {
        "label": label,
        "architecture": label.split("-")[0],
        "n": n,
        "i": i,
        "parameters": parameters,
        "total_parameters": parameters + EMBEDDING,
        "flops_per_token": flops,
        "inference_flops_per_token": flops / 3,
        "training_flops": flops * tokens,
        "tokens": tokens,
        "effective_depth": n * i,
        "score": score,
    }


def models_and_roles(cells: Iterable[tuple[str, int, int]]) -> tuple[list[dict], list[dict]]:
    models, roles = {}, []
    for family, n, i in cells:
        cell = f"{family}-n{n}-i{i}"
        full = family == "asura_full"
        parameters = BLOCK * n + 8_192 * i + (9_000 * i if full else 0)
        width = 256 + 64 * i // n + (70 if full else 0)
        depth, shallow = n * i, FULL_DEPTH[n]
        narrow, deep = f"vanilla-n{n}+mlp_width={width}", f"vanilla-n{depth}+mlp_width={width - 40}"
        longer, same = f"{narrow}+steps={STEPS * i}", parameters + 64
        controls = {
            "iso_param": model(narrow, n, 1, same, shallow + 0.03, weights=same),
            "iso_flop": model(deep, depth, 1, BLOCK * depth + 8_192 * i, FULL_DEPTH[depth] - 0.01),
            "iso_both": model(longer, n, 1, same, shallow + 0.07, STEPS * i),
            "iso_param_depth": model(f"{deep}+width={24 + 8 * n}", depth, 1, same, shallow, weights=same),
            "iso_recursion": model(f"bare-n{n}-i{i}", n, i, BLOCK * n, FULL_DEPTH[depth] - 0.04),
        }
        models[cell] = model(cell, n, i, parameters, FULL_DEPTH[depth] + (-0.06 if full else 0.005))
        for control, settings in controls.items():
            models.setdefault(settings["label"], settings)
            roles.append({"label": settings["label"], "control": control, "control_of": cell, "deviation": 0.001})
    return list(models.values()), roles


def build_results(
    cells: Iterable[tuple[str, int, int]],
    seeds: Iterable[int] = (0, 1, 2),
    tasks: Iterable[str] = ("phop",),
    diverged: Iterable[tuple[str, int]] = (DIVERGED,),
    out_of_memory: Iterable[tuple[str, int]] = (),
) -> Results:
    random = np.random.default_rng(0)
    models, roles = models_and_roles(cells)
    runs, scores, curves, resources = [], [], [], []
    snapshots, sweep = [], []
    for task in tasks:
        for order, settings in enumerate(models):
            for seed in seeds:
                label, n, i = settings["label"], settings["n"], settings["i"]
                fails = (label, seed) in [*diverged, *out_of_memory]
                key = {"task": task, "label": label, "seed": seed}
                steps = settings["tokens"] // (BATCH * LENGTH)
                runs.append(
                    settings
                    | key
                    | {"status": "finished", "step": 350 if fails else steps}
                    | ({"status": "diverged"} if (label, seed) in diverged else {})
                    | ({"status": "out of memory"} if (label, seed) in out_of_memory else {})
                    | {"metric": "accuracy", "chance": CHANCE, "solved": SOLVED, "order": order, "commit": COMMIT}
                    | {"every": EVERY, "swept": "hops"}
                )
                final = min(1.0, settings["score"] + random.normal(0, 0.012))
                for step in range(50, (350 if fails else steps) + 1, 50):
                    learned = 1 / (1 + np.exp(-(step - 260) / 60))
                    accuracy = CHANCE + (final - CHANCE) * learned + random.normal(0, 0.008)
                    loss = 1.386 * (1 - (accuracy - CHANCE) / 0.76) ** 1.1 if accuracy < 1 else 0.01
                    tokens = step * BATCH * LENGTH
                    curves.append(key | {"step": step, "tokens": tokens, "loss": loss, "accuracy": accuracy})
                for rule, seconds, memory in [("train", 21.0 * n * i, 900.0), ("evaluate", 3.0, 700.0)]:
                    resources.append(
                        key | {"rule": rule, "seconds": seconds, "job_rss_mb": memory, "cpu_seconds": 2 * seconds}
                    )
                if fails:
                    continue
                for hops in (1, 2, 3, 4):
                    for iterations in range(1, 2 * i + 1 if i > 1 else 2):
                        value = final if iterations >= hops else CHANCE
                        about = {"setting": "hops", "difficulty": hops, "trained": 3, "iterations": iterations}
                        sweep.append(key | about | {"metric": "accuracy", "value": value, "examples": 4096})
                for split, harder in SPLITS.items():
                    for step in range(EVERY, steps + 1, EVERY):
                        value = max(CHANCE, final - harder) - 0.2 * (step < steps)
                        about = {"step": step, "split": split, "metric": "accuracy", "value": value}
                        snapshots.append(key | about | {"standard_error": OF_TEST, "examples": 4096})
                    for iterations in range(1, 2 * i + 1 if i > 1 else 2):
                        shortfall = 0.22 * max(0, i - iterations) + 0.015 * max(0, iterations - i)
                        value = max(CHANCE, final - harder - shortfall)
                        scores.append(
                            key
                            | {
                                "split": split,
                                "iterations": iterations,
                                "metric": "accuracy",
                                "value": value,
                                "chance": CHANCE,
                            }
                            | {"chance": CHANCE, "standard_error": OF_TEST, "examples": 4096}
                        )
    every_role = [role | {"task": task} for task in tasks for role in roles]
    asked = [{"task": role["task"], "label": role["control_of"], "reference": role["label"]} for role in every_role[:2]]
    questions = [
        each | {"metric": "accuracy", "margin": margin} for each, margin in zip(asked, (None, 0.1), strict=True)
    ]
    frames = {"runs": runs, "roles": every_role, "scores": scores, "curves": curves, "resources": resources}
    frames |= {"questions": questions, "snapshots": snapshots, "sweep": sweep}
    return Results(**{name: tidy(name, frames.get(name, [])) for name in COLUMNS})


def of_sizes(results: Results, sizes: Mapping[int | None, float]) -> Results:
    """Every model of a study on training sets of these sizes, and at None on new examples.

    On the set that it is trained on, a model scores as in the study, and on all other examples so much less.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for size, less in sizes.items():
        for name, frame in zip(COLUMNS, results, strict=True):
            labels = [column for column in ("label", "control_of", "reference") if column in frame]
            setting = f"+examples={size}" if size else ""
            own = frame.assign(**{column: frame[column] + setting for column in labels})
            if name == "runs":
                own["examples"] = np.nan if size is None else float(size)
            if name == "scores":
                trained = own[own["split"] == "test"].assign(split="training")
                own = pd.concat([own.assign(value=own["value"] - less), *([trained] if size else [])])
            parts[name].append(own)
    return Results(**{name: pd.concat(of_sizes, ignore_index=True) for name, of_sizes in parts.items()})


GRID = [("asura", n, i) for n in (1, 2) for i in (2, 4)] + [("asura_full", 1, 4)]


@pytest.fixture(scope="session")
def results() -> Results:
    return build_results(GRID)


class Figures(dict[str, Drawn]):
    """The figures of a study, each of which is drawn once, when it is first asked for."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def __missing__(self, name: str) -> Drawn:
        self[name] = FIGURES[name](self._results, "phop")
        return self[name]


@pytest.fixture(scope="session")
def drawn(results: Results) -> Figures:
    return Figures(results)


@pytest.fixture(scope="session")
def build() -> Callable[..., Results]:
    return build_results


@pytest.fixture(scope="session")
def empty() -> Results:
    return Results(**{name: tidy(name, []) for name in COLUMNS})


@pytest.fixture(scope="session")
def studies(results: Results) -> dict[str, Results]:
    """Results of every shape that a study may have, the full one first."""

    def without(results: Results, *names: str, **runs: object) -> Results:
        return results._replace(runs=results.runs.assign(**runs), **{name: tidy(name, []) for name in names})

    few = build_results(GRID[:2], diverged=())
    return {
        "full": results,
        "no controls": without(build_results([("asura", 2, 2)]), "roles"),
        "one model": Results(*(frame[frame["label"] == "asura-n1-i4"] for frame in results)),
        "one seed": build_results(GRID[3:], seeds=(3,)),
        "sizes": of_sizes(without(build_results([("asura", 1, 2)], seeds=(0, 1)), "roles"), {100: 0.2, None: 0.0}),
        "tasks": build_results([("asura", 1, 2)], tasks=("phop", "$_addition_$")),
        "nothing": without(few, "scores", "curves", "snapshots", "sweep", "resources", status="missing", step=0),
        "all diverged": without(few, "scores", "snapshots", "sweep", status="diverged"),
    }


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """See `write_study`."""
    write_study(tmp_path)
    return tmp_path


def headline_by_model(results: Results) -> dict[tuple[str, str], pd.Series]:
    """(task, label) to its headline scores, indexed by seed."""
    return {
        key: group.set_index("seed")["value"].sort_index()
        for key, group in headline(results).groupby(["task", "label"])
    }
