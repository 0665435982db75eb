"""Checking what a person wrote: refused in one line that names the key and what is allowed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asura.common.errors import UserError
from asura.common.usual_names import USUAL_NAMES

AnyModel = TypeVar("AnyModel", bound=BaseModel)
Elsewhere = Mapping[str, Collection[str]]
"""Settings by the key of the mapping that they belong to; a dot stands between the keys of nested mappings."""

LARGEST = 2**20
"""The largest value of a size in a study; beyond it, someone has slipped on the keyboard."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
FACTORY = r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"
Factory = Annotated[str, Field(pattern=FACTORY)]
"""A class or a function of one's own, by its module and its name there: `mypackage.optimisers:Lion`."""

Name = Annotated[str, Field(pattern=NAME, max_length=80)]
"""A name that is also a folder's: no shell and no file system reads anything else in it."""


class Settings(BaseModel):
    """Base of all settings: they cannot be changed, and an unknown key is an error.

    The docstring below a field is its description in the JSON schema and in the documentation. It is read from the
    source only when these are written: pydantic's `use_attribute_docstrings` would read it at every start, for 0.2 s.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def stated(self) -> dict[str, Any]:
        """The settings that are not at their default, as they stand in JSON.

        A setting that a later version adds is at its default in all that was made before it, and so changes no result's
        identity.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


@contextmanager
def in_file(source: str) -> Iterator[None]:
    """Say first of each error inside, which file it is in."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def checked(kind: type[AnyModel], data: Any, where: str, elsewhere: Elsewhere = MappingProxyType({})) -> AnyModel:
    """Data found at the key path `where`, validated. Raises UserError, which names the place of what is `elsewhere`."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(_explain(error, kind, data, where, elsewhere)) from None
    except RecursionError:
        raise UserError(f"{where or 'the file'}: it contains itself") from None


def mapping_at(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is a mapping. Raises UserError."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: found {short(value)}; give a mapping of settings")
    return dict(value)


def nearest(found: Any, allowed: Iterable[str]) -> str:
    """': found 'asurra'; did you mean 'asura'? Allowed: …', for a name that is none of `allowed`."""
    names = sorted({*allowed})
    close = _alike(found, names)
    guess = f"did you mean {close!r}? " if close else ""
    return f": found {short(found)}; {guess}allowed: {', '.join(names) or 'none'}"


def _alike(found: Any, names: Collection[str], cutoff: float = 0.6) -> str | None:
    """The name that is meant: what others call so, or the one that is spelt most alike."""
    usual = USUAL_NAMES.get(str(found))
    close = [usual] if usual in names else get_close_matches(str(found), names, n=1, cutoff=cutoff)
    return close[0] if close else None


def short(value: Any) -> str:
    """A value as found, cut to a length that leaves the line readable."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class _Place(NamedTuple):
    """Where something is wrong: the keys down to it, as they stand in the file, and the types allowed there."""

    keys: tuple[str, ...]
    parents: list[Any]
    types: list[Any]


def _explain(error: ValidationError, kind: type[BaseModel], data: Any, where: str, elsewhere: Elsewhere) -> str:
    """The first thing that is wrong. A setting of several forms is wrong in each of them, and all are named."""
    found = [(_place(each, kind, data), each) for each in error.errors(include_url=False)]
    start = found[0][0].keys
    place, first = max((f for f in found if f[0].keys[: len(start)] == start), key=lambda f: len(f[0].keys))
    key = ".".join(filter(None, [where, *place.keys]))
    if first["type"] == "extra_forbidden":
        return f"{key}: {_no_such_key(place.keys[-1], place.parents, elsewhere if len(place.keys) == 1 else {})}"
    if first["type"] == "missing":
        return f"{key}: it is missing; it must be given"
    if first["type"] == "union_tag_not_found":
        return f"{key}.{_discriminator(first)}: it is missing; it must be given"
    if first["type"] == "union_tag_invalid":
        tag, _, last = first["ctx"]["expected_tags"].rpartition(", ")
        return f"{key}.{_discriminator(first)}: found {short(first['ctx']['tag'])}; give {tag} or {last}"
    if first["type"] == "value_error":
        message = _small(first["msg"].removeprefix("Value error, "))
        return f"{key}: {message}" if key else message
    asked = dict.fromkeys(_asked(each, place.types) for at, each in found if at.keys == place.keys)
    return " ".join(f"{key}: found {short(first['input'])}; {' or '.join(asked).replace(' or give ', ' or ')}".split())


def _no_such_key(found: str, parents: list[Any], elsewhere: Elsewhere) -> str:
    fields = [item for model in parents if _is_model(model) for item in model.model_fields.items()]
    own = [name for name, field in fields if field.repr]  # what the program itself sets is not shown
    allowed = [*own, *(place for place in elsewhere if "." not in place)]
    for place, names in elsewhere.items():
        name = found if found in names else USUAL_NAMES.get(found)
        if name and name in names and USUAL_NAMES.get(found) not in own:
            return f"no such key here; write it as `{_written(place, name)}`"
    if not _alike(found, allowed):
        for place, names in elsewhere.items():
            if close := _alike(found, names, cutoff=0.8):
                return f"no such key: found {short(found)}; did you mean `{_written(place, close)}`?"
    return f"no such key{nearest(found, allowed)}"


def _written(place: str, name: str) -> str:
    """A setting in the mapping that it belongs to, as in a study file."""
    text = f"{name}: …"
    for part in reversed(place.split(".")):
        text = f"{part}: {{{text}}}"
    return text


def _place(error: Any, kind: type[BaseModel], data: Any) -> _Place:
    """Parts of pydantic's path that are no key of the data name one of several forms, and are left out."""
    place = _Place((), [], [kind])
    for depth, part in enumerate(error["loc"]):
        items = data if isinstance(data, Mapping) else dict(enumerate(data)) if isinstance(data, list | tuple) else {}
        name = next((key for key in items if key == part or str(key) == part), None)
        if name is not None:
            data = items[name]
            place = _Place((*place.keys, str(part)), place.types, _types_at(place.types, part))
        elif error["type"] == "missing" and depth == len(error["loc"]) - 1:
            place = place._replace(keys=(*place.keys, str(part)))
        else:
            form = [each for each in place.types if _is_model(each) and part in _literals(each)]
            place = place._replace(types=form or place.types)
    return place


def _types_at(types: list[Any], key: Any) -> list[Any]:
    """Types of what stands at a key of something that is of one of these types."""
    inner: list[Any] = []
    for each in types:
        if _is_model(each) and key in each.model_fields:
            inner += _forms(each.model_fields[key].annotation)
        elif get_origin(each) in (dict, list, tuple):
            inner += _forms(get_args(each)[-1 if get_origin(each) is dict else 0])
    return inner


def _forms(annotation: Any) -> list[Any]:
    """The types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        return _forms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [form for each in get_args(annotation) for form in _forms(each)]
    return [annotation]


def _literals(model: type[BaseModel]) -> list[Any]:
    fields = model.model_fields.values()
    return [
        value for field in fields for value in get_args(field.annotation) if get_origin(field.annotation) is Literal
    ]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _asked(error: Any, types: list[Any]) -> str:
    """What would be right, in words of YAML rather than of Python."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in GIVE:
        return f"give {GIVE[kind]}"
    match kind:
        case "list_type" | "tuple_type":
            return f"give {_list_of(types)}"
        case "literal_error":
            return f"give {context['expected']}"
        case "too_short":
            return f"give at least {_count(context['min_length'], 'entry', 'entries')}"
        case "too_long":
            return f"give at most {_count(context['max_length'], 'entry', 'entries')}"
        case "string_too_long":
            return f"give at most {context['max_length']} characters"
        case "invalid_key":
            return "give a string as key"
        case "string_pattern_mismatch" if context["pattern"] == FACTORY:
            return "give MODULE:NAME of your own"
        case "string_pattern_mismatch" if context["pattern"] == NAME:
            return "give letters, digits, '_', '.' and '-', the first a letter or a digit"
    return _small(error["msg"].replace("Input should be", "it must be"))


def _list_of(types: list[Any]) -> str:
    listed = next((each for each in types if get_origin(each) in (list, tuple)), list)
    inner = get_args(listed)
    count = f"{len(inner)} " if get_origin(listed) is tuple and Ellipsis not in inner else ""
    names = dict.fromkeys(name for each in _forms(inner[0]) for name in _plural(each)) if inner else {"values": None}
    *others, last = names
    return f"a list of {count}{', '.join(others)}{' or ' if others else ''}{last}"


def _plural(type_: Any) -> list[str]:
    if get_origin(type_) is Literal:
        return [repr(value) for value in get_args(type_)]
    return [PLURALS.get(get_origin(type_) or type_, "mappings" if _is_model(type_) else "values")]


def _discriminator(error: Any) -> str:
    name: str = error["ctx"]["discriminator"].strip("'")
    return name


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


PLURALS = {int: "integers", float: "numbers", str: "strings", dict: "mappings", list: "lists", tuple: "lists"}
GIVE = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping of settings"),
    "string_type": "a string",
    "finite_number": "a finite number",
}
"""What to give, by pydantic's name of an error."""
