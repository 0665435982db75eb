"""Evaluating a model of other code by itself, as a study would."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asura.common.errors import UserError
from asura.common.files import write_text
from asura.common.validation import mapping_at
from asura.evaluation.evaluate import evaluate
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.training.loop import train


def evaluate_other(
    factory: str, settings: str, task: str, causal: bool, evaluation: Mapping[str, Any], out: Path | None, threads: int
) -> dict[str, Any]:
    """What a study of one task finds of a model that a factory makes; written to `out`, if that is given.

    settings, task: YAML, as in a study; of the task with its name. Raises UserError and OSError.
    """
    sys.path.insert(0, "")  # where the command is started, as for `python -m`
    tasks = _mapping(task, "--task")
    if len(tasks) != 1:
        raise UserError(f"--task: found {task!r}; give one task with its settings, as in '{{phop: {{hops: 3}}}}'")
    entry = {"factory": factory, "settings": _mapping(settings, "--settings"), "causal": causal}
    study = {"name": "other", "seeds": [0], "tasks": tasks, "models": {"vanilla": {"n": 1}}, "training": {"steps": 1}}
    plan = make({**study, "evaluated": {"model": entry}, "evaluation": dict(evaluation)})
    with tempfile.TemporaryDirectory() as aside:
        (name,) = (name for name, run in plan.runs.items() if run["label"] == "model")
        folder = RunFolder(Path(aside, name))
        write_text(folder.run, json.dumps(plan.runs[name]))
        train(read_run(folder.run), folder.path, threads)
        return evaluate(folder.path, plan.evaluation_of(next(iter(tasks))), threads, out)


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        return mapping_at(yaml.safe_load(text), where)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: it is not YAML ({' '.join(str(error).split())})") from None
