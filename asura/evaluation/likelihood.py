"""How well a model predicts text: bits per byte of whole documents, at some numbers of iterations in one pass."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asura.common.randomness import generator
from asura.evaluation.accuracy import Scores, mean, ratio, scored
from asura.models.model import Model
from asura.tasks import IGNORE
from asura.tasks.base import Batch
from asura.tasks.text import Text
from asura.training.processes import ALONE, Alone

LOGITS_AT_ONCE = 1 << 27


class Cut(NamedTuple):
    """Documents cut into windows (W, length) whose last is padded; of each window its document, and their bytes."""

    windows: Batch
    document: Tensor
    size: Tensor

    def bits(self, nats: Tensor) -> Tensor:
        """Bits of each document, of the nats of each window."""
        zeros = torch.zeros(len(self.size), dtype=torch.float64)
        return zeros.index_add_(0, self.document, nats / math.log(2))


class AskedText(NamedTuple):
    """Documents of each split that a model is scored on, and the log probability of each token by its frequency."""

    cuts: Mapping[str, Cut]
    frequencies: Tensor


def asked_of_text(text: Text, examples: int) -> AskedText:
    """Documents of every split: those held out, in an order of their own, whole, until there are `examples` windows."""
    return AskedText({split: cut_documents(held, examples) for split, held in text.splits.items()}, unigram(text))


def text_scores(
    model: Model, asked: AskedText, iterations: Sequence[int], device: torch.device, processes: Alone = ALONE
) -> Scores:
    """Score a model on documents, at these numbers of iterations, of which one is the trained number.

    A window is predicted from its own tokens, the first from the last of the window before.
    """
    result, frequencies = Scores([], {}, {}), asked.frequencies
    trained = iterations.index(model.settings.i)
    for split, cut in asked.cuts.items():
        at_once = LOGITS_AT_ONCE // (model.head.out_features * cut.windows.tokens.shape[1])
        found = scored(model, cut.windows, ("nats", "right"), _score, at_once, iterations, device, processes)
        nats, right = found.pop("nats"), found.pop("right")
        targets = (cut.windows.targets != IGNORE).sum(1)
        for k, t in enumerate(iterations):
            scores = [ratio("bits_per_byte", cut.bits(nats[k]), cut.size), ratio("accuracy", right[k], targets)]
            scores += [mean(name, values[k]) for name, values in found.items()]
            result.rows.extend({"split": split, "iterations": t, **score._asdict()} for score in scores)
        of_unigram = cut.bits((-frequencies[cut.windows.targets.clamp(min=0)] * (cut.windows.targets != IGNORE)).sum(1))
        result.shortcuts[split] = {"token frequencies": ratio("bits_per_byte", of_unigram, cut.size).value}
        bits = cut.bits(nats[trained])
        result.outcomes.update({f"{split}.score": bits.float(), f"{split}.weight": cut.size.float()})
    return result


def unigram(text: Text) -> Tensor:
    """The log probability of each token by its frequency in the training documents, one more counted of each: (V,)."""
    counts = torch.from_numpy(np.bincount(text.tokens.tokens, minlength=text.vocabulary)).double() + 1
    return (counts / counts.sum()).log()


def cut_documents(text: Text, most: int) -> Cut:
    """Whole documents until there are `most` windows, or all."""
    stream, index = text.tokens
    starts = [0, *index[:-1, 0].tolist()]
    tokens: list[Tensor] = []
    targets: list[Tensor] = []
    document: list[int] = []
    size: list[int] = []
    for place in torch.randperm(len(index), generator=generator("examples", "documents")).tolist():
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
