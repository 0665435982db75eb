"""Settings of architectures: their size, and how they are iterated in training."""

from typing import Any, Literal, Self

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from asura.common.validation import LARGEST, Settings


class Architecture(Settings):
    """Settings of every architecture."""

    architecture: str
    """Name of the architecture."""
    n: int = Field(1, ge=1, le=LARGEST)
    """Number of blocks, each with parameters of its own."""
    i: int = Field(1, ge=1, le=LARGEST)
    """Number of iterations: how many times the stack of blocks is applied."""
    width: int = Field(64, ge=1, le=LARGEST)
    """Width of the model. It must be divisible by twice the number of heads."""
    heads: int = Field(4, ge=1, le=LARGEST)
    """Number of attention heads."""
    mlp_width: int | None = Field(None, ge=1, le=LARGEST)
    """Hidden width of the MLP; null for 4 × `width`."""
    causal: bool = True
    """Whether a position attends only to itself and the positions before it. With false it attends to all positions."""
    positions: Literal["rotary", "learned", "none"] = "rotary"
    """Position encoding: `rotary` (Su et al., 2021, arXiv 2104.09864), `learned` embeddings for up to 2048 positions,
    or none."""
    qk_norm: bool = True
    """Layer norm of the queries and the keys of each head (QK-norm, Henry et al., 2020, arXiv 2010.04245)."""
    bias: bool = False
    """Whether the linear maps have biases: attention, MLP, head, long skip and LoRA adapters."""
    gelu: Literal["exact", "tanh"] = "exact"
    """GELU of the MLP, or its approximation by tanh."""
    init: Literal["usual", "small"] = "usual"
    """Initial weights. `usual`: linear maps are uniform within 1/√in, for `in` inputs, embeddings normal with standard
    deviation 1, and biases 0. `small`, as in the code of Gupta (2025): linear maps are uniform within √(0.33/(in·out)),
    embeddings normal with variance 2/(5·width), and biases uniform within 1/√in."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Architecture":
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} with {self.heads} heads: width must be divisible by twice the heads, "
                "so that each head has an even width to rotate"
            )
        return self

    @model_serializer(mode="wrap")
    def _with_its_name(self, serialise: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """The name is at its default in each class, but says which class it is."""
        return {**({"architecture": self.architecture} if info.exclude_defaults else {}), **serialise(self)}

    @classmethod
    def iterates(cls) -> bool:
        """Whether i is a choice; the other architectures apply their blocks once."""
        return issubclass(cls, Recursive)

    @property
    def effective_depth(self) -> int:
        """Number of block applications in one forward pass."""
        return self.n * self.i

    @property
    def distinct_blocks(self) -> int:
        """Number of blocks with parameters of their own."""
        return self.n


class Recursive(Architecture):
    """Settings of every recursive architecture: how training uses the iterations.

    Every architecture can be trained by every rule, and rules can be combined where that is defined. A preset has its
    paper's rule by default.
    """

    guidance: Literal["none", "uniform", "progressive"] | tuple[float, ...] = "none"
    """Weights of the losses after each iteration: `none`, only the last one counts; `uniform`, all count equally;
    `progressive`, weights grow as 2 : 3 : 5 over three iterations; or a list of one weight per iteration. Its weights
    must not fall and must sum to 1."""
    drawn: bool = False
    """Draw the number of iterations of each batch at random: one more than a Poisson number whose rate is log-normal
    with sigma 1/2 (Geiping et al., 2025, arXiv 2502.05171)."""
    drawn_i: Literal["mean", "rate"] = "mean"
    """What `i` is where iterations are drawn: their `mean`, or the mean `rate` of the Poisson number, so that their
    mean is `i + 1` (published)."""
    backpropagate: int | None = Field(None, ge=1, le=LARGEST)
    """Backpropagate through the last so many iterations only; null for all."""
    progressive: float = Field(0.0, ge=0, le=1)
    """Weight of the progressive loss, alpha of Bansal et al. (2022, arXiv 2202.05826). That loss is taken after k
    iterations with gradient, which follow n' iterations without: n' is uniform in 0 … i-1, k in 1 … i-n'."""
    growing: float = Field(0.0, ge=0, le=1)
    """Share of the steps over which the iterations of training grow from 1 to `i`, each number for as long as every
    other; with 0 they are `i` from the start. It fits neither `progressive` nor `deep_supervision`."""
    deep_supervision: int = Field(1, ge=1, le=LARGEST)
    """Number of steps of the optimiser on each batch. Each takes `i / deep_supervision` iterations and has a loss of
    its own; the state goes on to the next without gradient (Wang et al., 2025, arXiv 2506.21734). It must divide `i`,
    and fits none of `drawn`, `progressive` and `growing`."""

    @model_validator(mode="after")
    def _rules_fit(self) -> Self:
        others = [name for name in ("drawn", "progressive", "growing") if getattr(self, name)]
        if self.deep_supervision > 1 and others:
            raise ValueError(f"deep_supervision does not fit {others[0]}: leave one of them out")
        if self.growing and self.progressive:
            raise ValueError("growing does not fit progressive: leave one of them out")
        if self.i % self.deep_supervision:
            raise ValueError(f"deep_supervision {self.deep_supervision}: it must divide i = {self.i}")
        return self

    @model_validator(mode="after")
    def _guidance_fits(self) -> Self:
        weights, iterations = self.guidance, self.i // self.deep_supervision
        if isinstance(weights, str):
            return self
        if self.drawn or self.progressive or self.growing:
            raise ValueError(
                "explicit guidance weights are for i iterations: they fit none of drawn, progressive and growing"
            )
        if len(weights) != iterations:
            raise ValueError(f"guidance has {len(weights)} weights for {iterations} iterations: give one for each")
        fits = abs(sum(weights) - 1) <= 1e-6 and min(weights) >= 0 and list(weights) == sorted(weights)
        if not fits:  # as it is where one of them is not a number
            raise ValueError(
                f"guidance weights {list(weights)}: they must be at least 0, sum to 1, and not fall from one "
                "iteration to the next"
            )
        return self

    def drawn_mean(self, iterations: int) -> int:
        """Mean of drawn iterations where training asks for so many."""
        return iterations + (self.drawn_i == "rate")

    @property
    def passes(self) -> int:
        """Passes through `n` blocks in one iteration."""
        return 1

    @property
    def even_from(self) -> int | None:
        """Iterations of a step from which on each adds as much to the cost of training; None where they do not.

        An iteration without a backward pass costs less than one with it.
        """
        if self.backpropagate is None:
            return 1
        if self.drawn or self.progressive or self.growing:
            return None
        return self.backpropagate + 1 if self.i // self.deep_supervision > self.backpropagate else 1


class WithCore(Recursive):
    """Settings of an architecture that iterates a core of `n` blocks, between blocks that are applied once."""

    prelude: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks before the core."""
    coda: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks after the core."""

    @property
    def effective_depth(self) -> int:
        """Number of block applications in one forward pass of evaluation."""
        return self.prelude + self.n * self.i + self.coda

    @property
    def distinct_blocks(self) -> int:
        """Number of blocks of prelude, core and coda."""
        return self.prelude + self.n + self.coda
