"""How a model is trained: the settings under `training` in a study, and of each run."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from asura.common.validation import LARGEST, Name

KEPT_BITS = {"activation_checkpointing", "checkpoint_minutes", "checkpoint_steps"}
"""Settings of training that may be changed in mid-training: they cost time and memory, and change no bit."""


class Training(BaseModel):
    """How a model is trained; the same for ASURA and its controls.

    activation_checkpointing: what an iteration computes is not kept for the backward pass, which iterates again from
    the states before: of i iterations, the memory of one, for about a third more time. The FLOPs of a plan are those
    of the architecture and do not count what is computed twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, le=2**40)
    batch: int = Field(32, ge=1, le=LARGEST, description="sequences in one step")
    accumulate: int = Field(1, ge=1, description="parts that a batch is cut into, one after the other")
    optimiser: Literal["adamw", "adafactor", "muon"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0, allow_inf_nan=False)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    schedule: Literal["cosine", "constant", "warmup_stable_decay"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    decay_fraction: float = Field(0.2, gt=0, le=1, description="share of the steps in which warmup_stable_decay decays")
    clip: float | None = Field(1.0, gt=0, allow_inf_nan=False, description="largest gradient norm; null for none")
    z_loss: float = Field(0.0, ge=0, allow_inf_nan=False)
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on CUDA")
    compile: bool = False
    activation_checkpointing: bool = False
    parallel: Literal["ddp", "fsdp"] = Field("ddp", description="how several processes share one run")
    log_steps: int = Field(20, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)
    checkpoint_steps: int | None = Field(None, ge=1)
    start_from: Name | None = Field(None, description="task whose run of this model and seed gives the first weights")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate {self.accumulate}: it must divide batch {self.batch}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps}: it must be at most steps {self.steps}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {list(self.betas)}: each must be at least 0 and below 1")
        if self.parallel == "fsdp" and self.optimiser == "adafactor":
            raise ValueError("optimiser adafactor: torch's cannot be sharded; use adamw or muon, or parallel: ddp")
        return self
