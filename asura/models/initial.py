"""The weights that a model starts from."""

import math

from torch import Generator, nn

from asura.models.layers import QKV
from asura.models.model import Model

SMALL = 0.33
"""Of `init: small`: three times the variance of a weight, times the inputs and the outputs of its map."""


def initialise(model: Model, generator: Generator) -> None:
    """Give every parameter its starting value, drawn from the generator alone.

    Linear maps and embeddings as the setting `init` says, norms at identity. A module with a start of its own has a
    method `initialise`, called after those of its parts.
    """
    small = model.settings.init == "small"
    for module in reversed(list(model.modules())):
        if own_start := getattr(module, "initialise", None):
            own_start(generator)
        elif isinstance(module, nn.Linear):
            _initialise_linear(module, small, generator)
        elif isinstance(module, nn.Embedding):
            deviation = math.sqrt(2 / (5 * module.embedding_dim)) if small else 1.0
            nn.init.normal_(module.weight, std=deviation, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()


def _initialise_linear(module: nn.Linear, small: bool, generator: Generator) -> None:
    usual = bound = 1 / math.sqrt(module.in_features)
    if small:
        outputs = module.in_features if isinstance(module, QKV) else module.out_features
        bound = math.sqrt(SMALL / (module.in_features * outputs))
    nn.init.uniform_(module.weight, -bound, bound, generator=generator)
    if module.bias is not None and small:
        nn.init.uniform_(module.bias, -usual, usual, generator=generator)
    elif module.bias is not None:
        nn.init.zeros_(module.bias)
