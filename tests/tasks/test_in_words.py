import pytest
import torch

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.corpora.folders import corpus_folder
from asura.corpora.tokenizers import load
from asura.tasks import IGNORE, TASKS
from asura.tasks.in_words import Written
from asura.tasks.phop import PHop
from tests.conftest import HERE

TASK = {"hops": 2, "length": 12, "alphabet": 3}


@pytest.fixture
def written(corpus) -> Written:
    return Written.model_validate({"kind": "phop", "task": TASK, "text": {"corpus": corpus, "length": 16}})


def test_it_is_the_task_with_each_symbol_a_word_of_its_own(written, corpus):
    tokenizer = load(corpus_folder(corpus) / "tokenizer.json", 320)
    tokens, targets = written.draw(50, generator("x"))
    plain_tokens, plain_targets = PHop(**TASK).draw(50, generator("x"))
    words = {int(symbol): int(token) for symbol, token in zip(plain_tokens.flatten(), tokens.flatten(), strict=True)}
    assert len(set(words.values())) == 3
    assert all(tokenizer.decode([token])[1:].isalpha() and token < 320 for token in words.values())
    assert tokens.equal(plain_tokens.clone().apply_(words.get))
    assert (targets == IGNORE).equal(plain_targets == IGNORE)
    asked = targets != IGNORE
    assert targets[asked].tolist() == [words[symbol] for symbol in plain_targets[asked].tolist()]


def test_splits_length_and_chance_are_those_of_the_task(written):
    task = PHop(**TASK)
    assert {name: split.task for name, split in written.splits.items()} == task.splits
    assert (written.sequence_length, written.chance, written.vocabulary) == (12, 1 / 3, 320)


@pytest.mark.parametrize("kind", HERE)
def test_what_is_asked_of_a_model_is_what_the_task_asks(kind: str):
    task = TASKS[kind]()
    text = {"corpus": {"source": "embedded"}, "length": 16}
    written = Written.model_validate({"kind": kind, "task": task.model_dump(), "text": text})
    for name in ("metric", "reads_its_answers", "chance"):
        assert getattr(written, name) == getattr(task, name), name


def test_it_is_the_same_after_being_written_down(written):
    again = Written.model_validate_json(written.model_dump_json())
    assert again == written
    assert type(again.task) is PHop


def test_it_is_shown_in_words(written):
    tokens, targets = written.draw(1, generator("x"))
    shown = written.show(tokens[0], targets[0])
    assert len(shown.split(" -> ")[0].split()) == 12


def test_a_text_with_too_few_words_is_refused(corpus):
    many = Written.model_validate({"kind": "phop", "task": {"alphabet": 300}, "text": {"corpus": corpus}})
    with pytest.raises(UserError, match="words, fewer than the task has symbols, 300"):
        many.draw(1, torch.Generator())
