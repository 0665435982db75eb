"""Commands about one run: train, evaluate, analyse, export, generate."""

import atexit
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asura.cli.options import LogName, Processes, Threads
from asura.cli.several import one_by_one
from asura.common.errors import UserError
from asura.common.world import world

if TYPE_CHECKING:
    from asura.planning.analysis_settings import Analyses
    from asura.planning.study_settings import Evaluation


def train(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN.json", help="All settings of a run, or of several.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; that of RUN.json by default. What is there is resumed, or left if it ended."
        ),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Folder of the trained run that this one starts from; its study's by default.")
    ] = None,
    log: LogName = None,
    threads: Threads = 1,
    processes: Processes = 1,
) -> None:
    """Train runs one after another, or resume them. Where one fails, the others are still trained."""
    _refuse_for_several(runs, out, processes)
    settings = {out or path.parent: path for path in runs}

    def take(folder: Path) -> None:
        from asura.training.shared_runs import take_training

        if world().size == 1:
            take_training(read_run(settings[folder]), folder, start_from)

    from asura.planning.run_folder import RunFolder
    from asura.planning.runs import read_run
    from asura.training.signals import Stopped

    _spread(processes, lambda: take(next(iter(settings))))

    def of_run(folder: Path) -> str:
        from asura.training.loop import train as train_run

        take(folder)
        record = train_run(read_run(settings[folder]), folder, threads, start_from)
        RunFolder(folder).forced.unlink(missing_ok=True)
        return f"{record['status']} at step {record['step']}"

    try:
        one_by_one(list(settings), log, of_run)
    except Stopped as stopped:
        raise typer.Exit(128 + stopped.number) from None
    except KeyboardInterrupt:  # before the first step
        raise typer.Exit(130) from None
    finally:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted


def evaluate(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Folder of a trained run, or of several.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="In place of DIR: what makes a model of other code.")
    ] = None,
    settings: Annotated[
        str | None, typer.Option(help="Arguments for that, in YAML: '{checkpoint: a.pt}'; none by default.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Its task, as in a study: '{phop: {hops: 3, length: 32}}'.")] = None,
    causal: Annotated[
        bool, typer.Option("--causal/--not-causal", help="Whether a position of it sees none after it.")
    ] = True,
    iterations: Annotated[
        str | None,
        typer.Option(help="Up to which number: trained, up_to_twice, up_to_four_times, or a number; or 1,4,16."),
    ] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Examples of each split; of a text, windows.")] = None,
    benchmarks: Annotated[
        str | None, typer.Option(help="Names of benchmarks for a model of text, with commas between.")
    ] = None,
    benchmarks_from: Annotated[str | None, typer.Option(help="Where their documents are: embedded or hub.")] = None,
    out: Annotated[Path | None, typer.Option(help="The JSON file to write; evaluation.json in DIR by default.")] = None,
    log: LogName = None,
    threads: Threads = 1,
    processes: Processes = 1,
) -> None:
    """Evaluate trained runs on every split and benchmark, at some numbers of iterations.

    Options that are not given are those of the study in whose results a run is. Where one run fails, the others are
    still evaluated. A model of other code is evaluated on the same examples of a task.
    """
    if (model is None) == (not runs):
        raise UserError("give the folder of a run, or --model MODULE:NAME with --task")
    of_runs = {"--log": log, "--processes": None if processes == 1 else processes}
    of_models = {"--task": task, "--settings": settings, "--not-causal": None if causal else True}
    for option, value in (of_models if model is None else of_runs).items():
        if value is not None:
            raise UserError(f"{option}: it is for {'--model alone' if model is None else 'runs, and not for --model'}")
    runs = runs or []
    _refuse_for_several(runs, out, processes)
    names = None if benchmarks is None else tuple(filter(None, benchmarks.split(",")))
    options = {
        "iterations": _numbers(iterations),
        "examples": examples,
        "benchmarks": names,
        "benchmarks_from": benchmarks_from,
    }
    given = {key: value for key, value in options.items() if value is not None}

    if model is not None:
        from asura.cli.other_model import evaluate_other

        rows = evaluate_other(model, settings or "{}", task or "{}", causal, given, out, threads)["rows"]
        typer.echo("".join(["evaluated", *map(_score, rows)]))
        return

    def take(folder: Path) -> None:
        from asura.training.shared_runs import take_evaluation

        if world().size == 1 and out is None:
            take_evaluation(folder, _asked(folder, given, out))

    _spread(processes, lambda: take(runs[0]))

    def of_run(folder: Path) -> str:
        from asura.evaluation.evaluate import evaluate as evaluate_run

        take(folder)
        rows = evaluate_run(folder, _asked(folder, given, out), threads, out)["rows"]
        return "".join(["evaluated" if rows else "no scores; its training did not finish", *map(_score, rows)])

    one_by_one(runs, log, of_run)


def analyse(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folder of a trained run, or of several.")],
    analyses: Annotated[
        str | None,
        typer.Option(help="Names of analyses, with commas between, with usual settings; else all."),
    ] = None,
    examples: Annotated[int | None, typer.Option(min=4, help="Examples of the test split; of a text, windows.")] = None,
    to: Annotated[Path | None, typer.Option(help="The folder to write; analysis in DIR by default.")] = None,
    log: LogName = None,
    threads: Threads = 1,
) -> None:
    """Analyse what each iteration of trained models computes; docs/inside-the-loop.md says what is found.

    Without options, the analyses are those of the study in whose results a run is. Where one run fails, the others are
    still analysed.
    """
    if len(runs) > 1 and to is not None:
        raise UserError(f"--to: found {len(runs)} runs; give one, or leave --to away")
    names = None if analyses is None else list(filter(None, analyses.split(",")))

    def of_run(folder: Path) -> str:
        from asura.analysis.analyse import analyse as analyse_run

        note = analyse_run(folder, _analyses(folder, names, examples, to), threads, to)
        left_out = [f"{name} is left out: {why}" for name, why in note["left_out"].items()]
        return "\n".join([f"analysed: {', '.join(note['tables']) or 'nothing'}", *left_out])

    one_by_one(runs, log, of_run)


def _analyses(run: Path, names: Sequence[str] | None, examples: int | None, to: Path | None) -> "Analyses":
    """The analyses of a run: those of its study or, where options are given, these."""
    from asura.analysis.analyse import analyses_in_study
    from asura.common.validation import checked, nearest
    from asura.planning.analysis_settings import ANALYSES, Analyses

    in_study = analyses_in_study(run)
    if in_study and names is None and examples is None:
        return in_study
    if in_study and to is None:
        raise UserError(f"{run}: its study says how it is analysed; leave the options out, or add --to FOLDER")
    for name in names or ():
        if name not in ANALYSES:
            raise UserError(f"--analyses: no such analysis{nearest(name, ANALYSES)}")
    given = {} if examples is None else {"examples": examples}
    return checked(Analyses, {name: {} for name in names or ANALYSES} | given, "analyses")


def _numbers(iterations: str | None) -> Any:
    """A number, or several with commas between; anything else as it is."""
    parts = (iterations or "").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        return iterations
    return int(parts[0]) if len(parts) == 1 else [int(part) for part in parts]


def _asked(run: Path, given: dict[str, Any], out: Path | None) -> "Evaluation":
    """How a run is evaluated: as its study says, with what is given in place of that."""
    from asura.common.validation import checked
    from asura.evaluation.evaluate import evaluation_in_study
    from asura.planning.study_settings import Evaluation

    in_study = evaluation_in_study(run)
    settings = checked(Evaluation, (in_study or Evaluation()).model_dump() | given, "evaluation")
    if in_study and settings != in_study and out is None:
        changed = ", ".join(key for key in given if getattr(settings, key) != getattr(in_study, key))
        raise UserError(
            f"{run}: its study evaluates it with another value of {changed}; leave that out, or write the scores "
            "elsewhere with --out FILE"
        )
    return settings


def _score(row: Mapping[str, Any]) -> str:
    return (
        f"\n{row.get('benchmark', row.get('split')):16} {row['iterations']:3} iterations  {row['metric']:12} "
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


def _refuse_for_several(runs: Sequence[Path], out: Path | None, processes: int) -> None:
    """Raises UserError where several runs are given what only one can have."""
    if len(runs) > 1 and out is not None:
        raise UserError(f"--out: found {len(runs)} runs; give one, or leave --out away")
    if len(runs) > 1 and max(processes, world().size) > 1:
        raise UserError(f"found {len(runs)} runs for several processes; give one run")


def _spread(processes: int, before: Callable[[], None]) -> None:
    """Start this command on several processes, where they are asked for and torchrun has not, and end with it."""
    if world().size == 1 and processes > 1:
        from asura.training.launch import launch

        before()
        raise typer.Exit(launch(processes))
