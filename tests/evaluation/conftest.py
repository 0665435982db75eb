import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from asura.evaluation.lm_eval_model import IteratedLM
from asura.models import build
from asura.models.model import Model
from tests.conftest import read_documents
from tests.evaluation.plain_scorer import CPU, LENGTH, SMALL, VOCABULARY


@pytest.fixture(scope="session")
def few(documents, tmp_path_factory) -> Path:
    """The first documents of some benchmarks of each kind."""
    counts = {
        "openbookqa": {"openbookqa": 200},
        "lambada": {"lambada": 200},
        "winogrande": {"winogrande": 200},
        "copa": {"copa": 20},
        "commonsense_qa": {"commonsense_qa": 20},
        "mmlu": {"anatomy": 20, "college_physics": 60},
        "gsm8k": {"gsm8k": 2},
    }
    folder = tmp_path_factory.mktemp("few")
    for name, parts in counts.items():
        (folder / name).mkdir()
        for part, count in parts.items():
            lines = (documents / name / f"{part}.jsonl").read_text().split("\n")[:count]
            (folder / name / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
        record = json.loads((documents / name / "documents.json").read_text())
        record["files"] = {part: record["files"][part] for part in parts}
        (folder / name / "documents.json").write_text(json.dumps(record))
    return folder


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
    tokenizer.train_from_iterator((document["text"] for document in read_documents(few, "lambada")), trainer)
    return tokenizer


@pytest.fixture
def model() -> Model:
    return build(SMALL, VOCABULARY).eval()


@pytest.fixture
def lm(model, tokenizer) -> IteratedLM:
    return IteratedLM(model, tokenizer, (1, 2, 3), LENGTH, CPU)
