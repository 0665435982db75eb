"""The tables and the figures of an ablation: every model against the one that it is compared with."""

from pathlib import Path

import pandas as pd

from asura.reporting.figures.curves import iterations_at_evaluation
from asura.reporting.figures.differences import differences
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.frames import COST, Results, failures_by_model, family, headline_by_model, remarks
from asura.reporting.statistics import mean_interval
from asura.reporting.tables import metrics, with_difference, with_interval, write_table


def ablation_table(results: Results) -> pd.DataFrame:
    """One row for each model: its score over seeds, and the difference from another model paired by seed."""
    scores, failed = headline_by_model(results), failures_by_model(results)
    none = pd.Series(dtype=float)
    rows = []
    for _, models in _models(results).groupby("task", sort=False):
        for model in models.itertuples():
            own = scores.get((model.task, model.label), none)
            row = {"task": model.task, "model": family(model.label), **with_interval("score", mean_interval(own))}
            row |= {"seeds": own.size, **failed[model.task, model.label]}
            row |= {"against": model.against if pd.isna(model.against) else family(model.against)}
            row |= with_difference(own, scores.get((model.task, model.against), none))
            rows.append(row | {name: getattr(model, name) for name in [*COST, "chance"]})
    return pd.DataFrame(rows)


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
