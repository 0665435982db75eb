"""Optimisers and schedules of one's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from asura.common.errors import UserError
from asura.common.plugins import factory
from asura.planning.ablations import planned_ablation
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.training.loop import train
from tests.conftest import TINY
from tests.planning.own_repository import OWN, anew, own, prepare, refused

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


def test_an_ablation_may_leave_out_what_names_an_optimiser(repository: Path):
    models = {"vanilla": {"n": 1, "training": {"optimiser": "lion:Lion"}}}
    config = own(repository, plugins=["lion.py"], tasks=TINY["tasks"], models=models)
    assert len(make(config).runs) == 1
    assert planned_ablation(config, "wider", {"vanilla": {"mlp_width": [8, 16]}}).is_file()


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
