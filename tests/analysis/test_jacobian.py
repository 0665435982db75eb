"""The operator is the Jacobian, and what is read of it is what is known of it."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator

from asura.analysis.jacobian import jacobian, largest_singular_value, spectral_radius
from asura.analysis.maps import end_of, exact, map_at, moving
from tests.models.variants import VARIANTS, VOCABULARY, small

SIZE = 30
FIRST = np.random.default_rng(0).standard_normal(SIZE)
TOKENS = torch.randint(VOCABULARY, (1, 5), generator=torch.Generator().manual_seed(0))
CARRIES_VECTORS = [each for each in VARIANTS if each["architecture"] != "vanilla" and each.get("halting") != "act"]


def similar_to(blocks: np.ndarray) -> np.ndarray:
    """A matrix with the eigenvalues of another, in a basis that is not orthogonal."""
    basis = np.eye(SIZE) + 0.3 * np.random.default_rng(1).standard_normal((SIZE, SIZE)) / np.sqrt(SIZE)
    return basis @ blocks @ np.linalg.inv(basis)


def of(matrix: np.ndarray) -> LinearOperator:
    weight = torch.from_numpy(matrix)
    return jacobian(lambda z: (weight @ z.flatten()).view_as(z), torch.ones(5, 6, dtype=torch.float64))


def formed(matrix: LinearOperator) -> np.ndarray:
    return np.stack([matrix.matvec(row) for row in np.eye(matrix.shape[0])], axis=1)


def test_the_spectral_radius_of_real_eigenvalues():
    matrix = similar_to(np.diag(np.linspace(-0.9, 0.7, SIZE)))
    assert spectral_radius(of(matrix), FIRST) == pytest.approx(0.9, rel=1e-3)


def test_the_spectral_radius_of_a_leading_complex_pair():
    blocks = np.diag(np.linspace(-1, 1, SIZE))
    blocks[:2, :2] = 1.2 * np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]])
    matrix = similar_to(blocks)
    assert spectral_radius(of(matrix), FIRST) == pytest.approx(1.2, rel=1e-3)
    alone = [abs(value) for value in np.linalg.eigvals(matrix) if value.imag == 0]
    assert max(alone) <= 1 + 1e-9


def test_the_largest_singular_value_is_another_number():
    draw = np.random.default_rng(2)
    left, right = (np.linalg.qr(draw.standard_normal((SIZE, SIZE)))[0] for _ in range(2))
    matrix = left @ np.diag(np.linspace(0.1, 3, SIZE)) @ right
    assert largest_singular_value(of(matrix), FIRST) == pytest.approx(3, rel=1e-3)
    nilpotent = np.diag(np.full(SIZE - 1, 2.0), -1)
    assert largest_singular_value(of(nilpotent), FIRST) == pytest.approx(2, rel=1e-3)


def at_iteration(settings: dict) -> tuple:
    model = exact(small(**settings).eval())
    with torch.no_grad():
        state = end_of(model, model.start(TOKENS), 3)
    return map_at(model, state, 4), moving(model, state)


@pytest.mark.parametrize("settings", CARRIES_VECTORS, ids=str)
def test_products_in_both_directions_are_those_of_differences(settings: dict):
    f, z = at_iteration(settings)
    draw = torch.Generator().manual_seed(1)
    right, left = (torch.randn(z.shape, generator=draw, dtype=z.dtype) for _ in range(2))
    matrix = jacobian(f, z)
    precise = settings["architecture"] != "ndr"  # which finds its attention in float32
    step = 1e-6 if precise else 1e-3
    with torch.no_grad():
        expected = ((f(z + step * right) - f(z - step * right)) / (2 * step)).flatten().numpy()
    u, v = left.flatten().numpy(), right.flatten().numpy()
    found = matrix.matvec(v)
    assert np.allclose(found, expected, atol=1e-6 if precise else 1e-2)
    assert u @ found == pytest.approx(matrix.rmatvec(u) @ v, rel=1e-6 if precise else 1e-3)


@pytest.mark.parametrize("name", ["asura", "bare", "ndr"])
def test_the_jacobian_of_a_causal_model_is_block_triangular_and_its_blocks_have_its_eigenvalues(name: str):
    f, z = at_iteration({"architecture": name})
    matrix = jacobian(f, z)
    positions, width = z.shape[1:]
    blocks = formed(matrix).reshape(positions, width, positions, width)
    assert all((blocks[to, :, source] == 0).all() for to in range(positions) for source in range(to + 1, positions))
    radius = max(np.abs(np.linalg.eigvals(blocks[place, :, place])).max() for place in range(positions))
    first = np.random.default_rng(3).standard_normal(z.numel())
    assert spectral_radius(matrix, first) == pytest.approx(radius, rel=1e-3)
    assert largest_singular_value(matrix, first) == pytest.approx(np.linalg.norm(formed(matrix), 2), rel=1e-3)


def test_a_model_that_attends_to_all_positions_has_no_such_triangle():
    f, z = at_iteration({"architecture": "bare", "causal": False})
    assert (formed(jacobian(f, z))[: z.shape[-1], z.shape[-1] :] != 0).any()
