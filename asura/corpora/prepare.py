"""From documents to token files: the tokenizer, and the tokens of each split."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, remove_leftovers, write_text, write_whole
from asura.common.validation import in_file
from asura.corpora.documents import commit_of, documents
from asura.corpora.settings import AnyCorpus, Hub
from asura.corpora.skipped import Skipped
from asura.corpora.sources import is_of_its_sources, sources_of
from asura.corpora.splits import SPLITS, check_splits, split_of
from asura.corpora.tokenizer_paths import own_tokenizer
from asura.corpora.tokenizers import end_of_text, gpt2, load, own, train_bpe
from asura.corpora.tokens import ArrayWriter

AT_ONCE = 1 << 21
"""Characters of the documents that are encoded together."""

LEARNT_FROM = 1 << 26
"""Characters that a tokenizer is trained on, at most."""


def prepare_corpus(corpus: AnyCorpus, packages: Path, folder: Path) -> dict[str, Any]:
    """Write tokenizer and token files to a folder, or leave them alone where they are whole; returns the manifest.

    A document's split follows from its text, so that no text is in two of them. Raises UserError where there is
    nothing to read, or nothing for a split.
    """
    made_of = corpus.stated()
    if (folder / "manifest.json").is_file():
        manifest = read_json(folder / "manifest.json")
        is_of_now = manifest.get("made_of") == made_of and set(SPLITS) <= manifest.get("arrays", {}).keys()
        if is_of_now and is_of_its_sources(manifest, made_of):
            return manifest
    fixed = corpus.model_copy(update={"revision": commit_of(corpus)}) if isinstance(corpus, Hub) else corpus
    sources = sources_of(fixed, packages)
    with in_file("corpus"):
        check_splits(documents(fixed, packages), fixed)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    write_whole(folder / "tokenizer.json", lambda aside: _tokenizer(fixed, packages).save(str(aside)))
    tokenizer = load(folder / "tokenizer.json", corpus.tokens)
    skipped = Skipped()
    arrays = write_tokens(fixed, documents(fixed, packages, skipped), tokenizer, folder)
    if sources_of(fixed, packages) != sources:
        raise UserError("corpus: its files have changed while they were read; run the workflow again")
    manifest = {"made_of": made_of, "tokenizer": checksum(folder / "tokenizer.json"), "arrays": arrays}
    manifest |= {"sources": sources, "skipped": asdict(skipped)}
    write_text(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def write_tokens(
    corpus: AnyCorpus, texts: Iterator[str], tokenizer: Tokenizer, folder: Path
) -> dict[str, dict[str, Any]]:
    """Write tokens and index of all splits; returns what the manifest says of each file. Raises OSError."""
    dtype = np.uint16 if corpus.tokens <= 1 << 16 else np.uint32
    with ExitStack() as stack:
        arrays = {split: stack.enter_context(ArrayWriter(folder / f"{split}.npy", dtype)) for split in SPLITS}
        index = {
            split: stack.enter_context(ArrayWriter(folder / f"{split}.documents.npy", np.int64, (2,)))
            for split in SPLITS
        }
        for some in together(texts):
            _write(some, tokenizer, corpus, arrays, index)
    return {array.path.stem: array.note for array in (*arrays.values(), *index.values())}


def _tokenizer(corpus: AnyCorpus, packages: Path) -> Tokenizer:
    if corpus.tokenizer == "gpt2":
        return gpt2(packages)
    if path := own_tokenizer(corpus.stated()):
        return own(Path(path))
    texts = (text for text in documents(corpus, packages) if split_of(text, corpus.held_out) == "train")
    return train_bpe(next(together(texts, LEARNT_FROM)), corpus.vocabulary)


def together(texts: Iterator[str], characters: int = AT_ONCE) -> Iterator[list[str]]:
    """Lists of texts, each of about so many characters."""
    some: list[str] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= characters:
            yield some
            some, size = [], 0
    if some:
        yield some


def _write(
    texts: list[str],
    tokenizer: Tokenizer,
    corpus: AnyCorpus,
    arrays: dict[str, ArrayWriter],
    index: dict[str, ArrayWriter],
) -> None:
    before = end_of_text(tokenizer)
    for text, encoding in zip(texts, tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
        split = split_of(text, corpus.held_out)
        arrays[split].write([before, *encoding.ids])
        index[split].write([arrays[split].rows, len(text.encode())])
