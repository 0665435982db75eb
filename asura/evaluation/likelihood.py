"""How well a model predicts text: bits per byte of whole documents, at every number of iterations in one pass."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from asura.common.randomness import generator
from asura.evaluation.accuracy import mean, ratio, scored
from asura.models.model import Model
from asura.tasks import IGNORE
from asura.tasks.base import Batch
from asura.tasks.text import Text
from asura.training.processes import ALONE, Alone

LOGITS_AT_ONCE = 1 << 24


class Cut(NamedTuple):
    """Documents cut into windows (W, length) whose last is padded; of each window its document, and their bytes."""

    windows: Batch
    document: Tensor
    size: Tensor


def text_rows(
    model: Model, text: Text, iterations: int, examples: int, device: torch.device, processes: Alone = ALONE
) -> Iterator[dict[str, Any]]:
    """One row for each number of iterations (1 to `iterations`) and metric or measure of the model.

    Documents are those held out, in an order of their own, whole, until there are `examples` windows. A window is
    predicted from its own tokens, the first from the last of the window before.
    """
    cut = cut_documents(text.splits["test"], examples)
    at_once = LOGITS_AT_ONCE // (model.head.out_features * text.length)
    found = scored(model, cut.windows, ("nats", "right"), _score, at_once, iterations, device, processes)
    nats, right = found.pop("nats"), found.pop("right")
    asked = (cut.windows.targets != IGNORE).sum(1)
    for t in range(nats.shape[0]):
        bits = torch.zeros(len(cut.size), dtype=torch.float64).index_add_(0, cut.document, nats[t] / math.log(2))
        scores = [ratio("bits_per_byte", bits, cut.size), ratio("accuracy", right[t], asked)]
        scores += [mean(name, values[t]) for name, values in found.items()]
        for score in scores:
            yield {"split": "test", "iterations": t + 1, **score._asdict()}


def cut_documents(text: Text, most: int) -> Cut:
    """Whole documents until there are `most` windows, or all."""
    stream, index = text.tokens
    starts = [0, *index[:-1, 0].tolist()]
    tokens: list[Tensor] = []
    targets: list[Tensor] = []
    document: list[int] = []
    size: list[int] = []
    for place in torch.randperm(len(index), generator=generator("evaluation", "documents")).tolist():
        if len(tokens) >= most:
            break
        own = torch.from_numpy(stream[starts[place] : index[place, 0]].astype("int64"))
        for inputs, wanted in zip(own[:-1].split(text.length), own[1:].split(text.length), strict=True):
            room = (0, text.length - len(inputs))
            tokens.append(F.pad(inputs, room))
            targets.append(F.pad(wanted, room, value=IGNORE))
            document.append(len(size))
        size.append(int(index[place, 1]))
    return Cut(Batch(torch.stack(tokens), torch.stack(targets)), torch.tensor(document), torch.tensor(size))


def _score(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Of each window: nats of its targets, and how many are predicted rightly."""
    logits = logits.float()
    nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")
    return {"nats": nats.view_as(targets).sum(1), "right": (logits.argmax(-1) == targets).sum(1)}
