"""Commands that write the frames, tables and figures of a study."""

from pathlib import Path
from typing import Annotated

import typer

from asura.cli.options import StudyResults
from asura.common.errors import UserError
from asura.common.files import read_json


def collect(
    studies: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="The results of a study, or of several.")],
    to: Annotated[
        Path | None,
        typer.Option(help="A folder for the frames, tables and figures of several studies, which stay as they are."),
    ] = None,
) -> None:
    """Gather all runs of a study into tidy tables; or those of several, with their tables and figures, in a folder."""
    if to is not None:
        _collect_together(studies, to)
        return
    if len(studies) > 1:
        raise UserError(f"found {len(studies)} studies without --to; give a folder for what is made of them")
    (results,) = studies
    from asura.planning.plan import load
    from asura.planning.products import note_made_of
    from asura.planning.standing import Standing
    from asura.reporting.collect import collect as collect_runs
    from asura.reporting.collect import write_results

    digest = Standing(load(results / "plan.json"), results).digest
    write_results(collect_runs(results), results / "tidy")
    note_made_of(results / "tidy", digest, "tidy")


def _collect_together(studies: list[Path], to: Path) -> None:
    from asura.reporting.collect import write_results
    from asura.reporting.figures import write_figures
    from asura.reporting.studies_together import together
    from asura.reporting.tables import write_tables

    if (to / "plan.json").exists():
        raise UserError(f"--to: {to} has the results of a study; give another folder")
    found = together(studies)
    write_results(found, to / "tidy")
    write_tables(found, to / "tables")
    write_figures(found, to / "figures", " and ".join(map(name_of, studies)))
    typer.echo(to)


def tables(results: StudyResults) -> None:
    """Write the tables of a collected study."""
    from asura.planning.products import note_made_of, runs_of
    from asura.reporting.collect import read_results
    from asura.reporting.tables import write_tables

    write_tables(read_results(results / "tidy"), results / "tables")
    note_made_of(results / "tables", runs_of(results / "tidy"), "tables")


def figures(results: StudyResults) -> None:
    """Draw the figures of a collected study."""
    from asura.planning.products import note_made_of, runs_of
    from asura.reporting.collect import read_results
    from asura.reporting.figures import write_figures

    write_figures(read_results(results / "tidy"), results / "figures", name_of(results))
    note_made_of(results / "figures", runs_of(results / "tidy"), "figures")


def tuning(results: StudyResults) -> None:
    """Write the tables and the figures of the tuning of a study to RESULTS/tuning."""
    from asura.planning.outputs import TUNING
    from asura.planning.plan import load
    from asura.planning.products import note_made_of
    from asura.planning.standing import Standing
    from asura.reporting.tuning_report import write_tuning

    folder = results / TUNING
    write_tuning(results, folder, name_of(results))
    note_made_of(folder, Standing(load(folder / "plan.json"), results).digest, TUNING)


def analyses(results: StudyResults) -> None:
    """Write what the analyses of a study found, as rows, tables and figures, to RESULTS/analysis."""
    from asura.planning.outputs import ANALYSIS
    from asura.planning.plan import load
    from asura.planning.products import note_made_of
    from asura.planning.standing import Standing
    from asura.reporting.analysis_report import write_analyses

    standing = Standing(load(results / "plan.json"), results)
    write_analyses(standing.plan, results, results / ANALYSIS)
    note_made_of(results / ANALYSIS, standing.digest_of_analyses, ANALYSIS)


def ablation(
    results: StudyResults,
    name: Annotated[str, typer.Argument(help="An ablation of the study, whose runs have ended.")],
) -> None:
    """Write the table and the figures of an ablation to RESULTS/ablations/NAME."""
    from asura.planning.plan import load
    from asura.planning.products import note_made_of
    from asura.planning.standing import Standing
    from asura.reporting.ablation_report import write_ablation
    from asura.reporting.collect import collect as collect_runs

    folder = results / "ablations" / name
    digest = Standing(load(folder / "plan.json"), results).digest
    write_ablation(collect_runs(results, plan_folder=folder), folder, name_of(results))
    note_made_of(folder, digest, "ablation")


def effects(
    results: StudyResults,
    name: Annotated[str, typer.Argument(help="An ablation with factors, whose runs have ended.")],
) -> None:
    """Write main effects and interactions of the factors of an ablation to RESULTS/ablations/NAME."""
    from asura.planning.plan import load
    from asura.reporting.collect import collect as collect_runs
    from asura.reporting.effects import write_effects

    folder = results / "ablations" / name
    factors = load(folder / "plan.json").factors
    if not factors:
        raise UserError(f"{folder}: it has no factors; name them in the ablation")
    write_effects(collect_runs(results, plan_folder=folder), factors, folder)


def report(results: StudyResults) -> None:
    """Write the report of a study, whose tables, figures and ablations have been made, to RESULTS/report.html."""
    from asura.reporting.collect import read_results
    from asura.reporting.report import write_report

    write_report(read_results(results / "tidy"), results)


def name_of(results: Path) -> str:
    """The name of a study, whatever the folder is called that its results are in now."""
    study = read_json(path := results / "study.json")
    if "name" not in study:
        raise UserError(f"{path}: it has no name, and is no study; run the workflow, which writes it anew")
    return str(study["name"])


def partial(results: StudyResults) -> None:
    """Write tables and figures of what a study has finished so far, marked as partial, to RESULTS/partial."""
    from asura.planning.parts import ablation_folders
    from asura.reporting.ablation_report import write_ablation
    from asura.reporting.collect import collect as collect_runs
    from asura.reporting.collect import progress
    from asura.reporting.figures import write_figures
    from asura.reporting.tables import write_tables

    so_far = collect_runs(results, partial=True)
    note, folder = progress(so_far), results / "partial"
    write_tables(so_far, folder / "tables", note)
    write_figures(so_far, folder / "figures", name_of(results), note)
    typer.echo(f"{folder}: {note}")
    for plan_folder in ablation_folders(results):
        so_far = collect_runs(results, partial=True, plan_folder=plan_folder)
        note, folder = progress(so_far), results / "partial" / "ablations" / plan_folder.name
        write_ablation(so_far, folder, name_of(results), note)
        typer.echo(f"{folder}: {note}")
