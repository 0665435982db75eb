"""Scores that others report, as they stand beside those of a study: with their source, and in no comparison."""

from typing import Any

import pandas as pd

from asura.reporting.comparing import Comparing, short, with_interval
from asura.reporting.frames import HEADLINE_SPLIT, Results
from asura.reporting.statistics import mean_interval

NOT_RUN = "not run here"
"""The role of what others report."""
COLUMNS = ["task", "model", "split", "metric", "score", "score_low", "score_high", "seeds", "by_seed"]
COLUMNS += ["parameters", "training_flops", "source"]


def external(results: Results) -> pd.DataFrame:
    """Every score that others report: its mean over seeds with the interval that the models here have, its source."""
    comparing, rows = Comparing(results), []
    key = ["task", "label", "split", "metric"]
    for (task, label, split, metric), scores in results.external.groupby(key, sort=False):
        found = mean_interval(scores["value"], comparing.scale(task, metric))
        row: dict[str, Any] = {"task": task, "model": label, "split": split, "metric": metric}
        row |= {**with_interval("score", found), "seeds": found.seeds, "by_seed": " ".join(map(short, scores["value"]))}
        rows.append(row | scores[["parameters", "training_flops", "source"]].iloc[0].to_dict())
    return pd.DataFrame(rows, columns=COLUMNS).astype({"parameters": "Int64"})


def of_headline(results: Results) -> pd.DataFrame:
    """Those on the test split in the metric that ranks models on the task, as the rows of models are."""
    metric = results.runs.drop_duplicates("task").set_index("task")["metric"]
    table = external(results)
    return table[(table["split"] == HEADLINE_SPLIT) & (table["metric"] == table["task"].map(metric))]


def with_external(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """A table of models, and below those of each task what others report; as it is where they report nothing."""
    if results.external.empty:
        return table
    counts = [name for name in table if pd.api.types.is_integer_dtype(table[name])]
    more = of_headline(results).drop(columns="split").assign(role=NOT_RUN)
    both = pd.concat([table, more], ignore_index=True).astype(dict.fromkeys(counts, "Int64"))
    tasks = pd.Categorical(both["task"], categories=results.runs["task"].unique())
    return both.iloc[tasks.codes.argsort(kind="stable")].reset_index(drop=True)
