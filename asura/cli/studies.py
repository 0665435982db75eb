"""Commands about a study as a whole: what it would run, what its tasks look like, and whether its results are sound."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from asura.cli.options import AsJson, StudyFile, StudyResults, Threads
from asura.common.errors import UserError


def plan(study: StudyFile, as_json: AsJson = False) -> None:
    """Print what a study would run: its models and controls, how far these are from their targets, and the cost."""
    from asura.common.validation import in_file
    from asura.planning.ablations import ablations_in_words
    from asura.planning.choices import at_edges
    from asura.planning.outputs import results_folder
    from asura.planning.planner import make
    from asura.planning.refusals import refuse_texts
    from asura.planning.shared_runs import shared_in_words
    from asura.planning.standing import Standing, done_in_words
    from asura.planning.study_file import read_study
    from asura.planning.tune_settings import Tune

    config = read_study(study)
    with in_file(str(study)):
        planned = make(config)
        refuse_texts(planned.corpora)
        ablations = list(ablations_in_words(config, planned))
    if as_json:
        typer.echo(json.dumps(list(planned.rows()), indent=1))
    else:
        from asura.evaluation.cost import evaluation_flops
        from asura.planning.estimate import print_plan, tuning_in_words
        from asura.training.speed import measured_speeds

        speeds = measured_speeds(planned)
        print_plan(planned, speeds, evaluation_flops(planned))
        plans = [planned, *([make(config, tuning=True)] if planned.trials else [])]
        for trials in plans[1:]:
            typer.echo(tuning_in_words(trials, speeds, evaluation_flops(trials)))
            for line in at_edges(results_folder() / planned.study, planned, Tune.model_validate(config["tune"])):
                typer.echo(line)
        standings = [Standing(each, results_folder() / planned.study) for each in plans]
        for line in (*done_in_words(standings), *shared_in_words(standings), *ablations):
            typer.echo(line)
        _print_splits(config)


def _print_splits(config: dict[str, Any]) -> None:
    """Of each split of tasks that need no corpus: chance, the best shortcut, what training has too, other shares."""
    from rich.console import Console
    from rich.table import Table

    from asura.evaluation.splits import summary
    from asura.planning.study import Study

    study = Study.model_validate(config)
    columns = ("task", "split", "metric", "chance", "best shortcut", "score", "inputs of training", "also")
    table = Table(*columns, box=None)
    for named in study.named_tasks():
        if named.task.reads is None:
            metric = study.evaluation.ranks_by(named.task)
            for name in named.task.splits:
                found = summary(named.task, name, metric, study.evaluation.examples)
                chance = "–" if found.chance is None else f"{found.chance:.3f}"
                row = (named.name, name, metric, chance, found.rule, f"{found.shortcut:.3f}", f"{found.shared:.1%}")
                table.add_row(*row, ", ".join(f"{what} {share:.1%}" for what, share in found.shares.items()))
    if table.rows:
        Console(width=None if os.isatty(1) else 200).print("", table)


def write_plan(
    cached: Annotated[Path, typer.Argument(help="A plan in the cache of the workflow.")],
    results: StudyResults,
    ablation: Annotated[str | None, typer.Option(help="The ablation of the study that the plan is of.")] = None,
    tuning: Annotated[bool, typer.Option("--tuning", help="The plan is of the trials of the study.")] = False,
) -> None:
    """Write a plan to the results of a study, and run.json to the folder of each of its runs."""
    from asura.planning.cache import write_plan as write
    from asura.planning.outputs import TUNING

    folder = results / "ablations" / ablation if ablation else results / TUNING if tuning else results
    write(cached, folder, results)


def choose(
    results: StudyResults,
    task: Annotated[str, typer.Argument(help="A task of the study.")],
    label: Annotated[str, typer.Argument(help="A model of the study, whose trials have ended.")],
) -> None:
    """Choose the settings of a model by the scores of its trials on the validation split."""
    from asura.planning.choices import choose as choose_settings

    chosen = choose_settings(results, task, label)
    typer.echo(f"{label} on {task}: {', '.join(f'{key} {value}' for key, value in chosen.items())}")


def sample(
    study: StudyFile,
    task: Annotated[str, typer.Argument(help="A task of the study.")],
    split: Annotated[str, typer.Option(help="A split of the task.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="Number of examples.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Other examples for another seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show examples of a task."""
    from asura.common.randomness import generator
    from asura.common.validation import checked, in_file, nearest
    from asura.planning.places import BESIDE_STUDY
    from asura.planning.plugins import load_plugins
    from asura.planning.study import Study
    from asura.planning.study_file import read_study

    config = read_study(study)
    with in_file(str(study)):
        load_plugins(config)
        tasks = {named.name: named.task for named in checked(Study, config, "", BESIDE_STUDY).named_tasks()}
        if task not in tasks:
            raise UserError(f"tasks: no such task{nearest(task, tasks)}")
        splits = tasks[task].splits
        if split not in splits:
            raise UserError(f"tasks.{task}: no such split{nearest(split, splits)}")
    chosen = splits[split]
    batch = chosen.draw(count, generator("sample", task, split, seed))
    examples = list(zip(batch.tokens, batch.targets, strict=True))
    if as_json:
        typer.echo(json.dumps([{"tokens": x.tolist(), "targets": y.tolist()} for x, y in examples]))
    else:
        typer.echo("\n".join(chosen.show(x, y) for x, y in examples))


def verify(results: StudyResults) -> None:
    """Read everything that a study left again, and compute what can be; end at the first thing that does not hold."""
    from asura.checking.verify import verify as verify_study

    for held in verify_study(results):
        typer.echo(held)


def status(
    results: StudyResults,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until all runs are done, or until Ctrl-C.")] = False,
) -> None:
    """Show how a study stands, also while it runs: which runs are finished, running, failed or waiting, and for how
    long.
    """
    from asura.planning.status_table import print_status

    with suppress(KeyboardInterrupt):
        print_status(results, watch)


def prune(
    results: StudyResults,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without this they are only listed.")] = False,
) -> None:
    """List the runs, trials, ablations and copies of plugins that a study no longer has, or delete them."""
    import shutil

    from asura.planning.parts import left_folders
    from asura.planning.prune import unplanned_runs, unused_plugins

    for folder in (*unplanned_runs(results), *unused_plugins(results), *left_folders(results)):
        if yes:
            shutil.rmtree(folder)
        typer.echo(f"{folder}: {'deleted' if yes else 'in no plan'}")


def outdated(
    results: StudyResults,
    discard: Annotated[bool, typer.Option("--discard", help="Let the workflow make them again.")] = False,
) -> None:
    """List the runs that were made by other code than is here, or discard what that code made."""
    from asura.checking.code import discard as discard_results
    from asura.checking.code import outdated as find_outdated

    found = find_outdated(results)
    for name, parts in found.items():
        typer.echo(f"{results / name}: {' and '.join(parts)}{' discarded' if discard else ''}")
    if discard:
        discard_results(results, found)


def accept(results: StudyResults, threads: Threads = 1) -> None:
    """Train one seed of each model that other code made again, and accept the others if it gives the same bits."""
    from asura.checking.code import accept as accept_results

    accepted = []
    for line, is_accepted in accept_results(results, threads):
        typer.echo(line)
        accepted.append(is_accepted)
    if not all(accepted):
        raise typer.Exit(1)


def reference(
    to: Annotated[Path, typer.Option(help="Root of the repository.")] = Path(),
) -> None:
    """Write the JSON schema of study files and the reference pages in docs/."""
    from asura.common.files import write_text
    from asura.planning.reference import files

    for path, text in files().items():
        write_text(to / path, text)
        typer.echo(to / path)
