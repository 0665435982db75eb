"""Scores on benchmarks are those of a plain scorer, and what cannot be scored is refused."""

import socket
from collections.abc import Iterator

import datasets
import numpy as np
import pytest
import torch
from lm_eval.api.metrics import mean_stderr

from asura.common.errors import UserError
from asura.evaluation.benchmark_scores import benchmark_rows
from asura.evaluation.lm_eval_model import IteratedLM
from asura.models import build
from asura.planning.study import Training
from tests.conftest import read_documents
from tests.evaluation.plain_scorer import CPU, LENGTH, SMALL, VOCABULARY, rows, slowly


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
    found = benchmark_rows(model, tokenizer, ["copa", "lambda"], few, (1,), LENGTH, CPU)
    fails(found, r"found 'lambda'; did you mean 'lambada'\?")


def test_a_benchmark_that_is_not_prepared_is_refused(model, tokenizer, tmp_path):
    fails(benchmark_rows(model, tokenizer, ["copa"], tmp_path, (1,), LENGTH, CPU), r"copa/documents.json: no such file")


def test_a_hub_that_cannot_be_reached_is_one_line_that_says_what_works_without(model, tokenizer, few, monkeypatch):
    def load_dataset(path: str, **rest: object) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = benchmark_rows(model, tokenizer, ["piqa"], few, (1,), LENGTH, CPU, source="hub")
    fails(found, r"^piqa: .*Couldn't reach 'baber/piqa'.*source: embedded needs no hub")


def test_a_model_that_sees_what_comes_after_is_refused(tokenizer, few):
    model = build(SMALL | {"causal": False}, VOCABULARY)
    fails(benchmark_rows(model, tokenizer, ["copa"], few, (1,), LENGTH, CPU), "not causal")
