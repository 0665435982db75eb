"""Which results a change of the code concerns."""

from pathlib import Path

import pytest

from asura.common import source
from asura.models import ARCHITECTURES
from asura.planning.code import evaluation_code, training_code
from asura.tasks.in_words import Written
from asura.tasks.phop import PHop
from asura.tasks.sudoku import Sudoku
from asura.tasks.text import Text

TASKS = {"phop": PHop(), "sudoku": Sudoku(), "text": Text(), "written": Written(kind="phop", task=PHop(), text=Text())}


def digests() -> dict[tuple[str, str, str], str]:
    """Digests of training, and of evaluation with and without benchmarks, of every architecture on some tasks."""
    found = {}
    for architecture, (settings, _) in ARCHITECTURES.items():
        for name, task in TASKS.items():
            found["training", architecture, name] = training_code(settings(architecture=architecture), task)
            found["evaluation", architecture, name] = evaluation_code(settings(architecture=architecture), task, [])
            found["benchmarks", architecture, name] = evaluation_code(
                settings(architecture=architecture), task, ["piqa"]
            )
    return found


@pytest.fixture
def changed_by(monkeypatch: pytest.MonkeyPatch):
    """The digests that a change of one file changes."""
    before = digests()

    def changed(name: str, text: str) -> set[tuple[str, str, str]]:
        read = Path.read_text
        monkeypatch.setattr(
            Path, "read_text", lambda path, **k: read(path, **k) + text * path.as_posix().endswith(name)
        )
        source.imports.cache_clear()
        after = digests()
        monkeypatch.setattr(Path, "read_text", read)
        return {key for key in before if before[key] != after[key]}

    yield changed
    source.imports.cache_clear()


@pytest.mark.parametrize(
    ("file", "parts", "architectures", "tasks"),
    [
        ("asura/models/deq.py", "all", {"deq"}, "all"),
        ("asura/models/adapters.py", "all", {"asura", "asura_full"}, "all"),
        ("asura/models/model.py", "all", "all", "all"),
        ("asura/tasks/phop.py", "all", "all", {"phop", "written"}),
        ("asura/tasks/in_words.py", "all", "all", {"written"}),
        ("asura/corpora/tokens.py", "all", "all", {"text", "written"}),
        ("asura/training/optimisers.py", {"training"}, "all", "all"),
        ("asura/training/loop.py", {"training"}, "all", "all"),
        ("asura/training/clipping.py", {"training"}, "all", "all"),
        ("asura/training/replay.py", {"training"}, "all", "all"),
        ("asura/training/devices.py", "all", "all", "all"),
        ("asura/models/initial.py", {"training"}, "all", "all"),
        ("asura/evaluation/accuracy.py", {"evaluation", "benchmarks"}, "all", "all"),
        ("asura/evaluation/likelihood.py", {"evaluation", "benchmarks"}, "all", {"text"}),
        ("asura/evaluation/benchmark_scores.py", {"benchmarks"}, "all", "all"),
        ("asura/reporting/tables.py", set(), "all", "all"),
        ("asura/training/progress.py", set(), "all", "all"),
        ("asura/models/__init__.py", set(), "all", "all"),
    ],
)
def test_a_change_of_code_concerns_what_is_computed_with_it(changed_by, file, parts, architectures, tasks):
    expected = {
        (part, architecture, task)
        for part, architecture, task in digests()
        if (parts == "all" or part in parts)
        and (architectures == "all" or architecture in architectures)
        and (tasks == "all" or task in tasks)
    }
    assert changed_by(file, "\nCHANGED = 1\n") == expected


def test_a_comment_concerns_nothing(changed_by):
    assert changed_by("asura/models/model.py", "\n# changed\n") == set()
