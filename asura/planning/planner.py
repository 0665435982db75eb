"""Making a plan: the models of a study, what each costs, what follows from which code, and the runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from asura.common.validation import checked
from asura.models.evaluated import EvaluatedSettings
from asura.planning.analysed import planned_analyses
from asura.planning.code import analysis_code, evaluation_code, training_code
from asura.planning.compared import compared_with
from asura.planning.evaluated import counted
from asura.planning.external import checked_rows
from asura.planning.matching import costs_of
from asura.planning.outputs import choice_file
from asura.planning.places import BESIDE_STUDY
from asura.planning.plan import Plan
from asura.planning.planned_models import PlannedModels, add_evaluated, models_of, models_of_trials
from asura.planning.plugins import load_plugins
from asura.planning.questions import asked_of
from asura.planning.study import Study
from asura.planning.study_settings import Evaluation, Question
from asura.planning.tuning import Place, Trial, trials_of
from asura.planning.variants import NamedTask, Variant
from asura.planning.whole_curve import asked_of_model, refuse_what_cannot_be, with_snapshots


def make(config: Mapping[str, Any], against: str | None = None, tuning: bool = False) -> Plan:
    """Check a study and plan it, or the trials that tune it. Raises UserError, which names only the key.

    `against` is that of an ablation.
    """
    load_plugins(config, is_part=against is not None)
    study = checked(Study, config, "", BESIDE_STUDY)
    tasks, evaluation = study.named_tasks(), study.evaluation
    models = models_of(study, tasks)
    refuse_what_cannot_be(evaluation, tasks, models.variants.values())
    trials = trials_of(study, models.variants)
    if not tuning:
        add_evaluated(models, study, tasks)
    elif study.tune:
        models, evaluation = models_of_trials(trials, study.tune), evaluation.of_trials()
    variants = models.variants

    rows = _rows(models, evaluation, compared_with(variants, against) if against else {})
    metrics = {task.name: (*task.task.metrics, *_of_curves(task, study)) for task in tasks}
    questions = [] if tuning else asked_of(study.questions, rows, models.roles, metrics)
    external = [] if tuning else checked_rows(study.external, tasks, metrics, rows)
    _add_seeds(models, questions)
    analyses = {} if tuning else planned_analyses(study.analyses, variants.values())
    return Plan(
        study=study.name,
        seeds=study.seeds,
        evaluation=evaluation.model_dump(mode="json"),
        corpora={task.name: task.task.reads.stated() for task in tasks if task.task.reads},
        chances={
            task.name: {name: split.chance for name, split in task.task.splits.items()}
            for task in tasks
            if evaluation.ranks_by(task.task) == task.task.metric
        },
        models=[row | {"seeds": list(models.seeds[place])} for place, row in zip(variants, rows, strict=True)],
        roles=models.roles,
        runs=_runs(models, evaluation, [] if tuning else trials),
        resources=_resources([*(trial.variant for trial in trials), *variants.values()]),
        ablated=study.ablated.resources.over(study.resources).model_dump(exclude_none=True),
        code={"/".join(place): _code(variant, evaluation, bool(analyses)) for place, variant in variants.items()},
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


def _rows(models: PlannedModels, evaluation: Evaluation, compared: Mapping[Place, str]) -> list[dict[str, Any]]:
    """What each model is, what it costs, and how it is scored, but for its seeds."""
    return [
        _model(variant, evaluation)
        | {"benchmarks": _benchmarks(variant, evaluation), "order": order, "against": compared.get(place)}
        | asked_of_model(variant, evaluation)
        for order, (place, variant) in enumerate(models.variants.items())
    ]


def _model(variant: Variant, evaluation: Evaluation) -> dict[str, Any]:
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
        "metric": (ranked := evaluation.ranks_by(task)),
        "chance": task.splits["test"].chance if ranked == task.metric else None,
        "solved": task.solved if ranked == task.metric else None,
    }


def _benchmarks(variant: Variant, evaluation: Evaluation) -> list[str]:
    return list(evaluation.benchmarks) if variant.task.kind == "text" else []


def _code(variant: Variant, evaluation: Evaluation, is_analysed: bool) -> dict[str, str]:
    """The digests of the source code that the runs of a model follow from."""
    model, task = variant.model, variant.task.task
    trained = {"training": training_code(model, task)}
    scored = {"evaluation": evaluation_code(model, task, _benchmarks(variant, evaluation))}
    return trained | scored | ({"analysis": analysis_code(model, task)} if is_analysed else {})


def _of_curves(task: NamedTask, study: Study) -> tuple[str, ...]:
    """What validation curves give to compare, where the training on a task measures them."""
    measured = task.training.get("validation_examples", study.training.get("validation_examples"))
    return ("steps_to_solve",) if measured and task.task.solved is not None else ()


def _add_seeds(models: PlannedModels, questions: Iterable[Question]) -> None:
    """Add the seeds that questions ask for, and to each start those of the models that start from it."""
    for question in questions:
        for label in (question.row, question.reference):
            models.add_seeds((str(question.task).split("/")[0], label), question.seeds or ())
    for place, variant in models.variants.items():
        if variant.start:
            models.add(variant.start, models.seeds[place])


def _runs(models: PlannedModels, evaluation: Evaluation, trials: Iterable[Trial]) -> dict[str, dict[str, Any]]:
    """The runs of each model; one with trials names the file of its choice, and the plugins that these use."""
    runs: dict[str, dict[str, Any]] = {}
    for place, variant in models.variants.items():
        tried = [trial.variant.run(0) for trial in trials if trial.place == place]
        tuned: dict[str, Any] = {"tuned": choice_file(*place)} if tried else {}
        if used := {name: digest for trial in tried for name, digest in trial.plugins.items()}:
            tuned["plugins"] = dict(sorted(used.items()))
        of_variant = [with_snapshots(variant.run(seed), evaluation) for seed in models.seeds[place]]
        runs |= {run.folder: run.stated() | tuned for run in of_variant}
    return runs


def _resources(variants: Iterable[Variant]) -> dict[str, dict[str, int]]:
    return {f"{each.task.name}/{each.label}": each.resources.model_dump(exclude_none=True) for each in variants}
