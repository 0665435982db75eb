"""Adaptive halting in the universal transformer."""

from typing import Any

import torch

from asura.models import build
from tests.models.test_layers import scrambled

V, T = 5, 4
SMALL = {"architecture": "universal", "n": 1, "width": 8, "heads": 2, "halting": "act"}
TOKENS = torch.randint(V, (2, T), generator=torch.Generator().manual_seed(0))


class Probabilities(torch.nn.Module):
    """In place of the halting unit: the same given probabilities for every position, one for each iteration."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = list(values)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full(z.shape[:2], self.values.pop(0))


def with_probabilities(i: int, *values: float):
    model: Any = build(SMALL | {"i": i, "halting_threshold": 0.9}, V)
    model.halting = Probabilities(*values)
    return model


def plain_states(model) -> list[torch.Tensor]:
    plain = build(SMALL | {"i": 8, "halting": "none"}, V)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("halting")})
    return [state[0] for state in plain.trajectory(TOKENS)]


def test_three_steps_worked_out_by_hand():
    model = with_probabilities(4, 0.2, 0.3, 0.6, 0.5)
    z = plain_states(model)
    *_, third, last = model.trajectory(TOKENS)
    # h = 0.2, 0.5, then 0.5 + 0.6 > 0.9: the third iteration has the remainder 0.5, and the fourth changes nothing
    expected = 0.2 * z[0] + 0.3 * z[1] + 0.5 * z[2]
    for state in (third, last):
        assert torch.allclose(model.read(state), expected, atol=1e-6)
        assert torch.equal(state[3], torch.full((2, T), 3.0))
        assert torch.equal(state[4], torch.full((2, T), 0.5))
    assert torch.equal(last[0], third[0])
    assert torch.allclose(model.penalty(last, TOKENS), torch.tensor(0.01 * 3.5))
    assert torch.equal(model.measures(last)["halting_iterations"], torch.tensor([3.0, 3.0]))


def test_what_has_not_halted_ends_at_the_last_iteration():
    model = with_probabilities(2, 0.2, 0.3)
    z = plain_states(model)
    *_, last = model.trajectory(TOKENS)
    assert torch.allclose(model.read(last), 0.2 * z[0] + 0.8 * z[1], atol=1e-6)  # 0.3 and the remainder 0.5
    assert torch.allclose(
        model.penalty(last, TOKENS), torch.tensor(0.01 * 2.8)
    )  # two iterations and the last one's weight


def test_the_weights_of_a_position_sum_to_1():
    model: Any = build(SMALL | {"i": 6}, V)
    with torch.no_grad():
        model.halting.bias.fill_(-1.0)
        ones = [torch.ones_like(state[0]) for state in model.trajectory(TOKENS)]
        assert len(ones) == 6
        model.blocks = torch.nn.ModuleList()  # z only gains the signal, which is then taken away: every state is 1
        state = model.start(TOKENS)
        state = (torch.ones_like(state[0]), *state[1:])
        for _ in range(6):
            before = state[2]
            state = model._halt(model.halting(state[0]), torch.ones_like(state[0]), state)
            assert torch.allclose(model.read(state), torch.ones_like(state[0]), atol=1e-6)
            assert (state[2] >= before).all()


def test_a_halted_position_keeps_its_state_while_others_go_on():
    class First(torch.nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            p = torch.full(z.shape[:2], 0.1)
            p[:, 0] = 0.95
            return p

    model = build(SMALL | {"i": 3, "halting_threshold": 0.9}, V)
    model.halting = First()
    first, second, _ = model.trajectory(TOKENS)
    assert torch.equal(first[0][:, 0], second[0][:, 0])
    assert not torch.equal(first[0][:, 1], second[0][:, 1])


def test_the_ponder_cost_is_in_the_loss_and_pulls_on_the_halting_unit():
    targets = TOKENS.roll(1, 1)
    losses = [build(SMALL | {"i": 3, "ponder_cost": cost}, V).loss(TOKENS, targets).loss for cost in (0.0, 0.5)]
    model: Any = build(SMALL | {"i": 3, "ponder_cost": 0.5}, V)
    *_, last = model.trajectory(TOKENS)
    assert torch.allclose(losses[1] - losses[0], model.penalty(last, TOKENS) * 2 * T, atol=1e-4)
    model.penalty(last, TOKENS).backward()
    assert model.halting.bias.grad.abs() > 0


@torch.no_grad()
def test_each_position_halts_by_what_it_reads_after_the_signal():
    """One position and iteration at a time, as tensor2tensor has it, but for what halted states are and the end."""
    model: Any = scrambled(build(SMALL | {"i": 5, "halting_threshold": 0.9}, V))
    *_, last = model.trajectory(TOKENS)
    z = model.embed(TOKENS)
    h, count, mean = torch.zeros(2, T), torch.zeros(2, T), torch.zeros_like(z)
    for t in range(1, 6):
        x = z + model._signal(z, t)
        new = model.blocks[0](x)
        for row in range(2):
            for place in range(T):
                if h[row, place] > 0.9:  # it has halted
                    continue
                odds = model.halting.weight[0] @ x[row, place] + model.halting.bias[0]
                p = float(1 / (1 + (-odds).exp()))
                count[row, place] += 1
                if h[row, place] + p > 0.9 or t == 5:
                    p = 1 - float(h[row, place])
                h[row, place] += p
                mean[row, place] += p * new[row, place]
                z[row, place] = new[row, place]
    assert torch.equal(last[3].float(), count) and count.unique().numel() > 1
    assert torch.allclose(model.read(last), mean, atol=1e-6)
