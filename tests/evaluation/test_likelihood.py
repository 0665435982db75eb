import math

import pytest
import torch
import torch.nn.functional as F

from asura.corpora.folders import corpus_folder
from asura.corpora.tokens import read_tokens
from asura.evaluation.likelihood import asked_of_text, cut_documents, text_scores, unigram
from asura.models import build
from asura.tasks import IGNORE
from asura.tasks.text import Text

CPU = torch.device("cpu")


@pytest.fixture
def text(corpus) -> Text:
    return Text.model_validate({"corpus": corpus, "length": 16})


def slow_bits_per_byte(model, corpus, iterations):
    """One document, one window at a time."""
    tokens, documents = read_tokens(corpus_folder(corpus), "test")
    nats, size, start = 0.0, 0, 0
    for end, length in documents.tolist():
        own = torch.from_numpy(tokens[start:end].astype("int64"))
        for place in range(0, len(own) - 1, 16):
            inputs, wanted = own[place : place + 16][: len(own) - 1 - place], own[place + 1 : place + 17]
            logits = model(inputs[None], iterations)[0]
            nats += sum(-F.log_softmax(logits[k], -1)[wanted[k]].item() for k in range(len(wanted)))
        size, start = size + length, end
    return nats / math.log(2) / size


def test_bits_per_byte_at_every_number_of_iterations_against_a_plain_loop(text, corpus):
    model = build({"architecture": "asura", "n": 1, "i": 2, "width": 16, "heads": 2}, 320, seed=1).eval()
    with torch.no_grad():
        found = text_scores(model, asked_of_text(text, 10**6), (1, 2, 3), CPU)
        rows = [row for row in found.rows if (row["metric"], row["split"]) == ("bits_per_byte", "test")]
        bits, size = found.outcomes["test.score"].sum(), found.outcomes["test.weight"].sum()
        assert (bits / size).item() == pytest.approx(rows[1]["value"], rel=1e-5)  # at the trained iterations
        assert [row["iterations"] for row in rows] == [1, 2, 3]
        for row in rows:
            assert row["value"] == pytest.approx(slow_bits_per_byte(model, corpus, row["iterations"]), rel=1e-5)
            assert row["examples"] == len(read_tokens(corpus_folder(corpus), "test").documents)


def test_a_uniform_model_needs_the_bits_of_its_vocabulary_for_each_token(text, corpus):
    model = build({"architecture": "vanilla", "n": 1, "width": 16, "heads": 2}, 320).eval()
    torch.nn.init.zeros_(model.head.weight)
    tokens, documents = read_tokens(corpus_folder(corpus), "test")
    asked = len(tokens) - len(documents)  # all but the first of each document
    row = next(row for row in text_scores(model, asked_of_text(text, 10**6), (1,), CPU).rows if row["split"] == "test")
    assert row["value"] == pytest.approx(math.log2(320) * asked / documents[:, 1].sum(), rel=1e-5)


def test_the_shortcut_of_a_text_is_the_frequency_of_its_tokens(text, corpus):
    model = build({"architecture": "vanilla", "n": 1, "width": 16, "heads": 2}, 320).eval()
    trained = read_tokens(corpus_folder(corpus), "train").tokens
    counts = [1 + int((trained == token).sum()) for token in range(320)]
    assert unigram(text).exp().tolist() == pytest.approx([count / sum(counts) for count in counts])
    tokens, documents = read_tokens(corpus_folder(corpus), "test")
    starts = [0, *documents[:-1, 0].tolist()]
    asked = [token for k, token in enumerate(tokens.tolist()) if k not in starts]
    bits = sum(-math.log2(counts[token] / sum(counts)) for token in asked)
    found = text_scores(model, asked_of_text(text, 10**6), (1,), CPU).shortcuts["test"]["token frequencies"]
    assert found == pytest.approx(bits / documents[:, 1].sum())


def test_documents_are_whole_and_no_more_than_asked_for(text):
    everything = cut_documents(text.splits["test"], 10**6)
    some = cut_documents(text.splits["test"], 5)
    assert 5 <= len(some.document) < len(everything.document)
    assert (some.windows.targets != IGNORE).sum() == sum(
        (everything.windows.targets[everything.document == k] != IGNORE).sum() for k in range(len(some.size))
    )
