"""Continuing a text with a trained language model."""

import math
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path

import torch
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.corpora.tokenizers import end_of_text, load
from asura.evaluation.evaluate import load_trained
from asura.models.model import Model
from asura.planning.run_folder import RunFolder
from asura.training.devices import prepare


def generate(
    path: Path,
    prompt: str,
    tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    iterations: int | None = None,
    threads: int = 1,
) -> str:
    """A text and its continuation by the model of a trained run: `tokens` of them, or less where the text ends.

    The model reads as many of the last tokens as it was trained on, at `iterations` (as trained if None). Raises
    UserError for a run that has not ended, has failed or is no language model, and for what cannot be sampled.
    """
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature: found {temperature}; it must be 0, which is greedy, or a number above")
    device = prepare(threads)
    run, model = load_trained(path, device)
    file = RunFolder(path).tokenizer
    if not file.is_file():
        raise UserError(f"{path}: it has no {file.name}, so it is no language model; give the folder of a run on text")
    tokenizer = load(file, run.task.vocabulary)
    end = end_of_text(tokenizer)
    try:
        given = tokenizer.encode(prompt).ids or [end]
    except (TypeError, UnicodeError):
        raise UserError("the text to be continued is not UTF-8") from None
    following = continuation(
        model,
        given,
        run.task.sequence_length,
        tokenizer.get_vocab_size(),
        temperature,
        generator("generation", seed),
        iterations,
    )
    return prompt + tokenizer.decode(list(takewhile(lambda token: token != end, islice(following, tokens))))


@torch.no_grad()
def continuation(
    model: Model,
    tokens: list[int],
    length: int,
    vocabulary: int,
    temperature: float,
    generator: Generator,
    iterations: int | None = None,
) -> Iterator[int]:
    """Yield tokens below `vocabulary` without end, each chosen after the last `length` tokens before it."""
    device, read = model.head.weight.device, list(tokens)
    while True:
        context = torch.tensor([read[-length:]], device=device)
        *_, state = model.states(context, iterations)
        read.append(choose(model.logits(state[0, -1])[:vocabulary], temperature, generator))
        yield read[-1]


def choose(logits: Tensor, temperature: float, generator: Generator) -> int:
    """The likeliest token of logits (V,) at temperature 0; above, one drawn from softmax(logits / temperature)."""
    logits = logits.cpu().double()
    if temperature == 0:
        return int(logits.argmax())
    likelihood = ((logits - logits.max()) / temperature).softmax(-1)
    return int(torch.multinomial(likelihood, 1, generator=generator))
