"""Analysing the folder of a run: from weights to tables in the folder `analysis`."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from asura.analysis import ANALYSES
from asura.analysis.subject import NotApplicable, Tables, subject_of
from asura.common.files import checksum, read_json, write_sealed, write_whole
from asura.planning.analysed import ANALYSED, asked_of_run, compared_stack, read_analysis
from asura.planning.analysis_settings import Analyses
from asura.planning.code import analysis_code
from asura.planning.plan import load
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run, read_run, study_of
from asura.training.devices import prepare


def analyses_in_study(path: Path) -> Analyses | None:
    """The analyses that a study asks for of the run in this folder; None for a folder outside of a study's results.

    Raises UserError where the folder holds no run, or the study is damaged.
    """
    study = study_of(path, read_run(RunFolder(path).run))
    if study is None or not (study / "study.json").is_file():
        return None
    asked = read_json(study / "study.json").get("analyses")
    return Analyses.model_validate(asked) if asked else None


def analyse(path: Path, analyses: Analyses, threads: int = 1, to: Path | None = None) -> dict[str, Any]:
    """Analyse a trained run, or leave it alone if that has been done; one that did not finish has no rows.

    The tables are written to `to`, by default the folder `analysis` of the run. Returns the content of analysis.json,
    which names them.

    Raises UserError where the folder holds no trained run, or its weights are damaged, and OSError where nothing can be
    written.
    """
    folder = RunFolder(path)
    if to is not None:
        folder.analysis = to
    run = read_run(folder.run)
    record = folder.read_record_of(run)
    study = study_of(path, run)
    stack = _stack_of(study, run, analyses) if study else None
    beside = RunFolder(stack).read_record().get("weights") if stack and RunFolder(stack).record.is_file() else None
    asked = asked_of_run(record, analyses.stated(), beside)
    made_of = {**asked, "code": analysis_code(run.model, run.task)}
    if (done := read_analysis(folder)).get("made_of") == made_of:
        return done
    tables: Tables = {}
    left_out: dict[str, str] = {}
    if record["status"] == "finished":
        device = prepare(threads)
        subject = subject_of(path, analyses.examples, stack, device)
        for name, settings in analyses.asked():
            print(f"asura: {run.label} on {run.task_name}, seed {run.seed}: {name}", file=sys.stderr, flush=True)
            try:
                tables |= ANALYSES[name](subject, settings)
            except NotApplicable as why:
                left_out[name] = str(why)
    for name, rows in tables.items():
        write_whole(_table(folder, name), partial(pd.DataFrame(rows).to_csv, index=False))
    checksums = {name: checksum(_table(folder, name)) for name in tables}
    note = {"made_of": made_of, "tables": checksums, "left_out": left_out}
    return write_sealed(folder.analysis / ANALYSED, note)


def _stack_of(study: Path, run: Run, analyses: Analyses) -> Path | None:
    """The run of the same seed of the stack that a model is compared with, in the results of a study."""
    if not (study / "plan.json").is_file():
        return None
    label = compared_stack(load(study / "plan.json"), analyses.stated(), run.task_name, run.label)
    return study / f"runs/{run.task_name}/{label}/seed{run.seed}" if label else None


def _table(folder: RunFolder, name: str) -> Path:
    return folder.analysis / f"{name}.csv"
