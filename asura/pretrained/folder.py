"""A trained model as a folder that anyone can load, and that the Hugging Face hub can hold.

model.safetensors, config.json, README.md (the model card), and of a language model tokenizer.json.
"""

import json
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from asura.common.errors import UserError
from asura.common.files import read_json, write_text
from asura.common.validation import LARGEST, checked, in_file
from asura.models import AnyArchitecture, build
from asura.models.model import Model
from asura.training.tensors import load_tensors, save_tensors

FORMAT: Literal[1] = 1
"""Version of config.json; raised when a file of an earlier one can no longer be read."""

WEIGHTS, CONFIG, CARD, TOKENIZER = "model.safetensors", "config.json", "README.md", "tokenizer.json"


class Config(BaseModel):
    """What the model is built from, and how many positions it was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT
    model: AnyArchitecture
    vocabulary: int = Field(ge=1, le=LARGEST)
    sequence_length: int = Field(ge=1, le=LARGEST)


class Pretrained(NamedTuple):
    """What such a folder holds; card and tokenizer as they stand in their files, None where there is none."""

    model: Model
    config: Config
    card: str | None
    tokenizer: str | None


def write(pretrained: Pretrained, folder: Path) -> None:
    """Write the files, each whole, the weights last. Raises OSError."""
    config = pretrained.config.model_dump(mode="json")
    write_text(folder / CONFIG, json.dumps(config, indent=1) + "\n")
    for name, text in ((CARD, pretrained.card), (TOKENIZER, pretrained.tokenizer)):
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_text(folder / name, text)
    save_tensors(folder / WEIGHTS, pretrained.model.state_dict(), {"config": config})


def is_pretrained(folder: Path) -> bool:
    """Whether a folder holds such a model, be it damaged."""
    try:
        return read_json(folder / CONFIG).keys() == Config.model_fields.keys()
    except UserError:
        return False


def read(folder: Path) -> Pretrained:
    """Read the files. Raises UserError where one is missing, damaged, or not of the others."""
    remedy = "export or download the model again"
    content = read_json(folder / CONFIG)
    with in_file(str(folder / CONFIG)):
        config = checked(Config, content, "")
    tensors, note = load_tensors(folder / WEIGHTS, remedy)
    if note.get("config") != content:
        raise UserError(f"{folder / CONFIG}: it is not the one that {WEIGHTS} was written with; {remedy}")
    model = build(config.model, config.vocabulary, device="meta")
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError:
        raise UserError(f"{folder / WEIGHTS}: its tensors are not those of {CONFIG}; {remedy}") from None
    return Pretrained(model.eval(), config, _text(folder / CARD), _text(folder / TOKENIZER))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: it is not UTF-8 text ({error}); export or download the model again") from None
