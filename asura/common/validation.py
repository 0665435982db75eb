"""Checking what a person wrote: refused in one line that names the key and what is allowed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asura.common.errors import UserError

AnyModel = TypeVar("AnyModel", bound=BaseModel)

LARGEST = 2**20
"""The largest value of a size in a study; beyond it, someone has slipped on the keyboard."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
"""A name that is also a folder's: no shell and no file system reads anything else in it."""


class Settings(BaseModel):
    """Base of all settings: they cannot be changed, and an unknown key is an error.

    The docstring below a field is its description in the JSON schema and in the documentation. It is read from the
    source only when these are written: pydantic's `use_attribute_docstrings` would read it at every start, for 0.2 s.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@contextmanager
def in_file(source: str) -> Iterator[None]:
    """Say first of each error inside, which file it is in."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def checked(kind: type[AnyModel], data: Any, where: str) -> AnyModel:
    """Data found at the key path `where`, validated. Raises UserError."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(_explain(error, kind, where)) from None
    except RecursionError:
        raise UserError(f"{where or 'the file'}: it contains itself") from None


def mapping_at(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is a mapping. Raises UserError."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: found {short(value)}; give a mapping of settings")
    return dict(value)


def nearest(found: Any, allowed: Iterable[str]) -> str:
    """': found 'asurra'; did you mean 'asura'? Allowed: …', for a name that is none of `allowed`."""
    names = sorted(allowed)
    close = get_close_matches(str(found), names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f": found {short(found)}; {guess}allowed: {', '.join(names) or 'none'}"


def short(value: Any) -> str:
    """A value as found, cut to a length that leaves the line readable."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _explain(error: ValidationError, kind: type[BaseModel], where: str) -> str:
    """The first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(filter(None, [where, *path]))
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key{nearest(path[-1], _fields(kind, path[:-1]))}"
    if first["type"] == "missing":
        return f"{key}: it is missing; it must be given"
    if first["type"] in ("dict_type", "model_type"):
        return f"{key}: found {short(first['input'])}; give a mapping of settings"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return " ".join(f"{key}: found {short(first['input'])}; {message}".split())


def _fields(kind: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the fields of the model that stands at `path` inside `kind`."""
    for part in path:
        field = kind.model_fields.get(part)
        inner = [a for a in (field.annotation, *get_args(field.annotation)) if _is_model(a)] if field else []
        kind = inner[0] if inner else kind
    return list(kind.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
