"""The workflow used from elsewhere: as a module with a study and ablations of its own, and as installed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from tests.conftest import ROOT, TINY
from tests.planning.own_code import GATED
from tests.workflow.conftest import copy_workflow, snakemake

MODULE = """\
configfile: "mine.yaml"


module asura:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from asura


use rule train from asura with:
    message:
        "a training of mine"
"""
ABLATION = """\
ABLATIONS["{name}"] = {{"asura": {{"mlp_width": [32, 16]}}}}


rule ablation_{name}:
    input:
        ablation_results("{name}"),
"""
INLINE = {"inside": {"asura": {"mlp_width": [32, 16]}}}
STUDY = TINY | {
    "name": "mine",
    "ablated": {"n": 1, "i": 2},
    "ablations": ["beside", "elsewhere/away.smk", INLINE],
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a study and ablations, beside a checkout of the workflow."""
    checkout = copy_workflow(tmp_path_factory.mktemp("own") / "checkout")
    folder = checkout.parent / "mine"
    for path, name in (("rules/ablations", "beside"), ("elsewhere", "away")):
        (folder / path).mkdir(parents=True)
        (folder / path / f"{name}.smk").write_text(ABLATION.format(name=name))
    (folder / "mine.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "Snakefile").write_text(MODULE.format(snakefile="../checkout/Snakefile"))
    return folder


def call(folder: Path, *arguments: str) -> str:
    """The exit code of Snakemake in the repository, and what it says."""
    checkout = folder.parent / "checkout"
    done = snakemake(folder, *arguments, "--cores", "2", checkout=checkout, capture_output=True, text=True)
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def test_a_study_is_planned_as_a_module_with_its_own_ablations_and_rules(repository: Path):
    """`test_documented_commands` runs such a study."""
    planned = call(repository, "--dry-run")
    assert planned.startswith("0\n"), planned
    assert planned.count(": a training of mine") == 3 and "train asura" not in planned
    assert "results/mine/report.html is ready" in planned
    ablations = set(re.findall(r"write the plan of the ablation (\w+)", planned))
    assert ablations == {"beside", "away", "inside"}


def test_rules_say_what_they_do(repository: Path):
    listed = call(repository, "--list")
    assert "train (Train some seeds of a model, one after another" in listed
    assert {"ablation_beside", "ablation_away", "ablation_inside"} <= set(listed.split())
    assert "ablation_guidance (" in listed


def test_another_study_can_be_given_on_the_command_line(repository: Path):
    """It stands in a folder of its own, from which its paths start."""
    (repository / "studies").mkdir()
    (repository / "studies" / "near.smk").write_text(ABLATION.format(name="near"))
    (repository / "studies" / "gated.py").write_text(GATED)
    own = {"name": "other", "plugins": ["gated.py"], "models": {"gated": {"n": 1, "i": 2}}, "ablations": ["near.smk"]}
    (repository / "studies" / "other.yaml").write_text(yaml.safe_dump(TINY | own))
    (repository / "Bare").write_text(MODULE.format(snakefile="../checkout/Snakefile").partition("\n")[2])
    said = call(repository, "--snakefile", "Bare", "--configfile", "studies/other.yaml", "--dry-run")
    assert said.startswith("0\n") and "results/other/report.html" in said
    assert "gated-n1-i2" in said and "write the plan of the ablation near" in said
    said = call(repository, "--snakefile", "Bare", "--dry-run")
    assert "asura: no study is given: write `configfile:" in said and "Traceback" not in said


def test_an_include_is_refused_with_the_way_that_works(repository: Path):
    (repository / "Including").write_text('include: "../checkout/Snakefile"\n')
    said = call(repository, "--snakefile", "Including", "--configfile", "mine.yaml", "--dry-run")
    assert said.startswith("1\n") and "Traceback" not in said
    assert "module asura: snakefile" in said and "docs/extending.md" in said


def test_an_installed_package_runs_a_study_in_an_empty_folder(tmp_path: Path):
    with ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "wheel")))) as wheel:
        wheel.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "yaml.py").write_text("raise SystemExit('not the yaml that Snakemake needs')\n")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TINY | {"ablations": ["long_skip"]}))
    command = [sys.executable, "-m", "asura", "run", "../mine.yaml", "--results", "there", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(command, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "there/tiny/report.html is ready" in said, said
    assert f"{tmp_path}/site/asura/workflow/profiles/default" in said
    assert not (tmp_path / "empty" / "there").exists()
