"""What a number of paired seeds can show at best, before any of them is trained."""

import math
from typing import Any

from asura.common.metrics import STEPS_TO_SOLVE
from asura.planning.plan import Plan

ERROR, POWER = 0.05, 0.8
USUAL_SEEDS = 10
"""What is recommended for the models of a question."""


def least_p(pairs: int, tests: int = 1) -> float:
    """The least two-sided p that so many pairs can reach by sign flips, corrected for the number of tests."""
    return min(1.0, tests * 2.0 ** (1 - pairs))


def seeds_to_show(tests: int = 1) -> int:
    """The fewest pairs whose least p is below .05."""
    return next(pairs for pairs in range(1, 64) if least_p(pairs, tests) < ERROR)


def smallest_effect(pairs: int, tests: int = 1) -> float:
    """The smallest mean of paired differences, in standard deviations of these, that a paired t-test shows with a power
    of 80 %."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    critical = t.isf(ERROR / tests / 2, pairs - 1)

    def missing(effect: float) -> float:
        return float(nct.sf(critical, pairs - 1, effect * math.sqrt(pairs)) - POWER)

    return float(brentq(missing, 0, 1000))


def smallest_margin(pairs: int, span: float) -> float:
    """The smallest margin of equivalence that can be shown where runs may fail: if all runs score at one end.

    span: between the ends, such as chance and 1.
    """
    return float(span * (1 - ERROR ** (1 / pairs)))


def limits(plan: Plan) -> list[str]:
    """A line for each question of a plan: what its seeds can show, or that they cannot show anything.

    A line before these counts the models of which one seed is trained.
    """
    single = sum(len(model["seeds"]) == 1 for model in plan.models)
    said = [f"{single} of {len(plan.models)} models have one seed, and therefore no interval."] if single else []
    return said + [_limit(plan, k) for k in range(len(plan.questions))]


def _limit(plan: Plan, k: int) -> str:
    question = plan.questions[k]
    tests = sum(1 if each["margin"] is None else 2 for each in plan.questions)
    task, *benchmark = question["task"].split("/")
    models = {model["label"]: model for model in plan.models if model["task"] == task}
    row, reference = (models[question[name]] for name in ("row", "reference"))
    pairs = len({*row["seeds"]} & {*reference["seeds"]})
    asked = f"{question['row']} minus {question['reference']} on {question['task']}, {question['metric']}"
    about = f"Question {k + 1}{' (primary)' if k == 0 else ''}: {asked}: "
    said = about + _shown(pairs, tests)
    if question["margin"] and pairs > 1 and not benchmark and row["metric"] != "bits_per_byte":
        least = smallest_margin(pairs, _span(plan, question, row))
        can = "can" if least < question["margin"] else "cannot"
        said += (
            f" They {can} show equivalence within ±{question['margin']:g}: ±{least:.2g} is the least, since runs may "
            "fail."
        )
    return said


def _span(plan: Plan, question: dict[str, Any], row: dict[str, Any]) -> float:
    """Between the ends of what a question compares: chance and 1, or 0 and all steps of training."""
    if question["metric"] == STEPS_TO_SOLVE:
        folders = tuple(f"runs/{row['task']}/{question[name]}/" for name in ("row", "reference"))
        return float(max(run["training"]["steps"] for name, run in plan.runs.items() if name.startswith(folders)))
    return 1.0 - (row["chance"] or 0.0) if question["metric"] == row["metric"] else 1.0


def _shown(pairs: int, tests: int) -> str:
    least, needed = least_p(pairs, tests), seeds_to_show(tests)
    corrected = f" after correction for {tests} tests" if tests > 1 else ""
    if least >= ERROR:
        seeds = f"{pairs} paired seed{'s' if pairs != 1 else ''}"
        return f"{seeds} cannot reach p < .05{corrected}: {least:.4g} is the least; use {max(USUAL_SEEDS, needed)}."
    return (
        f"{pairs} paired seeds can show a difference of {smallest_effect(pairs, tests):.2g} standard deviations of "
        f"the paired differences ({POWER:.0%} power), or that one solves the task and the other does not for {needed} "
        f"seeds of {pairs}. Least p{corrected}: {least:.2g}."
    ).replace("80%", "80 %")
