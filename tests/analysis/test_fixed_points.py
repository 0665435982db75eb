"""A contraction converges to its one fixed point at its rate, whatever the start; every architecture is measured."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from asura.analysis.fixed_points import fixed_points, rate
from asura.analysis.maps import end_of, exact, moving, with_moving
from asura.analysis.subject import NotApplicable, Subject
from asura.models.asura import AsuraSettings
from asura.models.model import Model
from asura.models.unrolling import State
from asura.planning.analysis_settings import FixedPoints
from asura.tasks import IGNORE, Batch
from tests.models.variants import VOCABULARY, small

EXAMPLES, LENGTH, WIDTH = 6, 5, 8
TOKENS = torch.randint(VOCABULARY, (EXAMPLES, LENGTH), generator=torch.Generator().manual_seed(0))
BATCH = Batch(TOKENS, TOKENS.roll(1, 1).index_fill(1, torch.tensor([0]), IGNORE))
FACTOR = 0.7


class Contraction(Model):
    """z_t = factor · Q z_{t-1} + e with a rotation Q of positions and channels together, and z_0 = e."""

    def __init__(self, factor: float = FACTOR, injects: bool = True) -> None:
        super().__init__(AsuraSettings(i=3, width=WIDTH, heads=2), VOCABULARY)
        self.factor, self.injects = factor, injects
        draw = torch.Generator().manual_seed(0)
        size = LENGTH * WIDTH
        self.register_buffer("turn", torch.linalg.qr(torch.randn(size, size, generator=draw, dtype=torch.float64))[0])
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, generator=draw)

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        e = self.embed(tokens)
        return e, e

    def iterate(self, state: State, t: int) -> State:
        z, e = state
        return self.factor * (z.flatten(1) @ cast(Tensor, self.turn).to(z.dtype).T).view_as(z) + self.injects * e, e


def of(model: Model, **settings: Any) -> dict[str, list[dict[str, Any]]]:
    return fixed_points(Subject(cast(Any, None), model.eval(), BATCH), FixedPoints(**settings))


@torch.no_grad()
def test_a_contraction_converges_to_its_solved_fixed_point_whatever_the_start():
    model = exact(Contraction())
    first = model.start(TOKENS)
    identity = torch.eye(LENGTH * WIDTH, dtype=torch.float64)
    solved = torch.linalg.solve(identity - FACTOR * cast(Tensor, model.turn), first[1].flatten(1).T).T.view_as(first[0])
    draw = torch.Generator().manual_seed(1)
    for size in (0.0, 1.0, 1e3):
        start = size * torch.randn(solved.shape, generator=draw, dtype=torch.float64)
        away = (start - solved).norm()
        end = moving(model, end_of(model, with_moving(model, first, start), 64))
        assert (end - solved).norm() <= 1.001 * FACTOR**64 * away


def test_what_is_measured_of_a_contraction_is_its_factor():
    found = of(Contraction(), examples=2, tolerance=1e-3)
    for row in found["fixed_points_map"]:
        sizes = [row[name] for name in ("singular_value", "spectral_radius", "rate")]
        assert sizes == pytest.approx([FACTOR] * 3, rel=1e-3)
        assert row["below_one"] == 1
    assert [row["t"] for row in found["fixed_points_map"]] == [3, 64]
    converged = [row["converged"] for row in found["fixed_points"]]
    assert len(converged) == 64 and converged[0] == 0 and converged[-1] == 1 and converged == sorted(converged)
    first = next(t for t, share in enumerate(converged, start=1) if share == 1)
    assert first == pytest.approx(np.log(1e-3) / np.log(FACTOR), abs=6)
    for row in found["fixed_points_start"]:
        assert row["distance"] < 1e-5 and row["same"] == 1
        assert row["accuracy"] == found["fixed_points_start"][0]["accuracy"]


@torch.no_grad()
def test_a_contraction_into_which_the_input_does_not_return_forgets_it():
    model = exact(Contraction(injects=False))
    end = moving(model, end_of(model, model.start(TOKENS), 200))
    assert end.abs().max() < 1e-20
    assert of(Contraction(injects=False), examples=1)["fixed_points_map"][0]["spectral_radius"] == pytest.approx(
        FACTOR, rel=1e-3
    )


def test_a_map_that_expands_depends_on_its_start():
    found = of(Contraction(factor=1.1), examples=1, iterations=16)
    assert found["fixed_points"][-1]["converged"] == 0
    assert found["fixed_points_map"][1]["spectral_radius"] == pytest.approx(1.1, rel=1e-3)
    own, *others = found["fixed_points_start"]
    assert own["distance"] == 0 and own["same"] == 1
    assert all(row["distance"] > 0.1 and row["same"] < 1 for row in others)


UNSHARED = [
    {"architecture": "asura", "iteration_norm": "per_iteration"},
    {"architecture": "asura", "adapter": "lora", "adapter_init": "random"},
    {"architecture": "asura_full", "adapter_init": "random"},
    {"architecture": "universal", "step_signal": "learned"},
]


@torch.no_grad()
@pytest.mark.parametrize("settings", UNSHARED, ids=str)
def test_unshared_parts_are_those_of_the_last_trained_iteration_from_there_on(settings: dict):
    model = small(i=3, **settings).eval()
    draw = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    state = end_of(model, model.start(TOKENS), 2)
    image = {t: model.iterate(state, t)[0] for t in (1, 2, 3, 4, 50)}
    assert torch.equal(image[3], image[4]) and torch.equal(image[3], image[50])
    assert not torch.allclose(image[2], image[3]) and not torch.allclose(image[1], image[2])


def test_a_model_whose_positions_halt_has_no_map_to_measure():
    with pytest.raises(NotApplicable, match="halted"):
        of(small(architecture="universal", halting="act"))


def test_the_start_of_bare_recursion_is_all_that_it_knows_of_its_input():
    """From the state of another example, i iterations lead to where that example is after twice as many."""
    model = small(architecture="bare").eval()
    with torch.no_grad():
        end = moving(model, end_of(model, model.start(TOKENS), 4))
        own, other = (moving(model, end_of(model, model.start(each), 8)) for each in (TOKENS, TOKENS.roll(1, 0)))
        swapped = moving(model, end_of(model, with_moving(model, model.start(TOKENS), end.roll(1, 0)), 4))
    assert torch.allclose(swapped, other, atol=1e-5) and not torch.allclose(swapped, own, atol=1e-2)


def test_a_rate_is_the_geometric_mean():
    assert rate([0.5, 2.0, 8.0]) == pytest.approx(2)
    assert rate([0.5, 0.0]) == 0
    assert np.isnan(rate([]))


def test_all_that_is_drawn_follows_from_the_settings():
    first, second = (of(small(architecture="asura"), examples=1, iterations=6) for _ in range(2))
    assert first == second
