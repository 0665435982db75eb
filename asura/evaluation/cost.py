"""What an evaluation computes, before anything has been trained."""

from asura.evaluation.evaluate import TIMES
from asura.planning.plan import Plan
from asura.planning.runs import Run


def evaluation_flops(plan: Plan) -> dict[tuple[str, str], float]:
    """FLOPs of evaluating one run of each model of a plan on every split, by task and label.

    One pass over the examples gives the scores at all numbers of iterations. What benchmarks ask is not counted.
    """
    runs = {(run["task_name"], run["label"]): run for run in plan.runs.values()}
    found = {}
    for model in plan.models:
        run = Run.model_validate(runs[key := (model["task"], model["label"])])
        times = TIMES[plan.evaluation["iterations"]] if run.model.iterates() else 1
        tokens = plan.evaluation["examples"] * sum(split.sequence_length for split in run.task.splits.values())
        found[key] = tokens * times * model["inference_flops_per_token"]
    return found
