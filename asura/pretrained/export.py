"""From the folder of a trained run to one that anyone can load, with a model card that says what the model is."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from tabulate import tabulate

from asura.common.errors import UserError
from asura.common.plugins import is_file_name, sources_of, text_of
from asura.evaluation.evaluate import load_trained
from asura.models.evaluated import EvaluatedSettings
from asura.models.model import Model
from asura.planning.costs import cost
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run, read_run
from asura.pretrained.folder import Config, Pretrained, is_pretrained, write

TRAINED_BY = {"task_name", "task", "training", "seed", "start_from"}
CARD = """\
---
{head}---

# {label}, trained on {task}

{architecture}

## Settings
```yaml
{settings}```

{parameters:,} parameters, {without_embeddings:,} of them in neither embedding nor head; {flops:.3g} FLOPs per token of
training, forwards and backwards.

## Training
{tokens:,} tokens, in {hours:.2g} hours on {device}.

```yaml
{training}```

## Evaluation
{evaluation}

## Use
{carried}```python
from asura import from_pretrained

model = from_pretrained("this folder, or its name on the hub"{consent})
logits = model(tokens)  # (B, T) int64 -> (B, T, {vocabulary})
```
"""
CARRIED = """\
The architecture is not part of the package `asura`. Its code is {files}, which `trust_code=True` agrees to run.

"""


def export(path: Path, to: Path) -> None:
    """Write the model of a trained run to a folder, in place of what an earlier export left there.

    Raises UserError where the run has not ended, or has failed, or the folder holds other files, and OSError where
    nothing can be written.
    """
    folder = RunFolder(path)
    if to.is_dir() and any(to.iterdir()) and not is_pretrained(to):
        raise UserError(f"{to}: it holds other files; give a new folder, an empty one, or one of an earlier export")
    if isinstance(read_run(folder.run).model, EvaluatedSettings):
        raise UserError(f"{path}: its model is of other code, and only trained models are exported")
    run, model = load_trained(path, torch.device("cpu"))
    plugins = sources_of(kind.__module__ for kind in (type(run.model), type(model)))
    code = {name: text_of(name, digest) for name, digest in plugins.items() if is_file_name(name)}
    config = Config(
        model=run.model,
        vocabulary=run.task.vocabulary,
        sequence_length=run.task.sequence_length,
        plugins=plugins,
    )
    tokenizer = folder.tokenizer.read_text(encoding="utf-8") if folder.tokenizer.is_file() else None
    write(Pretrained(model, config, model_card(folder, run, model, list(code)), tokenizer, code), to)


def model_card(folder: RunFolder, run: Run, model: Model, code: Sequence[str] = ()) -> str:
    """What the model is, how it was trained, and how it was scored; `code` are the files that it is built by."""
    record = folder.read_record()
    head: dict[str, Any] = {"library_name": "asura", "license": "mit"}
    if folder.tokenizer.is_file():
        head["pipeline_tag"] = "text-generation"
    head["tags"] = ["depth-recursion", run.model.architecture]
    length = run.task.sequence_length
    counted = cost(run.model, run.task.vocabulary, length)
    return CARD.format(
        head=_as_yaml(head),
        label=run.label,
        task=run.task_name,
        architecture=inspect.getdoc(inspect.getmodule(type(model))),
        settings=_as_yaml(run.model.model_dump(mode="json")),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        without_embeddings=counted.parameters,
        flops=counted.flops / length,
        tokens=run.tokens,
        hours=record["seconds"] / 3600,
        device=record["sessions"][-1]["device"],
        training=_as_yaml(run.model_dump(mode="json", include=TRAINED_BY)),
        evaluation=_evaluation(folder, run, record["weights"]),
        vocabulary=run.task.vocabulary,
        carried=CARRIED.format(files=", ".join(f"`{name}`" for name in code)) if code else "",
        consent=", trust_code=True" if code else "",
    )


def _as_yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _evaluation(folder: RunFolder, run: Run, weights: str) -> str:
    """The rows of these weights at the trained number of iterations, as a table."""
    done = folder.read_evaluation() if folder.evaluation.is_file() else {"made_of": {}}
    if done["made_of"].get("weights") != weights:
        return "It has not been evaluated."
    floors = done.get("floors", {})
    rows = [row | {"floor": _floor(row, run, floors)} for row in done["rows"] if row["iterations"] == run.model.i]
    table = tabulate(rows, headers="keys", tablefmt="github", floatfmt=".4g", missingval="")
    return f"At its trained number of iterations; the floor is reached without having learnt anything.\n\n{table}"


def _floor(row: dict[str, Any], run: Run, floors: dict[str, dict[str, float]]) -> float | None:
    """The level of chance of a row, where it is known."""
    if "benchmark" in row:
        return floors.get(row["benchmark"], {}).get(row["metric"])
    return run.task.splits.get(row["split"], run.task).chance if row["metric"] == run.task.metric else None
