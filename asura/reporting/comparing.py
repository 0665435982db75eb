"""What tables say of a model and of two models: means, differences, shares solved, each with its interval."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from asura.common.metrics import LESS_IS_BETTER, STEPS_TO_SOLVE
from asura.corpora.benchmarks import BENCHMARKS
from asura.planning.run_folder import FAILURES
from asura.reporting.frames import HEADLINE_SPLIT, Results
from asura.reporting.statistics import UNBOUNDED, Scale, mean_interval, paired_difference, solved_share

UP_TO_ONE = {"accuracy", "exact_match", "skill", *(name for each in BENCHMARKS.values() for name in each.metrics)}
UP_TO_ONE -= {*LESS_IS_BETTER}
"""Metrics of which the most is 1. What is neither here nor in `LESS_IS_BETTER` is a measure that a model takes."""
FAILED = "×"


def scale_of(metric: str, primary: str, task: str, floor: float = math.nan) -> Scale:
    """The range of a metric, and whether runs fail in it: on generated tasks they do, in predicting text they do not.

    primary: the primary metric of the task. floor: chance in the metric, where it is known.
    """
    if metric in LESS_IS_BETTER:
        return Scale(0.0, math.inf, may_fail=False)
    if metric not in UP_TO_ONE:
        return UNBOUNDED
    of_text = primary in LESS_IS_BETTER or "/" in task  # which a benchmark of a text has in its name
    return Scale(0.0 if math.isnan(floor) or of_text else floor, 1.0, may_fail=not of_text)


def scale_on(results: Results, task: str, split: str = HEADLINE_SPLIT) -> Scale:
    """The range of a task's primary metric on a split."""
    run = results.runs[results.runs["task"] == task].iloc[0]
    scores = results.scores
    here = scores[(scores["task"] == task) & (scores["split"] == split) & (scores["metric"] == run["metric"])]
    return scale_of(run["metric"], run["metric"], task, here["chance"].iloc[0] if len(here) else run["chance"])


def with_interval(name: str, interval: tuple[float, ...]) -> dict[str, float]:
    """A value and its bounds, under the names that `for_people` merges into one column."""
    mean, low, high, *_ = interval
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


class Comparing:
    """The scores of a study on the test split at the trained number of iterations, in every metric."""

    def __init__(self, results: Results) -> None:
        runs = results.runs.drop_duplicates("task").set_index("task")
        self.primary: dict[str, str] = runs["metric"].to_dict()
        self.threshold: dict[str, float] = runs["solved"].to_dict()
        key = ["task", "label", "metric"]
        scores = results.scores.merge(results.runs[["task", "label", "seed", "i"]], on=["task", "label", "seed"])
        scores = scores[(scores["split"] == HEADLINE_SPLIT) & (scores["iterations"] == scores["i"])]
        scores = scores.dropna(subset="value").sort_values("seed")
        self._scores = {of: group.set_index("seed")["value"] for of, group in scores.groupby(key)}
        self._own_errors: dict[Any, float] = scores.groupby(key)["standard_error"].mean().to_dict()
        known = results.test_errors.fillna({"reference": ""}).set_index([*key[:2], "reference", "metric"])
        self._test_errors: dict[Any, float] = known["standard_error"].to_dict()
        self._chance: dict[Any, float] = scores.groupby(["task", "metric"])["chance"].first().to_dict()
        self._chance |= {(task, self.primary[task]): chance for task, chance in runs["chance"].items()}
        self._shortcut: dict[Any, float] = (
            scores.dropna(subset="shortcut").groupby("task")["shortcut"].first().to_dict()
        )
        to_solve = scores[scores["metric"] == STEPS_TO_SOLVE].set_index(key[:2])["value"]  # all, of a run that failed
        taken = pd.concat([results.runs.set_index(key[:2])["step"], to_solve])
        self._steps: dict[Any, float] = taken.groupby(level=key[:2]).max().to_dict()
        failed = results.runs[results.runs["status"].isin(FAILURES)]
        self._failed = {of: group["seed"].tolist() for of, group in failed.groupby(key[:2])}

    def metric(self, task: str, metric: str | None = None) -> str:
        """The metric, or the primary one of a task."""
        return metric or self.primary[task]

    def scale(self, task: str, metric: str | None = None, labels: Iterable[str] = ()) -> Scale:
        """The range of a metric on a task; of the steps to solve it, up to all steps of these models.

        A run that does not solve it takes all of them, so these steps lie in two lumps, as scores do.
        """
        asked = self.metric(task, metric)
        if asked == STEPS_TO_SOLVE:
            return Scale(0.0, max(self._steps[task, label] for label in labels), may_fail=True)
        return scale_of(asked, self.primary[task], task, self.chance(task, asked))

    def chance(self, task: str, metric: str) -> float:
        """Chance in a metric; where it is not known, 0, and of a measure of a model nothing."""
        chance = self._chance.get((task, metric), math.nan)
        return 0.0 if pd.isna(chance) and metric in UP_TO_ONE else chance

    def scores(self, task: str, label: str, metric: str | None = None, failures: bool = False) -> pd.Series:
        """Scores by seed; with `failures`, those of failed runs too, at chance; of a measure there is none."""
        asked = self.metric(task, metric)
        own = self._scores.get((task, label, asked), pd.Series(dtype=float))
        chance = self.chance(task, asked)
        failed = [seed for seed in self._failed.get((task, label), []) if seed not in own.index]
        if not failures or not failed or math.isnan(chance):
            return own
        return pd.concat([own, pd.Series(chance, index=failed)]) if len(own) else pd.Series(chance, index=failed)

    def test_error(self, task: str, label: str, reference: str = "", metric: str | None = None) -> float:
        """Standard error over test examples, of a model or of its difference from another.

        Where outcomes of examples were not kept, it follows from the scores' own: that of a mean is at most their mean.
        """
        asked = self.metric(task, metric)
        for pair in ((label, reference), (reference, label)) if reference else ((label, ""),):
            if (task, *pair, asked) in self._test_errors:
                return self._test_errors[task, *pair, asked]
        own = [self._own_errors.get((task, each, asked), math.nan) for each in (label, reference) if each]
        return math.hypot(*own)

    def mean(self, task: str, label: str, metric: str | None = None) -> dict[str, Any]:
        """The mean over the seeds that did not fail, with its interval."""
        interval = mean_interval(
            self.scores(task, label, metric),
            self.scale(task, metric, [label]),
            self.test_error(task, label, metric=metric),
        )
        return with_interval("score", interval)

    def summary(self, task: str, label: str) -> dict[str, Any]:
        """The primary metric of a model: mean with and without failed runs, every seed, and the share that solves."""
        own, every = self.scores(task, label), self.scores(task, label, failures=True)
        failed = {*self._failed.get((task, label), [])}
        shown = [FAILED if seed in failed else short(every[seed]) for seed in sorted({*every.index, *failed})]
        row: dict[str, Any] = {"metric": self.metric(task), **self.mean(task, label)}
        row |= self._above_shortcut(task, row["score"])
        row |= {"with_failures": float(every.mean()), "seeds": own.size, "by_seed": " ".join(shown) or None}
        threshold = self.threshold[task]
        better = own <= threshold if self.metric(task) in LESS_IS_BETTER else own >= threshold
        tried = 0 if pd.isna(threshold) else len(shown)
        return row | with_interval("solved", solved_share(int(better.sum()), tried))

    def _above_shortcut(self, task: str, score: float) -> dict[str, float]:
        """The score of the best rule that does not solve the task, and how far a score is from it to the best one."""
        shortcut = self._shortcut.get(task, math.nan)
        best = 0.0 if self.primary[task] in LESS_IS_BETTER else 1.0
        return {"shortcut": shortcut, "skill": (score - shortcut) / (best - shortcut)}

    def difference(
        self, task: str, row: str, reference: str, metric: str | None = None, failures: bool = False
    ) -> dict[str, Any]:
        """Row minus reference over the seeds of both."""
        own, other = (self.scores(task, label, metric, failures) for label in (row, reference))
        error = self.test_error(task, row, reference, metric)
        found = paired_difference(own, other, self.scale(task, metric, [row, reference]), error)
        return {**with_interval("difference", found), "pairs": found.pairs}


NO_DIFFERENCE = {**with_interval("difference", (math.nan,) * 3), "pairs": 0}
"""What stands at a model that is compared with none."""


def short(value: float) -> str:
    """A score in three digits: `.984`."""
    return f"{value:.3f}".removeprefix("0")
