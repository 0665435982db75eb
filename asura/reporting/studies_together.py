"""Several studies as one: their frames with a column `study`, for tables and figures of all their models."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.planning.plan import load
from asura.planning.training_settings import KEPT_BITS
from asura.planning.tuned import runs_as_tuned
from asura.reporting.collect import collect
from asura.reporting.external import NOT_RUN
from asura.reporting.frames import COLUMNS, Results

RUN = ["task", "label", "seed"]
SAME = {
    "roles": ["task", "label", "control", "control_of"],
    "questions": ["task", "label", "reference", "metric"],
    "test_errors": ["study", "task", "label", "reference", "metric"],
    "external": ["task", "label", "split", "metric", "seed"],
}
"""What makes a row of a frame the same in two studies; in the other frames it is of the same run."""


def together(studies: Sequence[Path]) -> Results:
    """The frames of several studies, each with a first column `study`. What two have in common is of the first.

    Raises UserError where a study is not finished, or two mean different things by the name of a task or a model.
    """
    names = [str(read_json(study / "study.json")["name"]) for study in studies]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name}: two of the studies have this name; give each once")
    _refuse_other_meanings(dict(zip(names, map(_meanings, studies), strict=True)))
    found = [_named(collect(study), name) for study, name in zip(studies, names, strict=True)]
    joined = {name: _joined(name, found) for name in COLUMNS}
    return Results(**joined | {"test_errors": _of_whole_models(joined["test_errors"], joined["runs"])})


def _meanings(study: Path) -> dict[str, dict[str, Any]]:
    """What a study says of each task, and of each model on it, by a name that an error can show."""
    plan = load(study / "plan.json")
    said: dict[str, dict[str, Any]] = {}
    for run in runs_as_tuned(plan.runs, study).values():
        training = {key: value for key, value in run["training"].items() if key not in KEPT_BITS}
        said[f"the task {run['task_name']}"] = {"task": run["task_kind"], **run["task"]}
        said[f"{run['label']} on {run['task_name']}"] = {"model": run["model"], "training": training} | {
            key: run[key] for key in ("task", "start_from", "plugins") if key in run
        }
    for model in plan.models:
        said[f"the task {model['task']}"]["metric"] = model["metric"]
    for row in plan.external:
        said[f"{row['label']} on {row['task']}"] = {NOT_RUN: True}
        said[f"{row['label']} on {row['task']} ({row['split']}, {row['metric']})"] = row
    return said


def _refuse_other_meanings(of_studies: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    for (one, said), (other, also) in combinations(of_studies.items(), 2):
        for name in said:
            if name in also and said[name] != also[name]:
                a, b = (pd.json_normalize(content[name]).to_dict("records")[0] for content in (said, also))
                keys = ", ".join(key for key in a | b if a.get(key) != b.get(key))
                raise UserError(f"{name}: {one} and {other} have other values of {keys}; rename it in one of them")


def _named(results: Results, study: str) -> Results:
    return Results(*(frame.assign(study=study)[["study", *frame]] for frame in results))


def _joined(name: str, found: Sequence[Results]) -> pd.DataFrame:
    """A frame of all studies, without the rows that an earlier one has."""
    frames = [getattr(results, name) for results in found]
    if name == "runs":
        frames = _in_one_order(frames)
    key, kept = SAME.get(name, RUN), frames[:1]
    for frame in frames[1:]:
        earlier = pd.MultiIndex.from_frame(pd.concat([other[key] for other in kept]))
        kept.append(frame[~pd.MultiIndex.from_frame(frame[key]).isin(earlier)])
    return pd.concat([frame for frame in kept if len(frame)] or kept, ignore_index=True)


def _in_one_order(runs: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Runs whose models stand one study after the other; one that several have, where the first has it."""
    places: dict[str, int] = {}
    for frame in runs:
        for label in frame.sort_values("order", kind="stable")["label"].unique():
            places.setdefault(label, len(places))
    return [frame.assign(order=frame["label"].map(places)) for frame in runs]


def _of_whole_models(errors: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Errors over test examples of means over seeds; not of a model, or a pair, whose runs are of several studies."""
    owners = runs.groupby(["task", "label"])["study"].agg(set).to_dict()
    rows = errors[["study", "task", "label"]].assign(reference=errors["reference"].fillna(errors["label"]))
    is_whole = [
        owners[task, label] == owners[task, reference] == {study}
        for study, task, label, reference in rows.itertuples(index=False, name=None)
    ]
    return errors.loc[np.array(is_whole, dtype=bool)].reset_index(drop=True)
