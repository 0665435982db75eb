"""What a paper reports, beside what this study finds."""

import pandas as pd

from asura.planning.published import PAPERS
from asura.reporting.frames import Results, headline_by_model, members
from asura.reporting.statistics import mean_interval
from asura.reporting.tables import with_interval

CELLS = ("asura", "asura_full")
"""What the cells of the papers are."""


def beside_published(results: Results, name: str) -> pd.DataFrame:
    """A row for each number of the paper and each model that has its role here, in a cell of ASURA, with both."""
    here = members(results)
    here = here[here["cell_family"].str.split("+").str[0].isin(CELLS)]
    here = here.assign(benchmark=here["task"].str.split("/").str[-1])
    scores = headline_by_model(results)
    rows = []
    for row in pd.read_csv(PAPERS[name]).merge(here, on=["benchmark", "role"], sort=False).itertuples():
        own = scores.get((row.task, row.label), pd.Series(dtype=float))
        ours = with_interval("score", mean_interval(own))
        about = {"benchmark": row.benchmark, "metric": row.metric, "role": row.role, "model": row.label}
        rows.append(about | {"published": row.published, **ours, "seeds": own.size, "chance": row.chance})
    return pd.DataFrame(rows)
