import pytest
import torch

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.corpora.folders import corpus_folder
from asura.corpora.tokens import read_tokens
from asura.tasks.text import Text
from asura.training.batches import Windows, batches


@pytest.fixture
def text(corpus) -> Text:
    return Text.model_validate({"corpus": corpus, "length": 16})


def test_windows_lie_side_by_side_and_ask_for_the_next_token(text, corpus):
    stream = torch.from_numpy(read_tokens(corpus_folder(corpus), "train").tokens.astype("int64"))
    tokens, targets = text.at(torch.arange(text.windows))
    assert tokens.flatten().equal(stream[: tokens.numel()])
    assert targets.flatten().equal(stream[1 : tokens.numel() + 1])
    assert len(stream) - tokens.numel() <= 16  # what is left is no window


def test_an_epoch_takes_every_window_once_and_the_next_in_another_order(text):
    size = 7
    source = Windows(text, size, seed=3)
    taken = torch.cat([source.at(step).tokens for step in range(2 * text.windows // size + 1)])
    first, second = taken[: text.windows], taken[text.windows : 2 * text.windows]
    every = text.at(torch.arange(text.windows)).tokens

    def rows(tokens):
        return sorted(map(tuple, tokens.tolist()))

    assert rows(first) == rows(second) == rows(every)
    assert not first.equal(second)
    assert not first.equal(every)


def test_batches_follow_from_seed_and_step_alone(text):
    forwards, backwards = batches(text, 5, 1), batches(text, 5, 1)
    steps = [0, 1, 50, 400]
    there = [forwards.at(step) for step in steps]
    back = [backwards.at(step) for step in reversed(steps)]
    assert all(one.tokens.equal(other.tokens) for one, other in zip(there, reversed(back), strict=True))
    assert not batches(text, 5, 2).at(0).tokens.equal(there[0].tokens)


def test_the_test_split_is_the_documents_held_out(text, corpus):
    held_out = read_tokens(corpus_folder(corpus), "test").tokens
    test = text.splits["test"]
    assert test.at(torch.tensor([0])).tokens[0].tolist() == held_out[:16].tolist()
    assert test.draw(3, generator("x")).tokens.shape == (3, 16)


def test_a_window_is_shown_as_text(text):
    assert "the cat sat" in "".join(text.show(*text.at(torch.tensor([k])).tokens[[0, 0]]) for k in range(8))


def test_a_corpus_that_is_not_there_or_too_short_is_said_in_one_line(text, corpus):
    with pytest.raises(UserError, match="which is no window of 100000"):
        Windows(Text.model_validate({"corpus": corpus, "length": 100_000}), 1, 0)
    with pytest.raises(UserError, match=r"manifest\.json: no such file"):
        Windows(Text(), 1, 0)
