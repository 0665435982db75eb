"""The plan of a study: every run, what it costs, and which control of which cell it is.

Making a plan builds models. A plan that has been made is read without torch.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asura.common.errors import UserError
from asura.common.files import SEAL, read_sealed, sealed, write_text
from asura.corpora.folders import corpus_folder
from asura.planning.outputs import TUNING, choice_file
from asura.planning.study_settings import Evaluation

if TYPE_CHECKING:  # which imports torch
    from asura.planning.study import Study
    from asura.planning.variants import NamedTask, Variant
    from asura.tasks import Task


class Plan(NamedTuple):
    """Plain data, as it stands in plan.json.

    seeds: those of the study; a row of `models` has those of the model.
    models: one row for each model on a task, with what it costs; in an ablation, with the model it is compared with.
    corpora: settings of the corpus that a task reads, by the task's name.
    chances: chance in a task's primary metric on each of its splits, by the task's name; of tasks of which it is known.
    roles: one row for each control of each cell: task, label, control, control_of, deviation (as a fraction).
    runs: the content of each run.json by its folder, below the study's results.
    resources: what the jobs of each model ask of a cluster, by task/label; a control asks what its first cell does.
    ablated: the same for the models of ablations.
    code: digests of the source code that a model's runs follow from, by task/label: `training` and `evaluation`.
    against: of an ablation, what each model is compared with: `first`, the first; `previous`, the one before it; or a
        setting, and then the first of those that differ in nothing else.
    questions: one row for each question of the study: task, row, reference, metric, margin (None without one).
    trials: one row for each trial of each model: task, label, trial (its own label), settings (that it tries).
    factors: of an ablation, settings whose effects get a table, with their values.
    analyses: those of the study, see `Analyses`; nothing where there are none.
    external: one row for each score that others report, as `External`, with a list of scores.
    """

    study: str
    seeds: list[int]
    evaluation: dict[str, Any]
    corpora: dict[str, dict[str, Any]]
    chances: dict[str, dict[str, float]]
    models: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, int]]
    ablated: dict[str, int]
    code: dict[str, dict[str, str]]
    against: str | None
    questions: list[dict[str, Any]]
    trials: list[dict[str, Any]]
    factors: dict[str, list[str]]
    analyses: dict[str, Any]
    external: list[dict[str, Any]]

    def resources_of(self, task: str, label: str) -> dict[str, int]:
        """What the jobs of a model ask of a cluster where the study says so; one that is not its own is ablated."""
        return self.resources.get(f"{task}/{label}", self.ablated)

    def benchmarks_of(self, task: str) -> list[str]:
        """What the models of a task are evaluated on beside its splits."""
        return next((model["benchmarks"] for model in self.models if model["task"] == task), [])

    def evaluation_of(self, task: str) -> Evaluation:
        """How the models of a task are evaluated."""
        return Evaluation.model_validate({**self.evaluation, "benchmarks": self.benchmarks_of(task)})

    def as_json(self) -> dict[str, Any]:
        """The content of plan.json."""
        return sealed(self._asdict())

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each run; a control of several cells names them all, and its largest deviation."""
        for model in self.models:
            roles = [r for r in self.roles if (r["task"], r["label"]) == (model["task"], model["label"])]
            for seed in model["seeds"]:
                yield {key: value for key, value in model.items() if key != "seeds"} | {
                    "seed": seed,
                    "control": " ".join(dict.fromkeys(role["control"] for role in roles)) or None,
                    "control_of": " ".join(dict.fromkeys(role["control_of"] for role in roles)) or None,
                    "deviation": max((role["deviation"] for role in roles), key=abs, default=None),
                }


def make(config: Mapping[str, Any], against: str | None = None, tuning: bool = False) -> Plan:
    """Check a study and plan it, or the trials that tune it. Raises UserError, which names only the key.

    `against` is that of an ablation.
    """
    from asura.common.validation import checked
    from asura.planning.analysed import planned_analyses
    from asura.planning.code import analysis_code, evaluation_code, training_code
    from asura.planning.compared import compared_with
    from asura.planning.evaluated import evaluated_variants
    from asura.planning.external import checked_rows
    from asura.planning.matching import controls
    from asura.planning.places import BESIDE_STUDY
    from asura.planning.plugins import load_plugins
    from asura.planning.questions import asked_of
    from asura.planning.study import Study
    from asura.planning.tuning import trials_of
    from asura.planning.whole_curve import asked_of_model, refuse_what_cannot_be, with_snapshots

    load_plugins(config, is_part=against is not None)
    study = checked(Study, config, "", BESIDE_STUDY)
    variants: dict[tuple[str, str], Variant] = {}
    seeds: dict[tuple[str, str], tuple[int, ...]] = {}
    roles = []
    tasks = study.named_tasks()
    for task in tasks:
        cells = study.variants(task)
        variants |= {(task.name, cell.label): cell for cell in cells}
        for cell in cells:
            _add_seeds(seeds, cell, cell.seeds)
        for cell in cells:
            for control, variant, deviation in controls(study, cell):
                variants.setdefault((task.name, variant.label), variant)
                _add_seeds(seeds, variant, cell.seeds)
                role = {"task": task.name, "label": variant.label, "control": control}
                roles.append(role | {"control_of": cell.label, "deviation": deviation})

    for variant in list(variants.values()):
        if start := variant.start:
            variants.setdefault((start.task.name, start.label), start)

    refuse_what_cannot_be(study.evaluation, tasks, variants.values())
    trials = trials_of(study, variants)
    evaluation = study.evaluation
    resources = {f"{trial.place[0]}/{trial.variant.label}": _resources(trial.variant) for trial in trials}
    if not tuning:
        for variant in evaluated_variants(study, tasks):
            if variants.setdefault((variant.task.name, variant.label), variant) is not variant:
                raise UserError(f"evaluated.{variant.label}: a model of the study has this label; give it another")
            _add_seeds(seeds, variant, variant.seeds)
    elif study.tune:
        variants = {(trial.place[0], trial.variant.label): trial.variant for trial in trials}
        seeds = dict.fromkeys(variants, tuple(study.tune.seeds))
        roles = []
        evaluation = evaluation.of_trials()
    models: list[dict[str, Any]] = []
    code: dict[str, dict[str, str]] = {}
    compared = compared_with(variants, against) if against else {}
    for order, (place, variant) in enumerate(variants.items()):
        key, model, asked = "/".join(place), variant.model, variant.task.task
        resources[key] = _resources(variant)
        benchmarks = list(evaluation.benchmarks) if variant.task.kind == "text" else []
        trained_by, scored_by = training_code(model, asked), evaluation_code(model, asked, benchmarks)
        code[key] = {"training": trained_by, "evaluation": scored_by}
        row = {"benchmarks": benchmarks, "order": order, "against": compared.get(place)}
        models.append(_model(variant, study.evaluation.metric) | row | asked_of_model(variant, evaluation))
    metrics = {task.name: (*task.task.metrics, *_of_curves(task, study)) for task in tasks}
    questions = [] if tuning else asked_of(study.questions, models, roles, metrics)
    external = [] if tuning else checked_rows(study.external, tasks, metrics, models)
    for question in questions:
        for label in (question.row, question.reference):
            _add_seeds(seeds, variants[str(question.task).split("/")[0], label], tuple(question.seeds or ()))
    for place, variant in variants.items():
        if start := variant.start:
            _add_seeds(seeds, start, seeds[place])
    runs: dict[str, dict[str, Any]] = {}
    for place, variant in variants.items():
        tried = [trial.variant.run(0) for trial in trials if trial.place == place and not tuning]
        tuned: dict[str, Any] = {"tuned": choice_file(*place)} if tried else {}
        if used := {name: digest for trial in tried for name, digest in trial.plugins.items()}:
            tuned["plugins"] = dict(sorted(used.items()))
        of_variant = [with_snapshots(variant.run(seed), evaluation) for seed in seeds[place]]
        runs |= {run.folder: run.stated() | tuned for run in of_variant}
    for place, row in zip(variants, models, strict=True):
        row["seeds"] = list(seeds[place])
    analyses = {} if tuning else planned_analyses(study.analyses, variants.values())
    for variant in variants.values() if analyses else ():
        code[f"{variant.task.name}/{variant.label}"]["analysis"] = analysis_code(variant.model, variant.task.task)
    corpora = {task.name: task.task.reads.stated() for task in tasks if task.task.reads}
    chances = {
        task.name: {name: split.chance for name, split in task.task.splits.items()}
        for task in tasks
        if ranked_by(task.task, study.evaluation.metric) == task.task.metric
    }
    ablated = study.ablated.resources.over(study.resources).model_dump(exclude_none=True)
    return Plan(
        study=study.name,
        seeds=study.seeds,
        evaluation=evaluation.model_dump(mode="json"),
        corpora=corpora,
        chances=chances,
        models=models,
        roles=roles,
        runs=runs,
        resources=resources,
        ablated=ablated,
        code=code,
        against=against,
        questions=[question.model_dump(exclude={"seeds"}) for question in questions],
        trials=[
            {"task": task, "label": label, "trial": variant.label, "settings": settings}
            for (task, label), settings, variant in trials
        ],
        factors={},
        analyses=analyses,
        external=external,
    )


def _resources(variant: "Variant") -> dict[str, int]:
    return variant.resources.model_dump(exclude_none=True)


def _add_seeds(seeds: dict[tuple[str, str], tuple[int, ...]], variant: "Variant", more: tuple[int, ...]) -> None:
    """Train a variant with these seeds too."""
    key = variant.task.name, variant.label
    seeds[key] = tuple(dict.fromkeys([*seeds.get(key, ()), *more]))


def _of_curves(task: "NamedTask", study: "Study") -> tuple[str, ...]:
    """What validation curves give to compare, where the training on a task measures them."""
    measured = task.training.get("validation_examples", study.training.get("validation_examples"))
    return ("steps_to_solve",) if measured and task.task.solved is not None else ()


def ranked_by(task: "Task", metric: str | None) -> str:
    """The metric that ranks models on a task, where a study asks for one."""
    return metric if metric in task.metrics else task.metric


def _model(variant: "Variant", metric: str | None) -> dict[str, Any]:
    """What a model is and what it costs, and how it is scored."""
    from asura.models.evaluated import EvaluatedSettings
    from asura.planning.evaluated import counted
    from asura.planning.matching import costs_of

    task, model = variant.task.task, variant.model
    return {
        "label": variant.label,
        "task": variant.task.name,
        "architecture": model.architecture,
        "n": model.n,
        "i": model.i,
        "width": model.width,
        **(counted(variant) if isinstance(model, EvaluatedSettings) else costs_of(variant)),
        "effective_depth": model.effective_depth,
        "metric": (ranked := ranked_by(task, metric)),
        "chance": task.splits["test"].chance if ranked == task.metric else None,
        "solved": task.solved,
    }


def load(path: Path) -> Plan:
    """Read plan.json. Raises UserError."""
    return from_json(read_sealed(path), path)


def planned_folders(study: Path) -> list[Path]:
    """The folders of the plans of a study, its tuning and its ablations. Raises UserError where it has no plan."""
    if not (study / "plan.json").is_file():
        raise UserError(f"{study}: it has no plan.json; give the results of a study, as in results/NAME")
    parts = [*study.glob(f"{TUNING}/plan.json"), *sorted(study.glob("ablations/*/plan.json"))]
    return [study, *(path.parent for path in parts)]


def from_json(content: Mapping[str, Any], path: Path) -> Plan:
    """The plan whose content this is, as read from a path. Raises UserError."""
    try:
        return Plan(**{key: value for key, value in content.items() if key != SEAL})
    except TypeError:
        raise UserError(f"{path}: it is no plan of this version; run the workflow, which writes it anew") from None


def write(plan: Plan, config: Mapping[str, Any], folder: Path, study: Path) -> None:
    """Write a plan to a folder, with the study that it is of; what its runs and corpora are goes to their folders.

    What has not changed is not written again. Raises OSError.
    """
    for name, run in plan.runs.items():
        _write_json(study / name / "run.json", run)
    for corpus in plan.corpora.values():
        _write_json(corpus_folder(corpus) / "corpus.json", corpus)
    _write_json(folder / "study.json", config)
    _write_json(folder / "plan.json", plan.as_json())


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
