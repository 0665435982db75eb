"""A tokenizer.json of one's own: which are taken, what is known of them, and that their content is what counts."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from asura.common.errors import UserError
from asura.corpora.checks import check_corpus
from asura.corpora.folders import corpus_folder, manifest_checksum
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import END_OF_TEXT, Files
from asura.corpora.sources import is_of_its_sources
from asura.corpora.tokenizers import gives_back, own, size, train_bpe
from asura.corpora.tokens import read_tokens
from tests.conftest import TEXTS

BPE = train_bpe(TEXTS, 300)
FOREIGN = Tokenizer.from_str(BPE.to_str().replace(END_OF_TEXT, "</s>"))
FOREIGN.enable_truncation(8)
FOREIGN.enable_padding(length=64)


def words() -> Tokenizer:
    """A tokenizer that loses capitals, spaces and all words that it does not know."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASURA_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))


def corpus(made: Tokenizer, **changes: object) -> Files:
    made.save("tokenizer.json")
    named = {"source": "files", "paths": ["texts.jsonl"], "tokenizer": "tokenizer.json", "held_out": 0.2}
    return Files.model_validate({**named, "vocabulary": 301, **changes})


def prepared(settings: Files) -> dict:
    check_corpus(settings.stated())
    return prepare_corpus(settings, Path("packages"), settings.folder)


def test_a_tokenizer_of_others_is_read_whole_and_gets_an_end_of_text():
    FOREIGN.save("other.json")
    found = own(Path("other.json"))
    assert (size(FOREIGN), size(found), found.token_to_id(END_OF_TEXT)) == (300, 301, 300)
    assert found.encode(TEXTS[0]).ids == BPE.encode(TEXTS[0]).ids and gives_back(found, f" {TEXTS[0]}\n")
    BPE.save("tokenizer.json")
    assert size(own(Path("."))) == 300  # which has the token already


def test_the_vocabulary_is_that_of_the_largest_token():
    sparse = Tokenizer(models.WordLevel({"the": 0, "cat": 700}, unk_token="the"))
    assert (sparse.get_vocab_size(), size(sparse)) == (2, 701)


def test_a_corpus_is_cut_by_it_and_bound_to_its_content():
    by_file, by_folder = corpus(FOREIGN), corpus(FOREIGN, tokenizer=".")
    made = prepared(by_file)
    tokens, documents = read_tokens(by_file.folder, "test")
    text = own(Path("tokenizer.json")).decode(tokens[1 : documents[0, 0]].tolist(), skip_special_tokens=False)
    assert text in TEXTS and tokens[0] == 300
    assert prepared(by_folder)["arrays"] == made["arrays"] and by_folder.folder != by_file.folder
    assert is_of_its_sources(made, by_file.stated()) and prepared(by_file) == made
    before = manifest_checksum(by_file.folder)
    other = corpus(train_bpe(TEXTS[:100], 290))
    assert other == by_file and not is_of_its_sources(made, other.stated())
    assert prepared(other)["tokenizer"] != made["tokenizer"] and manifest_checksum(other.folder) != before


def test_a_finished_corpus_needs_its_tokenizer_no_more():
    settings = corpus(FOREIGN)
    made = prepared(settings)
    Path("tokenizer.json").unlink()
    assert prepared(settings) == made
    Path("texts.jsonl").unlink()
    assert prepared(settings) == made


def test_checkouts_that_share_a_data_folder_do_not_share_a_tokenizer_by_a_relative_path(monkeypatch):
    settings = corpus(FOREIGN, paths=[str(Path("texts.jsonl").resolve())]).stated()
    absolute = settings | {"tokenizer": str(Path("tokenizer.json").resolve())}
    local = [corpus_folder(each).name for each in (settings, absolute)]
    monkeypatch.setenv("ASURA_DATA", str(Path.cwd().parent))
    shared = [corpus_folder(each).name for each in (settings, absolute)]
    assert shared[0] != local[0] and shared[1] == local[1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"tokenizer": "gtp2"},
            r"^tokenizer: no file is at gtp2; give 'bpe' or 'gpt2', or the path of a",
        ),
        ({"tokenizer": "empty"}, r"^tokenizer: no file is at empty/tokenizer\.json"),
        ({"tokenizer": "texts.jsonl"}, r"^tokenizer: texts\.jsonl is no tokenizer\.json of Hugging Face"),
        ({"vocabulary": 280}, r"^vocabulary: found 280; tokenizer\.json has 301 tokens"),
        ({"tokenizer": "words.json"}, r"^tokenizer: words\.json does not give texts back as they were"),
        ({"paths": ["nowhere"]}, r"^nowhere: no such file or folder"),
        ({"column": "txt"}, r"column: no such column of text: found 'txt'; did you mean 'text'\?"),
        ({"paths": ["latin.txt"]}, r"^latin\.txt: it cannot be read as UTF-8"),
        ({"paths": ["blank.txt"]}, r"^paths: no document is in blank\.txt"),
    ],
)
def test_what_cannot_be_prepared_is_said_before(changes, says):
    Path("empty").mkdir()
    words().save("words.json")
    Path("latin.txt").write_text("où", encoding="latin-1")
    Path("blank.txt").write_text(" \n")
    settings = corpus(FOREIGN, **changes)
    with pytest.raises(UserError, match=says):
        check_corpus(settings.stated())
