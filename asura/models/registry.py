"""Architectures by name: the settings of each, and the model that is built from them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from asura.common.errors import UserError
from asura.common.registry import Registry
from asura.models.model import Model
from asura.models.settings import Architecture

AnyModel = TypeVar("AnyModel", bound=Model)

ARCHITECTURES: Registry[tuple[type[Architecture], type[Model]]] = Registry("architecture", "asura.architectures")
_models: dict[type[Architecture], type[Model]] = {}
_apart: dict[str, type[Architecture]] = {}


def architecture(settings: type[Architecture]) -> Callable[[type[AnyModel]], type[AnyModel]]:
    """Register a model under the name that its settings have as `architecture`.

        @architecture(GatedSettings)
        class Gated(Model): ...

    Raises UserError where these have no name, or one that is taken.
    """

    def register(model: type[AnyModel]) -> type[AnyModel]:
        ARCHITECTURES.add(settings.model_fields["architecture"].default, (settings, model), model.__module__)
        _models[settings] = model
        return model

    return register


def apart(settings: type[Architecture]) -> Callable[[type[AnyModel]], type[AnyModel]]:
    """Register a model that no study names as an architecture, though runs have it."""

    def register(model: type[AnyModel]) -> type[AnyModel]:
        _apart[settings.model_fields["architecture"].default] = settings
        _models[settings] = model
        return model

    return register


def model_of(settings: Architecture) -> type[Model]:
    """The model that is built from settings. Raises UserError where none is registered with them."""
    kind = type(settings)
    if kind not in _models:
        raise UserError(f"{kind.__name__}: no model has it; write @architecture({kind.__name__}) above one")
    return _models[kind]


def _as_settings(value: Any) -> Any:
    """The settings that a mapping gives, of the class that its `architecture` names."""
    if not isinstance(value, Mapping):
        return value
    if "architecture" not in value:
        raise _wrong("missing", value)
    if not isinstance(value["architecture"], str):
        raise _wrong("string_type", value["architecture"])
    try:
        kind = _apart.get(value["architecture"]) or ARCHITECTURES.named(value["architecture"])[0]
    except UserError as error:
        raise _wrong(PydanticCustomError("value_error", "{said}", {"said": str(error)}), value) from None
    return kind.model_validate(value)


def _wrong(kind: Any, value: Any) -> ValidationError:
    error = InitErrorDetails(type=kind, loc=("architecture",), input=value)
    return ValidationError.from_exception_data("Architecture", [error])


AnyArchitecture = Annotated[SerializeAsAny[Architecture], BeforeValidator(_as_settings)]
"""Settings of any architecture that is registered, as a field of other settings."""
