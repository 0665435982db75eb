"""A trained model as a folder that anyone can load, and that the Hugging Face hub can hold.

model.safetensors, config.json, README.md (the model card), and of a language model tokenizer.json. A model whose
architecture is not of this package has the file of its source too, which is run only where that is agreed to.
"""

import json
import operator
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from asura.common.errors import UserError
from asura.common.files import read_json, write_text
from asura.common.outside import module_digest
from asura.common.plugins import import_plugin, is_file_name, read_plugin
from asura.common.validation import LARGEST, checked, in_file
from asura.models import AnyArchitecture, build
from asura.models.evaluated import EvaluatedSettings
from asura.models.model import Model
from asura.training.tensors import load_tensors, save_tensors

FORMAT: Literal[1] = 1
"""Version of config.json; raised when a file of an earlier one can no longer be read."""

WEIGHTS, CONFIG, CARD, TOKENIZER = "model.safetensors", "config.json", "README.md", "tokenizer.json"
CODE = "*.py"


class Config(BaseModel):
    """What the model is built from, and how many positions it was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT
    model: AnyArchitecture
    vocabulary: int = Field(ge=1, le=LARGEST)
    sequence_length: int = Field(ge=1, le=LARGEST)
    plugins: dict[str, str] = Field({}, exclude_if=operator.not_)
    """The digests of its code that is not of this package, by the names of files and modules."""


class Pretrained(NamedTuple):
    """What such a folder holds; card and tokenizer as they stand in their files, None where there is none.

    code: the files that the model is built by, by their names.
    """

    model: Model
    config: Config
    card: str | None
    tokenizer: str | None
    code: Mapping[str, str] = MappingProxyType({})


def write(pretrained: Pretrained, folder: Path) -> None:
    """Write the files, each whole, the weights last. Raises OSError."""
    for name in _files_of_code(folder):
        (folder / name).unlink(missing_ok=True)
    for name, text in pretrained.code.items():
        write_text(folder / name, text)
    config = pretrained.config.model_dump(mode="json")
    write_text(folder / CONFIG, json.dumps(config, indent=1) + "\n")
    for name, content in ((CARD, pretrained.card), (TOKENIZER, pretrained.tokenizer)):
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_text(folder / name, content)
    save_tensors(folder / WEIGHTS, pretrained.model.state_dict(), {"config": config})


def is_pretrained(folder: Path) -> bool:
    """Whether a folder holds such a model, be it damaged."""
    try:
        return read_json(folder / CONFIG).keys() | {"plugins"} == Config.model_fields.keys()
    except UserError:
        return False


def _files_of_code(folder: Path) -> list[str]:
    """Names of the files of code that an earlier export left."""
    if not is_pretrained(folder):
        return []
    return [name for name in read_json(folder / CONFIG).get("plugins", {}) if is_file_name(name)]


def read(folder: Path, trust_code: bool = False) -> Pretrained:
    """Read the files. Raises UserError where one is missing, damaged, or not of the others.

    Code that stands there is run only with `trust_code`; without, that is refused.
    """
    remedy = "export or download the model again"
    content = read_json(folder / CONFIG)
    code = _code(folder, content.get("plugins"), trust_code, remedy)
    with in_file(str(folder / CONFIG)):
        config = checked(Config, content, "")
        if isinstance(config.model, EvaluatedSettings):
            raise UserError("model: found 'evaluated', a model of other code; that is not exported")
    tensors, note = load_tensors(folder / WEIGHTS, remedy)
    if note.get("config") != content:
        raise UserError(f"{folder / CONFIG}: it is not the one that {WEIGHTS} was written with; {remedy}")
    model = build(config.model, config.vocabulary, device="meta")
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError:
        raise UserError(f"{folder / WEIGHTS}: its tensors are not those of {CONFIG}; {remedy}") from None
    return Pretrained(model.eval(), config, _text(folder / CARD), _text(folder / TOKENIZER), code)


def _code(folder: Path, plugins: Any, trust_code: bool, remedy: str) -> dict[str, str]:
    """The files of code that stand there, which have been imported; packages must be installed, and do so when named.

    Raises UserError where that is not agreed to, or something else stands there than was exported.
    """
    named = plugins if isinstance(plugins, dict) else {}
    files = [name for name in named if is_file_name(name)]
    if files and not trust_code:
        raise UserError(
            f"{folder}: it carries code ({', '.join(files)}), which loading it runs; read that, and give "
            "trust_code=True if you trust it"
        )
    found = {name: read_plugin(folder / name) for name in files}
    for name in named:
        if named[name] != (found[name].digest if name in found else module_digest(name)):
            raise UserError(f"{folder / name}: it is not the code that the model was exported with; {remedy}")
    for plugin in found.values():
        import_plugin(plugin)
    return {name: plugin.text for name, plugin in found.items()}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: it is not UTF-8 text ({error}); export or download the model again") from None
