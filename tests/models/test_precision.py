"""Every architecture in every precision: it trains under autocast, and answers when it is cast whole."""

import pytest
import torch

from asura.models import ARCHITECTURES
from tests.models.variants import VARIANTS, VOCABULARY, small

TOKENS = torch.randint(VOCABULARY, (3, 6), generator=torch.Generator().manual_seed(0))
RULES: dict[str, dict] = {
    "plain": {},
    "drawn": {"drawn": True},
    "truncated": {"backpropagate": 1},
    "progressive": {"progressive": 0.5},
    "guided": {"guidance": "progressive"},
}


def has(variant: dict, rule: dict) -> bool:
    """Whether an architecture can be trained by a rule; deq has settings of all and takes none, ouro no guidance."""
    name = variant["architecture"]
    refused = (rule and name == "deq") or ("guidance" in rule and name == "ouro")
    return rule.keys() <= ARCHITECTURES[name][0].model_fields.keys() and not refused


@pytest.mark.parametrize(
    ("variant", "rule"),
    [
        pytest.param(variant, rule, id=f"{variant}-{name}")
        for variant in VARIANTS
        for name, rule in RULES.items()
        if has(variant, rule)
    ],
)
def test_every_architecture_trains_in_bfloat16_by_every_rule(variant: dict, rule: dict):
    model = small(**variant, **rule)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = model.loss(
            TOKENS,
            TOKENS.roll(1, 1),
            1e-4,
            model.drawn(range(len(TOKENS)), TOKENS.shape[1], torch.Generator().manual_seed(0)),
        )
    result.loss.backward()
    optimiser.step()
    assert result.loss.isfinite() and result.loss.dtype == torch.float32
    assert all(parameter.isfinite().all() and parameter.dtype == torch.float32 for parameter in model.parameters())
    assert any(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_every_architecture_cast_whole_answers_nearly_as_in_float32(variant: dict, dtype: torch.dtype):
    model = small(**variant).eval()
    with torch.no_grad():
        exact = model(TOKENS)
        answer = model.to(dtype)(TOKENS)
        *_, last = model.trajectory(TOKENS, 8)
        measured = model.measures(last)
    assert answer.dtype == dtype and answer.isfinite().all()
    assert (answer.float() - exact).abs().max() < 0.2 * exact.abs().max()
    assert all(value.isfinite().all() for value in measured.values())
