"""Every analysis runs on every architecture, or says in one line why it does not apply."""

import math

import pytest

from asura.analysis import ANALYSES
from asura.analysis.subject import NotApplicable
from asura.planning.analysis_settings import Analyses
from asura.planning.outputs import ANALYSIS_FRAMES
from tests.analysis.subjects import subject
from tests.models.variants import VARIANTS, small

LEFT_OUT = {("exits", "vanilla"), ("exits", "deq"), ("fixed_points", "vanilla"), ("fixed_points", "act")}
"""Analyses that do not apply to an architecture, or to its halting."""
QUICK = {
    "dynamics": {"iterations": 8, "paths": 2},
    "fixed_points": {"iterations": 8, "examples": 1},
    "exits": {"thresholds": 1},
}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("analysis", ANALYSES)
def test_every_analysis_finds_rows_or_says_why_not(analysis, variant):
    asked = Analyses.model_validate({analysis: QUICK.get(analysis, {})})
    is_left_out = bool(LEFT_OUT & {(analysis, variant.get(key)) for key in ("architecture", "halting")})
    own = subject(small(**variant))
    try:
        tables = ANALYSES[analysis](own, getattr(asked, analysis))
    except NotApplicable as why:
        assert is_left_out and "\n" not in str(why)
        return
    assert not is_left_out
    assert analysis in tables and set(tables) <= set(ANALYSIS_FRAMES[analysis])
    for name, rows in tables.items():
        assert rows, name
        assert all(row.keys() == rows[0].keys() for row in rows)
        assert not any(isinstance(value, float) and math.isinf(value) for row in rows for value in row.values()) or (
            analysis == "exits"  # whose last threshold stops everything
        )
