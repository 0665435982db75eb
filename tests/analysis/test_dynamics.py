"""Where states go: maps whose course is known."""

import math

import pandas as pd
import pytest
import torch

from asura.analysis.dynamics import behaviour_of, dynamics
from asura.planning.analysis_settings import Dynamics
from tests.analysis.subjects import linear, subject
from tests.models.variants import small

SETTINGS = Dynamics(iterations=32, paths=3)


def rotation(degrees: float) -> torch.Tensor:
    """By this angle in each of four planes."""
    angle = math.radians(degrees)
    plane = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return torch.block_diag(*[plane] * 4)


@pytest.mark.parametrize(
    ("matrix", "behaviour", "period"),
    [
        (0.5 * torch.eye(8), "settling", 0),
        ((1 - 1e-5) * torch.eye(8), "settling", 1),
        (rotation(90), "drifting", 4),
        (1.1 * rotation(30), "drifting", 0),
        (0.88 * torch.eye(8), "marginal", 0),
    ],
)
def test_linear_maps_are_known_for_what_they_do(matrix, behaviour, period):
    tables = dynamics(subject(linear(matrix, i=4)), SETTINGS)
    (end,) = tables["dynamics_end"]
    assert (end["behaviour"], end["period"], end["last"]) == (behaviour, period, 32)


def test_norms_steps_and_angles_are_those_of_the_states():
    frame = pd.DataFrame(dynamics(subject(linear(1.1 * rotation(60))), SETTINGS)["dynamics"]).set_index("t")
    assert list(frame.index) == list(range(1, 33))
    assert frame["norm"][2] / frame["norm"][1] == pytest.approx(1.1, rel=1e-5)
    length = math.sqrt(1 + 1.21 - 2 * 1.1 * math.cos(math.radians(60)))  # by the law of cosines
    assert frame["step"].to_numpy() == pytest.approx(length, rel=1e-4)
    assert frame["angle"][2:].to_numpy() == pytest.approx(60, rel=1e-3) and math.isnan(frame["angle"][1])


def test_a_state_that_grows_by_as_much_each_time_drifts_though_its_relative_steps_shrink():
    norms = [float(t) for t in range(1, 20)]
    assert behaviour_of(norms, [1 / t for t in range(1, 20)], 4) == "drifting"


def test_paths_start_where_the_model_does_and_keep_distances_in_a_plane():
    rows = pd.DataFrame(dynamics(subject(linear(rotation(90))), SETTINGS)["dynamics_paths"])
    assert rows["position"].nunique() == 3 and rows["t"].max() == 32
    own = rows[rows["position"] == 1].set_index("t")[["x", "y"]]
    assert own.loc[0].to_numpy() == pytest.approx(own.loc[4].to_numpy(), abs=1e-4)


def test_a_stack_has_its_blocks_and_no_end():
    tables = dynamics(subject(small(architecture="vanilla", n=3)), SETTINGS)
    assert [row["t"] for row in tables["dynamics"]] == [1, 2, 3] and "dynamics_end" not in tables


def test_a_state_beyond_all_numbers_leaves_the_others_their_path():
    tables = dynamics(subject(linear(1e30 * torch.eye(8))), SETTINGS)
    paths = pd.DataFrame(tables["dynamics_paths"])
    assert paths["x"].notna().any() and paths["x"].isna().any()
