"""Probes find what was planted and nothing else, and their control labels are a control."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from asura.analysis.probes import probed, probes, selectivity, shuffled
from asura.analysis.subject import NotApplicable
from asura.planning.analysis_settings import Probes
from asura.tasks.addition import Addition
from tests.analysis.subjects import oracle, subject
from tests.models.variants import small

KINDS = 5


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planted(labels: Tensor, width: int = 16, seed: int = 0) -> Tensor:
    """Features (N, width), a vector of its own for each label, and noise."""
    vectors = 2 * torch.randn(int(labels.max()) + 1, width, generator=source(seed))
    return vectors[labels] + 0.5 * torch.randn(len(labels), width, generator=source(seed + 1))


def test_planted_features_are_found_and_shuffled_labels_are_not():
    labels = torch.randint(KINDS, (1000,), generator=source())
    features, taught = planted(labels), torch.arange(1000) < 500
    control = probed(features, shuffled(labels, torch.zeros(1000).long(), source(7)), taught)
    assert abs(control - 1 / KINDS) < 0.06  # three standard errors
    assert selectivity(probed(features, labels, taught), control) > 0.97
    noise = torch.randn(1000, 16, generator=source(5))
    assert abs(selectivity(probed(noise, labels, taught), control)) < 0.1


def test_what_a_probe_learns_by_heart_does_not_count():
    labels = torch.randint(2, (200,), generator=source())
    features = torch.randn(200, 150, generator=source(1))  # 100 examples: separable whatever their labels
    assert probed(features, labels, torch.arange(200) < 100) < 0.7


def test_a_place_keeps_its_labels_when_they_are_shuffled():
    places = torch.arange(12).repeat(50)
    labels = (places + torch.randint(3, (600,), generator=source())) % KINDS
    found = shuffled(labels, places, source(1))
    assert (found != labels).float().mean() > 0.4
    for place in range(12):
        assert Counter(found[places == place].tolist()) == Counter(labels[places == place].tolist())


def test_nothing_is_probed_where_there_is_nothing_to_learn_or_score():
    features, labels = torch.randn(8, 3, generator=source()), torch.tensor([1, 1, 1, 1, 1, 1, 0, 0])
    assert probed(features, labels, torch.arange(8) < 4) == 0.5  # of one kind
    assert math.isnan(probed(features, labels, torch.arange(8) < 8))
    assert math.isnan(probed(features, labels, torch.arange(8) < 0))
    assert math.isnan(probed(features / 0, labels, torch.arange(8) < 4))
    assert math.isnan(selectivity(1.0, 1.0))


def test_an_oracle_that_takes_one_step_an_iteration_gives_the_diagonal():
    own = subject(oracle(), examples=200)
    rows = {(row["t"], row["step"]): row for row in probes(own, Probes())["probes"]}
    assert list(rows) == [(t, step) for step in (1, 2, 3) for t in range(4)]
    assert all(rows[step, step]["selectivity"] > 0.99 for step in (1, 2, 3))
    assert all(row["selectivity"] < 0.7 for (t, step), row in rows.items() if t != step)
    assert all(row["positions"] == own.asked[100:].sum() for row in rows.values())


def test_the_same_probes_whenever_they_are_asked_for():
    own = subject(small(architecture="trm"))
    assert probes(own, Probes()) == probes(own, Probes())


def test_a_task_without_steps_has_no_probes():
    with pytest.raises(NotApplicable, match="does not say what is right after fewer steps"):
        probes(subject(small(architecture="asura"), Addition()), Probes())
