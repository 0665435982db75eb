"""Tuning: every model tries the same settings, and the best of them on validation trains its final runs."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asura.common.errors import UserError
from asura.common.files import SEAL, read_sealed, write_sealed, write_text
from asura.planning.choices import Tried, _score, best, choose, is_chosen
from asura.planning.plan import Plan
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder, digest
from asura.planning.runs import read_run
from asura.planning.standing import Standing
from asura.planning.training_settings import Training
from asura.planning.tune_settings import Tune, trial_training
from asura.planning.tuned import as_tuned
from tests.conftest import TINY

TUNE: dict[str, Any] = {"over": {"learning_rate": [0.001, 0.01], "weight_decay": [0.0, 0.1]}, "seeds": [7, 8]}
TUNED = TINY | {"controls": ["iso_param", "iso_flop"], "width": 32, "tune": TUNE}


def refusal(**changes: Any) -> str:
    with pytest.raises(UserError) as error:
        make(TUNED | changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_model_and_control_tries_the_same_settings_on_the_same_seeds():
    study, trials = make(TUNED), make(TUNED, tuning=True)
    labels = [model["label"] for model in study.models]
    assert len(labels) == 3
    tried = {label: [row["settings"] for row in study.trials if row["label"] == label] for label in labels}
    assert all(len(settings) == 4 and settings == tried[labels[0]] for settings in tried.values())
    assert len(trials.models) == 12 and all(model["seeds"] == [7, 8] for model in trials.models)
    assert len(trials.runs) == 24 and not trials.roles and not trials.questions
    settings = trials.runs["runs/phop/asura-n1-i2+steps=6+learning_rate=0.01+weight_decay=0.1/seed7"]["training"]
    assert (settings["steps"], settings["learning_rate"], settings["weight_decay"]) == (6, 0.01, 0.1)


def test_a_run_names_the_code_of_every_optimiser_that_may_be_chosen_for_it():
    over = {"over": {"optimiser": ["adamw", "torch.optim:SGD"]}}
    (run,) = make(TINY | {"tune": over}).runs.values()
    assert list(run["plugins"]) == ["torch.optim", "torch.optim.sgd"]


def test_a_study_without_tune_has_no_trials():
    plan = make(TINY)
    assert plan.trials == [] and not any("tuned" in run for run in plan.runs.values())


def test_points_of_ranges_are_the_same_each_time_and_lie_evenly_on_a_logarithmic_scale():
    tune = Tune.model_validate({"over": {"learning_rate": {"low": 1e-4, "high": 1e-1}}, "trials": 60})
    points = [point["learning_rate"] for point in tune.points()]
    assert points == [point["learning_rate"] for point in tune.points()] and len(points) == 60
    logs = [math.log10(point) for point in points]
    assert min(logs) >= -4 and max(logs) <= -1
    for decade in (-4, -3, -2):
        assert 18 <= sum(decade <= log < decade + 1 for log in logs) <= 22
    assert tune.is_at_edge("learning_rate", max(points)) and not tune.is_at_edge("learning_rate", sorted(points)[3])


def trial(score: float, loss: float = math.nan) -> Tried:
    return Tried("t", {}, {0: score}, {0: 0.0}, loss, {})


def test_the_best_is_the_best_score_on_validation_then_the_least_loss_then_the_first():
    tried = [trial(0.5), trial(0.9, 0.3), trial(0.9, 0.2), trial(0.9, 0.2)]
    assert best(tried, "accuracy") is tried[2]
    assert best(tried, "bits_per_byte") is tried[0]
    assert best([trial(0.5), trial(0.5)], "accuracy").label == "t"


def test_a_trial_that_failed_counts_at_chance_in_bits_too():
    model = {"i": 2, "metric": "bits_per_byte", "chance": 8.0}
    assert _score([], "validation", model) == 8
    assert _score([], "validation", model | {"chance": None}) == math.inf


def test_a_warm_up_that_is_tried_is_shortened_as_the_trial_is():
    training = Training(steps=100, warmup_steps=10)
    tried = [trial_training(training, {"warmup_steps": warmup}, 0.5) for warmup in (0, 40)]
    assert [(each["steps"], each["warmup_steps"]) for each in tried] == [(50, 0), (50, 20)]
    assert trial_training(training, {}, 0.5)["warmup_steps"] == 5


def evaluated(plan: Plan, study: Path, validation: dict[str, float]) -> None:
    """Leave what evaluation leaves of every trial: scores on test are the opposite of those on validation."""
    for name, run in plan.runs.items():
        folder = RunFolder(study / name)
        value = next(score for part, score in validation.items() if part in name)
        rows = [
            {"split": split, "iterations": run["model"].get("i", 1), "metric": "accuracy", "value": own}
            for split, own in (("validation", value), ("test", 1 - value))
        ]
        write_sealed(folder.evaluation, {"rows": rows})
        write_text(folder.metrics, "")
    write_text(study / "tuning" / "plan.json", json.dumps(plan.as_json()))


def test_the_choice_is_made_on_validation_and_read_by_the_final_runs(tmp_path: Path):
    study = tmp_path / "tiny"
    config = TUNED | {"controls": [], "tune": TUNE | {"over": {"weight_decay": [0.0, 0.01, 0.1]}}}
    scores = {"weight_decay=0.0/": 0.4, "weight_decay=0.1/": 0.3, "steps=6/": 0.6}  # .01 is the default
    evaluated(make(config, tuning=True), study, scores)
    assert choose(study, "phop", "asura-n1-i2") == {"weight_decay": 0.01}
    name, run = next(iter(make(config).runs.items()))
    write_text(study / name / "run.json", json.dumps(run))
    found = read_run(study / name / "run.json")
    assert found.training.weight_decay == 0.01 and found.tuned is None
    untuned = next(iter(make({key: value for key, value in config.items() if key != "tune"}).runs.values()))
    assert digest(found) == digest(untuned)  # what was chosen is the default: it is the same run
    path = study / "tuning" / "choices" / "phop" / "asura-n1-i2.json"
    assert set(read_sealed(path)["made_of"]) == set(make(config, tuning=True).runs)


def test_a_choice_is_made_again_where_the_order_of_its_trials_changes(tmp_path: Path):
    """Since of equal ones the first is chosen."""
    study = tmp_path / "tiny"
    over = [{"over": {"weight_decay": values}} for values in ([0.0, 0.1], [0.1, 0.0])]
    one, other = (make(TUNED | {"controls": [], "tune": TUNE | tried}, tuning=True) for tried in over)
    evaluated(one, study, {"weight_decay": 0.5})

    def standing(plan: Plan) -> Any:
        states = {
            run: SimpleNamespace(is_done=True, seals=("", read_sealed(RunFolder(study / run).evaluation)[SEAL]))
            for run in plan.runs
        }
        return SimpleNamespace(plan=plan, study=study, state=states.__getitem__)

    choose(study, "phop", "asura-n1-i2")
    assert is_chosen(standing(one), "phop", "asura-n1-i2")
    assert not is_chosen(standing(other), "phop", "asura-n1-i2")


def test_a_choice_that_does_not_fit_the_run_any_more_is_made_again(tmp_path: Path):
    config = TUNED | {"controls": [], "tune": TUNE | {"over": {"warmup_steps": [0, 5]}}}
    plan, study = make(config), tmp_path / "tiny"
    (name, run), *_ = plan.runs.items()
    write_sealed(study / run["tuned"], {"settings": {"warmup_steps": 5}, "made_of": {}})
    assert as_tuned(run, study)
    shorter = make(TUNED | {"controls": [], "tune": TUNE, "training": TINY["training"] | {"steps": 4}})
    assert Standing(shorter, study).state(name).trained == "missing"
    with pytest.raises(UserError, match=r"asura-n1-i2\.json: warmup_steps 5: it must be at most steps 4"):
        as_tuned(shorter.runs[name], study)


def test_a_run_whose_settings_are_not_chosen_yet_is_refused_in_one_line(tmp_path: Path):
    name, run = next(iter(make(TUNED).runs.items()))
    write_text(tmp_path / name / "run.json", json.dumps(run))
    with pytest.raises(UserError, match="its settings have not been chosen"):
        read_run(tmp_path / name / "run.json")


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"over": {}}, "tune.over"),
        ({"over": {"learning_rate": []}}, "tune.over.learning_rate"),
        ({"over": {"learning_rat": [0.1, 0.2]}}, "did you mean 'learning_rate'?"),
        ({"over": {"steps": [10, 20]}}, "steps is not tuned"),
        ({"over": {"examples": [10, 20]}}, "examples is not tuned"),
        ({"over": {"cuda_graph": [True, False]}}, "cuda_graph is not tuned"),
        ({"over": {"learning_rate": {"low": 0.1, "high": 0.01}}, "trials": 3}, "is empty; low must be below high"),
        ({"over": {"learning_rate": {"low": 0.01, "high": 0.1}}}, "say with `trials`"),
        ({"over": {"learning_rate": [0.1, 0.2]}, "trials": 3}, "lists are tried whole"),
        ({"over": {"learning_rate": {"low": 0.001, "high": 0.0010001}}, "trials": 3}, "of 3 points, only 1 differ in"),
        ({"over": {"learning_rate": [0.1, 0.1]}}, "stands there twice"),
        ({"over": {"learning_rate": [-1.0, 0.1]}}, "tune.over.learning_rate"),
        ({"over": {"learning_rate": [0.1]}, "steps": 0}, "tune.steps"),
    ],
    ids=str,
)
def test_what_cannot_be_tuned_is_said_in_one_line(tune: dict, said: str):
    assert said in refusal(tune=tune)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"models": {"asura": {"training": {"weight_decay": 0.1}}}}, "models.asura.training"),
        ({"models": {"vanilla": [{"n": 1}, {"n": 2, "training": {"weight_decay": 0.1}}]}}, "models.vanilla.training"),
        ({"tasks": {"phop": {"training": {"learning_rate": 0.1}}}}, "tasks.phop.training"),
        ({"controls": {"iso_param": {"training": {"learning_rate": 0.1}}}}, "controls.iso_param.training"),
    ],
    ids=str,
)
def test_a_tuned_setting_is_fixed_nowhere(changes: dict, where: str):
    assert f"{where} fixes it; leave it out in one of them" in refusal(**changes)


def test_no_model_has_a_tuning_of_its_own():
    assert "tune" in refusal(models={"asura": {"n": 1, "i": 2, "tune": TUNE}})


def test_lists_of_training_are_multiplied_out_and_a_pair_stays_one():
    training = TINY["training"] | {"learning_rate": [0.001, 0.01], "betas": [0.9, 0.95]}
    assert [model["label"] for model in make(TINY | {"training": training}).models] == [
        "asura-n1-i2",
        "asura-n1-i2+learning_rate=0.01",
    ]
    own = {"models": {"asura": {"n": 1, "i": 2, "training": {"betas": [[0.9, 0.95], [0.9, 0.99]]}}}}
    assert [model["label"] for model in make(TINY | own).models] == [
        "asura-n1-i2+betas=0.9,0.95",
        "asura-n1-i2+betas=0.9,0.99",
    ]
