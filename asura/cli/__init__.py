"""The commands that the rules call, and a person may call; each imports only what it needs, and starts fast."""

import atexit
import gc
import sys

import typer

from asura.cli import data, reports, runs, studies
from asura.cli.messages import in_a_line
from asura.common.errors import UserError
from asura.common.world import world

app = typer.Typer(
    help="A fair harness for the study of depth recursion in transformers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    studies.plan,
    studies.sample,
    runs.train,
    runs.evaluate,
    runs.analyse,
    runs.generate,
    runs.export,
    reports.collect,
    reports.tables,
    reports.figures,
    studies.choose,
    reports.tuning,
    reports.analyses,
    reports.ablation,
    reports.effects,
    reports.report,
    reports.partial,
    studies.status,
    studies.verify,
    studies.outdated,
    studies.accept,
    studies.prune,
    data.fetch,
    data.corpus,
    data.benchmark_documents,
):
    app.command()(command)
app.command(hidden=True)(studies.reference)
app.command(hidden=True)(studies.write_plan)


def main() -> None:
    """Run a command; what went wrong is one line, and an exit code above zero."""
    atexit.register(gc.freeze)  # else the last garbage collection walks through all of torch, for a third of a second
    try:
        app()
    except Exception as error:
        line = in_a_line(error)
        if line is None:
            raise
        sys.exit(f"asura: {line}" if _is_first_here() or not isinstance(error, UserError) else 1)


def _is_first_here() -> bool:
    """Whether this process says what is wrong on its machine."""
    try:
        return world().local_rank == 0
    except UserError:
        return True
