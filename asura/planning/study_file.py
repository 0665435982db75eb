"""A study as it stands in its file: paths in it count from its folder, whatever folder a command runs in."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum
from asura.common.validation import in_file
from asura.common.yaml_file import read_yaml
from asura.corpora.tokenizer_paths import own_tokenizer
from asura.planning.external_file import rows_of
from asura.planning.plugins import PATHS, at_their_places

FEWEST = 257
"""Tokens that a vocabulary has at least."""


def read_study(path: Path) -> dict[str, Any]:
    """Read a study file. Raises UserError."""
    content = read_yaml(path)
    with in_file(str(path)):
        return as_placed(content, {path: content})


def as_placed(
    config: Mapping[str, Any],
    said: Mapping[Path, Mapping[str, Any]],
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """A study whose paths count from the folder that commands run in, and outside of that are absolute.

    said: what each file says that the study is read from. A path starts from the folder of the last one that says it.
    overrides: what the command line says in place of that; a path in it starts from the folder that commands run in.

    Where a file of external scores is named, its rows stand. A corpus with a tokenizer of its own has the vocabulary of
    that. Plugins are named by their places in the results. Of the study.json that a plan has written, nothing else is
    left to place. Raises UserError.
    """
    sources = [*((file.parent, content) for file, content in said.items()), (Path(), overrides)]

    def folder(*keys: str) -> Path:
        return next((folder for folder, content in reversed(sources) if _has(content, keys)), sources[0][0])

    placed = dict(config)
    if not any(file.name == "study.json" and file.with_name("plan.json").is_file() for file in said):
        if isinstance(config.get("external"), str):
            placed["external"] = rows_of(folder("external") / config["external"])
        for key, place in (("tasks", _task), ("evaluated", _evaluated)):
            if isinstance(entries := config.get(key), Mapping):
                placed[key] = {name: place(entry, folder(key, name)) for name, entry in entries.items()}
    for key in PATHS:
        placed = at_their_places(placed, folder(key), [key])
    return placed


def _has(content: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True


def _evaluated(entry: Any, folder: Path) -> Any:
    """A model of other code with the places of the files in its settings, and their checksums."""
    files: dict[str, str] = {}

    def placed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: placed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [placed(each) for each in value]
        if not isinstance(value, str) or not os.path.isfile(folder / value):  # which bears what is no path
            return value
        path = _placed(value, folder)
        files[path] = checksum(folder / value)
        return path

    if not isinstance(entry, Mapping) or "settings" not in entry:
        return entry
    placed_entry = {**entry, "settings": placed(entry["settings"])}
    return {**placed_entry, "files": files} if files else placed_entry


def _task(entry: Any, folder: Path) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("corpus"), Mapping):
        return entry
    corpus = dict(entry["corpus"])
    if isinstance(paths := corpus.get("paths"), list):
        corpus["paths"] = [_placed(path, folder) if isinstance(path, str) else path for path in paths]
    if tokenizer := own_tokenizer(corpus):
        corpus["tokenizer"] = _placed(str(corpus["tokenizer"]), folder)
        with suppress(UserError):  # which the check of the corpus raises
            corpus.setdefault("vocabulary", max(FEWEST, _size(folder / tokenizer)))
    return {**entry, "corpus": corpus}


def _placed(path: str, folder: Path) -> str:
    """A path in a file of a folder, as seen from the folder that commands run in."""
    if folder.resolve() == Path.cwd():
        return path
    place = os.path.abspath(folder / path)
    return os.path.relpath(place) if place.startswith(f"{Path.cwd()}{os.sep}") else place


def _size(path: Path) -> int:
    from asura.corpora.tokenizers import own, size  # which only studies of text need

    return size(own(path))
