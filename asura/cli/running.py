"""A study by one command: Snakemake, with the workflow of this package."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from asura.cli.options import StudyFile
from asura.common.errors import UserError
from asura.common.version import PACKAGE

CORES = ("--cores", "-c", "--jobs", "-j", "--profile")
"""Options that say how many jobs run at a time; a short one may have its value right behind it."""


def run(
    context: typer.Context,
    study: StudyFile,
    results: Annotated[Path | None, typer.Option(help="Folder of all results; ASURA_RESULTS, or `results`.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of packages and corpora; ASURA_DATA, or `data`.")] = None,
) -> None:
    """Run a study, or resume it. All other options are those of Snakemake: `asura run STUDY --dry-run`.

    Without --cores, --jobs or --profile, all cores are used. `--profile slurm` is the profile of this package.
    """
    if not study.is_file():
        raise UserError(f"{study}: no such file; give the study first, and then options of Snakemake")
    os.environ["PYTHONSAFEPATH"] = "1"  # or a file here would stand for a module of the same name
    folders = {"ASURA_RESULTS": results, "ASURA_DATA": data}
    os.environ.update({name: str(folder) for name, folder in folders.items() if folder})
    _become_snakemake([*_options(context.args), "--configfile", str(study)])  # last: it takes all that is behind it


def workflow_folder() -> Path:
    """The folder of Snakefile, rules and profiles: inside an installed package, and at the top of a checkout."""
    installed = PACKAGE / "workflow"
    return installed if installed.is_dir() else PACKAGE.parent


def _options(given: Sequence[str]) -> Iterator[str]:
    """Options for Snakemake, with its number of cores and the place of a profile of this package."""
    if not any(_says_cores(option) for option in given):
        yield from ("--cores", "all")
    for before, option in zip(["", *given], given, strict=False):
        if before == "--profile":
            yield _profile(option)
        elif option.startswith("--profile="):
            yield f"--profile={_profile(option.removeprefix('--profile='))}"
        else:
            yield option


def _says_cores(option: str) -> bool:
    is_short = option.startswith(("-c", "-j")) and (option[2:] == "all" or option[2:].isdecimal())
    return is_short or option.partition("=")[0] in CORES


def _profile(name: str) -> str:
    """The place of a profile of this package, unless there is another of its name."""
    own = workflow_folder() / "profiles" / name.removeprefix("profiles/")
    return str(own) if own.is_dir() and not Path(name).exists() else name


def _become_snakemake(arguments: Sequence[str]) -> NoReturn:
    """Let Snakemake take the place of this process, so that signals reach it."""
    sys.stdout.flush()
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow_folder() / "Snakefile")]
    os.execv(sys.executable, [*snakemake, *arguments])
