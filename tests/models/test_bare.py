import re

import torch

from asura.models import build
from tests.models.variants import small

TOKENS = torch.arange(12).remainder(7).view(2, 6)


@torch.no_grad()
def test_bare_recursion_is_a_stack_that_repeats_its_blocks():
    bare = build({"architecture": "bare", "n": 2, "i": 3, "width": 8, "heads": 2}, 7)
    stack = build({"architecture": "vanilla", "n": 6, "width": 8, "heads": 2}, 7)
    weights = bare.state_dict()

    def repeated(name: str) -> str:
        return re.sub(r"(?<=^blocks\.)\d+", lambda block: str(int(block[0]) % 2), name)

    stack.load_state_dict({name: weights[repeated(name)] for name in stack.state_dict()})
    assert torch.equal(bare(TOKENS), stack(TOKENS))
    assert not torch.equal(bare(TOKENS), bare(TOKENS, iterations=2))


def test_bare_recursion_is_asura_with_every_part_switched_off():
    bare, asura = small(architecture="bare"), small(architecture="asura", long_skip="none", iteration_norm="none")
    assert bare.state_dict().keys() == asura.state_dict().keys()
    assert all(torch.equal(weight, asura.state_dict()[name]) for name, weight in bare.state_dict().items())
    gradients = [
        torch.autograd.grad(model.loss(TOKENS, TOKENS).loss, list(model.parameters())) for model in (bare, asura)
    ]
    assert all(map(torch.equal, *gradients))
