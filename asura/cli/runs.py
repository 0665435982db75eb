"""Commands about one run: train, evaluate, export, generate."""

import atexit
import signal
from pathlib import Path
from typing import Annotated

import typer

from asura.cli.options import Processes, Threads
from asura.common.errors import UserError
from asura.common.world import world


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
    from asura.planning.runs import read_run
    from asura.training.loop import train as train_run
    from asura.training.signals import INTERRUPTED, Stopped

    settings = read_run(run)
    try:
        record = train_run(settings, out, threads, start_from)
    except Stopped as stopped:
        if _is_first():
            typer.echo(f"asura: {out}: {stopped}", err=True)
        raise typer.Exit(128 + stopped.number) from None
    except KeyboardInterrupt:  # before the first step
        typer.echo(f"asura: {out}: {INTERRUPTED}", err=True)
        raise typer.Exit(130) from None
    finally:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted
    if _is_first():
        typer.echo(f"{out}: {record['status']} at step {record['step']}")


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained run.")],
    iterations: Annotated[
        str | None, typer.Option(help="Up to which number: trained, up_to_twice or up_to_four_times.")
    ] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Examples of each split; of a text, windows.")] = None,
    benchmarks: Annotated[
        str | None, typer.Option(help="Names of benchmarks for a model of text, with commas between.")
    ] = None,
    benchmarks_from: Annotated[str | None, typer.Option(help="Where their documents are: embedded or hub.")] = None,
    out: Annotated[Path | None, typer.Option(help="The JSON file to write; evaluation.json in DIR by default.")] = None,
    threads: Threads = 1,
    processes: Processes = 1,
) -> None:
    """Evaluate one trained run on every split and benchmark, at every number of iterations.

    Options that are not given are those of the study in whose results the run is.
    """
    _spread(processes)
    from asura.common.validation import checked
    from asura.evaluation.evaluate import evaluate as evaluate_run
    from asura.evaluation.evaluate import evaluation_in_study
    from asura.planning.study_settings import Evaluation

    names = None if benchmarks is None else tuple(filter(None, benchmarks.split(",")))
    options = {"iterations": iterations, "examples": examples, "benchmarks": names, "benchmarks_from": benchmarks_from}
    given = {key: value for key, value in options.items() if value is not None}
    in_study = evaluation_in_study(run)
    settings = checked(Evaluation, (in_study or Evaluation()).model_dump() | given, "evaluation")
    if in_study and settings != in_study and out is None:
        changed = ", ".join(key for key in given if getattr(settings, key) != getattr(in_study, key))
        raise UserError(
            f"{run}: its study evaluates it with another value of {changed}; leave that out, or write the scores "
            "elsewhere with --out FILE"
        )
    rows = evaluate_run(run, settings, threads, out)["rows"]
    for row in rows if _is_first() else []:
        typer.echo(
            f"{row.get('benchmark', row.get('split')):16} {row['iterations']:3} iterations  {row['metric']:12} "
            f"{row['value']:.3f} ± {row['standard_error']:.3f}"
        )


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
    from asura.pretrained.generation import generate as continue_text

    typer.echo(continue_text(run, prompt, tokens, temperature, seed, iterations, threads))


def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained run.")],
    to: Annotated[Path, typer.Option(help="The folder to write.")],
) -> None:
    """Write a trained model as a folder that anyone can load, with a model card."""
    from asura.pretrained.export import export as export_run

    export_run(run, to)
    typer.echo(to)


def _spread(processes: int) -> None:
    """Start this command on several processes, where they are asked for and torchrun has not, and end with it."""
    if world().size == 1 and processes > 1:
        from asura.training.processes import launch

        raise typer.Exit(launch(processes))


def _is_first() -> bool:
    """Whether this process speaks for all that share its work."""
    return world().rank == 0
