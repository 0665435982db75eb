"""What `asura new` writes: it passes its own tests, and a study can name it."""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from asura.cli.new import architecture, task
from asura.common.errors import UserError
from asura.planning.planner import make
from asura.planning.plugins import at_their_places
from tests.conftest import TINY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose tests find what stands beside them, as pytest has it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if "my_" in name:
            del sys.modules[name]


def run_tests(module: str) -> int:
    """Call the tests of a module, as pytest does; returns how many there are."""
    found = import_module(module)
    tests = [value for name, value in vars(found).items() if name.startswith("test_")]
    for _, kind in inspect.getmembers(found, inspect.isclass):
        if kind.__name__.startswith("Test"):
            tests += [getattr(kind(), name) for name in dir(kind) if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


def test_an_architecture_and_a_task_pass_their_tests_and_are_planned(folder: Path):
    architecture("my_loop", folder)
    task("my_sum", folder)
    assert run_tests("test_my_loop") == 9 and run_tests("test_my_sum") == 10
    names = {"plugins": ["my_loop.py", "my_sum.py"], "tasks": {"my_sum": {}}, "models": {"my_loop": {"returning": 0.5}}}
    (run,) = make(at_their_places(TINY | names, folder)).runs.values()
    assert list(run["plugins"]) == ["my_loop.py", "my_sum.py"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("asura", "asura: it is the name of a shipped architecture; give another than asura, asura_full"),
        ("my-loop", "my-loop: it is no name for a file; give small letters"),
        ("MyLoop", "MyLoop: it is no name"),
        ("../loop", "it is no name"),
        ("class", "class: it is no name"),
        ("_x", "_x: it is no name"),
        ("block", "block: its class would be Block, which the file imports; give another than architecturecontract, "),
        ("recursive", "recursive: its class would be Recursive"),
        ("random", "random: a Python module has this name"),
        ("taken", "taken.py: it exists already; give another name or another folder"),
    ],
)
def test_a_bad_name_is_refused_in_one_line_and_nothing_is_written(folder: Path, name: str, message: str):
    (folder / "taken.py").write_text("# mine")
    with pytest.raises(UserError, match=message) as refused:
        architecture(name, folder)
    assert "\n" not in str(refused.value)
    assert [path.name for path in folder.iterdir()] == ["taken.py"] and (folder / "taken.py").read_text() == "# mine"


def test_a_task_is_not_named_as_what_its_file_imports(folder: Path):
    for name in ("batch", "task", "tensor", "field"):
        with pytest.raises(UserError, match=f"{name}: its class would be {name.capitalize()}, which the file imports"):
            task(name, folder)
