"""A model as one of lm-eval's, which gives the answers at some numbers of iterations in one pass."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import chunks, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asura.corpora.tokenizers import end_of_text
from asura.models.model import Model
from asura.planning.training_settings import Training
from asura.training.devices import autocast
from asura.training.processes import ALONE, Alone

TOKENS_AT_ONCE = 1 << 13
POSITIONS_AT_ONCE = 1 << 10
"""Positions whose logits are held at once."""

Tokens = list[int]
Answer = tuple[float, bool]
"""The log-likelihood of a continuation, and whether each of its tokens is the model's first choice."""


class Window(NamedTuple):
    """What a model reads for (a part of) a request: the targets follow the last of the inputs, one after the other."""

    request: int
    inputs: Tokens
    targets: Tokens


class IteratedLM(TemplateLM):
    """A model for lm-eval, which gets the answers at `at` iterations, one of the `iterations` in rising order.

    Those at all others are kept meanwhile.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        iterations: Sequence[int],
        length: int,
        device: torch.device,
        training: Training | None = None,
        processes: Alone = ALONE,
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.length, self._device = model, tokenizer, length, device
        self.iterations, self.at = tuple(iterations), iterations[-1]
        self._training, self._processes = training, processes
        self._kept: dict[tuple[str, ...], list[Answer]] = {}

    @property
    def eot_token_id(self) -> int:
        """The token between documents."""
        return end_of_text(self.tokenizer)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> Tokens:
        """A text's tokens."""
        return self.tokenizer.encode(string, add_special_tokens=False).ids

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[Answer]:
        """Of each (context, continuation): the log-likelihood, and whether greedy decoding would give it."""
        super().loglikelihood([request for request in requests if request.args not in self._kept], disable_tqdm)
        return [self._kept[request.args][self._place] for request in requests]

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], Tokens, Tokens]], **kwargs: Any
    ) -> list[Answer]:
        answers = self._answers([(context, continuation) for _, context, continuation in requests])
        self._kept |= zip((texts for texts, _, _ in requests), answers, strict=True)
        return [answer[self._place] for answer in answers]

    @property
    def _place(self) -> int:
        return self.iterations.index(self.at)

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """Of each (text,): the log-likelihood of all its tokens, in windows of the model's length."""
        unknown = [request.args for request in requests if request.args not in self._kept]
        answers = self._answers([([self.eot_token_id], self.tok_encode(text)) for (text,) in unknown])
        self._kept |= zip(unknown, answers, strict=True)
        return [self._kept[request.args][self._place][0] for request in requests]

    def _answers(self, requests: Sequence[tuple[Tokens, Tokens]]) -> list[list[Answer]]:
        """Of each (context, continuation), the answer at each number of iterations."""
        windows = [Window(k, *window) for k, request in enumerate(requests) for window in self._windows(*request)]
        likelihood, first_choices = self._run(windows, len(requests)).unbind(-1)
        greedy = first_choices == torch.tensor([len(continuation) for _, continuation in requests])
        pairs = zip(likelihood.T.tolist(), greedy.T.tolist(), strict=True)
        return [list(zip(*pair, strict=True)) for pair in pairs]

    def _windows(self, context: Tokens, continuation: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
        """Inputs and targets: one window with what fits of the context, or several for a longer continuation."""
        if len(continuation) > self.length:
            yield from get_rolling_token_windows(continuation, context[-1], self.length, 1)
        elif continuation:
            yield (context + continuation)[-self.length - 1 : -1], continuation

    @torch.no_grad()
    def _run(self, windows: list[Window], requests: int) -> Tensor:
        """(numbers, requests, 2): the targets' log-likelihood, and how many of them are the first choice."""
        result = torch.zeros(len(self.iterations), requests, 2, dtype=torch.float64)
        sharing: dict[tuple[int, ...], list[Window]] = defaultdict(list)
        for window in windows:
            sharing[tuple(window.inputs)].append(window)  # choices of one token are read from one row
        for rows in self._processes.mine(_batches(sharing)):
            asked = [
                (window.request, row, len(inputs) - len(window.targets) + k, target)
                for row, inputs in enumerate(rows)
                for window in sharing[inputs]
                for k, target in enumerate(window.targets)
            ]
            request, row, position, target = torch.tensor(asked).T
            row, position, target = (index.to(self._device) for index in (row, position, target))
            with self._autocast():
                for t, z in enumerate(self.model.states(self._padded(rows), self.iterations[-1]), start=1):
                    if t not in self.iterations:
                        continue
                    parts = zip(z[row, position].split(POSITIONS_AT_ONCE), target.split(POSITIONS_AT_ONCE), strict=True)
                    answers = torch.cat([self._answer(*part) for part in parts])
                    result[self.iterations.index(t)].index_add_(0, request, answers.cpu().double())
        return self._processes.total(result)[0]

    def _answer(self, z: Tensor, target: Tensor) -> Tensor:
        """(K, 2) for states (K, d) and targets (K,): log-probability, and whether it is the first choice."""
        logits = self.model.logits(z[None])[0].float()
        return torch.stack((-F.cross_entropy(logits, target, reduction="none"), logits.argmax(-1) == target), dim=1)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Of each (context, settings): the greedy continuation, up to a string of `until` or `max_gen_toks` tokens."""
        batches = chunks(requests, max(1, TOKENS_AT_ONCE // self.length))
        return [text for batch in batches for text in self._continue(batch)]

    def _continue(self, requests: list[Instance]) -> list[str]:
        settings = [normalize_gen_kwargs(request.args[1]) for request in requests]
        read = [self.tok_encode(request.args[0]) or [self.eot_token_id] for request in requests]
        written: list[Tokens] = [[] for _ in requests]

        def goes_on(k: int) -> bool:
            text = self.tokenizer.decode(written[k])
            stops = written[k][-1] == self.eot_token_id or any(stop in text for stop in settings[k]["until"])
            return not stops and len(written[k]) < settings[k]["max_gen_toks"]

        going = list(range(len(requests)))
        while going:
            following = self._next([(read[k] + written[k])[-self.length :] for k in going])
            for k, token in zip(going, following, strict=True):
                written[k].append(token)
            going = [k for k in going if goes_on(k)]
        texts = zip(map(self.tokenizer.decode, written), settings, strict=True)
        return [postprocess_generated_text(text, setting["until"], None) for text, setting in texts]

    @torch.no_grad()
    def _next(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """The likeliest token behind each row."""
        with self._autocast():
            *_, z = self.model.states(self._padded(rows), self.at)
            last = z[torch.arange(len(rows)), [len(row) - 1 for row in rows]]
            return self.model.logits(last[None])[0].argmax(-1).tolist()

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """(rows, the longest's length), filled up behind, where a causal model does not see it."""
        return pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(self._device)

    def _autocast(self) -> AbstractContextManager:
        return autocast(self._training, self._device) if self._training else nullcontext()


def _batches(rows: Iterable[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Rows of like length, the longest first, in batches of at most TOKENS_AT_ONCE tokens."""
    batch: list[tuple[int, ...]] = []
    for row in sorted(rows, key=len, reverse=True):
        if batch and (len(batch) + 1) * len(batch[0]) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
