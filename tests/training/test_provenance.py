"""The commit that a record names, of a checkout and of what pip has installed."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from asura.training import provenance as module
from asura.training.provenance import provenance

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """The folder in which pip has put a package of one module, by its notes from a repository."""
    package, notes = tmp_path / "asura", tmp_path / "asura_recursion-1.dist-info"
    for folder in (package, notes):
        folder.mkdir()
    (package / "__init__.py").write_text("one = 1\n")
    digest = urlsafe_b64encode(sha256(b"one = 1\n").digest()).decode().rstrip("=")
    (notes / "METADATA").write_text("Name: asura-recursion\nVersion: 1\n")
    (notes / "RECORD").write_text(f"asura/__init__.py,sha256={digest},8\nasura_recursion-1.dist-info/RECORD,,\n")
    url = {"url": "https://example.org/asura.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
    (notes / "direct_url.json").write_text(json.dumps(url))
    monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.setattr(module, "distribution", lambda name: PathDistribution(notes))
    return tmp_path


def found() -> tuple[object, object]:
    told = provenance()
    return told["commit"], told["clean"]


def test_the_commit_is_that_which_pip_has_installed(installed: Path):
    assert found() == (COMMIT, True)


def test_a_file_that_was_changed_after_is_noticed(installed: Path):
    (installed / "asura" / "__init__.py").write_text("one = 2\n")
    assert found() == (COMMIT, False)
    (installed / "asura" / "__init__.py").unlink()
    assert found() == (COMMIT, False)


def test_a_package_that_is_installed_beside_the_one_that_runs_says_nothing_of_it(installed: Path, monkeypatch):
    (installed / "other" / "asura").mkdir(parents=True)
    monkeypatch.setattr(module, "PACKAGE", installed / "other" / "asura")
    assert found() == (None, None)


def test_an_installation_without_a_repository_has_no_commit(installed: Path):
    url = installed / "asura_recursion-1.dist-info" / "direct_url.json"
    url.write_text(json.dumps({"url": "file:///somewhere", "archive_info": {}}))
    assert found() == (None, None)
    url.unlink()
    assert found() == (None, None)
