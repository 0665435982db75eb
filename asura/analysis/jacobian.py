"""The Jacobian of a map at a point as an operator: it is multiplied by, in both directions, and never formed.

    Jᵀu = ∂(u·f)/∂z,   and that is linear in u:   J v = ∂(v·Jᵀu)/∂u

So both products are backward passes through one graph (Townsend, 2017, "A new trick for calculating Jacobian vector
products").
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs, svds
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]

TOLERANCE = 1e-4
"""Relative error of a singular value, and of an eigenvalue."""
LEADING = 2
"""Eigenvalues that are looked for: the leading ones of a real matrix may be a complex pair."""
BASIS = 40
"""Vectors that Arnoldi's method keeps."""
RESTARTS = 50


def jacobian(f: Callable[[Tensor], Tensor], z: Tensor) -> LinearOperator:
    """The square Jacobian of f, which maps tensors of the shape of z to such, at z, on flat vectors in float64."""
    z = z.detach().requires_grad_()
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        image = f(z)
        u = torch.zeros_like(image, requires_grad=True)
        (backward,) = torch.autograd.grad(image, z, u, create_graph=True)

    def product(of: Tensor, by: Tensor, vector: Vector) -> Vector:
        weights = torch.from_numpy(vector.reshape(z.shape)).to(z)
        (found,) = torch.autograd.grad(of, by, weights, retain_graph=True)
        return found.flatten().cpu().numpy()

    return LinearOperator(
        (z.numel(), z.numel()),
        matvec=lambda v: product(backward, u, v),
        rmatvec=lambda v: product(image, z, v),
        dtype=np.float64,
    )


def largest_singular_value(matrix: LinearOperator, first: Vector) -> float:
    """By Lanczos' method on JᵀJ, from a first vector; nan where it is not found."""
    try:
        (found,) = svds(matrix, k=1, tol=TOLERANCE, v0=first, return_singular_vectors=False)
    except ArpackError:
        return np.nan
    return float(found)


def spectral_radius(matrix: LinearOperator, first: Vector) -> float:
    """The largest magnitude of an eigenvalue, by Arnoldi's method from a first vector; nan where it is not found."""
    how = {"k": LEADING, "ncv": min(BASIS, len(first)), "maxiter": RESTARTS, "tol": TOLERANCE}
    try:
        return float(np.abs(eigs(matrix, v0=first, return_eigenvectors=False, **how)).max())
    except ArpackError:
        return np.nan
