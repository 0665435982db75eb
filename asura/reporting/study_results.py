"""The tidy frames of a study for analysis in Python, in which no column mixes quantities."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from asura.common.errors import UserError
from asura.common.validation import nearest
from asura.reporting.collect import read_results
from asura.reporting.frames import CELL, COST, STUDY_MODEL, Results, headline, without_benchmarks

RULES = ("train", "evaluate")
"""What a row of the frame `resources` is of."""

HEADLINE = ["task", "label", "role", "seed", "architecture", "n", "i", "status", "metric", "score", "standard_error"]
HEADLINE += ["chance", *COST]
"""Columns of the frame `headline`."""


@dataclass(frozen=True)
class StudyResults:
    """What a study measured, as pandas frames. docs/python.md says what each column is.

    A frame that would have several quantities in one column is a method, and its argument says which quantity is
    wanted: a mean is never one over accuracies and bits per byte.
    """

    runs: pd.DataFrame
    """One row for each run: the model, its seed, what it costs and how its training ended."""
    roles: pd.DataFrame
    """One row for each control of each cell, with how far it is from its target."""
    questions: pd.DataFrame
    """One row for each question of the study."""
    curves: pd.DataFrame
    """One row for each line that a training logged: loss and accuracy, each in a column of its own."""
    _mixed: Results

    @property
    def headline(self) -> pd.DataFrame:
        """One row for each run: its score in the metric that ranks models, on the test split, as trained; its costs.

        A run without a score has a row too, and says why in `status`. Scores on benchmarks are in `scores`.
        """
        key = ["task", "label", "seed"]
        score = headline(self._mixed)[[*key, "value", "standard_error"]].rename(columns={"value": "score"})
        runs = without_benchmarks(self.runs).merge(score, on=key, how="left", validate="1:1")
        cells = {*zip(self.roles["task"], self.roles["control_of"], strict=True)}
        controls = self.roles.groupby(key[:2], sort=False)["control"].agg(lambda names: " ".join(names.unique()))
        runs["role"] = [
            CELL if place in cells else controls.get(place, STUDY_MODEL)
            for place in zip(runs["task"], runs["label"], strict=True)
        ]
        return runs[["study", *HEADLINE] if "study" in runs else HEADLINE]

    @property
    def metrics(self) -> list[str]:
        """Names of what was scored: metrics, and what models measure of themselves."""
        return sorted(self._mixed.scores["metric"].unique())

    def scores(self, metric: str) -> pd.DataFrame:
        """One row for each run, split and number of iterations at evaluation, in one metric.

        Raises UserError for a metric that the study does not have.
        """
        return _only(self._mixed.scores, "metric", metric, self.metrics)

    def test_errors(self, metric: str) -> pd.DataFrame:
        """Standard errors over test examples of the mean over seeds of a model or, with a `reference`, of a difference.

        They are known for the metric that ranks models. Raises UserError for a metric that the study does not have.
        """
        return _only(self._mixed.test_errors, "metric", metric, self.metrics)

    def snapshots(self, metric: str) -> pd.DataFrame:
        """One row for each run, split and snapshot of its weights, in one metric. Empty if none was evaluated.

        Raises UserError for a metric that the study does not have.
        """
        return _only(self._mixed.snapshots, "metric", metric, self.metrics)

    def sweep(self, metric: str) -> pd.DataFrame:
        """One row for each run, difficulty and number of iterations, in one metric. Empty if nothing was swept.

        Raises UserError for a metric that the study does not have.
        """
        return _only(self._mixed.sweep, "metric", metric, self.metrics)

    def external(self, metric: str) -> pd.DataFrame:
        """One row for each score that others report, in one metric, with its source. Empty if the study names none.

        Raises UserError for a metric that the study does not have.
        """
        return _only(self._mixed.external, "metric", metric, self.metrics)

    def resources(self, rule: str) -> pd.DataFrame:
        """What each run took in time and memory to `train` or to `evaluate`. Raises UserError for another rule."""
        return _only(self._mixed.resources, "rule", rule, RULES)


def results(study: str | Path) -> StudyResults:
    """Read the tidy frames of a study, which its workflow has written.

        from asura import results

        scores = results("results/default").scores("accuracy")

    study: the results of a study: results/NAME.

    Raises UserError where it has not been collected.
    """
    found = read_results(Path(study) / "tidy")
    return StudyResults(found.runs, found.roles, found.questions, found.curves, found)


def _only(frame: pd.DataFrame, column: str, value: str, known: Collection[str]) -> pd.DataFrame:
    """The rows with this value, which must be a known one."""
    if value not in known:
        raise UserError(f"{column}: no such value{nearest(value, known)}")
    return frame[frame[column] == value].reset_index(drop=True)
