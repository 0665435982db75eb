"""What architectures are told: their size, and how they are iterated in training."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from asura.common.validation import LARGEST


class Architecture(BaseModel):
    """Settings of every architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    n: int = Field(1, ge=1, le=LARGEST, description="blocks with parameters of their own")
    i: int = Field(1, ge=1, le=LARGEST, description="iterations of the whole stack")
    width: int = Field(64, ge=1, le=LARGEST)
    heads: int = Field(4, ge=1, le=LARGEST)
    mlp_width: int | None = Field(None, ge=1, le=LARGEST, description="hidden width of the MLP; 4 × width by default")
    causal: bool = Field(True, description="next-token prediction; false lets every position see all others")
    positions: Literal["rotary", "learned", "none"] = "rotary"

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Architecture":
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} with {self.heads} heads: width must be divisible by twice the heads, "
                "so that each head has an even width to rotate"
            )
        return self

    @classmethod
    def iterates(cls) -> bool:
        """Whether i is a choice; the other architectures apply their blocks once."""
        return issubclass(cls, Recursive)

    @property
    def effective_depth(self) -> int:
        """Block applications in one forward pass."""
        return self.n * self.i

    @property
    def cost_is_even(self) -> bool:
        """Whether each iteration adds as much to the cost of training as every other."""
        return True


class Recursive(Architecture):
    """Settings of every architecture that iterates: what training does with the number of iterations.

    drawn: each batch is given a number of iterations of its own, with mean i, as Geiping et al. (2025, arXiv
    2502.05171) draw it: one more than a Poisson number whose rate is log-normal, sigma 1/2.
    backpropagate: the last iterations that gradient flows through; the others run without.
    progressive: alpha of Bansal et al. (2022, arXiv 2202.05826): this share of the loss is that after k iterations
    with gradient from a state that n' iterations without gradient have led to, n' ~ U{0..i-1}, k ~ U{1..i-n'}.
    """

    drawn: bool = False
    backpropagate: int | None = Field(None, ge=1, le=LARGEST)
    progressive: float = Field(0.0, ge=0, le=1)

    @property
    def cost_is_even(self) -> bool:
        """Not where the first iterations have no backward pass."""
        return self.backpropagate is None
