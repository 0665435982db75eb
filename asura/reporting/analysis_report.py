"""What the analyses of a study found: the rows of all runs, tables over seeds, and figures."""

from functools import partial
from pathlib import Path

import pandas as pd

from asura.common.errors import UserError
from asura.common.files import write_whole
from asura.planning.analysed import analysed_runs, asked_analyses, read_analysis
from asura.planning.outputs import ANALYSIS_FRAMES, analysis_files, figure_path
from asura.planning.plan import Plan
from asura.planning.run_folder import RunFolder
from asura.planning.standing import Standing
from asura.reporting.analyses import FIGURES, Found
from asura.reporting.collect import read_results
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.figures.style import nothing
from asura.reporting.tables import write_table

RUN = ["task", "label", "seed"]


def found_in(study: Path, plan: Plan) -> Found:
    """The frames of all analyses, with `task`, `label` and `seed` of each run; empty where no run has rows.

    Raises UserError where a run has not been analysed as the plan asks, or its tables are damaged.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    standing = Standing(plan, study)
    for name in analysed_runs(plan):
        folder, run = RunFolder(study / name), plan.runs[name]
        note = read_analysis(folder)
        if standing.state(name).analysed != "fresh":
            raise UserError(f"{folder.analysis}: missing, damaged, or not what the plan asks; analyse the run first")
        for table in note["tables"]:
            rows = pd.read_csv(folder.analysis / f"{table}.csv", keep_default_na=False, na_values="")
            about = {"task": run["task_name"], "label": run["label"], "seed": run["seed"]}
            parts.setdefault(table, []).append(pd.concat([pd.DataFrame(about, index=rows.index), rows], axis=1))
    frames = [frame for name in asked_analyses(plan) for frame in ANALYSIS_FRAMES[name]]
    joined = {frame: pd.concat(each, ignore_index=True) for frame, each in parts.items()}
    return {frame: joined.get(frame, pd.DataFrame(columns=RUN)) for frame in frames}


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of all that is measured, at each place that a frame tells apart, and the number of seeds.

    A place is what whole numbers and words say, as an iteration or a criterion; all other numbers are measured.
    """
    measured = [name for name in frame if pd.api.types.is_float_dtype(frame[name])]
    about = [name for name in frame if name not in measured and name != "seed"]
    groups = frame.groupby(about, sort=False, dropna=False)
    return pd.concat([groups["seed"].nunique().rename("seeds"), groups[measured].mean()], axis=1).reset_index()


def write_analyses(plan: Plan, study: Path, folder: Path) -> None:
    """Write rows, tables and figures of the analyses of a study. Raises UserError, OSError."""
    found, results = found_in(study, plan), read_results(study / "tidy")
    tasks = list(dict.fromkeys(plan.runs[name]["task_name"] for name in analysed_runs(plan)))
    asked = asked_analyses(plan)
    files = analysis_files(asked, tasks)
    for stem in files["tidy"]:
        write_whole(folder / f"{stem}.csv", partial(found[Path(stem).name].to_csv, index=False))
    for stem in files["tables"]:
        write_table(over_seeds(found[Path(stem).name]), folder / stem, None)
    source = source_of(results, plan.study)
    for task in tasks:
        of_task = {name: frame[frame["task"] == task] for name, frame in found.items()}
        for name in asked:
            is_empty = of_task[name].empty
            drawn = nothing("No model of this task has it.") if is_empty else FIGURES[name](of_task, results, task)
            write_figure(drawn, folder / figure_path(task, name), source)
