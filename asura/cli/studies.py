"""Commands about a study as a whole: what it would run, what its tasks look like, and whether its results are sound."""

import json
from pathlib import Path
from typing import Annotated

import typer

from asura.cli.options import AsJson, StudyFile, StudyResults
from asura.common.errors import UserError


def plan(study: StudyFile, as_json: AsJson = False) -> None:
    """Print what a study would run: its models and controls, how far these are from their targets, and the cost."""
    from asura.common.validation import in_file
    from asura.common.yaml_file import read_yaml
    from asura.planning.ablations import listed_ablations
    from asura.planning.plan import make
    from asura.planning.workflow import refuse_folders

    config = read_yaml(study)
    with in_file(str(study)):
        planned = make(config)
        refuse_folders(planned.corpora)
    if as_json:
        typer.echo(json.dumps(list(planned.rows()), indent=1))
    else:
        from asura.planning.estimate import print_plan
        from asura.planning.runs import Run
        from asura.training.speed import measured_speed

        print_plan(planned, measured_speed(Run.model_validate(next(iter(planned.runs.values())))))
        if names := ", ".join(listed_ablations(config)):
            typer.echo(f"Its ablations are not counted ({names}); `snakemake -n` counts their runs.")


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
    from asura.common.yaml_file import read_yaml
    from asura.planning.places import BESIDE_STUDY
    from asura.planning.study import Study

    config = read_yaml(study)
    with in_file(str(study)):
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
    from asura.verify import verify as verify_study

    for held in verify_study(results):
        typer.echo(held)


def prune(
    results: StudyResults,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without this they are only listed.")] = False,
) -> None:
    """List the runs that no plan of a study contains any more, or delete them."""
    import shutil

    from asura.planning.prune import unplanned_runs

    for folder in unplanned_runs(results):
        if yes:
            shutil.rmtree(folder)
        typer.echo(f"{folder}: {'deleted' if yes else 'in no plan'}")


def reference(
    to: Annotated[Path, typer.Option(help="Root of the repository.")] = Path(),
) -> None:
    """Write the JSON schema of study files and the reference pages in docs/."""
    from asura.common.files import write_text
    from asura.planning.reference import files

    for path, text in files().items():
        write_text(to / path, text)
        typer.echo(to / path)
