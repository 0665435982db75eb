"""What a run's result follows from is the same whether it is read from Python or from run.json."""

import json
from hashlib import sha256

import pytest

from asura.planning.run_folder import digest
from asura.planning.training_settings import KEPT_BITS
from tests.conftest import tiny_run


@pytest.mark.parametrize("rate", [3e-3, 1.0, 1e38, 1.5e-7, 1 / 3])
def test_the_digest_is_that_of_the_settings_as_pydantic_writes_them(rate: float):
    run = tiny_run({"learning_rate": rate, "activation_checkpointing": True})
    written = run.model_dump_json(exclude={"training": KEPT_BITS})
    expected = sha256(f"{written}startcorpus".encode()).hexdigest()
    read_back = json.loads(json.dumps(run.model_dump(mode="json")))
    assert digest(run, "start", "corpus") == digest(read_back, "start", "corpus") == expected
    assert digest(run) == digest(tiny_run({"learning_rate": rate})) != digest(tiny_run({"learning_rate": 2 * rate}))
