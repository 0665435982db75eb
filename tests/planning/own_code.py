"""Files of one's own, as a person writes them: a model, a task, an optimiser and a schedule."""

GATED = '''"""A looped block whose MLP is gated."""

from typing import Literal

import torch.nn.functional as F
from torch import nn

from asura import architecture
from asura.models.layers import Block
from asura.models.model import Model
from asura.models.settings import Recursive


class GatedSettings(Recursive):
    architecture: Literal["gated"] = "gated"
    gate: Literal["silu", "gelu"] = "silu"


class GatedMLP(nn.Module):
    def __init__(self, settings):
        super().__init__()
        hidden = settings.mlp_width or 4 * settings.width
        self.up, self.gate = (nn.Linear(settings.width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, settings.width, bias=False)
        self.act = getattr(F, settings.gate)

    def forward(self, x):
        return self.down(self.act(self.gate(x)) * self.up(x))


@architecture(GatedSettings)
class Gated(Model):
    def __init__(self, settings, vocabulary):
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))
        for block in self.blocks:
            block.mlp = GatedMLP(settings)

    def start(self, tokens, noise=None):
        return (self.embed(tokens),)

    def iterate(self, state, t):
        (z,) = state
        for block in self.blocks:
            z = block(z)
        return (z,)
'''

MODADD = '''"""a + b = c (mod p): the answer stands at the position of =."""

import math
from typing import ClassVar

import torch
from pydantic import Field

from asura import task
from asura.tasks.base import IGNORE, Batch, Metric, Task


@task("modadd")
class ModAdd(Task):
    metric: ClassVar[Metric] = "accuracy"
    p: int = Field(11, ge=2, le=997)

    @property
    def vocabulary(self):
        return self.p + 2

    @property
    def sequence_length(self):
        return 4

    @property
    def chance(self):
        return 1 / self.p

    @property
    def input_bits(self):
        return 2 * math.log2(self.p)

    def generate(self, count, generator):
        a, b = torch.randint(self.p, (2, count), generator=generator)
        plus, equals = torch.full_like(a, self.p), torch.full_like(a, self.p + 1)
        targets = torch.full((count, 4), IGNORE)
        targets[:, 3] = (a + b) % self.p
        return Batch(torch.stack([a, plus, b, equals], 1), targets)

    def show(self, tokens, targets):
        return f"{tokens[0]} + {tokens[2]} = {targets[3]} mod {self.p}"
'''

LION = '''"""The sign of a momentum (Chen et al., 2023), and a rate that falls as an inverse root."""

import torch


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    kept.lerp_(p.grad, 1 - group["beta"])
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(kept.sign(), alpha=-group["lr"])


def rsqrt(step, steps, timescale=1):
    return (1 + step / timescale) ** -0.5
'''
