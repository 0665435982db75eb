import socket
from collections.abc import Iterator

import datasets
import numpy as np
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean_stderr

from asura.common.errors import UserError
from asura.evaluation import lm_eval_model
from asura.evaluation.benchmark_scores import benchmark_rows
from asura.evaluation.lm_eval_model import IteratedLM
from asura.models import build
from asura.models.model import Model
from asura.planning.study import Training
from asura.training.processes import Alone
from tests.conftest import read_documents

CPU = torch.device("cpu")
VOCABULARY, LENGTH = 512, 48
SMALL = {"architecture": "asura", "n": 1, "i": 2, "width": 16, "heads": 2}


@pytest.fixture
def model() -> Model:
    return build(SMALL, VOCABULARY).eval()


@pytest.fixture
def lm(model, tokenizer) -> IteratedLM:
    return IteratedLM(model, tokenizer, 3, LENGTH, CPU)


def asked(*arguments: object, kind: str = "loglikelihood") -> Instance:
    return Instance(kind, {}, arguments, 0)


def rows(model, tokenizer, names, folder, iterations=1, **options) -> list[dict]:
    return list(benchmark_rows(model, tokenizer, names, folder, iterations, LENGTH, CPU, **options))


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
            alone = IteratedLM(model, tokenizer, 3, LENGTH, CPU)
            alone.at = t
            assert same(alone.loglikelihood([asked(*request)]), [answer])
    assert together[0] != together[1] != together[2]


def test_all_numbers_of_iterations_in_one_pass_are_each_number_alone(lm, model, tokenizer):
    for t in (1, 2, 3):
        lm.at = t
        alone = IteratedLM(model, tokenizer, t, LENGTH, CPU)
        requests = [asked(*request) for request in REQUESTS]
        assert same(lm.loglikelihood(requests), alone.loglikelihood(requests))


def test_the_model_reads_the_requests_once_for_all_numbers_of_iterations(model, tokenizer, few, monkeypatch):
    def start(tokens, *rest):
        starts.append(tokens.shape)
        return original(tokens, *rest)

    starts: list[torch.Size] = []
    original = model.start
    monkeypatch.setattr(model, "start", start)
    rows(model, tokenizer, ["copa"], few, iterations=1)
    once = list(starts)
    rows(model, tokenizer, ["copa"], few, iterations=4)
    assert starts == once * 2


def choices_of(name: str, document: dict) -> tuple[list[tuple[str, str]], list[str], int]:
    """Requests, the texts whose lengths normalise, and the right place; by the published prompts, without lm-eval."""
    if name == "winogrande":
        before, after = document["sentence"].split("_", 1)
        options = [document["option1"], document["option2"]]
        return [(before + option, " " + after.strip()) for option in options], options, int(document["answer"]) - 1
    texts = document["choices"]["text"]
    right = document["choices"]["label"].index(document["answerKey"])
    return [(document["question_stem"], " " + text) for text in texts], texts, right


@pytest.mark.parametrize("name", ["openbookqa", "winogrande"])
def test_accuracies_are_those_of_a_plain_scorer(model, tokenizer, few, name):
    plain: dict[str, list[float]] = {"accuracy": [], "normalised_accuracy": []}
    for document in read_documents(few, name):
        requests, texts, right = choices_of(name, document)
        scores = [slowly(model, tokenizer, *request, t=3)[0] for request in requests]
        normalised = [score / len(text) for score, text in zip(scores, texts, strict=True)]
        plain["accuracy"].append(float(max(scores) == scores[right]))
        plain["normalised_accuracy"].append(float(max(normalised) == normalised[right]))
    found = [row for row in rows(model, tokenizer, [name], few, iterations=3) if row["iterations"] == 3]
    assert {row["metric"] for row in found} == set(plain if name == "openbookqa" else ["accuracy"])
    for row in found:
        scores = plain[row["metric"]]
        assert (row["benchmark"], row["examples"]) == (name, 200)
        assert row["value"] == pytest.approx(sum(scores) / 200)
        assert row["standard_error"] == pytest.approx(mean_stderr(scores))


def test_the_parts_of_a_benchmark_count_by_their_documents(model, tokenizer, few):
    right = []
    for part, subject in {"anatomy": "anatomy", "college_physics": "college physics"}.items():
        for document in read_documents(few, "mmlu", part):
            lines = [document["question"].strip()]
            lines += [f"{letter}. {choice}" for letter, choice in zip("ABCD", document["choices"], strict=True)]
            about = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
            context = about + "\n".join(lines) + "\nAnswer:"
            scores = [slowly(model, tokenizer, context, f" {letter}", t=1)[0] for letter in "ABCD"]
            right.append(float(max(scores) == scores[document["answer"]]))
    (row,) = rows(model, tokenizer, ["mmlu"], few)
    assert row["examples"] == len(right) == 80
    assert row["value"] == pytest.approx(sum(right) / 80)


def test_lambada_is_that_of_a_plain_scorer(model, tokenizer, few):
    texts = [document["text"].rsplit(" ", 1) for document in read_documents(few, "lambada")]
    assert sum(len(tokenizer.encode(context).ids) > LENGTH for context, _ in texts) > 100  # most contexts are cut
    plain = [slowly(model, tokenizer, context, " " + word, t=2) for context, word in texts]
    likelihoods = np.array([likelihood for likelihood, _ in plain])
    perplexity, accuracy = [row for row in rows(model, tokenizer, ["lambada"], few, iterations=2)][2:]
    assert perplexity["value"] == pytest.approx(np.exp(-likelihoods.mean()), rel=1e-4)
    assert accuracy["value"] == pytest.approx(np.mean([greedy for _, greedy in plain]))
    # of a logarithm, the spread is the relative one; over resampled documents
    draws = np.random.default_rng(0).choice(likelihoods, (4000, 200)).mean(1)
    assert perplexity["standard_error"] / perplexity["value"] == pytest.approx(draws.std(), rel=0.05)


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


def test_a_benchmark_that_generates_has_a_row_for_each_number_of_iterations(model, tokenizer, few):
    found = rows(model, tokenizer, ["gsm8k"], few, iterations=2)
    assert [(row["iterations"], row["metric"], row["value"]) for row in found] == [
        (1, "exact_match", 0),  # random weights do not write "The answer is 18."
        (2, "exact_match", 0),
    ]


def test_a_right_answer_that_is_generated_counts(model, tokenizer, few, monkeypatch):
    answers = iter([" 16 - 3 - 4 = 9, 9 * 2 = 18. The answer is 18.", " The answer is 4."])  # of the two, the first
    monkeypatch.setattr(IteratedLM, "generate_until", lambda self, requests: [next(answers) for _ in requests])
    (row,) = rows(model, tokenizer, ["gsm8k"], few)
    assert (row["value"], row["standard_error"], row["examples"]) == (0.5, 0.5, 2)


def test_a_model_that_does_not_iterate_has_one_set_of_rows(tokenizer, few):
    vanilla = build({"architecture": "vanilla", "n": 1, "width": 16, "heads": 2}, VOCABULARY)
    assert [row["iterations"] for row in rows(vanilla, tokenizer, ["copa", "winogrande"], few, iterations=4)] == [1, 1]


def test_logits_are_held_of_few_positions_at_once(lm, model, monkeypatch):
    def logits(z):
        seen.append(z.shape[:2].numel())
        return original(z)

    seen: list[int] = []
    original = model.logits
    before = lm.loglikelihood([asked(*request) for request in REQUESTS])
    monkeypatch.setattr(model, "logits", logits)
    monkeypatch.setattr(lm_eval_model, "POSITIONS_AT_ONCE", 3)
    again = IteratedLM(model, lm.tokenizer, 3, LENGTH, CPU).loglikelihood([asked(*request) for request in REQUESTS])
    assert same(again, before)
    assert max(seen) == 3 and sum(seen) > 3 * len(REQUESTS)


class Half(Alone):
    """One of two processes, which sees its own sums alone."""

    def __init__(self, index: int) -> None:
        self.index, self.count = index, 2


def test_what_two_processes_answer_adds_up_to_what_one_does(lm, model, monkeypatch):
    monkeypatch.setattr(lm_eval_model, "TOKENS_AT_ONCE", 60)
    requests = [asked(*request) for request in REQUESTS]
    halves = [IteratedLM(model, lm.tokenizer, 3, LENGTH, CPU, processes=Half(k)) for k in (0, 1)]
    shares = torch.tensor([[likelihood for likelihood, _ in half.loglikelihood(requests)] for half in halves])
    assert (shares != 0).any(1).all() and (shares == 0).any(1).all()
    expected = [likelihood for likelihood, _ in lm.loglikelihood(requests)]
    assert shares.sum(0).tolist() == pytest.approx(expected, rel=1e-6)


def test_batches_hold_no_more_tokens_than_they_may(monkeypatch):
    monkeypatch.setattr(lm_eval_model, "TOKENS_AT_ONCE", 12)
    lengths = [3, 5, 1, 4, 4, 13, 2]
    batches = list(lm_eval_model._batches([(0,) * length for length in lengths]))
    assert [[len(row) for row in batch] for batch in batches] == [[13], [5, 4], [4, 3, 2], [1]]


@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("auto", torch.float32)])
def test_the_precision_is_that_of_training(model, tokenizer, few, monkeypatch, precision, dtype):
    def logits(z):
        seen.add(original(z).dtype)
        return original(z)

    seen: set[torch.dtype] = set()
    original = model.logits
    monkeypatch.setattr(model, "logits", logits)
    rows(model, tokenizer, ["copa", "gsm8k"], few, training=Training(steps=1, precision=precision))
    assert seen == {dtype}


def test_neither_network_nor_the_generators_of_the_process_are_touched(model, tokenizer, few, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise AssertionError("the network is used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    state = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tolist()
    rows(model, tokenizer, ["copa", "commonsense_qa"], few, iterations=2)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == state[1]


def fails(iterator: Iterator[dict], message: str) -> None:
    with pytest.raises(UserError, match=message):
        next(iterator)


def test_a_misspelt_benchmark_is_told_the_nearest_before_anything_is_computed(model, tokenizer, few):
    found = benchmark_rows(model, tokenizer, ["copa", "lambda"], few, 1, LENGTH, CPU)
    fails(found, r"found 'lambda'; did you mean 'lambada'\?")


def test_a_benchmark_that_is_not_prepared_is_refused(model, tokenizer, tmp_path):
    fails(benchmark_rows(model, tokenizer, ["copa"], tmp_path, 1, LENGTH, CPU), r"copa/documents.json: no such file")


def test_a_hub_that_cannot_be_reached_is_one_line_that_says_what_works_without(model, tokenizer, few, monkeypatch):
    def load_dataset(path: str, **rest: object) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = benchmark_rows(model, tokenizer, ["piqa"], few, 1, LENGTH, CPU, source="hub")
    fails(found, r"^piqa: .*Couldn't reach 'baber/piqa'.*source: embedded needs no hub")


def test_a_model_that_sees_what_comes_after_is_refused(tokenizer, few):
    model = build(SMALL | {"causal": False}, VOCABULARY)
    fails(benchmark_rows(model, tokenizer, ["copa"], few, 1, LENGTH, CPU), "not causal")
