"""Architecture and training rule are two axes: every recursive architecture is trained by every rule."""

from itertools import product
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from asura.common.errors import UserError
from asura.models import ARCHITECTURES, build
from asura.models.unrolling import State, Unrolling
from tests.models.variants import VOCABULARY, small

UNROLLED = [name for name, (kind, _) in ARCHITECTURES.items() if kind.iterates() and name != "deq"]
PLAIN = {"guidance": "none", "drawn": False, "backpropagate": None, "progressive": 0.0, "deep_supervision": 1}
RULES: dict[str, dict[str, Any]] = {
    "plain": {},
    "guided": {"guidance": "uniform"},
    "progressive": {"progressive": 0.5},
    "drawn": {"drawn": True},
    "truncated": {"backpropagate": 1},
    "growing": {"growing": 0.5},
    "deep supervision": {"deep_supervision": 2},
}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(VOCABULARY, (3, 6), generator=torch.Generator().manual_seed(0))
    return tokens, tokens.roll(1, 1)


WEIGHS_ITS_EXITS = "ouro"
"""It has a loss after every iteration by its own weights, so guidance has no place. Its own tests say what that is."""


@pytest.mark.parametrize(
    ("name", "rule"), [pair for pair in product(UNROLLED, RULES) if pair != (WEIGHS_ITS_EXITS, "guided")]
)
def test_every_recursive_architecture_is_trained_by_every_rule(name: str, rule: str):
    model = small(4, architecture=name, **PLAIN | RULES[rule])
    passes = model.drawn(range(3), 6, torch.Generator().manual_seed(0), progress=0.1)
    result = model.loss(*batch(), passes=passes)
    result.loss.backward()
    assert result.loss.isfinite() and model.head_norm.weight.grad.abs().sum() > 0
    assert bool(result.carried) == (rule == "deep supervision")


def test_iterations_grow_in_equal_phases():
    model = build({"architecture": "asura", "i": 4, "growing": 0.5, "width": 8, "heads": 2}, 5)
    progress = [step / 64 for step in range(64)]
    (lengths,) = zip(*([u.iterations for u in model.unrollings(None, at)] for at in progress), strict=True)
    assert [lengths.count(k) for k in (1, 2, 3, 4)] == [8, 8, 8, 40]
    assert list(lengths) == sorted(lengths)


@pytest.mark.parametrize("name", [name for name in UNROLLED if name != WEIGHS_ITS_EXITS])
def test_a_step_of_deep_supervision_goes_on_from_the_state_of_the_last_one(name: str):
    """Its loss is that of the iterations before, without gradient, and then its own."""
    model = small(6, architecture=name, **PLAIN | {"deep_supervision": 3})
    tokens, targets = batch()
    carried: State = ()
    for segment in range(3):
        (unrolling,) = model.unrollings(None, segment=segment)
        assert unrolling[:3] == (1.0, 2, 0) and unrolling.done == 2 * segment
        result = model.loss(tokens, targets, passes=[unrolling._replace(carried=carried)])
        states = list(model.trajectory(tokens, 2 * segment + 2, without_gradient=2 * segment))
        logits = model.logits(model.read(states[-1])).flatten(0, 1)
        expected = cross_entropy(logits, targets.flatten(), reduction="sum")
        penalty = model.penalty(states[-1], targets)
        expected = expected if penalty is None else expected + penalty * targets.numel()
        assert torch.allclose(result.loss, expected, rtol=1e-5)
        carried = result.carried
        assert carried and not any(part.requires_grad for part in carried)


def test_the_gradient_of_a_supervision_step_reaches_the_input_but_no_earlier_step():
    model = small(4, architecture="asura", deep_supervision=2, long_skip="concat")
    tokens, targets = batch()
    with torch.no_grad():
        *_, state = model.trajectory(tokens, 2)
    model.loss(tokens, targets, passes=[Unrolling(1.0, 2, done=2, carried=state[:1])]).loss.backward()
    found = {name: own.grad for name, own in model.named_parameters() if own.grad is not None}
    model.zero_grad(set_to_none=True)
    z, e = state[0], model.embed(tokens)  # independently: the embedding is made anew, the state is a constant
    for t in (3, 4):
        z, _ = model.iterate((z, e), t)
    cross_entropy(model.logits(z).flatten(0, 1), targets.flatten(), reduction="sum").backward()
    expected = {name: own.grad for name, own in model.named_parameters() if own.grad is not None}
    assert found.keys() == expected.keys() and "embedding.weight" in found
    assert all(torch.allclose(found[name], gradient, atol=1e-5) for name, gradient in expected.items())


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"deep_supervision": 2, "drawn": True}, "deep_supervision does not fit drawn"),
        ({"deep_supervision": 3}, "deep_supervision 3: it must divide i = 4"),
        ({"growing": 0.5, "progressive": 0.5}, "growing does not fit progressive"),
        ({"growing": 0.5, "guidance": [0, 0, 0, 1]}, "explicit guidance weights are for i iterations"),
        ({"architecture": WEIGHS_ITS_EXITS, "guidance": "uniform"}, "guidance: found 'uniform'; give 'none'"),
        ({"deep_supervision": 2, "guidance": [0, 0, 0, 1]}, "guidance has 4 weights for 2 iterations"),
    ],
)
def test_rules_that_do_not_fit_are_refused_in_one_line(rules: dict, said: str):
    with pytest.raises(UserError, match=said):
        small(4, **{"architecture": "bare"} | rules)
