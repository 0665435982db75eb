"""Whether the results of a study are what its runs say: everything that can be computed again is, and compared."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asura.checking.code import made_by_other_code, made_here
from asura.common.errors import UserError
from asura.common.files import read_json, read_sealed, sealed, write_text
from asura.planning.ablations import listed_ablations, reported
from asura.planning.choices import choice_of, tuned_models
from asura.planning.outputs import ANALYSIS, TUNING, choice_file
from asura.planning.parts import ablation_folders
from asura.planning.plan import Plan, load
from asura.planning.products import REPORT
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.planning.standing import by_model
from asura.reporting.ablation_report import write_ablation
from asura.reporting.analysis_report import write_analyses
from asura.reporting.collect import collect, read_evaluation_of, read_results, write_results
from asura.reporting.effects import write_effects
from asura.reporting.figures import write_figures
from asura.reporting.report import report_page
from asura.reporting.tables import write_tables
from asura.reporting.tuning_report import write_tuning
from asura.training.tensors import load_tensors

COMPARED = (".csv", ".md", ".tex", ".html", ".svg")
"""Files that are made again; what is drawn in .png and .pdf is what is drawn in .svg, which the report shows."""


def verify(study: Path) -> Iterator[str]:
    """Check one thing after the other, and say of each that it holds. Raises UserError, naming the first that does not.

    Of trainings it is checked that settings, weights, metrics and records belong together: whether training would lead
    to these weights again, and whether the seconds and the memory of a run are right, only running it again can say.
    """
    plan, named = _plan(study, study), listed_ablations(read_json(study / "study.json"))
    drawn = {folder.name for folder in ablation_folders(study) if (folder / "table.csv").is_file()}
    ablations = [study / "ablations" / name for name in sorted(drawn.union(named))]
    yield f"plan.json is the plan of study.json: {len(plan.models)} models, {len(plan.runs)} runs"
    tuning = [study / TUNING] if plan.trials else []
    plans = [*(_plan(study, folder) for folder in (*tuning, *ablations)), plan]
    runs = {folder: (run, each) for each in plans for folder, run in each.runs.items()}
    scores = sum(_run(study, folder, *of_plan) for folder, of_plan in runs.items())
    yield f"{len(runs)} runs: settings, weights, metrics and records belong together, and {scores} scores to them"
    if other := made_by_other_code(study, plans):
        raise UserError(f"{study}: {len(other)} of {len(runs)} runs were made by other code ({by_model(other)})")
    yield f"all {len(runs)} runs were made by the code that is here"
    if tuning:
        yield f"{_choices(study, plans[0])} choices follow from the trials"
    with tempfile.TemporaryDirectory() as name:
        again = Path(name)
        write_results(collect(study), again / "tidy")
        yield f"{_same(again / 'tidy', study / 'tidy')} tidy frames follow from the runs"
        found = read_results(again / "tidy")
        write_tables(found, again / "tables")
        yield f"{_same(again / 'tables', study / 'tables')} files of tables follow from the frames"
        write_figures(found, again / "figures", plan.study)
        yield f"{_same(again / 'figures', study / 'figures')} files of figures follow from the frames"
        if tuning:
            write_tuning(study, again / TUNING, plan.study)
            _same(again / TUNING, study / TUNING)
            yield "tables and figures of the tuning follow from its trials"
        if plan.analyses:
            write_analyses(plan, study, again / ANALYSIS)
            found_by = _same(again / ANALYSIS, study / ANALYSIS)
            yield f"{found_by} files of analyses follow from the rows of their runs"
        for folder in ablations:
            written, of_ablation = again / "ablations" / folder.name, collect(study, plan_folder=folder)
            write_ablation(of_ablation, written, plan.study)
            if factors := load(folder / "plan.json").factors:
                write_effects(of_ablation, factors, written)
            _same(written, folder)
            yield f"table and figures of the ablation {folder.name} follow from its runs"
        write_text(again / "report" / REPORT, report_page(found, study, again))
        _same(again / "report", study)
        yield f"{REPORT} follows from the tables and figures"


def _plan(study: Path, folder: Path) -> Plan:
    """The plan of a study or an ablation, which must be what this code plans of the settings beside it.

    It has the digests of the code that is here.
    """
    path = folder / "plan.json"
    plan = load(path)
    made = made_here(plan, study, folder)
    expected = reported(made, {model["task"] for model in plan.models})
    if expected._replace(code=plan.code, factors=plan.factors).as_json() != plan.as_json():
        raise UserError(f"{path}: it is not the plan of study.json; run the workflow, which writes it anew")
    return plan._replace(code=made.code)


def _run(study: Path, name: str, content: dict[str, Any], plan: Plan) -> int:
    """Check the folder of a run; returns the number of its scores."""
    folder = RunFolder(study / name)
    if read_json(folder.run) != content:
        raise UserError(f"{folder.run}: it is not the run of plan.json")
    content = read_run(folder.run).stated()
    record = folder.read_record_of(content)
    start = content.get("start_from")
    if start and record["start"] != RunFolder(study / start).read_record()["weights"]:
        raise UserError(f"{folder.record}: it started from other weights than those of {start}")
    folder.check(record)
    if load_tensors(folder.weights)[1]["run"] != record["run"]:
        raise UserError(f"{folder.weights}: it holds the weights of another run")
    evaluation = read_evaluation_of(folder, record, content, plan)
    folder.check_outcomes(evaluation)
    return len(evaluation["rows"])


def _choices(study: Path, trials: Plan) -> int:
    """Compare the choice for each model with what its trials choose; returns the number of models."""
    models = tuned_models(trials)
    for task, label in models:
        path = study / choice_file(task, label)
        if read_sealed(path) != sealed(choice_of(study, task, label)):
            raise UserError(f"{path}: it is not what the trials choose")
    return len(models)


def _same(again: Path, there: Path) -> int:
    """Compare each file of a folder with that of another. Raises UserError for the first that differs."""
    paths = sorted(path for path in again.rglob("*") if path.suffix in COMPARED)
    for path in paths:
        other = there / path.relative_to(again)
        if not other.is_file() or other.read_bytes() != path.read_bytes():
            raise UserError(f"{other}: missing, or not what follows from the runs by the packages that are here")
    return len(paths)
