"""Small models: every architecture, and the parts of some that compute something else."""

from asura.models import ARCHITECTURES, build
from asura.models.model import Model

VOCABULARY = 7
VARIANTS: list[dict] = [
    *({"architecture": name} for name in ARCHITECTURES),
    {"architecture": "asura", "adapter": "lora"},
    {"architecture": "asura_full", "adapter": "abba"},
    {"architecture": "asura", "adapter": "lora", "bias": True, "qk_norm": False, "gelu": "tanh", "init": "small"},
    {"architecture": "asura", "long_skip": "add", "block_norm": "per_iteration"},
    {"architecture": "deq", "solver": "broyden"},
    {"architecture": "deq", "ift": False, "backpropagate": 1},
    {"architecture": "hrm", "norms": "before", "recall": False, "one_step_gradient": False, "halting_weight": 0.0},
    {"architecture": "ndr", "causal": False},
    {"architecture": "ouro", "exit_threshold": 0.6},
    {"architecture": "recurrent_depth", "norms": "sandwich", "mlp": "gated_silu"},
    {"architecture": "trm", "latent_updates": 1},
    {"architecture": "universal", "halting": "act"},
    {"architecture": "universal", "step_signal": "learned", "norms": "after"},
    {"architecture": "vanilla", "positions": "learned"},
]


def small(i: int = 4, **settings: object) -> Model:
    """A model of one block, with i iterations if it iterates."""
    architecture = ARCHITECTURES[str(settings["architecture"])][0]
    return build(
        {"n": 1, "width": 8, "heads": 2} | ({"i": i} if architecture.iterates() else {}) | settings, VOCABULARY
    )
