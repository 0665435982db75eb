"""A model of other code, made by a factory that a study names: it is evaluated beside ours, and not trained."""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.common.errors import UserError
from asura.common.files import checksum
from asura.common.plugins import factory
from asura.common.registry import said
from asura.common.validation import Factory
from asura.models.model import Model
from asura.models.registry import apart
from asura.models.settings import Architecture
from asura.models.unrolling import State


class EvaluatedSettings(Architecture):
    """A model of other code; of the settings of architectures, only `causal` means something."""

    architecture: Literal["evaluated"] = "evaluated"
    """Name of the architecture."""
    factory: Factory
    """What makes it, as `MODULE:NAME`."""
    settings: dict[str, Any] = Field({})
    """The arguments of the factory."""
    files: dict[str, str] = Field({})
    """Checksums of the files that `settings` name."""
    seeded: bool = False
    """Whether the factory is called with the argument `seed` as well."""


class Logits(nn.Module):
    """In place of a head: logits as they are."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.out_features = vocabulary

    def forward(self, logits: Tensor) -> Tensor:
        """The logits."""
        return logits


@apart(EvaluatedSettings)
class Evaluated(Model):
    """Whatever maps tokens (B, T) to logits (B, T, V), as a model of one iteration whose states are its logits."""

    def __init__(self, settings: EvaluatedSettings, vocabulary: int) -> None:
        nn.Module.__init__(self)  # it has none of the parts of our models
        self.settings = settings
        self.head = Logits(vocabulary)  # type: ignore[assignment]
        self.made: Any = None

    def initialise(self, generator: Generator) -> None:
        """Call the factory, where our models draw their weights. Raises UserError."""
        settings, seed = self.settings, generator.initial_seed()
        assert isinstance(settings, EvaluatedSettings)
        arguments = {**settings.settings, **({"seed": seed} if settings.seeded else {})}
        for path, found in settings.files.items():
            if not Path(path).is_file() or checksum(Path(path)) != found:
                raise UserError(f"{path}: it is missing, or is not what was planned with; start the study again")
        make = factory(settings.factory)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                self.made = make(**arguments)
            except Exception as error:
                raise UserError(f"{settings.factory}: it fails with the settings {arguments} ({said(error)})") from None
        if not callable(self.made):
            found = type(self.made).__name__
            raise UserError(f"{settings.factory}: it makes a {found}; it must make a torch.nn.Module of tokens")

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """The tokens."""
        return (tokens,)

    def iterate(self, state: State, t: int) -> State:
        """The logits. Raises UserError where they are none for these tokens."""
        (tokens,), named = state, getattr(self.settings, "factory", "")
        logits, wanted = self.made(tokens), (*tokens.shape, self.head.out_features)
        if not isinstance(logits, Tensor):
            raise UserError(f"{named}: its model gives a {type(logits).__name__}; it must give a tensor of logits")
        if tuple(logits.shape) != wanted:
            asked = f"{wanted}: batch, length, vocabulary"
            raise UserError(f"{named}: its model gives logits of shape {tuple(logits.shape)}; they must be {asked}")
        return (logits,)

    def logits(self, z: Tensor) -> Tensor:
        """What it is given."""
        return self.head(z)
