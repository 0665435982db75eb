"""From the folders of runs to the tidy frames of a study."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asura.common.errors import UserError
from asura.common.files import write_whole
from asura.common.metrics import STEPS_TO_SOLVE
from asura.common.names import EVALUATED
from asura.corpora.benchmarks import BENCHMARKS
from asura.planning.plan import Plan, load
from asura.planning.run_folder import FAILURES, RunFolder, is_evaluation_of, is_record_of
from asura.planning.tuned import runs_as_tuned
from asura.reporting.frames import (
    COLUMNS,
    HEADLINE_SPLIT,
    HERE,
    LESS_IS_BETTER,
    OTHER_CODE,
    TRAINING,
    Results,
    tidy,
    without_benchmarks,
)
from asura.reporting.outcomes import errors_over_examples, read_effects

FLOPS = ("flops_per_token", "inference_flops_per_token", "training_flops")
"""Columns that are 0 where FLOPs are not known, as of a model of other code they may not be."""

USED: dict[str, Callable[[Iterable[float]], float]] = {
    "cpu_seconds": sum,
    "job_rss_mb": max,
    "job_device_mb": max,
}
"""What a session of a training and an evaluation record, and how sessions add up. Records of 0.1.0 do not have it."""


def collect(study: Path, partial: bool = False, plan_folder: Path | None = None) -> Results:
    """Read every run of a study; with `partial`, those that are done, and the curves of those in training.

    The plan is that of the study, or the one in `plan_folder`, as an ablation has its own.

    Raises UserError where a run is damaged, or missing and not `partial`.
    """
    plan = load((plan_folder or study) / "plan.json")
    plan = plan._replace(runs=runs_as_tuned(plan.runs, study))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for role in plan.roles:
        rows["roles"] += _on_benchmarks(role, plan.benchmarks_of(role["task"]))
    rows["questions"] = [{**question, "label": question["row"]} for question in plan.questions]
    for reported in plan.external:
        rows["external"] += [reported | {"seed": k, "value": score} for k, score in enumerate(reported["score"])]
    floors: dict[str, dict[str, float]] = {}
    effects: dict[tuple[str, str], list[np.ndarray]] = {}
    for row in plan.rows():
        name = f"runs/{row['task']}/{row['label']}/seed{row['seed']}"
        folder, run = RunFolder(study / name), plan.runs[name]
        key = {name: row[name] for name in ("task", "label", "seed")}
        outcome: dict[str, Any] = {"status": "missing", "step": 0}
        if not partial or _is_done(folder, run, plan):
            record = folder.read_record_of(run)
            folder.check(record, ["metrics"])
            outcome = {name: record[name] for name in outcome}
            evaluation = read_evaluation_of(folder, record, run, plan)
            outcome |= _made_by(record, evaluation, plan.code[f"{row['task']}/{row['label']}"])
            rows["resources"] += [key | _training_used(record), key | _evaluation_used(evaluation)]
            floors |= evaluation["floors"]
            if "outcomes" in evaluation:
                folder.check_outcomes(evaluation)
            if (effect := read_effects(folder.outcomes)) is not None:
                effects.setdefault((row["task"], row["label"]), []).append(effect)
            rows["snapshots"] += [key | score for score in evaluation.get("snapshots", [])]
            rows["sweep"] += [key | score for score in evaluation.get("sweep", [])]
            rows["scores"] += [_score(key, row, score, evaluation, plan, floors) for score in evaluation["rows"]]
        unknown = {name: None for name in FLOPS if not row[name]} if row["architecture"] == EVALUATED else {}
        rows["runs"] += _on_benchmarks(row | unknown | outcome, row["benchmarks"])
        if not partial or folder.metrics.is_file():
            curve = folder.read_metrics()
            rows["curves"] += [key | metrics for metrics in curve]
            rows["scores"] += _steps_to_solve(key, row, run, curve, outcome["status"])
    for row in rows["runs"]:
        if benchmark := row.get("benchmark"):
            row["metric"] = BENCHMARKS[benchmark].headline
            row["chance"] = floors.get(benchmark, {}).get(row["metric"])
    rows["test_errors"] = list(errors_over_examples(effects, plan))
    return Results(**{name: tidy(name, rows[name]) for name in COLUMNS})


def _score(
    key: dict[str, Any],
    row: Mapping[str, Any],
    score: dict[str, Any],
    evaluation: Mapping[str, Any],
    plan: Plan,
    floors: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """A score of a run, beside chance and the best rule on the same split, where it is in the primary metric."""
    if benchmark := score.get("benchmark"):
        return _reported(key, benchmark) | score | {"chance": floors.get(benchmark, {}).get(score["metric"])}
    if score["metric"] != row["metric"]:
        return key | score
    split = HEADLINE_SPLIT if score["split"] == TRAINING else score["split"]
    chance = plan.chances.get(row["task"], {}).get(split)
    rules = evaluation["shortcuts"].get(score["split"], {})
    best = min if row["metric"] in LESS_IS_BETTER else max
    rule = best(rules, key=lambda name: rules[name], default=None)
    return key | score | {"chance": chance, "shortcut": rules.get(rule), "rule": rule}


def _steps_to_solve(
    key: dict[str, Any], row: Mapping[str, Any], run: Mapping[str, Any], curve: list[dict[str, Any]], status: str
) -> list[dict[str, Any]]:
    """The first step whose validation score is at least the threshold, or all steps, as of a run that failed.

    Nothing where none is measured, or where the run has not ended.
    """
    training, name = run["training"], f"validation_{row['metric']}"
    measured = [(line["step"], line[name]) for line in curve if name in line]
    if row.get("solved") is None or not training.get("validation_examples"):
        return []
    if status in FAILURES:
        steps = training["steps"]
    elif status == "finished" and measured:
        steps = next((step for step, score in measured if (score or 0) >= row["solved"]), training["steps"])
    else:
        return []
    score = {"split": HEADLINE_SPLIT, "iterations": row["i"], "metric": STEPS_TO_SOLVE, "value": steps}
    return [key | score | {"examples": training["validation_examples"]}]


def _on_benchmarks(row: dict[str, Any], benchmarks: list[str]) -> list[dict[str, Any]]:
    """The row of a model on a text, and on each of its benchmarks, which is reported as a task of its own."""
    return [row] + [_reported(row, name) | {"benchmark": name} for name in benchmarks]


def _reported(row: dict[str, Any], benchmark: str | None) -> dict[str, Any]:
    return row | {"task": f"{row['task']}/{benchmark}", "split": HEADLINE_SPLIT} if benchmark else row


def progress(results: Results) -> str:
    """How much of a study is in its results, for the note on what is partial."""
    runs = without_benchmarks(results.runs)
    missing = int((runs["status"] == "missing").sum())
    return f"PARTIAL RESULTS: {len(runs) - missing} of {len(runs)} runs"


def write_results(results: Results, folder: Path) -> None:
    """Write each frame as a CSV file. Raises OSError."""
    for name, frame in results._asdict().items():
        write_whole(folder / f"{name}.csv", partial(frame.to_csv, index=False))


def read_results(folder: Path) -> Results:
    """Read what `write_results` wrote. Raises UserError."""
    return Results(**{name: _read_frame(folder / f"{name}.csv", types) for name, types in COLUMNS.items()})


def _read_frame(path: Path, types: dict[str, str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path, dtype=types | {"study": "str"}, keep_default_na=False, na_values=""
        )  # a task may be named NA
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; collect the study first") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: it cannot be read as a table ({error}); collect the study again") from None
    if list(frame) not in (list(types), ["study", *types]):
        raise UserError(f"{path}: found the columns {list(frame)}; collect the study again")
    return frame


def _is_done(folder: RunFolder, run: Mapping[str, Any], plan: Plan) -> bool:
    if not folder.record.is_file() or not folder.evaluation.is_file():
        return False
    record, evaluation = folder.read_record(), folder.read_evaluation()
    return is_record_of(run, record) and is_evaluation_of(evaluation, record, plan.evaluation_of(run["task_name"]))


def read_evaluation_of(folder: RunFolder, record: dict[str, Any], run: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """The evaluation of a run, which must be of the weights in its record and as the plan asks. Raises UserError."""
    evaluation = folder.read_evaluation()
    if not is_evaluation_of(evaluation, record, plan.evaluation_of(run["task_name"])):
        wrong = "it is of other weights, or was asked otherwise, than plan.json says"
        raise UserError(f"{folder.evaluation}: {wrong}; delete it to evaluate again")
    return evaluation


def _made_by(record: Mapping[str, Any], evaluation: Mapping[str, Any], code: Mapping[str, str]) -> dict[str, Any]:
    """What made a run, where, in which precision, and at which commit."""
    made_by = {"training": record.get("code"), "evaluation": evaluation.get("code")}
    on = {name: record.get(name) for name in ("device", "precision")}
    sessions = record["sessions"]
    commit = sessions[-1].get("commit") if sessions else None
    is_of_here = all(code[part] == by for part, by in made_by.items())
    return {"code": HERE if is_of_here else OTHER_CODE, **on, "commit": commit}


def _training_used(record: Mapping[str, Any]) -> dict[str, Any]:
    """What all sessions of a training used: the sum of their CPU seconds, and the peaks of their memory."""
    known = {name: [session.get(name) for session in record["sessions"]] for name in USED}
    used = {name: USED[name](values) for name, values in known.items() if values and None not in values}
    return {"rule": "train", "seconds": record["seconds"], **used}


def _evaluation_used(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {"rule": "evaluate"} | {name: evaluation.get(name) for name in ("seconds", *USED)}
