"""Evaluating the folder of a run: from weights to evaluation.json."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, remove_leftovers, write_sealed
from asura.corpora.folders import data_folder, manifest_checksum
from asura.evaluation.accuracy import Scores
from asura.evaluation.scorer import Row, Scorer
from asura.models import build
from asura.models.model import Model
from asura.planning.code import evaluation_code
from asura.planning.outputs import TUNING
from asura.planning.plan import load
from asura.planning.run_folder import RunFolder, is_evaluation_of
from asura.planning.runs import Run, read_run, study_of
from asura.planning.study_settings import Evaluation
from asura.tasks.text import Text
from asura.training.devices import describe, precision, prepare
from asura.training.processes import Alone, joined
from asura.training.tensors import load_tensors, save_tensors
from asura.training.usage import Meter


def evaluation_in_study(path: Path) -> Evaluation | None:
    """The settings by which a study evaluates the run in this folder; None for a folder outside of a study's results.

    Raises UserError where the folder holds no run, or the plan of the study is damaged.
    """
    run = read_run(RunFolder(path).run)
    study = study_of(path, run)
    if study is None or not (study / "plan.json").is_file():
        return None
    plan = load(study / "plan.json")
    if any((trial["task"], trial["trial"]) == (run.task_name, run.label) for trial in plan.trials):
        plan = load(study / TUNING / "plan.json")
    return plan.evaluation_of(run.task_name)


def evaluate(path: Path, evaluation: Evaluation, threads: int = 1, out: Path | None = None) -> dict[str, Any]:
    """Evaluate a trained run, or leave it alone if that has been done; one that failed has no rows.

    The scores are written to `out`, by default the evaluation.json of the run, and the outcomes of examples beside it.

    Raises UserError where the folder holds no trained run, or one of other settings, or its weights are damaged, and
    OSError where nothing can be written.
    """
    folder = RunFolder(path)
    if out is not None:
        folder.evaluation, folder.outcomes = out, out.with_suffix(".safetensors")
    run = read_run(folder.run)
    record = folder.read_record_of(run)
    if evaluation.benchmarks and not isinstance(run.task, Text):
        raise UserError(f"{run.label}: benchmarks are for models of text, and {run.task_name} is none; leave them out")
    if run.task.reads and record["corpus"] != manifest_checksum(run.task.reads.folder):
        raise UserError(f"{folder.record}: it is of other texts than the corpus has now; train the run again")
    if done := _result(folder, record, evaluation):
        return done
    remove_leftovers(path)
    with joined() as processes:
        device = prepare(threads)
        meter = Meter(device)
        about = f"asura: {run.label} on {run.task_name}, seed {run.seed}: evaluated on {describe(device)}"
        processes.write(lambda: print(about, file=sys.stderr, flush=True))
        is_finished = record["status"] == "finished"
        found, more = _scores(folder, run, evaluation, device, processes) if is_finished else (Scores([], {}, {}), {})
        used = {"seconds": meter.seconds(), **meter.used(processes)}
        result = {
            "made_of": {"weights": record["weights"], **evaluation.stated()},
            "code": evaluation_code(run.model, run.task, evaluation.benchmarks),
            "device": describe(device),
            "precision": precision(run.training, device),
            "rows": found.rows,
            "shortcuts": found.shortcuts,
            "floors": _floors(run, evaluation),
            **more,
            **used,
        }
        processes.write(lambda: _write(folder, result, found.outcomes))
    return folder.read_evaluation()


def _result(folder: RunFolder, record: dict[str, Any], evaluation: Evaluation) -> dict[str, Any] | None:
    """What an earlier evaluation of these weights left, if it was asked for the same and is whole."""
    if not folder.evaluation.is_file():
        return None
    try:
        done = folder.read_evaluation()
        folder.check_outcomes(done)
    except UserError as damaged:
        print(f"asura: {damaged}; the run is evaluated again", file=sys.stderr, flush=True)
        return None
    return done if is_evaluation_of(done, record, evaluation) else None


def _scores(
    folder: RunFolder, run: Run, evaluation: Evaluation, device: torch.device, processes: Alone
) -> tuple[Scores, dict[str, list[Row]]]:
    """The scores of the trained weights, and what else is asked for: rows of snapshots, and of difficulties."""
    model, scorer = load_model(folder, run, device), Scorer(run, evaluation, device, processes)
    iterations = evaluation.numbers(run.model.i, run.model.iterates())
    found = scorer.scores(model, iterations)
    more = {"sweep": list(scorer.sweep(model, iterations))} if evaluation.sweep else {}
    if evaluation.every and run.snapshot_steps:
        more["snapshots"] = list(_along_training(folder, run, evaluation.every, device, scorer))
        last = folder.read_record()["step"]
        more["snapshots"] += [{"step": last, **row} for row in found.rows if row["iterations"] == run.model.i]
    if evaluation.benchmarks:
        found.rows.extend(_benchmark_rows(folder, run, model, evaluation, device, processes))
    return found, more


def _along_training(folder: RunFolder, run: Run, every: int, device: torch.device, scorer: Scorer) -> Iterator[Row]:
    """Rows of each snapshot, at the trained number of iterations."""
    for step in map(int, folder.read_record().get("snapshots", {})):
        if step % every == 0:
            scores = scorer.scores(_model_of(folder.snapshot(step), run, device), [run.model.i])
            yield from ({"step": step, **row} for row in scores.rows)


def _benchmark_rows(
    folder: RunFolder, run: Run, model: Model, evaluation: Evaluation, device: torch.device, processes: Alone
) -> Iterator[Row]:
    from asura.corpora.tokenizers import load
    from asura.evaluation.benchmark_scores import benchmark_rows  # lm-eval takes seconds to import

    return benchmark_rows(
        model,
        load(folder.tokenizer, run.task.vocabulary),
        evaluation.benchmarks,
        data_folder() / "benchmarks",
        evaluation.numbers(run.model.i, run.model.iterates()),
        run.task.sequence_length,
        device,
        evaluation.benchmarks_from,
        run.training,
        processes,
    )


def _write(folder: RunFolder, result: dict[str, Any], outcomes: dict[str, Tensor]) -> None:
    save_tensors(folder.outcomes, outcomes, {})
    write_sealed(folder.evaluation, {**result, "outcomes": checksum(folder.outcomes)})


def _floors(run: Run, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """What a model that has read nothing reaches, by benchmark and metric; known of the embedded ones."""
    if not isinstance(run.task, Text) or evaluation.benchmarks_from != "embedded":
        return {}
    return {name: read_json(data_folder() / "benchmarks" / name / "floor.json") for name in evaluation.benchmarks}


def load_trained(path: Path, device: torch.device) -> tuple[Run, Model]:
    """A trained run and its model. Raises UserError where training has not ended well."""
    folder = RunFolder(path)
    run = read_run(folder.run)
    record = folder.read_record_of(run)
    if record["status"] != "finished":
        how = f"its training ended at step {record['step']}, {record['status']}"
        raise UserError(f"{path}: {how}; give one that finished")
    return run, load_model(folder, run, device)


def load_model(folder: RunFolder, run: Run, device: torch.device) -> Model:
    """The trained model of a run. Raises UserError."""
    folder.check(folder.read_record())
    return _model_of(folder.weights, run, device)


def _model_of(weights: Path, run: Run, device: torch.device) -> Model:
    tensors, _ = load_tensors(weights)
    model = build(run.model, run.task.vocabulary, run.seed, device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{weights}: its tensors are not those of {run.label}; train the run again") from None
    return model.eval()
