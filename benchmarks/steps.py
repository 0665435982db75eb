"""Training steps against one another: ratios of medians of CPU time, the two sides taking turns.

The steps have one thread. On a busy machine their CPU time grows little, and that of both sides alike.

python benchmarks/steps.py
"""

import statistics
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from asura.models import ARCHITECTURES
from asura.models.asura import AsuraSettings
from asura.models.settings import Architecture
from asura.models.vanilla import VanillaSettings
from asura.planning.costs import cost
from asura.planning.runs import Run
from asura.planning.training_settings import Training
from asura.tasks import TASKS, Task
from asura.tasks.base import IGNORE
from asura.tasks.phop import PHop
from asura.training.batches import Drawn
from asura.training.devices import describe, prepare
from asura.training.trainer import Trainer

ROUNDS, STEPS = 7, 4
Step = Callable[[], object]
Optimiser = Literal["adamw", "muon", "adafactor"]


class Size(NamedTuple):
    """What is trained, on how much at once."""

    name: str
    width: int
    heads: int
    length: int
    batch: int

    @property
    def task(self) -> PHop:
        """Three-hop induction at this length."""
        return PHop(length=self.length)


SIZES = [Size("width 64, 32 × 32 tokens", 64, 4, 32, 32), Size("width 256, 8 × 256 tokens", 256, 8, 256, 8)]


def step_of(settings: Architecture, size: Size, optimiser: Optimiser = "adamw") -> Step:
    """A training step of this project."""
    training = Training(steps=10**6, batch=size.batch, warmup_steps=50, optimiser=optimiser)
    run = Run(task_name="phop", task_kind="phop", task=size.task, label="", model=settings, training=training, seed=0)
    trainer = Trainer(run, torch.device("cpu"))

    def step() -> None:
        trainer.advance()
        trainer.forget()

    return step


class PlainStack(nn.Module):
    """A stack of torch's own encoder layers, pre-norm and causal, with learned positions."""

    def __init__(self, depth: int, size: Size, vocabulary: int) -> None:
        super().__init__()
        width = size.width
        self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(size.length, width)
        layers = (
            nn.TransformerEncoderLayer(width, size.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.layers = nn.ModuleList(layers)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(size.length))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens to logits (B, T, V)."""
        x = self.embedding(tokens) + self.positions.weight
        for layer in self.layers:
            x = layer(x, src_mask=self.mask, is_causal=True)
        logits: Tensor = self.head(self.norm(x))
        return logits


def x_transformers(depth: int, size: Size) -> nn.Module:
    """The decoder of lucidrains' x-transformers, with rotary positions as ours."""
    from x_transformers import Decoder, TransformerWrapper

    layers = Decoder(
        dim=size.width, depth=depth, heads=size.heads, attn_dim_head=size.width // size.heads, rotary_pos_emb=True
    )
    model: nn.Module = TransformerWrapper(
        num_tokens=size.task.vocabulary, max_seq_len=size.length, attn_layers=layers, use_abs_pos_emb=False
    )
    return model


def plain_step(model: nn.Module, size: Size) -> Step:
    """The shortest training loop that one would write for a model from tokens to logits."""
    adamw = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=True)
    batches = Drawn(size.task, size.batch, 0)
    taken = 0

    def step() -> None:
        nonlocal taken
        tokens, targets = batches.at(taken)
        loss = cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        taken += 1

    return step


def compare(first: Step, second: Step) -> tuple[float, float]:
    """Median milliseconds of CPU time of a step of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(ROUNDS + 1):
        for side, step in zip(times, (first, second), strict=True):
            start = time.process_time()
            for _ in range(STEPS):
                step()
            if round_:  # the first is a warm-up
                side.append(1000 * (time.process_time() - start) / STEPS)
    return statistics.median(times[0]), statistics.median(times[1])


def drawing_share(task: Task, size: Size) -> tuple[float, float]:
    """Milliseconds of CPU time to draw a batch of a task, and of a training step on it, of one block."""
    batches = Drawn(task, size.batch, 0)
    many = 400
    start = time.process_time()
    for step in range(many):
        batches.at(step)
    drawing = 1000 * (time.process_time() - start) / many
    training = Training(steps=10**6, batch=size.batch)
    model = VanillaSettings(n=1, width=size.width, heads=size.heads)
    kind = next(name for name, known in TASKS.items() if type(task) is known)
    run = Run(task_name=kind, task_kind=kind, task=task, label="", model=model, training=training, seed=0)
    trainer = Trainer(run, torch.device("cpu"))
    step_time, _ = compare(trainer.advance, trainer.advance)
    return drawing, step_time


def pairs(size: Size) -> Iterator[tuple[str, Architecture, VanillaSettings]]:
    """Each architecture at n = 1 and i = 4, and a vanilla stack of its effective depth."""
    shape = {"width": size.width, "heads": size.heads}
    for name, (kind, _) in ARCHITECTURES.items():
        if kind.iterates():
            solved = {"warm_start": 0.0} if name == "deq" else {}  # else its first steps unroll two evaluations
            settings = kind.model_validate({"n": 1, "i": 4, **solved, **shape})
            yield f"{name} n=1 i=4", settings, VanillaSettings(n=settings.effective_depth, **shape)
    # A projection from 2d to d at each iteration costs what d more units of MLP width cost at each block.
    yield "asura n=1 i=4", AsuraSettings(n=1, i=4, **shape), VanillaSettings(n=4, mlp_width=5 * size.width, **shape)


def others(size: Size) -> Iterator[tuple[str, nn.Module]]:
    """Four blocks of other libraries, of those that are installed."""
    yield "nn.TransformerEncoderLayer × 4", PlainStack(4, size, size.task.vocabulary)
    if find_spec("x_transformers"):
        yield "x-transformers, 4 layers", x_transformers(4, size)


def main() -> None:
    """Print a table of ratios."""
    device = prepare(threads=1)
    print(f"One thread of {describe(device)}, torch {torch.__version__}, {ROUNDS} rounds of {STEPS} steps in turns.\n")
    print("| what | against | size | ms | ms | ratio | FLOPs |\n|---|---|---|---:|---:|---:|---:|")
    for size in SIZES:
        for name, settings, against in pairs(size):
            mine, theirs = compare(step_of(settings, size), step_of(against, size))
            flops, other_flops = (cost(s, size.task.vocabulary, size.length).flops for s in (settings, against))
            control = "" if against.mlp_width is None else ", its iso_flop"
            row = f"| {name} | vanilla n={against.n}{control} | {size.name} "
            print(f"{row}| {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} | {flops / other_flops:.2f} |")
        vanilla = VanillaSettings(n=4, width=size.width, heads=size.heads)
        for name, model in others(size):
            mine, theirs = compare(step_of(vanilla, size), plain_step(model, size))
            row = f"| vanilla n=4 | {name} | {size.name} "
            print(f"{row}| {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} | |")
        for optimiser in get_args(Optimiser)[1:]:
            for settings in (vanilla, AsuraSettings(n=1, i=4, width=size.width, heads=size.heads)):
                mine, theirs = compare(step_of(settings, size, optimiser), step_of(settings, size))
                row = f"| {settings.architecture} with {optimiser} | with adamw | {size.name} "
                print(f"{row}| {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} | |")
    for kind, task_type in TASKS.items():
        if kind in ("text", "written") or (kind == "reasoning_gym" and not find_spec(kind)):
            continue  # read from a corpus; or its package is an extra
        task = task_type()
        drawing, step_time = drawing_share(task, SIZES[0])
        print(
            f"| drawing a batch of {kind} | a step of one block on it | {SIZES[0].name} "
            f"| {drawing:.2f} | {step_time:.1f} | {drawing / step_time:.3f} | |"
        )


if __name__ == "__main__":
    main()
