"""A small model, and requests of lm-eval answered plainly."""

import torch
from lm_eval.api.instance import Instance

from asura.evaluation.benchmark_scores import benchmark_rows

CPU = torch.device("cpu")
VOCABULARY, LENGTH = 512, 48
SMALL = {"architecture": "asura", "n": 1, "i": 2, "width": 16, "heads": 2}


def asked(*arguments: object, kind: str = "loglikelihood") -> Instance:
    return Instance(kind, {}, arguments, 0)


def rows(model, tokenizer, names, folder, iterations=1, **options) -> list[dict]:
    numbers = range(1, iterations + 1) if model.settings.iterates() else (1,)
    return list(benchmark_rows(model, tokenizer, names, folder, numbers, LENGTH, CPU, **options))


def same(found: list[tuple[float, bool]], expected: list[tuple[float, bool]]) -> bool:
    """To what float32 is good for."""
    return torch.allclose(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def slowly(model, tokenizer, context: str, continuation: str, t: int) -> tuple[float, bool]:
    """One request after t iterations, worked out plainly: the last LENGTH tokens before the last, read at once."""
    tokens = tokenizer.encode(context + continuation).ids
    wanted = tokens[len(tokenizer.encode(context).ids) :]
    assert len(wanted) <= LENGTH
    read_tokens = tokens[:-1][-LENGTH:]
    logits = model(torch.tensor([read_tokens]), iterations=t)[0, -len(wanted) :]
    picked = logits.log_softmax(-1)[torch.arange(len(wanted)), wanted]
    return picked.sum().item(), logits.argmax(-1).tolist() == wanted
