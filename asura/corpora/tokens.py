"""Token files: NumPy arrays that are written as a stream and mapped into memory, with an index of documents.

train.npy, test.npy: the tokens of all documents, each after an end-of-text token; uint16 where that holds them.
train.documents.npy, …: int64 (documents, 2), where each document ends in tokens, and its length in UTF-8 bytes.
manifest.json: sizes and SHA-256 of each of them; written last, so that a corpus is whole where it is there.
"""

from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import ArrayLike

from asura.common.errors import UserError
from asura.common.files import read_json, whole

REMEDY = "delete the folder, and run the workflow, which makes it again"


class ArrayWriter:
    """An array of unknown length, written as it comes; in the end its header is given the length."""

    def __init__(self, path: Path, dtype: type, columns: tuple[int, ...] = ()) -> None:
        self.path, self.dtype, self.columns, self.rows = path, np.dtype(dtype), columns, 0
        self._digest = sha256()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            aside = stack.enter_context(whole(self.path))
            self._file = stack.enter_context(aside.open("wb"))
            self._header()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *failed: Any) -> None:
        if failed == (None, None, None):
            self._file.seek(0)
            self._header()
        self._open.__exit__(*failed)

    def write(self, rows: ArrayLike) -> None:
        """Append rows. Raises OSError."""
        data = np.asarray(rows, dtype=self.dtype).reshape(-1, *self.columns)
        self._digest.update(data.tobytes())
        self._file.write(data.tobytes())
        self.rows += len(data)

    @property
    def note(self) -> dict[str, Any]:
        """What the manifest says of the array."""
        return {"shape": [self.rows, *self.columns], "dtype": self.dtype.name, "sha256": self._digest.hexdigest()}

    def _header(self) -> None:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.columns)}
        write_array_header_1_0(self._file, header)  # padded, so that the shape can grow


class Tokens(NamedTuple):
    """A split of a corpus: tokens (T,), and of each document its end in them and its bytes, (documents, 2)."""

    tokens: np.ndarray
    documents: np.ndarray


def read_tokens(folder: Path, split: str) -> Tokens:
    """Map a split into memory. Raises UserError where a file is missing, cut short, foreign or changed."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file; start a study of this text, which prepares it")
    manifest = read_json(path)
    return Tokens(*(_mapped(folder / f"{name}.npy", manifest) for name in (split, f"{split}.documents")))


def _mapped(path: Path, manifest: dict[str, Any]) -> np.ndarray:
    note = manifest.get("arrays", {}).get(path.stem)
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {REMEDY}") from None
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: it is no array, or cut short ({error}); {REMEDY}") from None
    if note is None or [*array.shape] != note["shape"] or array.dtype.name != note["dtype"]:
        raise UserError(f"{path}: found {array.dtype} {array.shape}, which is not what the manifest says; {REMEDY}")
    if _digest(array) != note["sha256"]:
        raise UserError(f"{path}: its content does not have the checksum it was written with; {REMEDY}")
    return array


def _digest(array: np.ndarray) -> str:
    state = sha256()
    for start in range(0, len(array), 1 << 20):
        state.update(array[start : start + (1 << 20)].tobytes())
    return state.hexdigest()
