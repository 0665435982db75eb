"""What a paper reports, beside what this study finds."""

import pandas as pd

from asura.planning.published import PAPERS
from asura.reporting.comparing import Comparing
from asura.reporting.frames import Results, members

CELLS = ("asura", "asura_full")
"""What the cells of the papers are."""


def beside_published(results: Results, name: str) -> pd.DataFrame:
    """A row for each number of the paper and each model that has its role here, in a cell of ASURA, with both."""
    here = members(results)
    here = here[here["cell_family"].str.split("+").str[0].isin(CELLS)]
    here = here.assign(benchmark=here["task"].str.split("/").str[-1])
    comparing = Comparing(results)
    rows = []
    for row in pd.read_csv(PAPERS[name]).merge(here, on=["benchmark", "role"], sort=False).itertuples():
        seeds = comparing.scores(row.task, row.label).size
        about = {"benchmark": row.benchmark, "metric": row.metric, "role": row.role, "model": row.label}
        rows.append(
            about
            | {"published": row.published, **comparing.mean(row.task, row.label), "seeds": seeds, "chance": row.chance}
        )
    return pd.DataFrame(rows)
