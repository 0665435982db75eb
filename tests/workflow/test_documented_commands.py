"""Every command of the README and the documentation is run, in the order of its page, in a copy of the repository.

The studies in the copy are small: studies of seconds stand in for `configs/default.yaml` and `configs/ablations.yaml`.
A block of code that begins with a comment that names a file is that file. Other blocks in Python are run as one program
after the commands of their page.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml

from asura.common.yaml_file import read_yaml
from tests.conftest import ROOT, TEXTS
from tests.workflow.conftest import copy_workflow

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "configs" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
LEFT_OUT = (
    "--profile profiles/slurm",  # contacts a scheduler
    "push_to_hub",  # contacts the hub
    "conda env create",  # contacts a channel
)
"""What no test can run. Every block and command that holds none of these words is run."""
GATE = ("make test", "make lint", "make docs", "make faults", "make bench")
"""Commands that run this test, or take an hour; they are asked what they would do."""
CHECKS = (
    "make ",
    "asura plan",
    "asura sample",
    "asura partial",
    "asura status",
    "asura verify",
    "asura run",
    "snakemake --cores all",
)
"""Commands that have nothing to do, or find the same, where they are given a second time."""
EXAMPLE = "rules/ablations/mlp_width.smk"
WARM = """
if [ "$WARM" ]; then
    asura() { "$WARM" -m asura "$@"; }
    snakemake() { "$WARM" -m snakemake "$@"; }
fi
"""
"""Commands run as jobs do in tests, see `warm`; the test of an installed package runs the programs themselves."""
COMMANDS = r"(?:make|snakemake|asura|python|pip|cp|cd|mkdir|git|conda|\.) "


class Block(NamedTuple):
    """A block of code, and its language."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, if its first line names one."""
        named = re.match(r"# ([\w./-]+\.(?:smk|yaml|py)|[\w./-]*Snakefile)\n", self.text)
        return named[1] if named else None


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [Block(*each) for each in found]


def is_left_out(text: str) -> bool:
    return any(words in text for words in LEFT_OUT)


def commands(page: Path) -> list[str]:
    shell = "".join(block.text for block in blocks(page) if block.language == "bash").replace("\\\n", " ")
    lines = [line.split(" #")[0].rstrip() for line in shell.splitlines() if line.strip() and not is_left_out(line)]
    return [f"{line} --dry-run" if line.startswith(GATE) else line for line in lines]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with an environment and small studies."""
    folder = copy_workflow(tmp_path_factory.mktemp("checkout") / "asura-checkout")
    for name in ("configs", "docs", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "README.md"):
        shutil.copy(ROOT / name, folder)
    environment = folder / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        (environment / part.name).symlink_to(part)
    (environment / "installed").unlink(missing_ok=True)
    (environment / "installed").touch()
    (folder / "texts").mkdir()
    for k, text in enumerate(TEXTS):
        (folder / "texts" / f"{k}.txt").write_text(text)
    corpus = {"source": "files", "paths": ["../texts"], "vocabulary": 320, "held_out": 0.2}
    smoke = read_yaml(folder / "configs" / "smoke.yaml") | {"seeds": [0], "controls": [], "ablated": {"n": 1, "i": 2}}
    with_text = smoke["tasks"] | {"text": {"corpus": corpus, "length": 16}}
    for study in (smoke, smoke | {"name": "default", "tasks": with_text}, smoke | {"name": "ablations"}):
        (folder / "configs" / f"{study['name']}.yaml").write_text(yaml.safe_dump(study))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def run(folder: Path, page: Path, command: list[str]) -> None:
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(sys.prefix))
    environment = os.environ | {"PYTHONPATH": str(folder), "PATH": path}  # as a reader would run it
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{page.name}: {command[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_every_documented_command_runs(checkout: Path):
    """One test for all pages, since they share a folder. A check that an earlier page has run is not run again."""
    checked: set[str] = set()
    for page in PAGES:
        for block in blocks(page):
            if block.file:
                path = checkout / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
        if lines := [line for line in commands(page) if line not in checked]:
            run(checkout, page, ["bash", "-e", "-o", "pipefail", "-c", WARM + "\n".join(lines)])
        checked |= {line for line in lines if line.startswith(CHECKS)}
        texts = [block.text for block in blocks(page) if block.language == "python" and not block.file]
        if program := "\n".join(text for text in texts if not is_left_out(text)):
            run(checkout, page, [str(checkout / ".venv" / "bin" / "python"), "-c", program])

    # The example of an ablation has left its table, which compares each model with the first.
    (example,) = (block for block in blocks(ROOT / "docs" / "extending.md") if block.file == EXAMPLE)
    assert len(example.text.strip().splitlines()) <= 12
    table = pd.read_csv(checkout / "results" / "ablations" / "ablations" / "mlp_width" / "table.csv")
    assert len(table) == 3 and table["pairs"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_command_stands_in_a_block_that_is_not_run(page: Path):
    for block in blocks(page):
        if block.language not in ("bash", "yaml"):
            assert not re.findall(rf"^{COMMANDS}.*", block.text, re.M)


def test_what_is_left_out_is_documented():
    text = "".join(page.read_text() for page in PAGES)
    assert [words for words in LEFT_OUT if words not in text] == []
