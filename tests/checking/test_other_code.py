"""Results of other code: made again on demand, or accepted where the same bits come out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from asura.checking.code import accept, discard, outdated
from asura.common.errors import UserError
from asura.common.files import read_sealed, write_sealed
from asura.evaluation.evaluate import evaluate
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.training.loop import train
from tests.conftest import TINY
from tests.planning.plans import prepare

Change = Callable[..., None]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of two seeds, trained and evaluated by other code."""
    monkeypatch.chdir(tmp_path)
    plan = prepare(TINY | {"seeds": [0, 1]}, tmp_path)
    for name in plan.runs:
        folder = tmp_path / "tiny" / name
        train(read_run(RunFolder(folder).run), folder)
        evaluate(folder, plan.evaluation_of("phop"))
        for file in ("training.json", "evaluation.json"):
            change(folder / file, code="other")
    return tmp_path / "tiny"


def change(path: Path, **to: object) -> None:
    write_sealed(path, read_sealed(path) | to)


def records(study: Path, name: str) -> list[dict]:
    return [read_sealed(path) for path in sorted(study.glob(f"runs/*/*/*/{name}.json"))]


def test_one_seed_that_gives_the_same_bits_is_enough_for_all(study: Path):
    before = records(study, "training")
    said = list(accept(study))
    assert [is_accepted for _, is_accepted in said] == [True, True]
    assert said[0][0].startswith("phop/asura-n1-i2: training of seed0, made again on cpu") and "2 runs" in said[0][0]
    assert outdated(study) == {} and list(accept(study)) == []
    for part in ("training", "evaluation"):
        for record in records(study, part):
            assert record["accepted"][0]["made_by"] == "other" and "seed0" in record["accepted"][0]["for"]
    assert [r["weights"] for r in records(study, "training")] == [r["weights"] for r in before]
    assert not list(study.glob(".again*"))


def test_other_bits_are_not_accepted(study: Path):
    first = next(iter(sorted(study.glob("runs/*/*/*/evaluation.json"))))
    rows = read_sealed(first)["rows"]
    change(first, rows=[rows[0] | {"value": 0.123}, *rows[1:]])
    said = dict(accept(study))
    assert list(said.values()) == [True, False]
    assert "evaluation of seed0 gives other rows now" in list(said)[1]
    assert set(outdated(study).values()) == {("evaluation",)}


def test_other_bits_on_another_device_are_said_to_be_of_that(study: Path):
    first = next(iter(sorted(study.glob("runs/*/*/*/evaluation.json"))))
    rows = read_sealed(first)["rows"]
    change(first, rows=[rows[0] | {"value": 0.123}, *rows[1:]], device="NVIDIA H100")
    assert "other rows now on cpu (x86_64), where it was made on NVIDIA H100; it is not" in list(dict(accept(study)))[1]


def test_what_is_discarded_is_made_again(study: Path):
    found = outdated(study)
    assert set(found.values()) == {("training", "evaluation")} and len(found) == 2
    discard(study, found)
    assert records(study, "training") == records(study, "evaluation") == [] and outdated(study) == {}
    assert len(list(study.glob("runs/*/*/*/weights.safetensors"))) == 2


def test_a_folder_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"it has no plan\.json"):
        outdated(tmp_path)
