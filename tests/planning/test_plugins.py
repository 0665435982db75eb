"""Architectures and tasks of one's own, from the plan to an exported model."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from asura import build, from_pretrained
from asura.common import outside
from asura.common.errors import UserError
from asura.evaluation.evaluate import evaluate, load_trained
from asura.models import ARCHITECTURES
from asura.planning import plugins as kept
from asura.planning.cache import planned, read_plan, write_plan
from asura.planning.plan import Plan, load
from asura.planning.planner import make
from asura.planning.prune import unused_plugins
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.planning.standing import Standing
from asura.planning.study_settings import Evaluation
from asura.pretrained.export import export
from asura.training.loop import train
from tests.conftest import TINY
from tests.planning.own_code import GATED, MODADD
from tests.planning.own_repository import GATED_ON_PHOP, OWN, anew, own, prepare, refused


def test_what_is_of_ones_own_is_trained_evaluated_exported_and_loaded_by_what_stands_in_the_results(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    study = prepare(repository)
    for path in (repository / "mine").rglob("*.py"):
        path.unlink()
    anew(monkeypatch)
    for name in load(study / "plan.json").runs:
        train(read_run(study / name / "run.json"), study / name)
        assert evaluate(study / name, Evaluation(examples=20))["rows"]
    assert make(kept.of_study(study)).as_json() == load(study / "plan.json").as_json()
    run, model = load_trained(study / GATED_ON_PHOP, torch.device("cpu"))
    assert list(run.plugins) == ["gated.py"]
    (session,) = RunFolder(study / GATED_ON_PHOP).read_record()["sessions"]
    assert session["plugins"] == {"gated.py": {"digest": run.plugins["gated.py"], "commit": None, "clean": None}}

    export(study / GATED_ON_PHOP, tmp_path / "exported")
    anew(monkeypatch)
    with pytest.raises(UserError, match=r"exported: it carries code \(gated\.py\).*trust_code=True"):
        from_pretrained(tmp_path / "exported")
    assert "gated" not in ARCHITECTURES
    tokens = torch.tensor([[0, 1, 2, 1]])
    loaded = from_pretrained(tmp_path / "exported", trust_code=True)
    assert loaded.settings.model_dump() == run.model.model_dump() and loaded(tokens).equal(model(tokens))
    assert "trust_code=True" in (tmp_path / "exported" / "README.md").read_text()
    (tmp_path / "exported" / "gated.py").write_text(GATED.replace("silu", "gelu"))
    with pytest.raises(UserError, match=r"gated\.py: it is not the code that the model was exported with"):
        from_pretrained(tmp_path / "exported", trust_code=True)
    export(study / "runs/phop/vanilla-n1/seed0", tmp_path / "exported")
    assert not (tmp_path / "exported" / "gated.py").exists() and from_pretrained(tmp_path / "exported")


def test_an_edit_trains_the_runs_again_that_use_the_file_and_no_others(repository: Path):
    study = prepare(repository)
    standing = Standing(load(study / "plan.json"), study)
    for name in standing.plan.runs:
        train(read_run(study / name / "run.json"), study / name)
    assert {state.trained for state in standing.runs.values()} == {"fresh"}
    gated = repository / "mine" / "gated.py"
    gated.write_text(GATED.replace("A looped block", "My looped block") + "# a comment\n")
    assert states(prepare(repository)) == dict.fromkeys(standing.plan.runs, "fresh")
    gated.write_text(GATED.replace("self.act(self.gate(x))", "self.act(2 * self.gate(x))"))
    found = states(prepare(repository))
    stale = {name for name, state in found.items() if state == "stale"}
    assert stale == {name for name in found if "gated" in name} and set(found.values()) == {"stale", "fresh"}
    (unused,) = unused_plugins(study)
    assert (unused / "gated.py").read_text() == GATED
    assert read_run(study / GATED_ON_PHOP / "run.json").plugins["gated.py"] != unused.name


def states(study: Path) -> dict[str, str]:
    return {name: state.trained for name, state in Standing(load(study / "plan.json"), study).runs.items()}


def test_a_study_without_code_of_ones_own_stays_as_it_is(repository: Path):
    assert own(repository)["plugins"] != OWN["plugins"] and kept.at_their_places(TINY, repository) == TINY
    without = [run for run in make(own(repository)).runs.values() if "plugins" not in run]
    assert [run["label"] for run in without] == ["vanilla-n1"]
    (expected,) = make({**OWN, "plugins": [], "tasks": TINY["tasks"], "models": {"vanilla": {"n": 1}}}).runs.values()
    assert without == [expected]


BAD: dict[str, tuple[str, str]] = {
    "missing": ("", "no such file; paths start from the folder of the study file"),
    "not Python": ("def (", "mine.py, line 1: it is not Python"),
    "raises": ("x = 1\nraise RuntimeError('no luck')", "mine.py, line 2: RuntimeError: no luck"),
    "ends the process": ("import sys\nsys.exit(3)", "mine.py, line 2: SystemExit: 3"),
    "an import of nothing": ("import nowhere", "mine.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
    "a file beside it": ("from gated import Gated", "mine.py: it imports gated.py, which stands beside it"),
    "a package beside it": ("import sub.modadd", "mine.py: it imports sub/__init__.py, which stands beside it"),
    "a file where it is started": ("import here", "mine.py: it imports here, which is found only from the folder of"),
    "registers nothing": ("x = 1", "mine.py: it registers nothing, and nothing names it"),
    "a shipped architecture": (
        GATED.replace('"gated"', '"asura"'),
        "architecture 'asura': this package has one of this name",
    ),
    "a shipped task": (MODADD.replace('"modadd"', '"phop"'), "task 'phop': this package has one of this name"),
    "no name": (MODADD.replace('"modadd"', '"a/b"'), "task 'a/b': it is no name"),
    "the name of another": (GATED, "gated.py and mine.py both register the architecture gated"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
):
    monkeypatch.syspath_prepend("")  # as `python -m` does it
    (repository / "here.py").touch()
    (repository / "mine" / "sub" / "__init__.py").touch()
    if text:
        (repository / "mine" / "mine.py").write_text(text)
    said = refused(repository, plugins=["gated.py", "mine.py", "sub/modadd.py"])
    assert said.startswith("plugins: ") and message in said


def test_a_model_may_have_a_mapping_as_a_setting(repository: Path):
    setting = "    table: dict[str, float] = {}\n\n\nclass GatedMLP"
    (repository / "mine" / "gated.py").write_text(GATED.replace("class GatedMLP", setting, 1))
    entries = ({"n": 1, "i": 2}, {"n": 1, "i": 2, "table": {"a": 1.0}})
    plain, plan = (make(own(repository, models={"gated": entry})) for entry in entries)
    assert [model["parameters"] for model in plan.models] == [model["parameters"] for model in plain.models]
    assert all(run["model"]["table"] == {"a": 1.0} for run in plan.runs.values())


def test_a_name_that_is_registered_nowhere_is_refused_with_the_nearest(repository: Path):
    said = refused(repository, models={"gatted": {"n": 1}})
    assert said.startswith("models.gatted: no such architecture: found 'gatted'; did you mean 'gated'?")


def test_a_run_whose_copy_is_gone_or_changed_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch):
    study = prepare(repository)
    (copy,) = study.glob("plugins/*/gated.py")
    anew(monkeypatch)
    copy.write_text(GATED.replace("4 *", "3 *"))
    with pytest.raises(UserError, match=r"gated\.py: it was changed"):
        read_run(study / GATED_ON_PHOP / "run.json")
    copy.unlink()
    with pytest.raises(UserError, match=r"run\.json: it needs gated\.py, but .* is missing"):
        read_run(study / GATED_ON_PHOP / "run.json")


def test_a_run_outside_of_a_study_keeps_its_code_with_it(repository: Path, monkeypatch: pytest.MonkeyPatch):
    study, alone = prepare(repository), repository / "alone"
    train(read_run(study / GATED_ON_PHOP / "run.json"), alone)
    anew(monkeypatch)
    study.rename(repository / "elsewhere")
    assert evaluate(alone, Evaluation(examples=20))["rows"]


def test_the_commit_of_its_repository_is_kept_beside_a_copy(repository: Path):
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=me", "-c", "user.email=me", "-C", str(repository / "mine"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("add", "gated.py")
    git("commit", "--quiet", "--message", "mine")
    commit = git("rev-parse", "HEAD")
    assert origin(repository, "gated.py") == {"commit": commit, "clean": True}
    assert origin(repository, "modadd.py") == {"commit": None, "clean": None}
    (repository / "mine" / "gated.py").write_text(GATED + "CHANGED = 1\n")
    assert origin(repository, "gated.py") == {"commit": commit, "clean": False}


def origin(repository: Path, name: str) -> dict[str, Any]:
    study = prepare(repository)
    (place,) = (place for place in json.loads((study / "study.json").read_text())["plugins"] if name in place)
    found: dict[str, Any] = json.loads((study / place).with_name("origin.json").read_text())
    return found


def test_two_versions_of_a_model_live_in_one_process(repository: Path):
    first = make(own(repository))
    settings = first.runs[GATED_ON_PHOP]["model"]
    before = build(settings, 5)
    (repository / "mine" / "gated.py").write_text(GATED.replace("4 * settings.width", "3 * settings.width"))
    make(own(repository))
    assert build(before.settings, 5).state_dict().keys() == before.state_dict().keys()
    sizes = [build(of, 5).get_parameter("blocks.0.mlp.up.weight").shape for of in (before.settings, settings)]
    assert sizes == [(32, 8), (24, 8)]


# Installed packages


def install(folder: Path, points: str = "[asura.architectures]\ngated = mine_of_models\n") -> None:
    (folder / "mine_of_models.py").write_text(GATED.replace("from asura import architecture", USES_HELPER))
    (folder / "helper_of_models.py").write_text("from asura import architecture\n")
    (folder / "mine-1.0.dist-info").mkdir(parents=True)
    (folder / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (folder / "mine-1.0.dist-info" / "entry_points.txt").write_text(points)


USES_HELPER = "from helper_of_models import architecture"


def test_an_installed_package_is_found_by_its_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path)
    monkeypatch.delitem(ARCHITECTURES, "gated", raising=False)
    config = TINY | {"models": {"gated": {"n": 1, "i": 2}}}
    path = planned("tiny", config, config, lambda: make(config))
    write_plan(path, tmp_path / "tiny", tmp_path / "tiny")
    run = read_run(tmp_path / "tiny" / GATED_ON_PHOP / "run.json")
    assert list(run.plugins) == ["mine_of_models"]
    assert planned("tiny", config, config, lambda: fail()) == path
    (tmp_path / "helper_of_models.py").write_text("from asura import architecture\nCHANGED = 1\n")
    outside.module_digest.cache_clear()
    with pytest.raises(UserError, match="of another version of mine_of_models than is installed"):
        read_run(tmp_path / "tiny" / GATED_ON_PHOP / "run.json")
    planned("tiny", config, config, lambda: make(config))
    assert read_plan(path).runs[GATED_ON_PHOP]["plugins"] != run.plugins


def fail() -> Plan:
    raise AssertionError("it is planned again")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere_at_all", "architecture other: nowhere_at_all cannot be imported (ModuleNotFoundError"),
        ("json", "architecture other: json registers none of this name"),
    ],
)
def test_a_package_that_does_not_have_what_it_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, message: str
):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, f"[asura.architectures]\nother = {value}\n")
    with pytest.raises(UserError) as error:
        make(TINY | {"models": {"other": {"n": 1}}})
    assert message in str(error.value)
