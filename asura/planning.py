"""The plan of a study: every run, what it costs, and which control of which cell it is.

A plan is computed once for a study and kept as plan.json in its results, beside the run.json of every run: the
workflow reads it on each start, in every job, and must not build models for that.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from asura import __version__
from asura.corpora.folders import corpus_folder
from asura.errors import UserError
from asura.files import SEAL, read_sealed, sealed, write_text
from asura.validation import in_file

CODE = ("study.py", "runs.py", "matching.py", "planning.py", "models", "tasks", "corpora")
"""What of this package a plan depends on."""


class Plan(NamedTuple):
    """Plain data, as it stands in plan.json.

    models: one row for each model on a task, with what it costs.
    corpora: settings of the corpus that a task reads, by the task's name.
    roles: one row for each control of each cell: task, label, control, control_of, deviation (as a fraction).
    runs: the content of each run.json by its folder, below the study's results.
    resources: what the jobs of each model ask of a cluster, by task/label; a control asks what its first cell does.
    ablated: the same for the models of ablations.
    """

    study: str
    digest: str
    seeds: list[int]
    evaluation: dict[str, Any]
    corpora: dict[str, dict[str, Any]]
    models: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, int]]
    ablated: dict[str, int]

    def resources_of(self, task: str, label: str) -> dict[str, int]:
        """What the jobs of a model ask of a cluster where the study says so; one that is not its own is ablated."""
        return self.resources.get(f"{task}/{label}", self.ablated)

    def benchmarks_of(self, task: str) -> list[str]:
        """What the models of a task are evaluated on beside its splits."""
        return next((model["benchmarks"] for model in self.models if model["task"] == task), [])

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each run; a control of several cells names them all, and its largest deviation."""
        for model in self.models:
            roles = [r for r in self.roles if (r["task"], r["label"]) == (model["task"], model["label"])]
            for seed in self.seeds:
                yield model | {
                    "seed": seed,
                    "control": " ".join(dict.fromkeys(role["control"] for role in roles)) or None,
                    "control_of": " ".join(dict.fromkeys(role["control_of"] for role in roles)) or None,
                    "deviation": max((role["deviation"] for role in roles), key=abs, default=None),
                }


def make(config: Mapping[str, Any]) -> Plan:
    """Check a study and plan it. Raises UserError, which names the key but not the file."""
    from asura.matching import controls, cost_of, embedding_parameters
    from asura.study import Study, Variant
    from asura.validation import checked

    study = checked(Study, dict(config), "")
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

    models, runs, resources = [], {}, {}
    for order, variant in enumerate(variants.values()):
        task = variant.task.task
        parameters, flops = cost_of(variant)
        for run in map(variant.run, study.seeds):
            runs[run.folder] = run.model_dump(mode="json")
        resources[f"{variant.task.name}/{variant.label}"] = variant.resources.model_dump(exclude_none=True)
        models.append(
            {
                "label": variant.label,
                "task": variant.task.name,
                "architecture": variant.model.architecture,
                "n": variant.model.n,
                "i": variant.model.i,
                "parameters": parameters,
                "embedding_parameters": embedding_parameters(variant.model, task.vocabulary),
                "flops_per_token": flops / task.sequence_length,
                "training_flops": flops / task.sequence_length * run.tokens,
                "tokens": run.tokens,
                "effective_depth": variant.model.effective_depth,
                "metric": task.metric,
                "chance": task.splits["test"].chance,
                "benchmarks": list(study.evaluation.benchmarks) if variant.task.kind == "text" else [],
                "order": order,
            }
        )
    corpora = {task.name: task.task.reads.model_dump(mode="json") for task in tasks if task.task.reads}
    evaluation = study.evaluation.model_dump(mode="json")
    ablated = study.ablated.resources.model_dump(exclude_none=True)
    return Plan(
        study=study.name,
        digest=digest(config),
        seeds=study.seeds,
        evaluation=evaluation,
        corpora=corpora,
        models=models,
        roles=roles,
        runs=runs,
        resources=resources,
        ablated=ablated,
    )


def digest(config: Mapping[str, Any]) -> str:
    """What a plan follows from: the study, and the code that plans it."""
    state = sha256(f"{__version__}\n{_as_json(config)}\n".encode())
    package = Path(__file__).parent
    for name in CODE:
        path = package / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            state.update(file.read_bytes())
    return state.hexdigest()


def prepare(config: Mapping[str, Any], results: Path) -> Plan:
    """The plan of a study, kept in `results`/<name>, with the run.json of each run; what differs is written.

    What has not changed keeps its time, and so does not run again. Raises UserError and OSError.
    """
    name = config.get("name")
    kept = results / name if isinstance(name, str) else None
    plan = (_kept(config, kept) if kept else None) or make(config)
    _keep(plan, config, results / plan.study, results / plan.study)
    return plan


def prepare_ablation(
    config: Mapping[str, Any], results: Path, ablation: str, models: Mapping[str, Any]
) -> tuple[Path, Plan]:
    """The folder and the plan of an ablation of a study: its models, at the study's `ablated` n and i.

    `models` has settings by architecture, and may have `controls`, those wanted of each model, and `tasks`, those that
    are reported.

    Its runs stand among the study's, so that what the study has trained is not trained again. Raises UserError and
    OSError.
    """
    ablated = {"n": 1, "i": 4, **config.get("ablated", {})}
    shared = {key: value for key, value in config.items() if key != "ablations"}
    tasks = {name: {k: v for k, v in entry.items() if k != "models"} for name, entry in config["tasks"].items()}
    study = results / str(config["name"])
    folder = study / "ablations" / ablation
    with in_file(f"ablation {ablation}"):
        filled = {
            architecture: [_filled(architecture, entry, ablated) for entry in (e if isinstance(e, list) else [e])]
            for architecture, e in models.items()
            if architecture not in ("controls", "tasks")
        }
        own = {**shared, "tasks": tasks, "models": filled, "controls": models.get("controls", [])}
        plan = _kept(own, folder) or reported(make(own), models.get("tasks", list(tasks)))
    _keep(plan, own, folder, study)
    return folder, plan


def reported(plan: Plan, tasks: Collection[str]) -> Plan:
    """The plan with the models and roles of some tasks only; runs of the others may be what theirs start from."""
    models, roles = ([row for row in rows if row["task"] in tasks] for rows in (plan.models, plan.roles))
    return plan._replace(models=models, roles=roles)


def _filled(architecture: str, entry: Mapping[str, Any], ablated: Mapping[str, int]) -> dict[str, Any]:
    """A model's settings with the size of the ablated cell; a stack without iterations is given its depth."""
    if "resources" in entry:
        raise UserError(f"models.{architecture}.resources: they stand in the study, at ablated.resources")
    if architecture == "vanilla":
        return {"n": ablated["n"] * ablated["i"], **entry}
    return {"n": ablated["n"], "i": ablated["i"], **entry}


def _keep(plan: Plan, config: Mapping[str, Any], folder: Path, study: Path) -> None:
    _write_json(folder / "study.json", json.loads(_as_json(config)))
    _write_json(folder / "plan.json", sealed(plan._asdict()))
    for run_folder, run in plan.runs.items():
        _write_json(study / run_folder / "run.json", run)
    for corpus in plan.corpora.values():
        _write_json(corpus_folder(corpus) / "corpus.json", corpus)


def load(path: Path) -> Plan:
    """Read plan.json. Raises UserError."""
    content = read_sealed(path)
    try:
        return Plan(**{key: value for key, value in content.items() if key != SEAL})
    except TypeError:
        raise UserError(f"{path}: it is no plan of this version; run the workflow, which writes it anew") from None


def _kept(config: Mapping[str, Any], folder: Path) -> Plan | None:
    try:
        plan = load(folder / "plan.json")
    except UserError:
        return None
    return plan if plan.digest == digest(config) and plan.study == config["name"] else None


def _as_json(config: Mapping[str, Any]) -> str:
    return json.dumps(config, default=str)


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
