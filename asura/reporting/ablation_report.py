"""The tables and the figures of an ablation: every model against the one that it is compared with."""

from pathlib import Path
from typing import Any

import pandas as pd

from asura.common.metrics import LESS_IS_BETTER
from asura.reporting.comparing import NO_DIFFERENCE, Comparing
from asura.reporting.figures.curves import iterations_at_evaluation
from asura.reporting.figures.differences import differences
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.frames import COST, Results, failures_by_model, family, remarks
from asura.reporting.tables import metrics, write_table


def ablation_table(results: Results) -> pd.DataFrame:
    """One row for each model: its score over seeds, and its difference from its reference paired by seed.

    Of each task, models without a reference stand first, the others follow by their effect, the best first.
    """
    comparing, failed = Comparing(results), failures_by_model(results)
    rows = []
    for task, models in _models(results).groupby("task", sort=False):
        of_task = []
        for model in models.itertuples():
            row = {"task": task, "model": family(model.label)}
            row |= {"role": "reference" if model.label in {*models["against"]} else None}
            row |= comparing.summary(task, model.label) | failed[task, model.label]
            row |= {"reference": None if pd.isna(model.against) else family(model.against)}
            has_reference = not pd.isna(model.against)
            row |= comparing.difference(task, model.label, model.against) if has_reference else NO_DIFFERENCE
            of_task.append(row | {name: getattr(model, name) for name in [*COST, "chance"]})
        sign = 1 if comparing.metric(task) in LESS_IS_BETTER else -1
        rows += sorted(of_task, key=lambda row: _effect(row, sign))
    return pd.DataFrame(rows)


def _effect(row: dict[str, Any], sign: int) -> tuple[bool, bool, float]:
    """Where a row stands: those without a reference, then by the difference, then those that cannot be compared."""
    unknown = bool(pd.isna(row["difference"]))
    return row["reference"] is not None, unknown, 0.0 if unknown else sign * row["difference"]


def write_ablation(results: Results, folder: Path, study: str, note: str | None = None) -> None:
    """Write the tables, the differences, and the scores over iterations at evaluation, `note` above each.

    Raises OSError.
    """
    above = " ".join(filter(None, [note, remarks(results)])) or None
    write_table(ablation_table(results), folder / "table", above)
    write_table(metrics(results), folder / "metrics", above)
    source = source_of(results, study)
    write_figure(differences(results), folder / "figure", source, note)
    tasks = results.runs["task"].unique()
    write_figure(iterations_at_evaluation(results, *tasks), folder / "iterations", source, note)


def _models(results: Results) -> pd.DataFrame:
    """One row for each model of each task, in the order of the ablation."""
    columns = ["task", "label", "order", "against", *COST, "chance", "metric"]
    return results.runs.drop_duplicates(["task", "label"]).sort_values("order", kind="stable")[columns]
