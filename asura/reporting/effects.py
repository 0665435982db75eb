"""Main effects and interactions of the settings of a factorial ablation."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from asura.common.errors import UserError
from asura.planning.factors import Levels, combination_of
from asura.reporting.frames import Results, headline
from asura.reporting.names import setting_name, spaced
from asura.reporting.statistics import ERROR
from asura.reporting.tables import write_table


def effects(results: Results, factors: Levels) -> pd.DataFrame:
    """One row for each effect of each task: how much the mean score changes, averaged over all other factors.

    A main effect is the score with a value minus that with the first value. An interaction of two factors is how much
    the effect of the one changes with the other, and so on. The interval is that of Student's t with the residual
    variance after models and seeds, since all models of a seed see the same data. Runs that failed leave out their
    seed. Raises UserError where a combination of values was not run.
    """
    rows = []
    scores = headline(results)
    for task, of_task in scores.groupby("task", sort=False):
        metric = of_task["metric"].iloc[0]
        table = of_task.assign(cell=[combination_of(label, factors) for label in of_task["label"]])
        table = table.pivot(index="seed", columns="cell", values="value").dropna()
        cells = list(product(*factors.values()))
        if missing := [cell for cell in cells if cell not in table.columns]:
            raise UserError(f"factors: no run of {task} with {' and '.join(missing[0])} has a score")
        values = table[cells].to_numpy()
        for name, contrast in _contrasts(factors):
            rows.append({"task": task, "effect": name, "metric": metric, **_estimate(values, contrast)})
    return pd.DataFrame(rows)


def _contrasts(factors: Levels) -> Iterator[tuple[str, np.ndarray]]:
    """Each effect in words, with the weight of each combination of values: main effects first."""
    for size in range(1, len(factors) + 1):
        for names in combinations(factors, size):
            for levels in product(*(factors[name][1:] for name in names)):
                chosen = dict(zip(names, levels, strict=True))
                parts = [_weights(values, chosen.get(name)) for name, values in factors.items()]
                weights = parts[0]
                for part in parts[1:]:
                    weights = np.multiply.outer(weights, part)
                words = (_words(name, level, factors[name]) for name, level in chosen.items())
                yield " × ".join(words), weights.ravel()


def _weights(values: Sequence[str], chosen: str | None) -> np.ndarray:
    """Of each value of a factor: the chosen one minus the first; or the mean of all, if none is chosen."""
    if chosen is None:
        return np.full(len(values), 1 / len(values))
    return np.array([(value == chosen) - (k == 0) for k, value in enumerate(values)], dtype=float)


def _words(name: str, level: str, levels: Sequence[str]) -> str:
    return setting_name(f"{name}={level}") + (f" (for {spaced(str(levels[0]))})" if len(levels) > 2 else "")


def _estimate(values: np.ndarray, contrast: np.ndarray) -> dict[str, float | int | str]:
    """The effect with its interval, and in every seed; `values` are (seeds, combinations)."""
    from scipy.stats import t

    seeds, cells = values.shape
    by_seed = values @ contrast
    residual = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    freedom = (seeds - 1) * (cells - 1)
    change = float(by_seed.mean())
    found: dict[str, float | int | str] = {"change": change}
    if freedom:
        error = np.sqrt((residual**2).sum() / freedom * (contrast**2).sum() / seeds)
        margin = float(t.isf(ERROR / 2, freedom) * error)
        found |= {"change_low": change - margin, "change_high": change + margin}
    return found | {"by seed": " ".join(f"{value:+.3f}" for value in by_seed), "seeds": seeds}


def write_effects(results: Results, factors: Levels, folder: Path) -> None:
    """Write the table of effects of the factors of an ablation. Raises UserError, OSError."""
    write_table(effects(results, factors), folder / "effects", None)
