import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from asura.models import build
from asura.planning.training_settings import Training
from asura.training import optimisers as module
from asura.training.loop import train
from asura.training.muon import Muon
from asura.training.optimisers import optimisers, rate_factor, undecorated
from tests.conftest import tiny_run

SMALL = {"architecture": "asura_full", "n": 1, "i": 2, "width": 8, "heads": 2}
NDR = {"architecture": "ndr", "n": 1, "i": 2, "width": 8, "heads": 2, "bias": True}


def factors(**settings: object) -> list[float]:
    training = Training.model_validate({"steps": 8, **settings})
    return [rate_factor(training, step) for step in range(training.steps)]


def test_constant_after_a_linear_warm_up():
    assert factors(schedule="constant", warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_cosine_worked_out_by_hand():
    half = 2**-0.5
    expected = [0.5, 1, 1, (1 + 3**0.5 / 2) / 2, 0.75, 0.5, 0.25, (1 - 3**0.5 / 2) / 2]
    assert factors(schedule="cosine", warmup_steps=2) == pytest.approx(expected)
    assert factors(schedule="cosine", steps=4) == pytest.approx([1, (1 + half) / 2, 0.5, (1 - half) / 2])


def test_schedules_that_end_above_zero_worked_out_by_hand():
    cosine = factors(schedule="cosine", steps=4, final_fraction=0.1)
    assert cosine == pytest.approx([1, 0.1 + 0.9 * (1 + 2**-0.5) / 2, 0.55, 0.1 + 0.9 * (1 - 2**-0.5) / 2])
    linear = factors(schedule="warmup_stable_decay", decay_fraction=0.5, final_fraction=0.2)
    assert linear == pytest.approx([1, 1, 1, 1, 1, 0.8, 0.6, 0.4])
    assert factors(schedule="constant", final_fraction=0.1) == [1] * 8


def test_linear_decay_and_a_least_rate_worked_out_by_hand():
    assert factors(schedule="linear", warmup_steps=3) == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert factors(schedule="linear", steps=4, final_fraction=0.2) == pytest.approx([1, 0.8, 0.6, 0.4])
    least = factors(schedule="linear", warmup_steps=4, least_fraction=0.6)
    assert least == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.75, 0.6, 0.6])


@pytest.mark.parametrize("name", ["adamw", "nadamw"])
def test_eps_is_what_the_optimiser_adds(name: Any):
    model = build(SMALL, 5)
    (own,) = optimisers(model, Training(steps=1, optimiser=name, eps=0.5))
    (usual,) = optimisers(model, Training(steps=1, optimiser=name))
    assert [group["eps"] for group in own.param_groups] == [0.5, 0.5]
    assert [group["eps"] for group in usual.param_groups] == [1e-8, 1e-8]


def test_warm_up_stable_decay_worked_out_by_hand():
    expected = [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert factors(schedule="warmup_stable_decay", warmup_steps=2, decay_fraction=0.5) == pytest.approx(expected)


def test_a_warm_up_as_long_as_training():
    assert factors(warmup_steps=8)[-1] == 1


@pytest.mark.parametrize("settings", [SMALL, NDR], ids=["asura", "ndr"])  # which has parameters of 1 and 3 dimensions
@pytest.mark.parametrize("name", ["adamw", "nadamw", "adafactor", "muon"])
@pytest.mark.parametrize("decays", ["matrices", "all"])
def test_every_parameter_belongs_to_one_optimiser_and_decays_where_it_should(decays: Any, name: Any, settings: dict):
    model = build(settings, 5)
    training = Training(steps=1, optimiser=name, weight_decay=0.1, weight_decay_of=decays)
    groups = [group for optimiser in optimisers(model, training) for group in optimiser.param_groups]
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(map(id, model.parameters()))
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim == 2 or decays == "all" else 0.0)


def test_muon_takes_hidden_matrices_and_no_embedding():
    model = build(SMALL, 5)
    muon, rest = optimisers(model, Training(steps=1, optimiser="muon"))
    taken = {id(p) for group in muon.param_groups for p in group["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in taken}
    assert "blocks.0.mlp.up.weight" in names and "long_skips.0.weight" in names
    assert not {"embedding.weight", "head.weight", "head_norm.weight"} & names
    assert isinstance(rest, torch.optim.AdamW)


def stepped(kind: type[torch.optim.Muon], settings: dict, steps: int) -> list[torch.Tensor]:
    """The matrices of a model and what the optimiser keeps of them, after some steps on tokens that are drawn."""
    model = build(settings, 5)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embedding" not in name]
    muon = kind(matrices, lr=3e-3, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        tokens = torch.randint(5, (4, 8), generator=generator)
        muon.zero_grad()
        model.loss(tokens, tokens.roll(1, 1)).loss.backward()
        muon.step()
    return [*matrices, *(muon.state[matrix]["momentum_buffer"] for matrix in matrices)]


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "asura", "n": 1, "i": 4, "width": 64, "heads": 4},
        {"architecture": "vanilla", "n": 4, "width": 64, "heads": 4},
        {"architecture": "asura_full", "n": 2, "i": 2, "width": 24, "heads": 2},
        {"architecture": "ndr", "n": 2, "i": 2, "width": 8, "heads": 2},
    ],
    ids=lambda settings: settings["architecture"],
)
def test_muon_in_batches_has_the_bits_of_torchs_own(settings: dict):
    found, expected = (stepped(kind, settings, 20) for kind in (Muon, torch.optim.Muon))
    assert all(map(torch.equal, found, expected))


def test_muon_passes_over_matrices_without_gradient():
    first, second = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))
    muon = Muon([first, second], lr=1e-3, adjust_lr_fn="match_rms_adamw")
    second.grad = torch.ones(2, 3)
    muon.step()
    assert torch.equal(first, torch.ones(2, 3)) and not torch.equal(second, first)
    assert list(muon.state) == [second]


def test_one_step_of_adamw_worked_out_by_hand():
    model = build(SMALL, 5)
    weight = model.head.weight
    before = weight.detach().clone()
    training = Training(steps=1, learning_rate=0.01, weight_decay=0.5)
    (adamw,) = optimisers(model, training)
    weight.grad = torch.full_like(weight, 3.0)
    adamw.step()  # after one step both averages are the gradient's, so the update is its sign
    assert torch.allclose(weight, before * (1 - 0.01 * 0.5) - 0.01, atol=1e-6)


def test_nesterov_adamw_follows_its_equations():
    """Those of optax, in which the momentum that follows this step is corrected for the bias of the next one."""
    model = build(SMALL, 5)
    weight, (first, second) = model.head.weight, (0.8, 0.95)
    training = Training(steps=5, optimiser="nadamw", learning_rate=0.01, weight_decay=0.5, betas=(first, second))
    (nadamw,) = optimisers(model, training)
    expected, m, v = weight.detach().double(), torch.tensor(0.0), torch.tensor(0.0)
    for t in range(1, 6):
        gradient = torch.randn(weight.shape, generator=torch.Generator().manual_seed(t))
        weight.grad = gradient.clone()
        nadamw.step()
        m, v = first * m + (1 - first) * gradient.double(), second * v + (1 - second) * gradient.double() ** 2
        ahead = first * m / (1 - first ** (t + 1)) + (1 - first) * gradient / (1 - first**t)
        update = ahead / ((v / (1 - second**t)).sqrt() + 1e-8) + 0.5 * expected
        expected = expected - 0.01 * update
    torch.testing.assert_close(weight.detach().double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "nadamw", "adafactor", "muon"])
def test_training_imports_no_compiler_and_gives_the_weights_of_torchs_own_optimiser(name, tmp_path: Path, monkeypatch):
    run = tiny_run({"optimiser": name})
    run_file = tmp_path / "run.json"
    run_file.write_text(run.model_dump_json())
    script = (
        "import sys\n"
        "from asura.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert not {'torch._dynamo', 'torch._inductor'} & sys.modules.keys()\n"
    )
    command = [sys.executable, "-c", script, "train", str(run_file), "--out", str(tmp_path / "undecorated")]
    subprocess.run(command, check=True)
    monkeypatch.setattr(module, "undecorated", lambda kind: kind)
    train(run, tmp_path / "plain")
    weights = [(tmp_path / folder / "weights.safetensors").read_bytes() for folder in ("undecorated", "plain")]
    assert weights[0] == weights[1]


def test_an_optimiser_that_is_not_decorated_stays_as_it_is():
    class Plain(torch.optim.SGD):
        def step(self, closure=None):
            assert not torch.is_grad_enabled()

        def zero_grad(self, set_to_none=True):
            raise NotImplementedError

    assert undecorated(Plain).zero_grad is Plain.zero_grad
    undecorated(Plain)([torch.zeros(1, requires_grad=True)], lr=1).step()
