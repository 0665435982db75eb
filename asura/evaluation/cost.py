"""What an evaluation computes, before anything has been trained."""

from asura.planning.plan import Plan
from asura.planning.runs import Run
from asura.planning.study_settings import Evaluation
from asura.tasks import Task


def evaluation_flops(plan: Plan) -> dict[tuple[str, str], float]:
    """FLOPs of evaluating one run of each model of a plan on every split, by task and label.

    One pass over the examples gives the scores at all numbers of iterations, and has a head at each of them. What
    benchmarks ask is not counted.
    """
    runs = {(run["task_name"], run["label"]): run for run in plan.runs.values()}
    evaluation, found = Evaluation.model_validate(plan.evaluation), {}
    for model in plan.models:
        run = Run.model_validate(runs[key := (model["task"], model["label"])])
        numbers = evaluation.numbers(run.model.i, run.model.iterates())
        head = 2 * run.model.width * run.task.vocabulary
        blocks = max(0.0, model["inference_flops_per_token"] - head)  # of a model of other code they may be unknown
        tokens = evaluation.examples * sum(split.sequence_length for split in run.task.splits.values())
        tokens += min(evaluation.examples, run.training.examples or 0) * run.task.sequence_length
        snapshots = (run.training.steps - 1) // model["every"] if model["every"] else 0
        of_one = blocks * numbers[-1] / run.model.i + head * len(numbers)
        found[key] = (tokens + _swept(run.task, evaluation)) * of_one
        found[key] += snapshots * tokens * model["inference_flops_per_token"]
    return found


def _swept(task: Task, evaluation: Evaluation) -> int:
    """Tokens of all difficulties."""
    swept = [setting for setting in evaluation.sweep if setting in task.sweeps]
    return evaluation.examples * sum(
        task.at_difficulty(setting, value).sequence_length
        for setting in swept
        for value in {*evaluation.sweep[setting], task.difficulty(setting)}
    )
