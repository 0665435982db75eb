"""The repository itself: its formats, its lint, and what stands in two places."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from asura.common.version import __version__
from tests.conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "rules"],
        ["snakemake", "--lint"],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_a_linter_has_nothing_to_say(command: list[str]):
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_module_imports_from_a_higher_layer_and_none_in_a_circle():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "Contracts: 2 kept, 0 broken." in result.stdout


def bounds_of(packages: list[str]) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(.*)$", "\n".join(packages), re.M))


def requirements() -> dict[str, str]:
    return bounds_of([*PYPROJECT["dependencies"], *PYPROJECT["optional-dependencies"]["dev"]])


def test_conda_users_get_the_same_packages_and_bounds():
    *listed, pip, by_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pip == "pip"
    found = bounds_of([*listed, *by_pip["pip"]])
    assert found.pop("python") == PYPROJECT["requires-python"]
    assert found == {CONDA_NAMES.get(name, name): bounds for name, bounds in requirements().items()}


def test_the_lock_file_pins_every_requirement():
    pins = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
    normal = {re.sub("[_.]", "-", name).lower() for name in pins}
    docs = {re.split("[>=<]", item)[0] for item in PYPROJECT["optional-dependencies"]["docs"]}
    assert set(requirements()) | docs <= normal


def test_the_citation_is_of_this_version_and_has_the_date_of_its_changes():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    ((version, date), *earlier) = re.findall(
        r"^## \[([\d.]+)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert citation["version"] == version == __version__
    released = citation["date-released"].isoformat()
    assert date in ("unreleased", released) and all(before < released for _, before in earlier)


def test_a_wheel_has_the_workflow_and_every_file_of_the_package(tmp_path):
    with ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    here = [path for name in ("asura", "profiles", "rules") for path in (ROOT / name).rglob("*") if path.is_file()]
    here += [ROOT / "Snakefile", ROOT / "environment.yml"]
    listed = {path.relative_to(ROOT).as_posix() for path in here if "__pycache__" not in path.parts}
    assert inside == {name if name.startswith("asura/") else f"asura/workflow/{name}" for name in listed}
    assert not any("../asura" in (ROOT / name).read_text() for name in listed if name.startswith("rules/"))
    assert {"asura/py.typed", "asura/workflow/profiles/slurm/config.yaml"} <= inside


def test_every_file_is_read_in_one_sitting():
    long = {path.name for path in (ROOT / "asura").rglob("*.py") if len(path.read_text().splitlines()) > 300}
    assert not long


def test_the_readme_shows_the_default_study_in_full():
    _, study = (ROOT / "configs" / "default.yaml").read_text().split("\n", 1)  # less the line for editors
    assert f"{study}```" in (ROOT / "README.md").read_text()


def test_training_needs_no_more_than_torch_pydantic_numpy_safetensors_tqdm_and_torchdeq():
    others = "yaml pandas scipy sklearn matplotlib datasets tokenizers huggingface_hub lm_eval typer rich tabulate"
    code = f"import sys; sys.modules |= dict.fromkeys({others.split()}); "
    code += "import asura.training.loop, asura.planning.matching"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
