"""Documents of local files: which files a corpus has, and the texts in each."""

import bz2
import glob
import gzip
import io
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.common.validation import nearest
from asura.corpora.skipped import Skipped

LOOKED_AT = 1000
"""Rows that are read before a column that none of them has is refused."""

BLOCK = 1 << 20
"""Characters of a text file that are read at once where it is cut into documents."""


def _zstandard(path: Path) -> IO[bytes]:
    import pyarrow

    stream: IO[bytes] = pyarrow.input_stream(str(path), compression="zstd")
    return stream


OPENED_BY: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}
PACKED = (".txt", ".jsonl", ".json")
"""Kinds of files that may be compressed."""

KINDS = ".txt, .jsonl, .json, .parquet and .arrow, the first three also as .gz, .bz2, .xz and .zst"
DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
"""What reading a file raises that is cut short, damaged or no UTF-8."""


def files_of(paths: Iterable[str]) -> list[Path]:
    """The files at paths and patterns, each once, in the order of the patterns. Raises UserError."""
    found: dict[str, Path] = {}
    for pattern in paths:
        for path in _matches(pattern):
            if _kind(path) is None:
                raise UserError(f"{path}: a corpus is read from {KINDS}")
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _files_in(folder: Path) -> list[Path]:
    """What can be read of a folder and of those in it; where `datasets` has saved it, the files that it names."""
    try:
        if (splits := folder / "dataset_dict.json").is_file():
            return [path for split in read_json(splits)["splits"] for path in _files_in(folder / split)]
        if (state := folder / "state.json").is_file():
            return [folder / file["filename"] for file in read_json(state)["_data_files"]]
    except (KeyError, TypeError):
        raise UserError(f"{folder}: it is not as `save_to_disk` of datasets leaves a folder") from None
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if not path.name.startswith("."):
            found += _files_in(path) if path.is_dir() else [path] * (_kind(path) is not None)
    return found


def _matches(pattern: str) -> list[Path]:
    """What is at a pattern. Brackets may also stand for themselves, as in `texts [2024]/*.txt`."""
    if os.path.isdir(pattern):
        if found := _files_in(Path(pattern)):
            return found
        raise UserError(f"{pattern}: nothing in this folder can be read; a corpus is read from {KINDS}")
    if os.path.lexists(pattern):
        return [Path(pattern)]
    for meant in (pattern, pattern.replace("[", "[[]")):
        if found := [Path(path) for path in sorted(glob.glob(meant, recursive=True)) if not os.path.isdir(path)]:
            return found
    raise UserError(f"{pattern}: no such file or folder; paths in a study count from the folder of its file")


def are_gone(paths: Iterable[str]) -> bool:
    """Whether nothing is left at any of these paths and patterns."""
    return not any(_is_there(pattern) for pattern in paths)


def _is_there(pattern: str) -> bool:
    if os.path.isdir(pattern):
        return bool(_files_in(Path(pattern)))
    return os.path.lexists(pattern) or bool(glob.glob(pattern, recursive=True))


def _kind(path: Path) -> str | None:
    """The suffix of a file that can be read, whether compressed or not; None of any other file."""
    packed = path.suffix in OPENED_BY
    kind = Path(path.stem).suffix if packed else path.suffix
    return kind if kind in (PACKED if packed else (*PACKED, ".parquet", ".arrow")) else None


def texts_of(path: Path, column: str, separator: str | None, skipped: Skipped) -> Iterator[str]:
    """The documents of a file. Raises UserError, which names the file, and the row where one is wrong."""
    try:
        match _kind(path):
            case ".txt":
                yield from _pieces(path, separator)
            case ".jsonl":
                yield from column_of(_lines(path), column, str(path), skipped)
            case ".json":
                yield from column_of(_json_rows(path, column), column, str(path), skipped)
            case ".arrow":
                yield from column_of(_arrow_rows(path, column), column, str(path), skipped)
            case _:
                yield from column_of(_parquet_rows(path, column), column, str(path), skipped)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: it cannot be read as UTF-8 text ({error})") from None
    except DAMAGE as error:
        raise UserError(f"{path}: it cannot be read ({_first_line(error)})") from None


def column_of(rows: Iterable[Mapping[str, Any]], column: str, where: str, skipped: Skipped) -> Iterator[str]:
    """The texts in a column. A row without one is skipped and counted; any other value is refused."""
    seen, others = False, list[str]()
    for number, row in enumerate(rows, 1):
        seen = seen or column in row
        others = others or list(row)
        if others and not seen and number >= LOOKED_AT:
            break
        text = row.get(column)
        if text is None:
            skipped.rows += 1
        elif isinstance(text, str):
            yield _encodable(text, f"{where}: row {number}: {column}")
        else:
            raise UserError(f"{where}: row {number}: {column}: found {type(text).__name__}; a document is a string")
    if others and not seen:
        raise UserError(f"{where}: column: no such column of text{nearest(column, others)}")


def _encodable(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: it is no Unicode text ({error.reason})") from None
    return text


def _open_text(path: Path) -> IO[str]:
    """A file as text, less a byte-order mark, in whatever way it is compressed."""
    stream = OPENED_BY.get(path.suffix, io.FileIO)(path)
    return io.TextIOWrapper(io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream, "utf-8-sig")


def _pieces(path: Path, separator: str | None) -> Iterator[str]:
    """A text file, cut at each separator."""
    with _open_text(path) as file:
        if separator is None:
            yield file.read()
            return
        rest = ""
        while block := file.read(BLOCK):
            *pieces, rest = (rest + block).split(separator)
            yield from pieces
        yield rest


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a file of JSON lines. A blank line counts as a row without text."""
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line) if line.strip() else {}
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}: row {number}: it is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}: row {number}: found {type(row).__name__}; a row is an object")
            yield row


def _json_rows(path: Path, column: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a JSON file: a list of objects or of strings, one object, or an object in each line."""
    try:
        with _open_text(path) as file:
            content = json.load(file)
    except (json.JSONDecodeError, RecursionError):
        yield from _lines(path)
        return
    for number, row in enumerate(content if isinstance(content, list) else [content], 1):
        if not isinstance(row, dict | str):
            raise UserError(f"{path}: row {number}: found {type(row).__name__}; a row is an object or a string")
        yield {column: row} if isinstance(row, str) else row


def _arrow_rows(path: Path, column: str) -> Iterator[Mapping[str, Any]]:
    """The rows of an Arrow file as `datasets` writes it, each only with its text, or with all keys without one."""
    import pyarrow.ipc

    with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
        names = stream.schema.names
        if column not in names:
            yield dict.fromkeys(names)
            return
        for batch in stream:
            for text in batch.column(column).to_pylist():
                yield {column: text}


def _parquet_rows(path: Path, column: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a Parquet file, each only with its text, or with all keys if there is no such column."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if column not in names:
            yield from [dict.fromkeys(names)] * min(file.metadata.num_rows, 1)
            return
        for batch in file.iter_batches(batch_size=LOOKED_AT, columns=[column]):
            for text in batch.column(0).to_pylist():
                yield {column: text}


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
