"""Interventions do to a pass what they say, and nothing else."""

import math
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

import asura.analysis.subject as subjects
from asura.analysis.interventions import cut, injected, interventions, replaced, run, stages
from asura.analysis.subject import Subject
from asura.models import ARCHITECTURES
from asura.models.layers import ConcatSkip
from asura.models.model import Model
from asura.planning.analysis_settings import Interventions
from tests.analysis.subjects import TASK, subject
from tests.models.variants import small

INJECTED = {
    **{name: [1] for name in ("asura", "asura_full", "deep_thinking", "deq", "parcae", "recurrent_depth")},
    **{name: [2] for name in ("hrm", "trm")},
}


def subject_of(architecture: str, **settings: Any) -> Subject:
    """A model in which each part has an effect: some weights start at zero, and so get noise as all others."""
    size = {"n": 2} if architecture == "vanilla" else {}
    model = small(**{"architecture": architecture, **size, **settings})
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=source), alpha=0.1)
    return subject(model, TASK)


def found(own: Subject, **settings: object) -> dict[tuple[str, int], dict]:
    rows = interventions(own, Interventions.model_validate(settings))["interventions"]
    return {(row["intervention"], row["t"]): row for row in rows}


def skips_of(model: Model) -> list[ConcatSkip]:
    return [module for module in model.modules() if isinstance(module, ConcatSkip)]


@torch.no_grad()
def passed(model: Model, tokens: Tensor) -> list[tuple[Tensor, ...]]:
    return run(stages(model), model.start(tokens))


@torch.no_grad()
def read(model: Model, state: tuple[Tensor, ...]) -> Tensor:
    return model.logits(model.read(state))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_stages_make_the_pass_of_the_model(name: str):
    own = subject_of(name)
    tokens = own.batch.tokens
    last = passed(own.model, tokens)[-1]
    if name != "deq":  # whose pass is a solver's
        with torch.no_grad():
            assert torch.equal(read(own.model, last), own.model(tokens))
    right = (own.model.answers(own.model.read(last)) == own.batch.targets)[own.asked]
    assert {row["untouched"] for row in found(own).values()} == {right.double().mean().item()}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_patching_everything_gives_the_logits_of_the_other_example(name: str):
    whole = subject_of(name)
    model, tokens = whole.model, whole.batch.tokens
    every = stages(model)
    own, other = (passed(model, each) for each in (tokens, tokens.roll(1, 0)))
    for t in range(1, len(every) + 1):
        patched = run(every[t - 1 :], replaced(own[t - 1], other[t - 1], ()))[-1]
        assert torch.equal(read(model, patched), read(model, other[-1]))
        if name in INJECTED:
            kept = run(every[t - 1 :], replaced(own[t - 1], other[t - 1], INJECTED[name]))[-1]
            assert not torch.equal(read(model, kept), read(model, other[-1]))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_returning_input_is_what_iterations_read_and_pass_through(name: str):
    own = subject_of(name)
    assert injected(own.model, stages(own.model), own.batch.tokens[:1]) == INJECTED.get(name, [])


def test_what_is_not_read_does_not_return():
    without = subject_of("asura", long_skip="none")
    assert not injected(without.model, stages(without.model), without.batch.tokens[:1])
    assert {name for name, _ in found(without)} == {"other", "start", "noise"}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_rows_for_every_place(name: str):
    own = subject_of(name)
    rows = found(own)
    kinds = ["other", "start", "noise", *(["cut"] if name in INJECTED else [])]
    places = range(1, 3 if name == "vanilla" else 5)
    assert list(rows) == [(kind, t) for t in places for kind in kinds]
    assert rows["start", 1]["changed"] == 0
    assert all((row["followed"] is None) == (kind != "other") for (kind, _), row in rows.items())
    assert any(row["changed"] > 0 for row in rows.values())
    if name not in INJECTED:  # the state is all there is
        assert all(rows["other", t]["followed"] == 1 for t in places)


def test_a_cut_skip_is_one_without_weights_for_the_input():
    own = subject_of("asura")
    tokens, targets = own.batch
    rows = found(own)
    accuracies = set()
    for t in range(1, 5):
        without = subject_of("asura").model
        with torch.no_grad():
            skips_of(without)[t - 1].weight[:, 8:] = 0
            answers = without(tokens).argmax(-1)
            changed = answers != own.model(tokens).argmax(-1)
        accuracy = (answers == targets)[own.asked].double().mean().item()
        assert rows["cut", t]["accuracy"] == pytest.approx(accuracy)
        assert rows["cut", t]["changed"] == pytest.approx(changed[own.asked].double().mean().item())
        accuracies.add(accuracy)
    assert len(accuracies) > 1
    assert cut((torch.ones(2), torch.ones(3)), [1])[1].sum() == 0


def test_noise_has_the_norm_of_the_state_and_nothing_depends_on_the_parts(monkeypatch: pytest.MonkeyPatch):
    whole = found(subject_of("trm"))
    taken: list[tuple[tuple[Tensor, ...], ...]] = []
    monkeypatch.setattr(subjects, "NUMBERS_AT_ONCE", 20_000)

    def noted(state: tuple[Tensor, ...], by: tuple[Tensor, ...], kept: list[int]) -> tuple[Tensor, ...]:
        taken.append((state, by))
        return replaced(state, by, kept)

    monkeypatch.setattr(import_module("asura.analysis.interventions"), "replaced", noted)
    assert found(subject_of("trm")) == whole
    of_noise = taken[2]  # the third kind at the first iteration
    assert len(of_noise[0][0]) < 12
    for part, noise in zip(*of_noise, strict=True):
        assert torch.allclose(part.norm(dim=-1), noise.norm(dim=-1), rtol=1e-5)
        assert not torch.allclose(part, noise)


def test_of_many_iterations_some_are_changed():
    own = subject_of("bare", i=9)
    assert sorted({t for _, t in found(own, places=3)}) == [1, 5, 9]
    assert sorted({t for _, t in found(own, iterations=2)}) == [1, 2]


def test_norms_of_the_halves_of_the_skip():
    own = subject_of("asura")
    with torch.no_grad():
        for t, skip in enumerate(skips_of(own.model), start=1):
            skip.weight[:] = torch.cat([torch.eye(8), torch.full((8, 8), t / 8)], 1)
    rows = interventions(own, Interventions())["interventions_skips"]
    assert [row["t"] for row in rows] == [1, 2, 3, 4]
    assert all(row["z"] == pytest.approx(math.sqrt(8)) and row["e"] == pytest.approx(row["t"]) for row in rows)


def test_one_projection_has_the_same_norms_at_each_iteration_and_bare_recursion_has_none():
    rows = interventions(subject_of("deep_thinking"), Interventions())["interventions_skips"]
    assert len(rows) == 4 and len({(row["z"], row["e"]) for row in rows}) == 1
    assert "interventions_skips" not in interventions(subject_of("bare"), Interventions())
