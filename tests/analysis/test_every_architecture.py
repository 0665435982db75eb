"""Every analysis runs on every architecture, or says in one line why it does not apply."""

import math

import pytest

from asura.analysis import ANALYSES
from asura.analysis.subject import NotApplicable
from asura.planning.analysis_settings import Analyses
from asura.planning.outputs import ANALYSIS_FRAMES
from tests.analysis.subjects import subject
from tests.models.variants import VARIANTS, small

LEFT_OUT = {("exits", "vanilla"), ("exits", "deq")}
QUICK = {"dynamics": {"iterations": 8, "paths": 2}, "exits": {"thresholds": 1}}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("analysis", ANALYSES)
def test_every_analysis_finds_rows_or_says_why_not(analysis, variant):
    asked = Analyses.model_validate({analysis: QUICK.get(analysis, {})})
    own = subject(small(**variant))
    try:
        tables = ANALYSES[analysis](own, getattr(asked, analysis))
    except NotApplicable as why:
        assert (analysis, variant["architecture"]) in LEFT_OUT and "\n" not in str(why)
        return
    assert (analysis, variant["architecture"]) not in LEFT_OUT
    assert analysis in tables and set(tables) <= set(ANALYSIS_FRAMES[analysis])
    for name, rows in tables.items():
        assert rows, name
        assert all(row.keys() == rows[0].keys() for row in rows)
        assert not any(isinstance(value, float) and math.isinf(value) for row in rows for value in row.values()) or (
            analysis == "exits"  # whose last threshold stops everything
        )
