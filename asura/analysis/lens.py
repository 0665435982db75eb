"""Lens: what the head reads after every iteration and block (logit lens, nostalgebraist, 2020, on LessWrong).

The divergence is KL(last ‖ here), as for the tuned lens (Belrose et al., 2023, arXiv 2303.08112).
"""

import torch
from torch import Tensor

from asura.analysis.readings import readings
from asura.analysis.subject import Subject, Tables
from asura.planning.analysis_settings import Lens
from asura.tasks import IGNORE, Batch

MEANS = ("probability", "rank", "entropy", "divergence", "accuracy", "flipped", "settled")


def lens(subject: Subject, settings: Lens) -> Tables:
    """A row for each iteration and block, with means over asked positions.

    probability, rank: of the right answer; the likeliest token has rank 1.
    entropy, divergence: of the prediction, and KL from the last one to it, both in nats.
    flipped: share of positions whose likeliest token is another than at the row before; none at the first row.
    settled: share of positions that are right here and at every later row.
    """
    model = subject.model
    places: dict[tuple[int, int], None] = {}

    def measure(part: Batch) -> dict[str, Tensor]:
        asked, read = part.targets != IGNORE, []
        for iteration, block, _, z in readings(model, part.tokens, settings.iterations):
            places[iteration, block] = None
            read.append(model.logits(z[asked]).float().log_softmax(-1))
        return measured(torch.stack(read), part.targets[asked])

    most = model.settings.n * (settings.iterations or subject.i)
    found = subject.gathered(measure, most * model.head.out_features)
    means = {name: found[name].double().mean(-1).tolist() for name in MEANS}
    return {
        "lens": [
            {"iteration": iteration, "block": block} | {name: values[place] for name, values in means.items()}
            for place, (iteration, block) in enumerate(places)
        ]
    }


def measured(log_p: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """The quantities of `MEANS` of log-probabilities (readings, N, V) and right answers (N,), each (readings, N)."""
    right = log_p.gather(-1, answers.expand(len(log_p), -1)[..., None])
    p, chosen = log_p.exp(), log_p.argmax(-1)
    is_right = chosen == answers
    last = log_p[-1]
    return {
        "probability": right[..., 0].exp(),
        "rank": 1 + (log_p > right).sum(-1),
        "entropy": -(p * log_p).sum(-1),
        "divergence": (last.exp() * (last - log_p)).sum(-1),
        "accuracy": is_right,
        "flipped": torch.cat([torch.full_like(p[:1, :, 0], torch.nan), (chosen[1:] != chosen[:-1]).to(p.dtype)]),
        "settled": is_right.flip(0).cummin(0).values.flip(0),
    }
