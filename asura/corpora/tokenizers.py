"""Tokenizers: a byte-level BPE that is trained on a corpus, GPT-2's, or one of the user's own."""

import base64
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from asura.common.errors import UserError
from asura.corpora.packages import opened
from asura.corpora.settings import END_OF_TEXT
from asura.corpora.tokenizer_paths import TOKENIZERS, tokenizer_file

RANKS = "mlx_whisper/assets/gpt2.tiktoken"


def train_bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE of exactly `vocabulary` tokens, the last of which ends a text.

    Raises UserError where the texts have too few words for so many.
    """
    tokenizer = _byte_level(BPE())
    alphabet = ByteLevel.alphabet()  # all bytes, so that any text can be written
    trainer = BpeTrainer(vocab_size=vocabulary - 1, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END_OF_TEXT])
    if tokenizer.get_vocab_size() != vocabulary:
        found = tokenizer.get_vocab_size()
        raise UserError(f"corpus: vocabulary: found {vocabulary}; the documents have pairs for {found} tokens only")
    return tokenizer


def gpt2(packages: Path) -> Tokenizer:
    """GPT-2's tokenizer (Radford et al., 2019), from the ranks of its tokens. Raises UserError."""
    with opened("mlx_whisper", packages) as archive:
        lines = archive.read(RANKS).decode("ascii").splitlines()
    pairs = (line.split() for line in lines if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    written = _bytes_as_characters()
    vocabulary = {"".join(map(written.__getitem__, token)): rank for token, rank in ranks.items()}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda entry: entry[1]):
        if len(token) > 1:
            left, right = ("".join(map(written.__getitem__, part)) for part in _parts(token, rank, ranks))
            merges.append((left, right))
    tokenizer = _byte_level(BPE(vocab=vocabulary, merges=merges))
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def own(path: Path) -> Tokenizer:
    """The tokenizer in a file or a folder, with an end-of-text token; it neither cuts texts nor pads them.

    Raises UserError.
    """
    file = tokenizer_file(str(path))
    if not file.is_file():
        names = " or ".join(map(repr, TOKENIZERS))
        raise UserError(f"tokenizer: no file is at {file}; give {names}, or the path of a tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises Exception itself
        raise UserError(f"tokenizer: {file} is no tokenizer.json of Hugging Face ({error})") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def size(tokenizer: Tokenizer) -> int:
    """The vocabulary that a model needs: one more than the largest token, as some numbers may have none."""
    return 1 + max(tokenizer.get_vocab().values())


def gives_back(tokenizer: Tokenizer, text: str) -> bool:
    """Whether the tokens of a text say what it was, but for white space around it."""
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    return bool(tokenizer.decode(tokens, skip_special_tokens=False).strip() == text.strip())


def end_of_text(tokenizer: Tokenizer) -> int:
    """The token before every document, which each tokenizer here has."""
    token = tokenizer.token_to_id(END_OF_TEXT)
    assert token is not None
    return token


def _byte_level(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bytes_as_characters() -> dict[int, str]:
    """The character by which byte-level BPE writes each byte: itself, where it can be seen."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


def _parts(token: bytes, rank: int, ranks: dict[bytes, int]) -> list[bytes]:
    """The two tokens that merge to a token: what merging by the ranks below its own leaves."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while True:
        joined = [ranks.get(parts[k] + parts[k + 1], rank) for k in range(len(parts) - 1)]
        if min(joined, default=rank) >= rank:
            return parts
        first = joined.index(min(joined))
        parts[first : first + 2] = [parts[first] + parts[first + 1]]


def load(path: Path, vocabulary: int) -> Tokenizer:
    """Read a tokenizer, which must fit a model of this vocabulary. An end-of-text token in a text is split as text.

    Raises UserError.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise UserError(
            f"{path}: it is no tokenizer, or not there ({error}); run the workflow, which makes it"
        ) from None
    if tokenizer.token_to_id(END_OF_TEXT) is None or size(tokenizer) > vocabulary:
        raise UserError(
            f"{path}: it has {size(tokenizer)} tokens, for a model of {vocabulary}, "
            f"and must have {END_OF_TEXT}; it is not the tokenizer of this corpus"
        )
    tokenizer.encode_special_tokens = True  # as text, for only a corpus says where a document ends
    return tokenizer
