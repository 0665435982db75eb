"""torch's Muon with one Newton–Schulz iteration for all matrices of a shape."""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

AT_ONCE_ON_CPU = 1 << 16
"""Numbers in a batch of matrices on a CPU, since more do not fit its cache."""

SMALLEST_ON_CPU = 17
"""Rows and columns of a matrix in a batch on a CPU: torch multiplies smaller ones alone by other kernels."""


class Muon(torch.optim.Muon):
    """Muon (Jordan et al., 2024), whose updates are scaled to the size of AdamW's (Liu et al., 2025, arXiv 2502.16982).

    torch's own goes from matrix to matrix. Here matrices of one shape are orthogonalised as one batch, which takes
    fewer and larger calls and gives the same updates. Shards (FSDP) are left to torch's.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step along the gradients."""
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        if closure or any(type(parameter) is not nn.Parameter for parameter in parameters):
            return super().step(closure)
        for group in self.param_groups:
            same_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same_shape[matrix.shape].append(matrix)
            for shape, matrices in same_shape.items():
                size = _together(shape) if matrices[0].device.type == "cpu" else len(matrices)
                for start in range(0, len(matrices), size):
                    self._update(matrices[start : start + size], group)
        return None

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        rate, momentum = group["lr"], group["momentum"]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        kept = [self._momentum(matrix) for matrix in matrices]
        torch._foreach_lerp_(kept, gradients, 1 - momentum)
        nesterov = torch._foreach_lerp(gradients, kept, momentum)
        rounded = [update.bfloat16() for update in nesterov]
        together = torch.stack(rounded) if len(rounded) > 1 else rounded[0]  # a CPU is slower with a batch of one
        updates = orthogonal(together, group["ns_coefficients"], group["ns_steps"], group["eps"])
        torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        scale = 0.2 * math.sqrt(max(matrices[0].shape))
        each = updates.to(matrices[0].dtype).unbind() if len(rounded) > 1 else [updates]
        torch._foreach_add_(matrices, each, alpha=-rate * scale)

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        kept: Tensor = state["momentum_buffer"]
        return kept


def _together(shape: torch.Size) -> int:
    """How many matrices of a shape a CPU orthogonalises at once."""
    return max(1, AT_ONCE_ON_CPU // shape.numel()) if min(shape) >= SMALLEST_ON_CPU else 1


def orthogonal(x: Tensor, coefficients: tuple[float, float, float], steps: int, smallest: float) -> Tensor:
    """Nearly U V^T of the singular value decomposition U S V^T of a matrix (A, B), or of each of (k, A, B).

    The argument is overwritten.
    """
    a, b, c = coefficients
    add_product = torch.addmm if x.ndim == 2 else torch.baddbmm
    norms = torch.stack(torch._foreach_norm(x.view(-1, *x.shape[-2:]).unbind())).clamp(min=smallest)
    x = x.div_(norms.view(*x.shape[:-2], 1, 1))
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = add_product(x, add_product(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x
