"""The verdicts of a study: each of its questions, tested, and corrected for their number."""

import math

import pandas as pd

from asura.common.metrics import LESS_IS_BETTER
from asura.reporting.comparing import Comparing
from asura.reporting.frames import Results
from asura.reporting.statistics import ERROR, equivalence_p, holm, permutation_p

COLUMNS = ["question", "task", "model", "reference", "metric", "score", "reference_score"]
COLUMNS += ["difference", "difference_low", "difference_high", "p", "margin", "equivalence_p", "verdict", "pairs"]


def questions(results: Results) -> pd.DataFrame:
    """A row for each question: the difference over paired seeds, p corrected by Holm, and the verdict.

    A failed run counts at chance. A margin is a test of its own in the correction.
    """
    comparing = Comparing(results)
    rows = []
    for place, asked in enumerate(results.questions.itertuples(), 1):
        of = (asked.task, asked.label, asked.reference, asked.metric)
        own, other = (comparing.scores(asked.task, label, asked.metric, True) for label in of[1:3])
        scale, error = comparing.scale(asked.task, asked.metric, of[1:3]), comparing.test_error(*of)
        equivalence = math.nan if pd.isna(asked.margin) else equivalence_p(own, other, asked.margin, scale, error)
        row = {"question": f"{place}{' (primary)' if place == 1 else ''}", "task": asked.task, "model": asked.label}
        row |= {"reference": asked.reference, "metric": asked.metric, "margin": asked.margin}
        row |= {"score": own.mean(), "reference_score": other.mean(), **comparing.difference(*of, failures=True)}
        rows.append(row | {"p": permutation_p(own, other), "equivalence_p": equivalence})
    table = pd.DataFrame(rows, columns=COLUMNS)
    asks_both = table["margin"].notna()
    corrected = holm([*table["p"], *table.loc[asks_both, "equivalence_p"]])
    table["p"] = pd.Series(corrected[: len(table)], dtype=float)
    table.loc[asks_both, "equivalence_p"] = corrected[len(table) :]
    table["verdict"] = [_verdict(row) for row in table.to_dict("records")]
    return table


def _verdict(row: dict) -> str:
    if row["equivalence_p"] < ERROR:
        return f"equivalent within ±{row['margin']:g}"
    if row["p"] < ERROR:
        return "better" if (row["difference"] > 0) != (row["metric"] in LESS_IS_BETTER) else "worse"
    return "not shown to differ" if row["pairs"] else "no paired seeds"
