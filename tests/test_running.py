"""`asura run`: a study by the workflow of the package, in whatever folder."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from asura.cli import main, running
from tests.conftest import ROOT, TINY

STUDY = ["--configfile", "mine.yaml"]


@pytest.fixture
def given(monkeypatch, tmp_path) -> list[str]:
    """What Snakemake is started with, in a folder with a study."""
    found: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda program, arguments: found.extend(arguments))
    for name, value in {"ASURA_RESULTS": "before", "ASURA_DATA": "before", "PYTHONSAFEPATH": ""}.items():
        monkeypatch.setenv(name, value)
    Path("mine.yaml").write_text(yaml.safe_dump(TINY))
    return found


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["asura", "run", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_options_of_snakemake_are_passed_on_as_they_are(given, monkeypatch):
    options = ["--dry-run", "-c4", "--config", "name=other", "--until", "collect", "-q"]
    assert run(monkeypatch, "mine.yaml", *options, "--results", "there") == 0
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    assert given == [*start, *options, *STUDY]
    assert os.environ["ASURA_RESULTS"] == "there" and os.environ["ASURA_DATA"] == "before"


@pytest.mark.parametrize("name", ["slurm", "profiles/slurm"])
def test_all_cores_are_used_unless_something_else_is_said(given, monkeypatch, name):
    run(monkeypatch, "mine.yaml", "-n")
    assert given[-5:] == ["--cores", "all", "-n", *STUDY]
    for options in (["--profile", name], [f"--profile={name}"]):
        given.clear()
        run(monkeypatch, "mine.yaml", *options)
        assert "=".join(given[5:-2]) == f"--profile={ROOT / 'profiles' / 'slurm'}"


@pytest.mark.parametrize("options", [["--jobs=2"], ["-j", "2"], ["-call"], ["--cores"], ["--jobscript", "a"]])
def test_a_number_of_jobs_is_known_in_every_way_to_write_it(given, monkeypatch, options):
    run(monkeypatch, "mine.yaml", "a_target", *options)
    all_cores = ["--cores", "all"] if options[0] == "--jobscript" else []
    assert given[5:] == [*all_cores, "a_target", *options, *STUDY]


def test_a_study_that_is_not_there_is_said_in_a_line(given, monkeypatch):
    for arguments in (["other.yaml"], ["--dry-run", "mine.yaml"]):
        assert "no such file; give the study first" in str(run(monkeypatch, *arguments))
    assert not given


def test_the_workflow_of_an_installed_package_is_inside_it(monkeypatch, tmp_path):
    assert running.workflow_folder() == ROOT
    (tmp_path / "asura" / "workflow").mkdir(parents=True)
    monkeypatch.setattr(running, "PACKAGE", tmp_path / "asura")
    assert running.workflow_folder() == tmp_path / "asura" / "workflow"
