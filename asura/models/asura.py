"""ASURA: n blocks applied recursively i times, the input returning at every iteration (Gupta, 2025).

    z_0 = e
    for t in 1..i:
        u   = LongSkip_t(z_{t-1}, e)
        for l in 1..n:
            u = BlockNorm_t(B_l(u; Adapter_{l,t}))
        z_t = IterationNorm_t(u)
    loss = sum_t w_t · CE(Head(LN(z_t)), y)

Every part is a setting, and each can be switched off. What is not shared between iterations exists for the i
iterations of training; beyond them a model goes on with the parts of its last one.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from asura.common.validation import LARGEST
from asura.models.adapters import ABBA, LoRA
from asura.models.layers import Block, ConcatSkip, PassThroughSkip
from asura.models.model import Model, State
from asura.models.settings import Recursive


class AsuraSettings(Recursive):
    """ASURA (Gupta, 2025): recursion with a long skip and an iteration norm, and no other part of `asura_full`."""

    architecture: Literal["asura"] = "asura"
    long_skip: Literal["none", "add", "concat", "concat_per_iteration"] = "concat_per_iteration"
    """How the embedding e returns to the state z before each iteration: `none`, not at all; `add`, as z + e; `concat`,
    by a projection of [z; e] that all iterations share (recall, Bansal et al., 2022, arXiv 2202.05826);
    `concat_per_iteration`, by one projection per iteration."""
    skip_init: Literal["pass_through", "random"] = "pass_through"
    """Initial weights of the projection: `pass_through` returns z unchanged, `random` is as for any linear map."""
    iteration_norm: Literal["none", "shared", "per_iteration"] = "per_iteration"
    """Layer norm of the state after each iteration: none, one for all iterations, or one per iteration."""
    block_norm: Literal["none", "per_iteration"] = "none"
    """Layer norm after every block, one per iteration. All blocks of an iteration share it."""
    adapter: Literal["none", "lora", "abba"] = "none"
    """Low-rank adapters of attention and MLP, one per block and iteration: LoRA (Hu et al., 2021, arXiv 2106.09685) or
    ABBA (Singhal et al., 2025, arXiv 2505.14238)."""
    adapter_rank: int = Field(4, ge=1, le=LARGEST)
    """Rank of LoRA, or the first rank of ABBA."""
    adapter_second_rank: int = Field(4, ge=1, le=LARGEST)
    """Second rank of ABBA."""
    adapter_init: Literal["zero", "random"] = "zero"
    """Initial weights of the adapters: `zero`, the last map starts at zero, and so does their output; `random`, all
    start as other linear maps do."""


class AsuraFullSettings(AsuraSettings):
    """ASURA with all parts that the author's page names (Gupta, 2025).

    Block norms, ABBA adapters and progressive guidance are switched on by default.
    """

    architecture: Literal["asura_full"] = "asura_full"  # type: ignore[assignment]
    block_norm: Literal["none", "per_iteration"] = "per_iteration"
    adapter: Literal["none", "lora", "abba"] = "abba"
    guidance: Literal["none", "uniform", "progressive"] | tuple[float, ...] = "progressive"


class AddSkip(nn.Module):
    """z + e."""

    def forward(self, z: Tensor, e: Tensor) -> Tensor:
        return z + e


class Iterated(nn.ModuleList):
    """One part for each iteration, one for all of them, or none."""

    def __init__(self, make: Callable[[], nn.Module], count: int) -> None:
        super().__init__(make() for _ in range(count))

    def at(self, t: int) -> nn.Module | None:
        """The part of iteration t, counted from 1; the last one from there on."""
        return self[min(t, len(self)) - 1] if len(self) else None


class Asura(Model):
    """The recursion of this file's first lines; states and tokens are (B, T, d) and (B, T)."""

    settings: AsuraSettings

    def __init__(self, settings: AsuraSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        width, n = settings.width, settings.n
        times = {"none": 0, "add": 1, "shared": 1, "concat": 1, "per_iteration": settings.i}
        times |= {"concat_per_iteration": settings.i, "lora": settings.i, "abba": settings.i}

        def skip() -> nn.Module:
            if settings.long_skip == "add":
                return AddSkip()
            return PassThroughSkip(settings) if settings.skip_init == "pass_through" else ConcatSkip(settings)

        def adapter() -> nn.Module:
            if settings.adapter == "lora":
                return LoRA(width, settings.adapter_rank, settings.bias, settings.adapter_init)
            return ABBA(width, settings.adapter_rank, settings.adapter_second_rank, settings.adapter_init)

        def adapters() -> nn.ModuleList:
            return nn.ModuleList(nn.ModuleDict({"attention": adapter(), "mlp": adapter()}) for _ in range(n))

        self.blocks = nn.ModuleList(Block(settings) for _ in range(n))
        self.long_skips = Iterated(skip, times[settings.long_skip])
        self.iteration_norms = Iterated(lambda: nn.LayerNorm(width), times[settings.iteration_norm])
        self.block_norms = Iterated(lambda: nn.LayerNorm(width), times[settings.block_norm])
        self.adapters = Iterated(adapters, times[settings.adapter])

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(z, e), both the embedding."""
        e = self.embed(tokens)
        return e, e

    def iterate(self, state: State, t: int) -> State:
        """One pass through the stack; t may exceed the trained i."""
        z, e = state
        long_skip, block_norm, iteration_norm = (
            part.at(t) for part in (self.long_skips, self.block_norms, self.iteration_norms)
        )
        u = long_skip(z, e) if long_skip else z
        adapters = self.adapters.at(t)
        each = adapters if isinstance(adapters, nn.ModuleList) else [None] * len(self.blocks)
        for block, adapter in zip(self.blocks, each, strict=True):
            u = block(u, adapter)
            u = block_norm(u) if block_norm else u
        return iteration_norm(u) if iteration_norm else u, e
