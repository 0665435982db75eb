"""The probe of `asura plan`."""

import pytest

from asura.training.speed import measured_speed
from tests.conftest import tiny_run


@pytest.mark.parametrize(
    "training",
    [
        {"steps": 2, "warmup_steps": 2},  # the probe goes on, after a warm-up that is the whole run
        {"steps": 1, "schedule": "linear"},
        {"steps": 4, "accumulate": 2, "cuda_graph": True},
    ],
    ids=str,
)
def test_a_speed_is_measured_however_few_steps_a_run_has(training: dict):
    assert measured_speed(tiny_run(training)).flops > 0
