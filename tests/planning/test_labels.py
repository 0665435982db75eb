"""The variants of a study, and the labels that tell them apart."""

import pytest

from asura.common.validation import checked
from asura.planning.study import Study
from tests.conftest import TINY


def labels(**changes: object) -> list[str]:
    study = checked(Study, TINY | changes, "")
    return [variant.label for task in study.named_tasks() for variant in study.variants(task)]


def test_a_grid_is_multiplied_out():
    assert labels(models={"asura": {"n": [1, 2], "i": [2, 4]}, "vanilla": {"n": 3}}) == [
        "asura-n1-i2",
        "asura-n1-i4",
        "asura-n2-i2",
        "asura-n2-i4",
        "vanilla-n3",
    ]


def test_a_label_says_what_differs_from_the_preset_and_the_training_of_the_study():
    entries = [
        {"n": 1, "i": 3, "long_skip": ["none", "concat_per_iteration"]},
        {"n": 1, "i": 3, "guidance": [0.2, 0.3, 0.5], "training": {"learning_rate": 0.01, "steps": 12}},
        {"n": 1, "i": 3, "width": 16, "heads": 2, "guidance": ["uniform", [0, 0, 1]]},
    ]
    assert labels(models={"asura": entries}) == [
        "asura-n1-i3+long_skip=none",
        "asura-n1-i3",
        "asura-n1-i3+guidance=0.2,0.3,0.5+learning_rate=0.01",
        "asura-n1-i3+width=16+guidance=uniform",
        "asura-n1-i3+width=16+guidance=0.0,0.0,1.0",
    ]


def test_settings_of_a_task_hold_for_its_models_and_those_of_a_model_win():
    tasks = {"long": {"task": "phop", "length": 16, "model": {"width": 16}, "training": {"steps": 20, "batch": 8}}}
    models = {"asura": {"n": 1, "i": 2, "training": {"batch": 2}}}
    study = checked(Study, TINY | {"tasks": tasks, "models": models}, "")
    (task,) = study.named_tasks()
    (variant,) = study.variants(task)
    assert (variant.model.width, variant.training.steps, variant.training.batch) == (16, 20, 2)
    assert variant.training.log_steps == TINY["training"]["log_steps"]
    assert variant.label == "asura-n1-i2+batch=2"


@pytest.mark.parametrize(
    ("shared", "model", "label"),
    [
        ({"width": 20, "heads": 8}, {"n": 1, "i": 2, "width": 16}, "asura-n1-i2+width=16"),
        ({"guidance": [0.5, 0.5]}, {"n": 1, "i": 4, "guidance": "none"}, "asura-n1-i4+guidance=none"),
        ({"deep_supervision": 2}, {"n": 1, "i": 3, "deep_supervision": 1}, "asura-n1-i3+deep_supervision=1"),
    ],
    ids=str,
)
def test_what_all_models_share_need_not_fit_one_that_has_others(shared: dict, model: dict, label: str):
    assert labels(tasks={"phop": TINY["tasks"]["phop"] | {"model": shared}}, models={"asura": model}) == [label]


def test_what_changes_no_bit_is_in_no_label():
    cheap = {"cuda_graph": True, "activation_checkpointing": True, "checkpoint_steps": 7}
    assert labels(models={"asura": {"n": 1, "i": 2, "training": cheap}}) == ["asura-n1-i2"]
