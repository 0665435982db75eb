"""How a study stands, as a person reads it."""

import os
import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asura.common.log_lines import duration
from asura.planning.run_folder import FAILURES
from asura.planning.study_status import ACTIVE, AGAIN, StudyStatus, study_status

REFRESH = 2.0
"""Seconds between two looks."""
SHOWN = (*ACTIVE, *FAILURES, *AGAIN)
"""States of runs that have a line of their own; the others are counted."""
MOST = 50
"""Most lines of runs; the rest is counted."""


def print_status(study: Path, watch: bool) -> None:
    """Print how a study stands, or show it until all is done or the user has seen enough. Raises UserError."""
    status = study_status(study, time.time())
    console = Console(width=None if os.isatty(1) else 200, highlight=False)
    if not watch:
        console.print(page(study, status))
        return
    with Live(page(study, status), console=console, refresh_per_second=1, vertical_overflow="visible") as live:
        while not status.is_done:
            time.sleep(REFRESH)
            status = study_status(study, time.time())
            live.update(page(study, status))


def page(study: Path, status: StudyStatus) -> Group:
    """Counts for each task, a line for each run that is at work or failed, and an estimate for the whole."""
    parts: list[RenderableType] = [Text(f"{study}: {_counts(status, 'runs/')} of {len(status.runs)} runs")]
    tasks = list(dict.fromkeys(name.split("/")[1] for name in status.runs))
    if len(tasks) > 1:
        parts += [Text(f"  {task}: {_counts(status, f'runs/{task}/')}") for task in tasks]
    table = _runs(status)
    if table.rows:
        parts += [Text(), table]
    return Group(*parts, Text(), Text(_whole(status)))


def _counts(status: StudyStatus, prefix: str) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in status.counts(prefix).items())


def _runs(status: StudyStatus) -> Table:
    table = Table("run", "state", box=None, header_style="bold", pad_edge=False)
    for name in ("step", "loss", "steps/s", "time left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    shown = sorted(
        (name for name, each in status.runs.items() if each.state in SHOWN),
        key=lambda name: SHOWN.index(status.runs[name].state),
    )
    for name in shown[:MOST]:
        each, left = status.runs[name], status.left[name]
        table.add_row(
            name.removeprefix("runs/"),
            each.state,
            f"{each.step:,} of {status.steps[name]:,}",
            "–" if each.loss is None else f"{each.loss:.4g}",
            f"{each.per_second:.3g}" if each.per_second else "–",
            duration(left) if left and each.state in ACTIVE else "–",
            each.detail,
        )
    if len(shown) > MOST:
        table.add_row(f"and {len(shown) - MOST:,} more")
    return table


def _whole(status: StudyStatus) -> str:
    if status.is_done:
        return "All runs are done."
    if status.total is None:
        return "The time left is not known until a run has been trained for a while."
    if not status.active:
        return f"Nothing runs. One job after another would take about {duration(status.total)}."
    jobs = f"{status.active} job{'s' if status.active > 1 else ''} at work"
    return f"About {duration(status.total)} left with {jobs}, and then tables, figures and the report."
