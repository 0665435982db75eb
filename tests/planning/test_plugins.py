"""Architectures, tasks, optimisers and schedules of one's own, from the plan to an exported model."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from asura import build, from_pretrained
from asura.common import outside, plugins
from asura.common.errors import UserError
from asura.common.plugins import factory
from asura.evaluation.evaluate import evaluate, load_trained
from asura.models import ARCHITECTURES
from asura.planning import plugins as kept
from asura.planning.ablations import planned_ablation
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
from tests.planning.own_code import GATED, LION, MODADD

OWN = TINY | {
    "plugins": ["gated.py", "sub/modadd.py"],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}, "modadd": {"p": 5}},
    "models": {"gated": {"n": 1, "i": 2}, "vanilla": {"n": 1}},
    "training": {"steps": 3, "batch": 4, "log_steps": 2},
}
FILES = {"gated.py": GATED, "sub/modadd.py": MODADD, "lion.py": LION}
GATED_ON_PHOP = "runs/phop/gated-n1-i2/seed0"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one's own, in which the study is started from above the folder of its file."""
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(repository: Path, **changes: Any) -> dict[str, Any]:
    """The study, read from its file."""
    return kept.at_their_places(OWN | changes, repository / "mine")


def prepare(repository: Path, **changes: Any) -> Path:
    """The results of the study, planned as the workflow does it."""
    config = own(repository, **changes)
    study = repository / "results" / "tiny"
    write_plan(planned("tiny", config, config, lambda: make(config)), study, study)
    return study


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was read and imported, as another process would not know it."""
    for module, name in ((kept, "_read"), (plugins, "_imported"), (plugins, "_active")):
        monkeypatch.setattr(module, name, {})
    monkeypatch.delitem(ARCHITECTURES, "gated", raising=False)


def refused(repository: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as error:
        make(own(repository, **changes))
    assert "\n" not in str(error.value)
    return str(error.value)


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


def test_no_code_runs_because_it_stands_in_a_run(repository: Path, monkeypatch: pytest.MonkeyPatch):
    study = prepare(repository, **LIONS)
    path = study / "runs/phop/vanilla-n1/seed0/run.json"
    planned_run = json.loads(path.read_text())
    (repository / "evil.py").write_text("from pathlib import Path\nPath('executed').touch()\n\ndef make(**_): ...\n")
    monkeypatch.syspath_prepend(str(repository))
    evil = {"architecture": "evaluated", "factory": "evil:make"}
    for part, said in (
        ({"model": evil}, "evil:make"),
        ({"training": planned_run["training"] | {"optimiser": "evil:make"}}, "evil:make"),
        ({"training": planned_run["training"] | {"schedule": "evil:make"}}, "evil:make"),
        ({"plugins": {}}, "lion:Lion"),
    ):
        path.write_text(json.dumps(planned_run | part))
        with pytest.raises(UserError, match=f"it names {said}, but {said[:4]} is not under its plugins"):
            read_run(path)
    for name in ("os:system", "subprocess:Popen"):
        path.write_text(json.dumps(planned_run | {"model": evil | {"factory": name}, "plugins": {name[:-7]: "0" * 16}}))
        with pytest.raises(UserError):
            read_run(path)
        with pytest.raises(UserError, match="is part of Python itself, and makes nothing"):
            factory(name)
    assert not Path("executed").exists()


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


def test_an_ablation_may_leave_out_what_names_an_optimiser(repository: Path):
    models = {"vanilla": {"n": 1, "training": {"optimiser": "lion:Lion"}}}
    config = own(repository, plugins=["lion.py"], tasks=TINY["tasks"], models=models)
    assert len(make(config).runs) == 1
    assert planned_ablation(config, "wider", {"vanilla": {"mlp_width": [8, 16]}}).is_file()


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


# Optimisers and schedules

LIONS = {
    "plugins": ["lion.py"],
    "tasks": TINY["tasks"],
    "models": {"vanilla": {"n": 1}},
    "training": OWN["training"]
    | {
        "optimiser": "lion:Lion",
        "optimiser_settings": {"beta": 0.5},
        "schedule": "lion:rsqrt",
        "schedule_settings": {"timescale": 2},
        "learning_rate": 0.01,
        "warmup_steps": 1,
    },
}


def test_an_optimiser_and_a_schedule_of_ones_own_train_and_are_recorded(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    study = prepare(repository, **LIONS)
    anew(monkeypatch)
    folder = RunFolder(study / "runs/phop/vanilla-n1/seed0")
    run = read_run(folder.run)
    train(run, folder.path)
    assert list(run.plugins) == ["lion.py"]
    rates = [row["learning_rate"] for row in folder.read_metrics()]
    assert rates == pytest.approx([0.01, 0.01 * 1.5**-0.5])
    recorded = json.loads(folder.run.read_text())["training"]
    assert recorded["optimiser"] == "lion:Lion" and recorded["optimiser_settings"] == {"beta": 0.5}


def test_one_of_a_package_is_named_by_its_module(repository: Path):
    changes = LIONS | {"plugins": [], "training": OWN["training"] | {"optimiser": "torch.optim:SGD"}}
    (run,) = make(own(repository, **changes)).runs.values()
    assert list(run["plugins"]) == ["torch.optim", "torch.optim.sgd"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no module": ({"optimiser": "nowhere:Lion"}, "nowhere:Lion: nowhere cannot be imported"),
    "no name": ({"optimiser": "lion:Tiger"}, "lion:Tiger: lion has no Tiger"),
    "no function": ({"optimiser": "lion:torch"}, "lion:torch: found module; it must be a class or a function"),
    "other settings": ({"optimiser_settings": {"gamma": 1}}, "optimiser lion:Lion: it cannot be made with lr and"),
    "no optimiser": (
        {"optimiser": "torch.nn:Identity", "optimiser_settings": {}},
        "found Identity; it must make a torch.optim.Optimizer",
    ),
    "a list": ({"optimiser": "lion:rsqrt", "optimiser_settings": {}}, "optimiser lion:rsqrt: it cannot be made"),
    "no number": ({"schedule_settings": {"timescale": 0}}, "schedule lion:rsqrt: it fails at step 0 of 2"),
    "a negative rate": (
        {"schedule": "torch:sub", "schedule_settings": {}},
        "schedule torch:sub: found -2.0 at step 0 of 2; it must be finite and at least 0",
    ),
    "Python itself": ({"optimiser": "os:system", "optimiser_settings": {}}, "os:system: os is part of Python itself"),
    "Python through another": (
        {"schedule": "lion:torch.os.system", "schedule_settings": {}},
        "lion:torch.os.system: posix is part of Python itself",
    ),
    "settings of none": ({"optimiser": "adamw"}, "optimiser_settings are of one's own optimiser, MODULE:NAME"),
    "misspelt": ({"optimiser": "adamx", "optimiser_settings": {}}, "give 'adamw', 'nadamw', 'adafactor' or 'muon'"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_factory_that_would_fail_in_training_is_refused_by_the_plan(repository: Path, change: dict, message: str):
    said = refused(repository, **LIONS | {"training": LIONS["training"] | change})
    assert said.startswith("training") and message in said
