"""What a run's result follows from is the same whether it is read from Python or from run.json."""

import json
from hashlib import sha256

import pytest

from asura.models.asura import AsuraSettings
from asura.planning.run_folder import digest
from asura.planning.runs import Run
from asura.planning.training_settings import Training
from tests.conftest import tiny_run


@pytest.mark.parametrize("rate", [3e-4, 1.0, 1e38, 1.5e-7, 1 / 3])
def test_the_digest_is_that_of_the_settings_that_are_not_at_their_default(rate: float):
    run = tiny_run({"learning_rate": rate, "activation_checkpointing": True, "cuda_graph": True})
    read_back = json.loads(json.dumps(run.stated()))
    kept = {k: v for k, v in read_back["training"].items() if "checkpoint" not in k and k != "cuda_graph"}
    written = {**read_back, "training": kept}
    expected = sha256(f"{json.dumps(written, sort_keys=True)}startcorpus".encode()).hexdigest()
    assert read_back["training"]["learning_rate"] == rate
    assert digest(run, "start", "corpus") == digest(read_back, "start", "corpus") == expected
    assert digest(run) == digest(tiny_run({"learning_rate": rate})) != digest(tiny_run({"learning_rate": 2 * rate}))


class LaterTraining(Training):
    """As a later version has it."""

    momentum: float = 0.9


class LaterAsura(AsuraSettings):
    """As a later version has it."""

    dropout: float = 0.0


class LaterRun(Run):
    """As a later version has it."""

    model: LaterAsura
    training: LaterTraining
    note: str | None = None


def test_a_setting_that_a_later_version_adds_changes_nothing_of_what_stands():
    now = tiny_run()
    later = LaterRun.model_validate(now.stated())
    assert later.training.momentum == 0.9 and later.model.dropout == 0.0
    assert later.stated() == now.stated() and digest(later) == digest(now)
    changed = LaterRun.model_validate(now.stated() | {"training": now.stated()["training"] | {"momentum": 0.5}})
    assert digest(changed) != digest(now)


def test_what_is_written_reads_back_as_it_was():
    run = tiny_run()
    assert Run.model_validate(json.loads(json.dumps(run.stated()))) == run
    assert Run.model_validate(run.model_dump(mode="json")) == run
