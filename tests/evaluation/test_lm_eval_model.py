"""A model answers the requests of lm-eval as a plain loop would."""

import pytest
import torch

from asura.evaluation import lm_eval_model
from asura.evaluation.lm_eval_model import IteratedLM
from asura.training.processes import Alone
from tests.conftest import read_documents
from tests.evaluation.plain_scorer import CPU, LENGTH, asked, same

REQUESTS = [
    ("The man turned on the faucet, therefore", " the toilet filled with water."),
    ("The man turned on the faucet, therefore", " water"),
    ("Question: which of these is a metal?\nA. iron\nB. wood\nAnswer:", " A"),
    ("Question: which of these is a metal?\nA. iron\nB. wood\nAnswer:", " B"),
    ("It was a long and winding story, " * 20 + "and so the very end of it was", " reached"),  # is cut on its left
    ("She said ", "no"),  # the space belongs to what follows
]


def test_requests_answered_together_are_answered_as_each_alone(lm, model, tokenizer):
    together = [lm.loglikelihood([asked(*request) for request in REQUESTS]) for lm.at in (1, 2, 3)]
    for t, answers in enumerate(together, start=1):
        for request, answer in zip(REQUESTS, answers, strict=True):
            alone = IteratedLM(model, tokenizer, (1, 2, 3), LENGTH, CPU)
            alone.at = t
            assert same(alone.loglikelihood([asked(*request)]), [answer])
    assert together[0] != together[1] != together[2]


def test_all_numbers_of_iterations_in_one_pass_are_each_number_alone(lm, model, tokenizer):
    for t in (1, 2, 3):
        lm.at = t
        alone = IteratedLM(model, tokenizer, (t,), LENGTH, CPU)
        requests = [asked(*request) for request in REQUESTS]
        assert same(lm.loglikelihood(requests), alone.loglikelihood(requests))


@torch.no_grad()
def plain_rolling(model, tokens: list[int], before: int, t: int) -> float:
    """Sum over windows of LENGTH tokens, each predicted from the LENGTH tokens before the window's last."""
    total = 0.0
    for start in range(0, len(tokens), LENGTH):
        end = min(start + LENGTH, len(tokens))
        context = [before, *tokens][max(0, end - LENGTH) : end]
        log_probabilities = model(torch.tensor([context]), iterations=t)[0].log_softmax(-1)
        for k in range(start, end):
            total += log_probabilities[k - end, tokens[k]].item()
    return total


def test_rolling_likelihood_is_that_of_a_plain_loop(lm, model, tokenizer, few):
    texts = [document["text"] for document in read_documents(few, "lambada")[:4]] + ["A word.", ""]
    assert len(tokenizer.encode(texts[0]).ids) > 2 * LENGTH
    for lm.at in (1, 3):
        found = lm.loglikelihood_rolling([asked(text, kind="loglikelihood_rolling") for text in texts])
        end_of_text = tokenizer.token_to_id("<|endoftext|>")
        plain = [plain_rolling(model, tokenizer.encode(text).ids, end_of_text, lm.at) for text in texts]
        assert found == pytest.approx(plain, rel=1e-5)


def test_a_continuation_longer_than_the_model_reads_is_scored_to_its_last_token(lm, model, tokenizer, few):
    text = read_documents(few, "lambada")[0]["text"]
    tokens = tokenizer.encode("So" + " " + text).ids
    first = tokenizer.encode("So").ids
    assert tokens[: len(first)] == first and len(tokens) > 2 * LENGTH
    ((found, _),) = lm.loglikelihood([asked("So", " " + text)])
    assert found == pytest.approx(plain_rolling(model, tokens[len(first) :], first[-1], t=3), rel=1e-5)


@torch.no_grad()
def plain_generation(model, tokenizer, context: str, until: str, most: int, t: int) -> str:
    tokens = tokenizer.encode(context).ids
    written: list[int] = []
    while len(written) < most and until not in tokenizer.decode(written):
        logits = model(torch.tensor([(tokens + written)[-LENGTH:]]), iterations=t)
        written.append(logits[0, -1].argmax().item())
    return tokenizer.decode(written).split(until)[0]


def test_generation_is_that_of_a_plain_loop(lm, model, tokenizer):
    contexts = ["Q: How many apples?\nA:", "Short", "It was a long and winding story, " * 10]
    unstopped = [plain_generation(model, tokenizer, context, "\0", 60, 3) for context in contexts]
    stop = unstopped[0][5:7]  # stops the first, after some tokens
    settings = {"until": [stop], "max_gen_toks": 60, "do_sample": False}
    found = lm.generate_until([asked(context, settings, kind="generate_until") for context in contexts])
    assert found == [plain_generation(model, tokenizer, context, stop, 60, 3) for context in contexts]
    assert len(found[0]) <= 5 and found != unstopped


def test_generation_ends_where_it_is_stopped(lm, monkeypatch):
    following = iter([*lm.tok_encode("It is 4. Q: What"), lm.eot_token_id, *lm.tok_encode("never")])
    monkeypatch.setattr(lm, "_next", lambda rows: [next(following)])
    settings = {"until": ["Q:"], "max_gen_toks": 60}
    stopped, ended = (lm.generate_until([asked("A:", settings, kind="generate_until")]) for _ in range(2))
    assert (stopped, ended) == (["It is 4. "], [" What"])
    assert lm.tokenizer.decode(list(following)) == "never"


def test_logits_are_held_of_few_positions_at_once(lm, model, monkeypatch):
    def logits(z):
        seen.append(z.shape[:2].numel())
        return original(z)

    seen: list[int] = []
    original = model.logits
    before = lm.loglikelihood([asked(*request) for request in REQUESTS])
    monkeypatch.setattr(model, "logits", logits)
    monkeypatch.setattr(lm_eval_model, "POSITIONS_AT_ONCE", 3)
    again = IteratedLM(model, lm.tokenizer, (1, 2, 3), LENGTH, CPU).loglikelihood(
        [asked(*request) for request in REQUESTS]
    )
    assert same(again, before)
    assert max(seen) == 3 and sum(seen) > 3 * len(REQUESTS)


class Half(Alone):
    """One of two processes, which sees its own sums alone."""

    def __init__(self, index: int) -> None:
        self.index, self.count = index, 2


def test_what_two_processes_answer_adds_up_to_what_one_does(lm, model, monkeypatch):
    monkeypatch.setattr(lm_eval_model, "TOKENS_AT_ONCE", 60)
    requests = [asked(*request) for request in REQUESTS]
    halves = [IteratedLM(model, lm.tokenizer, (1, 2, 3), LENGTH, CPU, processes=Half(k)) for k in (0, 1)]
    shares = torch.tensor([[likelihood for likelihood, _ in half.loglikelihood(requests)] for half in halves])
    assert (shares != 0).any(1).all() and (shares == 0).any(1).all()
    expected = [likelihood for likelihood, _ in lm.loglikelihood(requests)]
    assert shares.sum(0).tolist() == pytest.approx(expected, rel=1e-6)


def test_batches_hold_no_more_tokens_than_they_may(monkeypatch):
    monkeypatch.setattr(lm_eval_model, "TOKENS_AT_ONCE", 12)
    lengths = [3, 5, 1, 4, 4, 13, 2]
    batches = list(lm_eval_model._batches([(0,) * length for length in lengths]))
    assert [[len(row) for row in batch] for batch in batches] == [[13], [5, 4], [4, 3, 2], [1]]
