"""What the report says in words and in short tables, from the tables of a study."""

from pathlib import Path
from typing import Any

import pandas as pd

from asura.common.errors import UserError
from asura.reporting.external import NOT_RUN
from asura.reporting.frames import CELL, STUDY_MODEL, Results, family
from asura.reporting.names import metric_name, model_name, role_name, task_name
from asura.reporting.tables import comparison

NOTHING = "–"


def read_table(path: Path) -> pd.DataFrame:
    """The raw numbers of a table; no rows where the study has no such table. Raises UserError."""
    try:
        return pd.read_csv(path)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: it cannot be read as a table ({error}); make the tables again") from None


def finding(row: dict[str, Any]) -> dict[str, str]:
    """A question of the study, its verdict, and the numbers that this follows from."""
    model, reference = model_name(row["model"]), model_name(row["reference"])
    metric = metric_name(row["metric"])
    margin = "" if pd.isna(row["margin"]) else f", or is it equivalent within ±{row['margin']:g}"
    numbers = f"{_number(row['score'])} against {_number(row['reference_score'])}, difference "
    numbers += with_interval(row, "difference", "+.3f")
    if pd.notna(row["p"]):
        numbers += f", p = {row['p']:.2g} after Holm's correction"
    return {
        "question": f"On {task_name(row['task'])}, does {model} differ in {metric} from {reference}{margin}?",
        "verdict": str(row["verdict"]),
        "numbers": f"{numbers}; {row['pairs']:.0f} paired seeds.",
    }


def short_comparison(results: Results, task: str) -> pd.DataFrame:
    """Every cell and its controls: score, difference and cost, as text."""
    table = comparison(results)
    table = table[table["task"] == task]
    metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
    depths = results.runs.set_index("label")["effective_depth"].to_dict()
    rows = []
    for row in table.to_dict("records"):
        is_control = row["role"] not in (CELL, STUDY_MODEL, NOT_RUN)
        name = f"{row['model']} ({NOT_RUN}: {row['source']})" if row["role"] == NOT_RUN else model_name(row["model"])
        if is_control:
            name = f"{role_name(row['role'], depths[row['model']])}: {name}"
        rows.append(
            {
                "model": f"— {name}" if is_control else name,
                metric_name(metric): with_interval(row, "score"),
                "difference": with_interval(row, "difference", "+.3f"),
                "parameters": _number(row["parameters"], ","),
                "training FLOPs": _number(row["training_flops"], ".2e"),
            }
        )
    return pd.DataFrame(rows)


def short_ablation(table: pd.DataFrame) -> pd.DataFrame:
    """Every model of an ablation: score and difference, as text."""
    rows = []
    for row in table.to_dict("records"):
        reference = row["reference"]
        about = {"task": task_name(row["task"])} if table["task"].nunique() > 1 else {}
        rows.append(
            about
            | {
                "model": model_name(family(row["model"])),
                "score": with_interval(row, "score"),
                "difference": with_interval(row, "difference", "+.3f"),
                "from": NOTHING if pd.isna(reference) else model_name(family(reference)),
            }
        )
    return pd.DataFrame(rows)


def with_interval(row: dict[str, Any], name: str, form: str = ".3f") -> str:
    """A value with its interval, where it has one."""
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if pd.isna(value):
        return NOTHING
    return _number(value, form) + ("" if pd.isna(low) else f" [{_number(low, form)}, {_number(high, form)}]")


def _number(value: float, form: str = ".3f") -> str:
    return NOTHING if pd.isna(value) else format(value, form).replace("-", "−")
