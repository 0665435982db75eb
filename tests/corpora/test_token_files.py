import json
import shutil
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asura.common.errors import UserError
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import END_OF_TEXT, Files
from asura.corpora.splits import split_of
from asura.corpora.tokenizers import load
from asura.corpora.tokens import ArrayWriter, read_tokens

TEXTS = [f"Text {k}: {'the cat sat on the mat, ' * (k % 7)}and é{k} 🐈 ended." for k in range(200)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    settings = Files(source="files", paths=[str(folder / "*.jsonl")], vocabulary=300, held_out=0.2)
    prepare_corpus(settings, folder, folder / "made")
    return settings, folder / "made"


def texts_of(folder, split):
    """What is in the files, decoded document by document."""
    tokenizer = load(folder / "tokenizer.json", 300)
    tokens, documents = read_tokens(folder, split)
    for start, end, size in zip([0, *documents[:-1, 0]], documents[:, 0], documents[:, 1], strict=True):
        assert tokenizer.id_to_token(int(tokens[start])) == END_OF_TEXT
        text = tokenizer.decode(tokens[start + 1 : end].tolist(), skip_special_tokens=False)
        assert len(text.encode()) == size
        yield text


def test_every_document_is_on_one_side_and_comes_back_byte_for_byte(corpus):
    _, folder = corpus
    found = {split: list(texts_of(folder, split)) for split in ("train", "validation", "test")}
    assert sorted(chain.from_iterable(found.values())) == sorted(TEXTS)
    assert all(found[split] == [text for text in TEXTS if split_of(text, 0.2) == split] for split in found)


def test_the_same_text_is_on_the_same_side_whatever_stands_around_it():
    first = [split_of(text, 0.2) for text in TEXTS]
    assert first == [split_of(text, 0.2) for text in TEXTS]
    assert all(20 < first.count(split) < 60 for split in ("validation", "test"))
    held_out = [text for text, split in zip(TEXTS, first, strict=True) if split == "test"]
    assert all(split_of(text, 0.4) == "test" for text in held_out)  # a larger share holds the smaller


def test_tokens_are_kept_in_two_bytes_where_they_fit_and_in_four_where_they_do_not(corpus, tmp_path):
    assert read_tokens(corpus[1], "train").tokens.dtype == np.uint16
    with ArrayWriter(tmp_path / "x.npy", np.uint32) as writer:
        writer.write([70_000])
    assert np.load(tmp_path / "x.npy").tolist() == [70_000]


def test_a_corpus_is_made_again_to_the_same_bytes(corpus, tmp_path):
    settings, folder = corpus
    prepare_corpus(settings, tmp_path, tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_an_end_of_text_token_within_a_text_is_text(tmp_path):
    texts = [f"Text {k}: the cat sat{END_OF_TEXT}on the mat." for k in range(40)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    settings = Files(source="files", paths=[str(tmp_path / "texts.jsonl")], vocabulary=258, held_out=0.2)
    prepare_corpus(settings, tmp_path, tmp_path / "made")
    ends = 0
    for split in ("train", "validation", "test"):
        tokens, documents = read_tokens(tmp_path / "made", split)
        ends += int((tokens == 257).sum())
        assert set(np.diff(documents[:, 1])) <= {-1, 0, 1}
    assert ends == len(texts)
    back = chain.from_iterable(texts_of(tmp_path / "made", split) for split in ("train", "validation", "test"))
    assert sorted(back) == sorted(texts)


@given(st.lists(st.lists(st.integers(0, 2**16 - 1), max_size=5), max_size=6))
def test_what_is_written_in_pieces_is_the_array_of_all(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("array") / "x.npy"
    with ArrayWriter(path, np.uint16) as writer:
        for piece in pieces:
            writer.write(piece)
    assert np.load(path).tolist() == list(chain(*pieces))


def test_an_array_that_is_not_finished_is_not_there(tmp_path):
    with pytest.raises(KeyboardInterrupt), ArrayWriter(tmp_path / "x.npy", np.uint16) as writer:
        writer.write([1, 2, 3])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-2])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def foreign(path):
    np.save(path, np.zeros(7, np.float32))


def pickled(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut_short, flipped, foreign, pickled, emptied])
@pytest.mark.parametrize("name", ["train.npy", "train.documents.npy"])
def test_a_damaged_file_is_refused_by_name(corpus, tmp_path, harm, name):
    folder = shutil.copytree(corpus[1], tmp_path / "copy")
    harm(folder / name)
    with pytest.raises(UserError, match=rf"{name}: .*; delete the folder"):
        read_tokens(folder, "train")
