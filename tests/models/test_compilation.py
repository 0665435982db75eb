"""A loss is one graph, counted with a backend that compiles nothing; of all architectures, torchdeq alone breaks it."""

from typing import Any

import pytest
import torch

from asura.models import ARCHITECTURES
from tests.models.variants import VOCABULARY, small

TOKENS = torch.randint(VOCABULARY, (4, 6), generator=torch.Generator().manual_seed(0))
DRAWING: list[dict[str, Any]] = [
    {"architecture": "asura", "drawn": True, "backpropagate": 2, "progressive": 0.5},
    {"architecture": "ouro", "drawn": True, "backpropagate": 2, "progressive": 0.5, "exit_threshold": 0.6},
    {"architecture": "universal", "halting": "act"},
]


@pytest.fixture(autouse=True)
def _nothing_compiled_before_or_after():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.parametrize(
    "settings", [*({"architecture": name} for name in ARCHITECTURES if name != "deq"), *DRAWING], ids=str
)
def test_no_loss_breaks_its_graph_whatever_training_draws(settings: dict[str, Any]):
    graphs = []

    def count(module: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(module)
        return module

    model = small(i=2, **settings)
    compiled = torch.compile(model.loss, backend=count, fullgraph=True)  # a break is an error
    for seed in range(2):
        passes = model.drawn(range(4), 6, torch.Generator().manual_seed(seed))
        found = compiled(TOKENS, TOKENS.roll(1, 1), passes=passes).loss
        assert torch.allclose(found, model.loss(TOKENS, TOKENS.roll(1, 1), passes=passes).loss)
    assert 1 <= len(graphs) <= (2 if model.draws else 1)
