"""Reading what a person wrote: files and mappings, refused in one line that names the key and what is allowed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from asura.errors import UserError

AnyModel = TypeVar("AnyModel", bound=BaseModel)


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
    return f": found {short(found)}; {guess}allowed: {', '.join(names)}"


def short(value: Any) -> str:
    """A value as found, cut to a length that leaves the line readable."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file, in which no key stands twice. Raises UserError."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: it cannot be read ({error})") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: it is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}; a study is a mapping of keys to values")
    return content


def _explain(error: ValidationError, kind: type[BaseModel], where: str) -> str:
    """The first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(filter(None, [where, *path]))
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key{nearest(path[-1], _fields(kind, path[:-1]))}"
    if first["type"] == "missing":
        return f"{key}: it is missing; it must be given"
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


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that stands twice rather than dropping the first."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
