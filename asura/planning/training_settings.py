"""How a model is trained: the settings under `training` in a study, and of each run."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from asura.common.validation import LARGEST, Factory, Name, Settings

KEPT_BITS = {"activation_checkpointing", "checkpoint_minutes", "checkpoint_steps", "cuda_graph"}
"""Settings that may be changed during training: they cost time and memory, and do not change the result."""


class Training(Settings):
    """How a model is trained. ASURA and its controls are trained in the same way."""

    steps: int = Field(ge=1, le=2**40)
    """Number of optimiser steps."""
    batch: int = Field(32, ge=1, le=LARGEST)
    """Sequences in one step, over all GPUs."""
    examples: int | None = Field(None, ge=1, le=LARGEST)
    """Number of examples that a model is trained on: a fixed set, drawn by the seed of the run. Each example is taken
    once in an epoch, in a new order every time. Models are then also evaluated on some of the set, the split
    `training`. null draws new examples for every step. Not for texts, which are fixed already."""
    accumulate: int = Field(1, ge=1)
    """Number of parts into which a batch is split. The parts are processed one after the other, which saves memory and
    keeps the batch size. It must divide `batch`."""
    optimiser: Literal["adamw", "nadamw", "adafactor", "muon"] | Factory = "adamw"
    """The optimiser. `nadamw` is AdamW with Nesterov's momentum (Dozat, 2016), as optax has it. `muon` (Jordan et al.,
    2024) updates the hidden matrices and leaves all other parameters to AdamW, with updates scaled to one learning rate
    (Liu et al., 2025, arXiv 2502.16982). `adafactor` cannot be used with `parallel: fsdp`. An optimiser of one's own is
    given as `MODULE:NAME`, which is called (docs/extending.md)."""
    optimiser_settings: dict[str, Any] = Field({})
    """Settings of an optimiser of one's own, as its arguments."""
    learning_rate: float = Field(3e-3, gt=0, allow_inf_nan=False)
    """Learning rate after warm-up."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay rates of the first and second moments, each at least 0 and below 1."""
    eps: float = Field(1e-8, gt=0, allow_inf_nan=False)
    """What AdamW and NAdamW add to the root of the second moment."""
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    """Decoupled weight decay."""
    weight_decay_of: Literal["matrices", "all"] = "matrices"
    """What decays: `matrices`, or `all` parameters, biases and norms included."""
    schedule: Literal["cosine", "linear", "constant", "warmup_stable_decay"] | Factory = "cosine"
    """Learning rate after warm-up: `cosine` decays to `final_fraction`, `linear` falls to it in equal steps, `constant`
    stays, and `warmup_stable_decay` stays and then falls linearly to `final_fraction` (Hu et al., 2024, arXiv
    2404.06395). A schedule of one's own is given as `MODULE:NAME`, which is called
    (docs/extending.md)."""
    schedule_settings: dict[str, Any] = Field({})
    """Settings of a schedule of one's own, as its arguments."""
    final_fraction: float = Field(0.0, ge=0, le=1)
    """Fraction of `learning_rate` at which `cosine`, `linear` and `warmup_stable_decay` end."""
    least_fraction: float = Field(0.0, ge=0, le=1)
    """Fraction of `learning_rate` below which no schedule falls after warm-up."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises linearly from 0. At most `steps`."""
    decay_fraction: float = Field(0.2, gt=0, le=1)
    """Fraction of all steps over which `warmup_stable_decay` decays. Other schedules ignore it."""
    clip: float | None = Field(1.0, gt=0, allow_inf_nan=False)
    """Gradients are scaled down to this norm if theirs is larger; null turns clipping off."""
    clip_by: Literal["norm", "adaptive"] = "norm"
    """What `clip` is compared with: `norm`, the norm of all gradients together; `adaptive`, the norm of the gradient
    of each output of a layer, divided by that of its weights (Brock et al., 2021, arXiv 2102.06171)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the outputs of attention and of MLP that is dropped in training, of every block of every model. What is
    dropped follows from seed and step, and from the number of GPUs and `accumulate`."""
    average: float | None = Field(None, gt=0, lt=1)
    """Weights are averaged over the steps, and the average is evaluated and saved: after each step it moves to the
    weights by the factor 1 - `average`, such as 0.999 (exponential moving average); null turns averaging off."""
    z_loss: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Weight of the mean squared log of the softmax normaliser, which keeps logits small (Chowdhery et al., 2022, arXiv
    2204.02311)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the forward and backward pass. `auto` is bfloat16 on CUDA and float32 elsewhere."""
    compile: bool = False
    """Compile the blocks with `torch.compile`, once for all models of a job. It pays for long runs (docs/speed.md)."""
    cuda_graph: bool = False
    """Capture the forward and backward pass as a CUDA graph and replay it in every step, to the same bits. On a GPU,
    small models then train several times as fast (docs/speed.md). It has no effect on a CPU, for a run on several GPUs,
    with `accumulate` or `activation_checkpointing`, and for `deq`, whose solver waits for the GPU."""
    activation_checkpointing: bool = False
    """Recompute each iteration in the backward pass in place of storing it. The memory is that of one iteration, and
    training takes about a third longer. The FLOPs of a plan do not count the recomputation."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """How several GPUs share one run: `ddp` copies the model to each, `fsdp` shards it (FSDP2)."""
    log_steps: int = Field(20, ge=1)
    """Steps between two lines of `metrics.jsonl`."""
    validation_examples: int = Field(0, ge=0, le=LARGEST)
    """Examples of the validation split on which each line of `metrics.jsonl` has loss and accuracy; 0 for none. They do
    not change what is trained."""
    checkpoint_minutes: float = Field(5.0, gt=0)
    """Minutes between two checkpoints."""
    checkpoint_steps: int | None = Field(None, ge=1)
    """Steps between two checkpoints, in addition to `checkpoint_minutes`; null for none."""
    start_from: Name | None = None
    """Name of a text task of the study. Training starts from the weights of the same model and seed trained on that
    task. Only for tasks that are `written_as` it; null starts from random weights."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate {self.accumulate}: it must divide batch {self.batch}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps}: it must be at most steps {self.steps}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {list(self.betas)}: each must be at least 0 and below 1")
        for key in ("optimiser", "schedule"):
            if getattr(self, f"{key}_settings") and ":" not in getattr(self, key):
                raise ValueError(f"{key}_settings are of one's own {key}, MODULE:NAME; found {getattr(self, key)}")
        if self.parallel == "fsdp" and self.optimiser == "adafactor":
            raise ValueError("optimiser adafactor: torch's cannot be sharded; use adamw or muon, or parallel: ddp")
        return self
