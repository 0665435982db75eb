import pytest
from hypothesis import given
from hypothesis import strategies as st

from asura.common.errors import UserError
from asura.corpora.packages import fetch
from asura.corpora.settings import END_OF_TEXT
from asura.corpora.tokenizers import gpt2, load, train_bpe
from tests.conftest import ROOT

TEXTS = ["the cat sat on the mat and the dog sat on the cat"] * 3
TOKENIZER = train_bpe(TEXTS, 270)


@pytest.fixture(scope="module")
def published():
    packages = ROOT / "data" / "packages"
    fetch("mlx_whisper", packages)
    return gpt2(packages)


def test_a_trained_tokenizer_has_as_many_tokens_as_asked_and_ends_with_the_end_of_text():
    assert TOKENIZER.get_vocab_size() == 270
    assert TOKENIZER.token_to_id(END_OF_TEXT) == 269
    assert [TOKENIZER.id_to_token(token) for token in TOKENIZER.encode("the").ids] == ["the"]


@given(st.text())
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_more_tokens_than_there_are_pairs_are_refused():
    with pytest.raises(UserError, match="found 5000; the documents have pairs for"):
        train_bpe(TEXTS, 5000)


def test_gpt2_is_gpt2(published):
    assert published.encode("Hello world").ids == [15496, 995]
    assert published.encode(" the quick brown fox, 1234!\n\n").ids == [262, 2068, 7586, 21831, 11, 1105, 2682, 0, 628]
    assert published.token_to_id(END_OF_TEXT) == 50256
    assert published.get_vocab_size() == 50257


def test_a_tokenizer_of_another_vocabulary_is_refused(tmp_path):
    TOKENIZER.save(str(tmp_path / "tokenizer.json"))
    assert load(tmp_path / "tokenizer.json", 270).get_vocab_size() == 270
    with pytest.raises(UserError, match="it has 270 tokens, for a model of 260"):
        load(tmp_path / "tokenizer.json", 260)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="it is no tokenizer"):
        load(tmp_path / "tokenizer.json", 270)
