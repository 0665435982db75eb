"""Tables of a study: functions from Results to frames of raw numbers, which are formatted on writing."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from asura.common.files import write_text
from asura.planning.outputs import EXTERNAL, tables_of
from asura.reporting.comparing import NO_DIFFERENCE, UP_TO_ONE, Comparing
from asura.reporting.external import external, with_external
from asura.reporting.frames import (
    CELL,
    COST,
    HEADLINE_SPLIT,
    LESS_IS_BETTER,
    STUDY_MODEL,
    Results,
    failures_by_model,
    headline,
    members,
    primary_scores,
    remarks,
)
from asura.reporting.paper import GROUP, LATEX, PAPER_CAPTION, as_latex, paper
from asura.reporting.statistics import INTERVAL
from asura.reporting.verdicts import questions
from asura.reporting.whole_curve import difficulty, gap, steps

MADE_BY = ["code", "device", "precision"]
MATCHED = {
    "iso_param": ["parameters"],
    "iso_flop": ["flops_per_token"],
    "iso_both": ["parameters", "training_flops"],
    "iso_param_depth": ["parameters", "effective_depth"],
    "iso_recursion": ["n"],
}


def comparison(results: Results) -> pd.DataFrame:
    """Every cell and its controls: score over seeds, and the control minus the cell paired by seed."""
    comparing, failed = Comparing(results), failures_by_model(results)
    rows = []
    for member in members(results).itertuples():
        row = {"task": member.task, "cell": member.cell, "role": member.role, "model": member.label}
        row |= comparing.summary(member.task, member.label) | failed[member.task, member.label]
        is_control = member.role not in (CELL, STUDY_MODEL)
        row |= comparing.difference(member.task, member.label, member.cell) if is_control else NO_DIFFERENCE
        row |= {name: getattr(member, name) for name in [*COST, "chance"]}
        rows.append(row)
    return with_external(pd.DataFrame(rows), results)


def runs(results: Results) -> pd.DataFrame:
    """Every run: status, headline score, and every harder split at the trained number of iterations."""
    key = ["task", "label", "seed"]
    score = headline(results)[[*key, "value", "standard_error"]].rename(columns={"value": "score"})
    scores = primary_scores(results)
    trained = scores[(scores["iterations"] == scores["i"]) & (scores["split"] != HEADLINE_SPLIT)]
    harder = trained.pivot(index=key, columns="split", values="value").add_prefix("score: ").reset_index()
    every = results.runs.sort_values(["order", "label", "seed"], kind="stable")
    table = _by_task(every, results).merge(score, on=key, how="left").merge(harder, on=key, how="left")
    splits = [column for column in harder if column not in key]
    columns = [
        "task",
        "label",
        "n",
        "i",
        "seed",
        "status",
        "step",
        "metric",
        "score",
        "standard_error",
        *splits,
        *MADE_BY,
    ]
    study = ["study"] if "study" in table else []
    return table[[*study, *columns, *COST, "chance"]].rename(columns={"label": "model"})


def metrics(results: Results) -> pd.DataFrame:
    """Every metric of each model, and what it measures of itself, on the test split at the trained iterations."""
    scores = results.scores.merge(results.runs[["task", "label", "seed", "i"]], on=["task", "label", "seed"])
    scores = scores[(scores["split"] == HEADLINE_SPLIT) & (scores["iterations"] == scores["i"])]
    comparing, rows = Comparing(results), []
    for (task, label, metric), values in _by_task(scores, results).groupby(["task", "label", "metric"], sort=False):
        mean = {name.replace("score", "mean"): value for name, value in comparing.mean(task, label, metric).items()}
        row = {"task": task, "model": label, "metric": metric, **mean}
        rows.append(row | {"seeds": values["value"].count()})
    return pd.DataFrame(rows, columns=["task", "model", "metric", "mean", "mean_low", "mean_high", "seeds"])


def _by_task(rows: pd.DataFrame, results: Results) -> pd.DataFrame:
    """The rows by task, tasks and the rows of each in the order that they have."""
    tasks = pd.Categorical(rows["task"], categories=results.runs["task"].unique())
    return rows.iloc[tasks.codes.argsort(kind="stable")]


def matching(results: Results) -> pd.DataFrame:
    """Each control against its cell: what must be equal, both values, and the deviation."""
    models = results.runs.drop_duplicates(["task", "label"]).set_index(["task", "label"])
    rows = []
    for member in members(results).itertuples():
        for quantity in MATCHED.get(member.role, []):
            control, cell = (models.at[(member.task, label), quantity] for label in (member.label, member.cell))
            rows.append((member.task, member.cell, member.role, member.label, quantity, control, cell))
    columns = ["task", "cell", "control", "model", "equal", "control_value", "cell_value"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(deviation=table["control_value"] / table["cell_value"] - 1)


def resources(results: Results) -> pd.DataFrame:
    """What each model cost: mean seconds of a run by rule, peaks of memory, and the total of all its runs.

    A peak or a total is empty where it is not known of every run. Without runs on a device, its memory is no column.
    """
    key = ["task", "label"]
    groups = results.resources.groupby(key)
    seconds = results.resources.pivot_table(index=key, columns="rule", values="seconds", aggfunc="mean")
    rules = ["train", "evaluate"]
    table = seconds.reindex(columns=rules).add_suffix("_seconds")
    table["job_peak_memory_mb"] = groups["job_rss_mb"].max(skipna=False)
    table["job_peak_device_mb"] = groups["job_device_mb"].max(skipna=False)
    table["total_seconds"] = groups["seconds"].sum(skipna=False)
    table["total_cpu_seconds"] = groups["cpu_seconds"].sum(skipna=False)
    table["runs"] = groups["seed"].nunique()
    if table["job_peak_device_mb"].isna().all():
        del table["job_peak_device_mb"]
    models = results.runs[key].drop_duplicates()
    return models.merge(table.reset_index(), on=key).rename(columns={"label": "model"})


EXTRA: dict[str, Callable[[Results], pd.DataFrame]] = {
    "steps": steps,
    "difficulty": difficulty,
    "gap": gap,
    EXTERNAL: external,
}
"""Tables of studies that ask for what they show."""

TABLES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "questions": questions,
    "paper": paper,
    "comparison": comparison,
    "runs": runs,
    "metrics": metrics,
    "matching": matching,
    "resources": resources,
}


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _flops(value: float) -> str:
    return f"{value:.3e}"


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _large(value: float) -> str:
    return _count(value) if value < 1e9 else _flops(value)


FORMATS: dict[str, Callable[[float], str]] = {
    "difference": "{:+.3f}".format,
    "gap": "{:+.3f}".format,
    "steps_to_50": _count,
    "steps_to_95": _count,
    "iterations_to_95": "{:g}".format,
    "change": "{:+.3f}".format,
    "p": "{:.2g}".format,
    "equivalence_p": "{:.2g}".format,
    "margin": "{:g}".format,
    "mean": "{:.4g}".format,
    "flops_per_token": _flops,
    "inference_flops_per_token": _flops,
    "training_flops": _flops,
    "control_value": _large,
    "cell_value": _large,
    "deviation": "{:+.2%}".format,
    "train_seconds": _seconds,
    "evaluate_seconds": _seconds,
    "total_seconds": _seconds,
    "total_cpu_seconds": _seconds,
    "job_peak_memory_mb": _count,
    "job_peak_device_mb": _count,
}


TITLES = {
    "steps_to_50": "steps to 50 % (median)",
    "by_seed_50": "each seed to 50 %",
    "reached_50": "seeds at 50 %",
    "steps_to_95": "steps to 95 % (median)",
    "by_seed_95": "each seed to 95 %",
    "reached_95": "seeds at 95 %",
    "iterations_to_95": "iterations to 95 % (median)",
    "p": "p (Holm)",
    "equivalence_p": "p of equivalence (Holm)",
    "solved": "solved share",
    "with_failures": "failed runs at chance",
}
INTERVALS = {
    "solved": "95 % Clopper–Pearson interval",
    "change": "t interval, if all models scatter alike",
}


def for_people(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: a value with `_low` and `_high` becomes one column, and what is missing a dash."""
    columns = {}
    for name in _shown(table):
        form = FORMATS.get(name, _count if pd.api.types.is_integer_dtype(table[name]) else "{:.3f}".format)
        text = [_cell(value, form) for value in table[name]]
        if name == "metric":
            text = [_with_arrow(metric) for metric in text]
        title = TITLES.get(name, name.replace("_", " "))
        if f"{name}_low" in table:
            bounds = zip(text, table[f"{name}_low"], table[f"{name}_high"], strict=True)
            text = [f"{mean} [{form(low)}, {form(high)}]" if pd.notna(low) else mean for mean, low, high in bounds]
            title = f"{title} [{INTERVALS.get(name, INTERVAL)}]"
        columns[title] = text
    return pd.DataFrame(columns, dtype="str")


def _shown(table: pd.DataFrame) -> list[str]:
    return [name for name in table if not name.endswith(("_low", "_high"))]


def _cell(value: Any, form: Callable[[float], str]) -> str:
    if isinstance(value, str):
        return value
    return "–" if pd.isna(value) else form(value)


def _with_arrow(metric: str) -> str:
    """The metric, with an arrow that says where better is."""
    return f"{metric} ↓" if metric in LESS_IS_BETTER else f"{metric} ↑" if metric in UP_TO_ONE else metric


def write_table(table: pd.DataFrame, path_stem: Path, note: str | None) -> None:
    """Write the raw numbers as .csv, and the table for people, with `note` above it, as .md, .tex and .html."""
    write_text(Path(f"{path_stem}.csv"), table.to_csv(index=False))
    text = for_people(table)
    is_text = [pd.api.types.is_string_dtype(table[name]) for name in _shown(table)]

    alignment = ["left" if left else "right" for left in is_text]
    markdown = text.to_markdown(index=False, disable_numparse=True, colalign=alignment) if len(text) else ""
    above = f"**{note}**\n\n" if note else ""
    write_text(Path(f"{path_stem}.md"), f"{above}{markdown or '*no rows*'}\n")

    column_format = "".join("l" if left else "r" for left in is_text)
    above = f"\\emph{{{note.translate(LATEX)}}}\\par\n" if note else ""
    caption = PAPER_CAPTION if GROUP in text else None
    write_text(Path(f"{path_stem}.tex"), above + as_latex(text, column_format, caption))

    above = f"<p><b>{escape(note)}</b></p>\n" if note else ""
    styled = text.style.hide(axis="index").format(escape="html").set_table_styles(HTML)
    html = styled.to_html(doctype_html=True, table_uuid=path_stem.name)
    write_text(Path(f"{path_stem}.html"), html.replace("<body>", f"<body>\n{above}"))


HTML = [
    {"selector": "", "props": "border-collapse: collapse; font: 13px sans-serif"},
    {
        "selector": "th",
        "props": "text-align: left; vertical-align: bottom; border-bottom: 1px solid; padding: 2px 10px",
    },
    {"selector": "td", "props": "padding: 2px 10px; white-space: nowrap"},
]


def write_tables(results: Results, folder: Path, note: str | None = None) -> None:
    """Write every table to a folder, with remarks on how its runs were made above it. Raises OSError."""
    note = " ".join(filter(None, [note, remarks(results)])) or None
    models = results.runs.drop_duplicates(["task", "label"]).to_dict("records")
    for name in tables_of(models, not results.external.empty):
        write_table((TABLES | EXTRA)[name](results), folder / name, note)
