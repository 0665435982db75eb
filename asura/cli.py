"""The commands that the rules call, and a person may call; each imports only what it needs, and starts fast."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from asura import data_commands
from asura.errors import UserError

app = typer.Typer(
    help="A fair harness for the study of depth recursion in transformers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (data_commands.fetch, data_commands.corpus, data_commands.benchmark):
    app.command()(command)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The YAML file of a study.")]
StudyResults = Annotated[Path, typer.Argument(metavar="RESULTS", help="The results of a study: results/NAME.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of torch on the CPU; results may differ in the last bits.")]
Processes = Annotated[
    int, typer.Option(min=1, help="Processes that share the work, one for each GPU; torchrun has its own number.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def plan(study: StudyFile, as_json: AsJson = False) -> None:
    """Print what a study would run: its models and controls, how far these are from their targets, and the cost."""
    from asura.planning import make
    from asura.validation import in_file
    from asura.yaml_file import read_yaml

    config = read_yaml(study)
    with in_file(str(study)):
        planned = make(config)
    if as_json:
        typer.echo(json.dumps(list(planned.rows()), indent=1))
    else:
        from asura.estimate import print_plan

        print_plan(planned)
        if config.get("ablations"):
            names = ", ".join(config["ablations"])
            typer.echo(f"Its ablations are not counted ({names}); `snakemake -n` counts their runs.")


@app.command()
def sample(
    study: StudyFile,
    task: Annotated[str, typer.Argument(help="A task of the study.")],
    split: Annotated[str, typer.Option(help="A split of the task.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="Number of examples.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Other examples for another seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show examples of a task."""
    from asura.randomness import generator
    from asura.study import Study
    from asura.validation import checked, in_file, nearest
    from asura.yaml_file import read_yaml

    config = read_yaml(study)
    with in_file(str(study)):
        tasks = {named.name: named.task for named in checked(Study, config, "").named_tasks()}
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


@app.command()
def train(
    run: Annotated[Path, typer.Argument(metavar="RUN.json", help="All settings of one run.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; what is there is resumed, or left if it has ended.")],
    start_from: Annotated[
        Path | None, typer.Option(help="Folder of the trained run that this one starts from.")
    ] = None,
    threads: Threads = 1,
    processes: Processes = 1,
) -> None:
    """Train one run, or resume it."""
    _spread(processes)
    from asura.runs import read_run
    from asura.training.loop import Stopped
    from asura.training.loop import train as train_run

    settings = read_run(run)
    try:
        record = train_run(settings, out, threads, start_from)
    except Stopped as stopped:
        if _is_first():
            typer.echo(f"asura: {out}: {stopped}", err=True)
        raise typer.Exit(128 + stopped.number) from None
    if _is_first():
        typer.echo(f"{out}: {record['status']} at step {record['step']}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained run.")],
    iterations: Annotated[
        str, typer.Option(help="Up to which number: trained, up_to_twice or up_to_four_times.")
    ] = "up_to_twice",
    examples: Annotated[int, typer.Option(min=1, help="Examples of each split; of a text, windows.")] = 2560,
    benchmarks: Annotated[str, typer.Option(help="Names of benchmarks for a model of text, with commas between.")] = "",
    benchmarks_from: Annotated[str, typer.Option(help="Where their documents are: embedded or hub.")] = "embedded",
    threads: Threads = 1,
    processes: Processes = 1,
) -> None:
    """Evaluate one trained run on every split and benchmark, at every number of iterations."""
    _spread(processes)
    from asura.evaluation.evaluate import evaluate as evaluate_run
    from asura.study import Evaluation
    from asura.validation import checked

    names = tuple(filter(None, benchmarks.split(",")))
    given = {"iterations": iterations, "examples": examples, "benchmarks": names, "benchmarks_from": benchmarks_from}
    rows = evaluate_run(run, checked(Evaluation, given, "evaluation"), threads)["rows"]
    for row in rows if _is_first() else []:
        typer.echo(
            f"{row.get('benchmark', row.get('split')):16} {row['iterations']:3} iterations  {row['metric']:12} "
            f"{row['value']:.3f} ± {row['standard_error']:.3f}"
        )


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained run on text.")],
    prompt: Annotated[str, typer.Argument(help="The text to continue; it may be empty.")],
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to add, at most.")] = 100,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token, 1 draws as the model says.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Another continuation for another seed.")] = 0,
    iterations: Annotated[int | None, typer.Option(min=1, help="As trained, if not given.")] = None,
    threads: Threads = 1,
) -> None:
    """Continue a text with a trained language model."""
    from asura.generation import generate as continue_text

    typer.echo(continue_text(run, prompt, tokens, temperature, seed, iterations, threads))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained run.")],
    to: Annotated[Path, typer.Option(help="The folder to write.")],
) -> None:
    """Write a trained model as a folder that anyone can load, with a model card."""
    from asura.export import export as export_run

    export_run(run, to)
    typer.echo(to)


@app.command()
def collect(results: StudyResults) -> None:
    """Gather all runs of a study into tidy tables."""
    from asura.reporting.collect import collect as collect_runs
    from asura.reporting.collect import write_results

    write_results(collect_runs(results), results / "tidy")


@app.command()
def tables(
    results: StudyResults,
    published: Annotated[str | None, typer.Option(help="A paper whose numbers are laid beside the study's.")] = None,
) -> None:
    """Write the tables of a collected study."""
    from asura.reporting.collect import read_results
    from asura.reporting.tables import write_table, write_tables

    found = read_results(results / "tidy")
    write_tables(found, results / "tables")
    if published:
        from asura.reporting.beside_published import beside_published
        from asura.reporting.published import PAPERS
        from asura.validation import nearest

        if published not in PAPERS:
            raise UserError(f"published: no such paper{nearest(published, PAPERS)}")
        write_table(beside_published(found, published), results / "tables" / "published", None)


@app.command()
def figures(results: StudyResults) -> None:
    """Draw the figures of a collected study."""
    from asura.reporting.collect import read_results
    from asura.reporting.figures import write_figures

    write_figures(read_results(results / "tidy"), results / "figures")


@app.command()
def ablation(
    results: StudyResults,
    name: Annotated[str, typer.Argument(help="An ablation of the study, whose runs have ended.")],
) -> None:
    """Write the table and the figures of an ablation to RESULTS/ablations/NAME."""
    from asura.reporting.ablations import write_ablation
    from asura.reporting.collect import collect as collect_runs

    folder = results / "ablations" / name
    write_ablation(collect_runs(results, plan_folder=folder), folder)


@app.command()
def partial(results: StudyResults) -> None:
    """Write tables and figures of what a study has finished so far, marked as partial, to RESULTS/partial."""
    from asura.reporting.ablations import write_ablation
    from asura.reporting.collect import collect as collect_runs
    from asura.reporting.collect import progress
    from asura.reporting.figures import write_figures
    from asura.reporting.tables import write_tables

    so_far = collect_runs(results, partial=True)
    note, folder = progress(so_far), results / "partial"
    write_tables(so_far, folder / "tables", note)
    write_figures(so_far, folder / "figures", note)
    typer.echo(f"{folder}: {note}")
    for plan_folder in sorted(path.parent for path in results.glob("ablations/*/plan.json")):
        so_far = collect_runs(results, partial=True, plan_folder=plan_folder)
        note, folder = progress(so_far), results / "partial" / "ablations" / plan_folder.name
        write_ablation(so_far, folder, note)
        typer.echo(f"{folder}: {note}")


@app.command()
def verify(results: StudyResults) -> None:
    """Read everything that a study left again, and compute what can be; end at the first thing that does not hold."""
    from asura.verify import verify as verify_study

    for held in verify_study(results):
        typer.echo(held)


def _spread(processes: int) -> None:
    """Start this command on several processes, where they are asked for and torchrun has not, and end with it."""
    if processes > 1 and "WORLD_SIZE" not in os.environ:
        from asura.training.processes import launch

        raise typer.Exit(launch(processes))


def _is_first() -> bool:
    """Whether this process speaks for all that share its work."""
    return os.environ.get("RANK", "0") == "0"


def main() -> None:
    """Run a command; what went wrong is one line, and an exit code above zero."""
    try:
        app()
    except UserError as error:
        # Each machine says what is wrong there.
        sys.exit(f"asura: {error}" if os.environ.get("LOCAL_RANK", "0") == "0" else 1)
    except OSError as error:
        sys.exit(f"asura: {error.filename}: {error.strerror}" if error.filename else f"asura: {error}")
    except (MemoryError, RuntimeError) as error:
        from asura.training.devices import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        sys.exit(f"asura: out of memory: {' '.join(str(error).split())}")
