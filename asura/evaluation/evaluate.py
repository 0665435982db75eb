"""Evaluating the folder of a run: from weights to evaluation.json."""

import json
from pathlib import Path
from typing import Any

import torch

from asura.errors import UserError
from asura.evaluation.accuracy import task_rows
from asura.files import checksum, read_json, write_text
from asura.models import build
from asura.models.model import Model
from asura.runs import RunFolder, digest, read_run
from asura.study import Evaluation, Run
from asura.training.devices import prepare
from asura.training.tensors import load_tensors

TIMES = {"trained": 1, "up_to_twice": 2, "up_to_four_times": 4}


def evaluate(path: Path, evaluation: Evaluation, threads: int = 1) -> dict[str, Any]:
    """Evaluate a trained run, or leave it alone if that has been done; a diverged run has no rows.

    Raises UserError where the folder holds no trained run, or one of other settings, or its weights are damaged, and
    OSError where nothing can be written.
    """
    folder = RunFolder(path)
    run, record = read_run(folder.run), folder.read_record()
    if record["run"] != digest(run):
        raise UserError(f"{folder.record}: it is of other settings than {folder.run.name}; train the run again")
    made_of = {"weights": record["weights"], **evaluation.model_dump()}
    if folder.evaluation.is_file():
        done = read_json(folder.evaluation)
        if done.get("made_of") == made_of:
            return done
    if checksum(folder.weights) != record["weights"]:
        raise UserError(f"{folder.weights}: it does not have the checksum in {folder.record.name}; delete both")
    device = prepare(threads)
    rows = []
    if record["status"] == "finished":
        model = load_model(folder, run, device)
        iterations = run.model.i * (TIMES[evaluation.iterations] if run.model.iterates() else 1)
        rows = list(task_rows(model, run.task, iterations, evaluation.examples, device))
    result = {"made_of": made_of, "device": device.type, "rows": rows}
    write_text(folder.evaluation, json.dumps(result, indent=1) + "\n")
    return result


def load_model(folder: RunFolder, run: Run, device: torch.device) -> Model:
    """The trained model of a run. Raises UserError."""
    tensors, _ = load_tensors(folder.weights)
    model = build(run.model, run.task.vocabulary, run.seed, device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{folder.weights}: its tensors are not those of {run.label}; train the run again") from None
    return model.eval()
