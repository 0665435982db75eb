"""Ways of using the workflow, or of writing a study, that are refused in one line."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.validation import in_file
from asura.corpora.checks import check_corpus


@contextmanager
def refusing() -> Iterator[None]:
    """End the process with one line if the study is wrong or its files cannot be written."""
    try:
        yield
    except UserError as error:
        sys.exit(f"asura: {error}")
    except OSError as error:
        sys.exit(f"asura: {error.filename}: {error.strerror}")


def refuse_include(is_included: bool) -> None:
    """Raises UserError where another Snakefile reads ours by `include:`, since its default target would be lost."""
    if is_included:
        raise UserError(
            "include: the default target of this Snakefile would be lost; write `module asura: snakefile: …, "
            "config: config` and `use rule * from asura`, as docs/extending.md shows"
        )


def refuse_no_study(config: Mapping[str, Any]) -> None:
    """Raises UserError where no study is given, as in another Snakefile that only says `module`."""
    if not config:
        raise UserError(
            'no study is given: write `configfile: "STUDY.yaml"` above `module asura`, or give --configfile STUDY.yaml'
        )


def refuse_texts(corpora: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UserError where the corpus of a task is to be prepared, and its files or its tokenizer cannot be read."""
    for task, settings in corpora.items():
        with in_file(f"tasks.{task}.corpus"):
            check_corpus(settings)


def refuse_files(*folders: Path) -> None:
    """Raises UserError where something else stands in the place of one of these folders."""
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: it is no folder; rename it, since results are to be written there")
