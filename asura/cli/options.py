"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The YAML file of a study.")]
StudyResults = Annotated[Path, typer.Argument(metavar="RESULTS", help="The results of a study: results/NAME.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of torch on the CPU; results may differ in the last bits.")]
Processes = Annotated[
    int, typer.Option(min=1, help="Processes that share the work, one for each GPU; torchrun has its own number.")
]
LogName = Annotated[
    str | None,
    typer.Option("--log", metavar="NAME", help="A file in the folder of each run for what is said of it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
