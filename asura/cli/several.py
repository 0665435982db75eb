"""Several runs by one command: each has its own log, and fails alone."""

import io
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

from asura.cli.messages import in_a_line
from asura.common.errors import UserError
from asura.common.log_lines import FAILED
from asura.common.world import world
from asura.training.signals import INTERRUPTED, Stopped


class Log(io.TextIOBase):
    """A text file that begins anew when something is written to it, so that a run with nothing to do keeps its log."""

    def __init__(self, path: Path) -> None:
        self.path, self.is_begun = path, False

    def write(self, text: str) -> int:
        """Append, at once."""
        with self.path.open("a" if self.is_begun else "w", encoding="utf-8") as file:
            self.is_begun = True
            return file.write(text)


def one_by_one(folders: Sequence[Path], log: str | None, work: Callable[[Path], str]) -> None:
    """Do the work in the folder of each run, and print what it says of it; where one fails, go on with the next.

    log: name of the file in the folder of a run that takes what the work prints, and how it ended; None for the
        terminal.

    Raises what the work does where there is one run or it was asked to stop, and else UserError, which names the runs
    that failed.
    """
    failed = []
    for folder in folders:
        own = Log(folder / log) if log else None
        try:
            said = _printing_to(own, folder, work)
        except (Stopped, KeyboardInterrupt) as stop:
            _tell(f"asura: {folder}: {stop if isinstance(stop, Stopped) else INTERRUPTED}", own)
            raise
        except Exception as error:
            line = in_a_line(error)
            if own:
                own.write(f"{'' if line else traceback.format_exc()}{FAILED}{line or repr(error)}\n")
            if len(folders) == 1:
                raise
            failed.append(folder.name)
            _tell(f"asura: {folder}: {line or repr(error)}", None)
        else:
            _tell(f"{folder}: {said}", own if own and own.is_begun else None)
    if failed:
        raise UserError(f"{len(failed)} of {len(folders)} runs failed: {', '.join(failed)}")


def _printing_to(own: Log | None, folder: Path, work: Callable[[Path], str]) -> str:
    with ExitStack() as stack:
        if own:
            stack.enter_context(redirect_stdout(own))
            stack.enter_context(redirect_stderr(own))
        return work(folder)


def _tell(line: str, own: Log | None) -> None:
    """Print a line, if this process speaks for all that share its work, and add it to the log of the run."""
    if world().rank == 0:
        print(line, file=sys.stderr if line.startswith("asura: ") else sys.stdout, flush=True)
        if own:
            own.write(f"{line}\n")
