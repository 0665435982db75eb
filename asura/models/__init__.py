"""Architectures by name, and the one way to build them."""

from collections.abc import Mapping
from typing import Any

import torch

from asura.common.validation import checked, in_file
from asura.models.asura import Asura, AsuraFullSettings, AsuraSettings
from asura.models.bare import Bare, BareSettings
from asura.models.deep_thinking import DeepThinking, DeepThinkingSettings
from asura.models.deq import DEQ, DEQSettings
from asura.models.evaluated import Evaluated, EvaluatedSettings
from asura.models.hrm import HRM, HRMSettings
from asura.models.initial import initialise
from asura.models.model import Model
from asura.models.ndr import NDR, NDRSettings
from asura.models.ouro import Ouro, OuroSettings
from asura.models.parcae import Parcae, ParcaeSettings
from asura.models.recurrent_depth import RecurrentDepth, RecurrentDepthSettings
from asura.models.registry import ARCHITECTURES, AnyArchitecture, architecture, model_of
from asura.models.settings import Architecture
from asura.models.trm import TRM, TRMSettings
from asura.models.universal import Universal, UniversalSettings
from asura.models.vanilla import Vanilla, VanillaSettings

architecture(AsuraSettings)(Asura)
architecture(AsuraFullSettings)(Asura)
architecture(BareSettings)(Bare)
architecture(DeepThinkingSettings)(DeepThinking)
architecture(DEQSettings)(DEQ)
architecture(HRMSettings)(HRM)
architecture(NDRSettings)(NDR)
architecture(OuroSettings)(Ouro)
architecture(ParcaeSettings)(Parcae)
architecture(RecurrentDepthSettings)(RecurrentDepth)
architecture(TRMSettings)(TRM)
architecture(UniversalSettings)(Universal)
architecture(VanillaSettings)(Vanilla)

__all__ = ["ARCHITECTURES", "AnyArchitecture", "Evaluated", "EvaluatedSettings", "architecture", "build", "model_of"]


def build(
    settings: Architecture | Mapping[str, Any],
    vocabulary: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Model:
    """Build a model whose weights are drawn from `seed` alone; on `meta` it has shapes and no weights.

        from asura import build
        model = build({"architecture": "asura", "n": 1, "i": 4, "width": 64, "heads": 4}, vocabulary=256)
        logits = model(tokens)                  # (B, T) int64 -> (B, T, 256)
        logits = model(tokens, iterations=8)    # iterate longer than trained

    Raises UserError, in one line, for settings that name no architecture or do not fit it.
    """
    own = settings if isinstance(settings, Architecture) else _checked(settings)
    kind = model_of(own)
    if torch.device(device).type == "meta":
        with torch.device("meta"):
            return kind(own, vocabulary)
    # torch's own start is drawn and thrown away: building on `meta` instead would cost a second of imports.
    with torch.random.fork_rng(devices=[]):
        model = kind(own, vocabulary)
    initialise(model, torch.Generator().manual_seed(seed))
    return model.to(device)


def _checked(settings: Mapping[str, Any]) -> Architecture:
    with in_file("architecture"):
        kind, _ = ARCHITECTURES.named(settings.get("architecture"))
    return checked(kind, dict(settings), "")
