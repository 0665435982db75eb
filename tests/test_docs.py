"""The documentation: it builds, every page can be reached, and links lead to files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
LINKING = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES, *ROOT.glob("configs/*.md")]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = LINK.findall(prose)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_linked_from_the_readme_or_the_navigation():
    linked = (ROOT / "README.md").read_text() + (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in PAGES if page.name not in linked] == []


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = re.compile(r"<(?:script|img|link)\b[^>]*(?:src|href)=\"?https?:[^>]*")
    pages = [page for page in tmp_path.rglob("*.html") if "results" not in page.parts]
    assert {page.name for page in pages} >= {f"{page.stem}.html" for page in PAGES}
    assert [found for page in pages for found in loaded.findall(page.read_text())] == []


def test_the_rules_that_run_on_the_login_node_are_those_that_are_not_submitted():
    said = (ROOT / "docs" / "cluster.md").read_text().split("### What runs on the login node")[1].split("###")[0]
    names = {name for line in said.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    rules = "".join(path.read_text() for path in ROOT.glob("rules/*.smk"))
    blocks = re.findall(r"^ *localrules:\n((?: +\w+,\n)+)", rules, re.M)
    assert names == set(re.findall(r"\w+", " ".join(blocks))) - {"all"}
