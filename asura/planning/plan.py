"""The plan of a study: every run, what it costs, and which control of which cell it is.

A plan is computed once for a study and kept as plan.json in its results, beside the run.json of every run: the
workflow reads it on each start, in every job, and must not build models for that.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asura.common.errors import UserError
from asura.common.files import SEAL, read_sealed, sealed, write_text
from asura.common.version import PACKAGE, __version__
from asura.corpora.folders import corpus_folder

if TYPE_CHECKING:  # which imports torch
    from asura.planning.study import Variant

CODE = ("planning", "models", "tasks", "corpora", "common")
"""Folders of this package that a plan depends on."""


BY_PLACE = ("first", "previous")
"""What the models of an ablation may be compared with, other than by a setting."""


class Plan(NamedTuple):
    """Plain data, as it stands in plan.json.

    models: one row for each model on a task, with what it costs.
    corpora: settings of the corpus that a task reads, by the task's name.
    chances: chance in a task's primary metric on each of its splits, by the task's name.
    roles: one row for each control of each cell: task, label, control, control_of, deviation (as a fraction).
    runs: the content of each run.json by its folder, below the study's results.
    resources: what the jobs of each model ask of a cluster, by task/label; a control asks what its first cell does.
    ablated: the same for the models of ablations.
    against: of an ablation, what each model is compared with: `first`, the first; `previous`, the one before it; or a
        setting, and then the first of those that differ in nothing else.
    """

    study: str
    digest: str
    seeds: list[int]
    evaluation: dict[str, Any]
    corpora: dict[str, dict[str, Any]]
    chances: dict[str, dict[str, float]]
    models: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, int]]
    ablated: dict[str, int]
    against: str | None

    def resources_of(self, task: str, label: str) -> dict[str, int]:
        """What the jobs of a model ask of a cluster where the study says so; one that is not its own is ablated."""
        return self.resources.get(f"{task}/{label}", self.ablated)

    def benchmarks_of(self, task: str) -> list[str]:
        """What the models of a task are evaluated on beside its splits."""
        return next((model["benchmarks"] for model in self.models if model["task"] == task), [])

    def settings_of(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a row of `models`, and of its training."""
        run = self.runs[f"runs/{model['task']}/{model['label']}/seed{self.seeds[0]}"]
        return {**run["model"], **run["training"]}

    def compared(self) -> dict[tuple[str, str], str]:
        """The label of the model that each model of an ablation is compared with, by its task and label."""
        found: dict[tuple[str, str], str] = {}
        others: dict[str, str] = {}
        for model in self.models:
            task, label, settings = model["task"], model["label"], self.settings_of(model)
            if self.against in BY_PLACE:
                equal = {}
            elif self.against in settings:
                equal = {key: value for key, value in settings.items() if key != self.against}
            else:
                continue
            group = _as_json([task, equal])
            if group in others:
                found[task, label] = others[group]
            if group not in others or self.against == "previous":
                others[group] = label
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each run; a control of several cells names them all, and its largest deviation."""
        compared = self.compared() if self.against else {}
        for model in self.models:
            roles = [r for r in self.roles if (r["task"], r["label"]) == (model["task"], model["label"])]
            for seed in self.seeds:
                yield model | {
                    "seed": seed,
                    "control": " ".join(dict.fromkeys(role["control"] for role in roles)) or None,
                    "control_of": " ".join(dict.fromkeys(role["control_of"] for role in roles)) or None,
                    "deviation": max((role["deviation"] for role in roles), key=abs, default=None),
                    "against": compared.get((model["task"], model["label"])),
                }


def make(config: Mapping[str, Any]) -> Plan:
    """Check a study and plan it. Raises UserError, which names the key but not the file."""
    from asura.common.validation import checked
    from asura.planning.matching import controls
    from asura.planning.places import BESIDE_STUDY
    from asura.planning.study import Study

    study = checked(Study, dict(config), "", BESIDE_STUDY)
    variants: dict[tuple[str, str], Variant] = {}
    roles = []
    tasks = study.named_tasks()
    for task in tasks:
        cells = study.variants(task)
        variants |= {(task.name, cell.label): cell for cell in cells}
        for cell in cells:
            for control, variant, deviation in controls(study, cell):
                variants.setdefault((task.name, variant.label), variant)
                role = {"task": task.name, "label": variant.label, "control": control}
                roles.append(role | {"control_of": cell.label, "deviation": deviation})

    for start in [variant.start for variant in variants.values() if variant.start]:
        variants.setdefault((start.task.name, start.label), start)

    models: list[dict[str, Any]] = []
    runs: dict[str, dict[str, Any]] = {}
    resources: dict[str, dict[str, Any]] = {}
    for order, variant in enumerate(variants.values()):
        of_seeds = [variant.run(seed) for seed in study.seeds]
        runs |= {run.folder: run.model_dump(mode="json") for run in of_seeds}
        resources[f"{variant.task.name}/{variant.label}"] = variant.resources.model_dump(exclude_none=True)
        benchmarks = list(study.evaluation.benchmarks) if variant.task.kind == "text" else []
        models.append(_model(variant, of_seeds[0].tokens) | {"benchmarks": benchmarks, "order": order})
    corpora = {task.name: task.task.reads.model_dump(mode="json") for task in tasks if task.task.reads}
    chances = {task.name: {name: split.chance for name, split in task.task.splits.items()} for task in tasks}
    evaluation = study.evaluation.model_dump(mode="json")
    ablated = study.ablated.resources.model_dump(exclude_none=True)
    return Plan(
        study=study.name,
        digest=digest(config),
        seeds=study.seeds,
        evaluation=evaluation,
        corpora=corpora,
        chances=chances,
        models=models,
        roles=roles,
        runs=runs,
        resources=resources,
        ablated=ablated,
        against=None,
    )


def _model(variant: "Variant", tokens: int) -> dict[str, Any]:
    """What a model is and what it costs, trained on so many tokens."""
    from asura.planning.matching import cost_of, embedding_parameters

    task, model = variant.task.task, variant.model
    parameters, flops = cost_of(variant)
    return {
        "label": variant.label,
        "task": variant.task.name,
        "architecture": model.architecture,
        "n": model.n,
        "i": model.i,
        "parameters": parameters,
        "embedding_parameters": embedding_parameters(model, task.vocabulary),
        "flops_per_token": flops / task.sequence_length,
        "training_flops": flops / task.sequence_length * tokens,
        "tokens": tokens,
        "effective_depth": model.effective_depth,
        "metric": task.metric,
        "chance": task.splits["test"].chance,
    }


def digest(config: Mapping[str, Any]) -> str:
    """What a plan follows from: the study, and the code that plans it."""
    state = sha256(f"{__version__}\n{_as_json(config)}\n".encode())
    for name in CODE:
        for file in sorted((PACKAGE / name).rglob("*.py")):
            state.update(file.read_bytes())
    return state.hexdigest()


def prepare(config: Mapping[str, Any], results: Path) -> Plan:
    """The plan of a study, kept in `results`/<name>, with the run.json of each run; what differs is written.

    What has not changed keeps its time, and so does not run again. Raises UserError and OSError.
    """
    name = config.get("name")
    plan = (kept(results / name, digest(config)) if isinstance(name, str) else None) or make(config)
    keep(plan, config, results / plan.study, results / plan.study)
    return plan


def keep(plan: Plan, config: Mapping[str, Any], folder: Path, study: Path) -> None:
    """Write a plan to a folder, and what its runs and corpora are to theirs, where it differs. Raises OSError."""
    _write_json(folder / "study.json", json.loads(_as_json(config)))
    _write_json(folder / "plan.json", sealed(plan._asdict()))
    written = [run_folder for run_folder, run in plan.runs.items() if _write_json(study / run_folder / "run.json", run)]
    if again := [run_folder for run_folder in written if (study / run_folder / "training.json").is_file()]:
        said = f"{len(again)} runs that have ended are planned anew, with other settings, {again[0]} first"
        print(f"asura: {study}: {said}", file=sys.stderr)
    for corpus in plan.corpora.values():
        _write_json(corpus_folder(corpus) / "corpus.json", corpus)


def load(path: Path) -> Plan:
    """Read plan.json. Raises UserError."""
    content = read_sealed(path)
    try:
        return Plan(**{key: value for key, value in content.items() if key != SEAL})
    except TypeError:
        raise UserError(f"{path}: it is no plan of this version; run the workflow, which writes it anew") from None


def kept(folder: Path, of: str) -> Plan | None:
    """The plan that stands in a folder, where it has this digest."""
    try:
        plan = load(folder / "plan.json")
    except UserError:
        return None
    return plan if plan.digest == of else None


def _as_json(content: Any) -> str:
    return json.dumps(content, default=str)


def _write_json(path: Path, content: Any) -> bool:
    """Write what is not there already; whether it was not."""
    text = json.dumps(content, indent=1) + "\n"
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True
