from typing import Any

import pytest

from asura.common.errors import UserError
from asura.models.bare import BareSettings
from asura.models.vanilla import VanillaSettings
from asura.planning.costs import counted
from asura.planning.matching import Match, controls
from asura.planning.planner import make
from asura.planning.study import Study
from asura.planning.variants import Variant
from tests.conftest import TINY

ALL = ["iso_param", "iso_flop", "iso_both", "iso_param_depth", "iso_recursion"]
TASK = {"phop": {"hops": 1, "alphabet": 3, "length": 8}}
CONFIG = TINY | {"tasks": TASK, "controls": ALL, "width": 16, "heads": 2, "training": {"steps": 200, "batch": 4}}


def matched(models: dict[str, Any], **changes: Any) -> list[tuple[Variant, list[Match]]]:
    """Every cell of a study beside its controls."""
    study = Study.model_validate(CONFIG | {"models": models} | changes)
    (task,) = study.named_tasks()
    return [(cell, list(controls(study, cell))) for cell in study.variants(task)]


def one(models: dict[str, Any], **changes: Any) -> tuple[Variant, dict[str, Match]]:
    ((cell, found),) = matched(models, **changes)
    return cell, {match.control: match for match in found}


def on_task(variant: Variant) -> tuple[int, int, int]:
    """Parameters, FLOPs of one sequence, and FLOPs of all training, without the formula that planning uses."""
    task = variant.task.task
    parameters, flops, _ = counted(variant.model, task.vocabulary, task.sequence_length)
    return parameters, flops, flops * variant.training.steps * variant.training.batch


def test_what_each_control_is():
    cell, found = one({"asura": {"n": 2, "i": 4, "training": {"learning_rate": 0.01}}}, causal=False)
    models = {control: match.variant.model for control, match in found.items()}
    narrower = models.pop("iso_param_depth")
    assert (narrower.architecture, narrower.n, narrower.heads, narrower.causal) == ("vanilla", 8, 2, False)
    assert all((model.width, model.heads, model.causal) == (16, 2, False) for model in models.values())
    assert {control: (model.architecture, model.n, model.i, model.mlp_width) for control, model in models.items()} == {
        "iso_param": ("vanilla", 2, 1, 64 + 4 * (512 + 32) // (2 * 32)),  # a skip and a norm an iteration, as MLP
        "iso_flop": ("vanilla", 8, 1, 64 + 4 * 512 // (8 * 32)),  # norms have no FLOPs
        "iso_both": ("vanilla", 2, 1, 98),
        "iso_recursion": ("bare", 2, 4, None),
    }
    training = {control: match.variant.training for control, match in found.items()}
    longer = training.pop("iso_both")
    assert all(same == cell.training for same in training.values()) and cell.training.learning_rate == 0.01
    assert longer == cell.training.model_copy(update={"steps": longer.steps})
    ratio = on_task(cell)[1] / on_task(found["iso_param"].variant)[1]
    assert abs(longer.steps - 200 * ratio) <= 0.5 and ratio > 2


def test_recursion_alone_is_matched_exactly_by_the_usual_stack():
    _, found = one({"bare": {"n": 2, "i": 3, "mlp_width": 40}})
    assert found["iso_param"].variant.model == VanillaSettings(n=2, width=16, heads=2, mlp_width=40)
    assert found["iso_flop"].variant.model == VanillaSettings(n=6, width=16, heads=2, mlp_width=40)
    assert found["iso_param"].deviation == found["iso_flop"].deviation == 0
    assert "iso_recursion" not in found


def test_bare_recursion_has_the_blocks_of_its_cell():
    _, found = one({"asura_full": {"n": 2, "i": 3, "mlp_width": 40, "guidance": "uniform"}})
    expected = BareSettings(n=2, i=3, mlp_width=40, width=16, heads=2, guidance="uniform")  # and its training rule
    assert found["iso_recursion"].variant.model == expected and found["iso_recursion"].deviation == 0
    assert found["iso_recursion"].variant.label == "bare-n2-i3+mlp_width=40+guidance=uniform"


def test_bare_recursion_that_a_study_names_is_the_control_of_its_other_cells():
    models = {"asura": {"n": 1, "i": [2, 4]}, "bare": {"n": 1, "i": [2, 4]}}
    plan = make(CONFIG | {"models": models, "controls": ["iso_recursion"]})
    labels = ["asura-n1-i2", "asura-n1-i4", "bare-n1-i2", "bare-n1-i4"]
    assert [model["label"] for model in plan.models] == labels and len(plan.runs) == 4
    assert [(r["label"], r["control_of"]) for r in plan.roles] == list(zip(labels[2:], labels[:2], strict=True))


def test_a_narrower_stack_counted_by_hand():
    cell, found = one({"bare": {"n": 1, "i": 4}}, width=32)
    assert on_task(cell)[0] == 12 * 32**2 + 5 * 32 + 4 * 32  # matrices, norms in the block, norms outside
    # At width 16, of which the MLP is a multiple: 4 blocks of 4 · 16² + 5 · 16 + 32 m, and 64 outside; m = 63.25.
    assert found["iso_param_depth"].variant.model == VanillaSettings(n=4, width=16, heads=2, mlp_width=63)
    assert found["iso_param_depth"].deviation == pytest.approx(12_544 / 12_576 - 1)


def test_the_mlp_of_a_narrower_stack_is_in_proportion():
    _, found = one({"bare": {"n": 2, "i": 4, "mlp_width": 128}}, width=64)
    narrower = found["iso_param_depth"].variant.model
    assert narrower.width == 32 and abs((narrower.mlp_width or 0) - 64) <= 2


def test_prelude_and_coda_are_counted_as_blocks():
    _, found = one({"recurrent_depth": {"n": 1, "i": 4}})
    # Three blocks of which each unit of MLP width has 32 parameters share a skip of 512 and a norm of 32.
    assert found["iso_param"].variant.model == VanillaSettings(n=3, width=16, heads=2, mlp_width=64 + 6)
    assert found["iso_both"].variant.model == found["iso_param"].variant.model
    assert {found[control].variant.model.n for control in ("iso_flop", "iso_param_depth")} == {6}
    _, found = one({"recurrent_depth": {"n": 2, "i": 4, "prelude": 0, "coda": 3}})
    assert found["iso_param"].variant.model.n == 5


@pytest.mark.parametrize(
    ("cell", "of_all", "positions"),
    [
        ({"ndr": {"i": 2}}, {}, "rotary"),
        ({"ndr": {"i": 2, "positions": "none"}}, {}, "rotary"),
        ({"ndr": {"i": 2, "positions": "learned"}}, {}, "learned"),
        ({"ndr": {"i": 2}}, {"positions": "none"}, "none"),
        ({"asura": {"i": 2, "positions": "none"}}, {}, "none"),
        ({"asura": {"i": 2, "positions": "rotary"}}, {"positions": "none"}, "rotary"),
        ({"asura": {"i": 2}}, {"long_skip": "add", "width": 32}, "rotary"),
    ],
)
def test_controls_have_what_the_study_says_and_no_default_of_their_cell(cell: dict, of_all: dict, positions: str):
    tasks = {"phop": {**TASK["phop"], "model": of_all}}
    _, found = one(cell, tasks=tasks)
    assert len(found) == len(ALL)
    for control, match in found.items():
        model = match.variant.model
        assert model.positions == positions
        assert model.width == of_all.get("width", 16) or control == "iso_param_depth"


def test_controls_have_the_blocks_of_their_cell_and_nothing_that_is_its_own():
    blocks = {"qk_norm": False, "bias": True, "gelu": "tanh", "init": "small"}
    _, found = one({"asura": {"i": 2, "adapter": "lora", "adapter_init": "random", **blocks}})
    assert len(found) == len(ALL)
    for match in found.values():
        model = match.variant.model.model_dump()
        assert {key: model[key] for key in blocks} == blocks and "adapter_init" not in model
        assert abs(match.deviation) <= 0.02


def test_a_control_may_have_training_of_its_own():
    cell = {"asura": {"n": 1, "i": 2, "training": {"learning_rate": 0.01, "batch": 8}}}
    changes = {"iso_param": {"training": {"learning_rate": 0.02, "steps": 300}}, "iso_flop": {}}
    own, found = one(cell, controls=changes)
    trainings = {control: match.variant.training for control, match in found.items()}
    assert trainings["iso_flop"] == own.training
    assert trainings["iso_param"] == own.training.model_copy(update={"learning_rate": 0.02, "steps": 300})
    label = "vanilla-n1+mlp_width=98+steps=300+batch=8+learning_rate=0.02"
    assert found["iso_param"].variant.label == label
    assert one(cell, controls={"iso_flop": {}})[1] == one(cell, controls=["iso_flop"])[1]


def test_a_control_of_another_batch_has_the_total_flops_of_its_cell():
    cell, found = one({"asura": {"n": 1, "i": 2}}, controls={"iso_both": {"training": {"batch": 2}}})
    variant, usual = found["iso_both"].variant, one({"asura": {"n": 1, "i": 2}})[1]["iso_both"].variant
    assert variant.training.batch == 2 and abs(variant.training.steps - 2 * usual.training.steps) <= 1
    assert on_task(variant)[2] == pytest.approx(on_task(cell)[2], rel=0.02)


def test_a_misspelt_setting_of_a_control_is_refused_where_nothing_has_controls():
    with pytest.raises(UserError, match=r"controls\.iso_param\.training\.stepz: no such key"):
        make(CONFIG | {"models": {"vanilla": {}}, "controls": {"iso_param": {"training": {"stepz": 3}}}})


def test_only_what_is_asked_for_is_matched_and_vanilla_has_no_controls():
    assert list(one({"asura": {"i": 2}}, controls=["iso_flop"])[1]) == ["iso_flop"]
    assert one({"asura": {"i": 2}}, controls=[])[1] == one({"vanilla": {"n": 2}})[1] == {}


def test_a_control_of_several_cells_is_one_model():
    grid = {"bare": {"n": [1, 2, 4], "i": [1, 2, 4]}}
    found = [match.variant for _, own in matched(grid, controls=["iso_flop"]) for match in own]
    deep = [variant for variant in found if variant.model.n == 4]
    assert len(deep) == 3 and deep[0] == deep[1] == deep[2] and deep[0].label == "vanilla-n4"
    plan = make(CONFIG | {"models": grid, "controls": ["iso_flop"]})
    labels = [model["label"] for model in plan.models if model["architecture"] == "vanilla"]
    assert sorted(labels) == ["vanilla-n1", "vanilla-n16", "vanilla-n2", "vanilla-n4", "vanilla-n8"]


@pytest.mark.parametrize(
    ("control", "cell", "nearest"),
    [
        # Two blocks of 60 parameters, 8 for the outer norms, 12 an iteration; a unit of MLP width is 8.
        ("iso_param", {"n": 2, "i": 1}, "vanilla-n2+mlp_width=10, is +2.86%"),  # 144 for 140
        ("iso_both", {"n": 2, "i": 3}, "vanilla-n2+mlp_width=12+steps=515, is -2.44%"),  # 160 for 164
        ("iso_flop", {"n": 3, "i": 2, "mlp_width": 1}, "vanilla-n6+mlp_width=2, is +2.40%"),
    ],
)
def test_a_control_that_cannot_be_matched_is_refused_in_one_line(control: str, cell: dict, nearest: str):
    with pytest.raises(UserError) as refused:
        one({"asura": cell}, controls=[control], width=2, heads=1)
    message = str(refused.value)
    assert message.startswith(f"controls: no {control} of asura-n{cell['n']}-i{cell['i']}")
    assert f"the nearest, {nearest} from its target; at most 2.00% is allowed" in message and "\n" not in message


def test_a_control_that_trains_for_less_warms_up_for_no_longer_than_it_trains():
    config = {
        "name": "x",
        "seeds": [0],
        "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
        "models": {"asura": {"n": 1, "i": 1}},
        "controls": ["iso_both"],
        "width": 16,
        "heads": 2,
        "training": {"steps": 200, "batch": 4, "warmup_steps": 200},
    }
    trainings = [run["training"] for run in make(config).runs.values()]
    assert all(training["warmup_steps"] <= training["steps"] for training in trainings)
    assert min(training["steps"] for training in trainings) < 200


def test_iso_recursion_is_trained_by_the_rule_of_its_cell():
    cell = {"n": 1, "i": 4, "drawn": True, "backpropagate": 2, "progressive": 0.5}
    plan = make(TINY | {"models": {"asura": cell}, "controls": ["iso_recursion"]})
    (control,) = [run["model"] for run in plan.runs.values() if run["model"]["architecture"] == "bare"]
    assert control | cell | {"n": 1} == control | {"n": 1}


@pytest.mark.parametrize(("name", "passes", "blocks"), [("trm", 7, 7 / 3 + 7), ("hrm", 3, (3 + 1) / 3 + 2)])
def test_controls_of_two_states_have_its_passes_its_supervision_and_the_flops_of_its_steps(
    name: str, passes: int, blocks: float
):
    """A step is one iteration forwards alone, a third of a training pass, and one backwards too, of hrm its end."""
    _, found = one({name: {"n": 1, "i": 4, "halting_weight": 0.0}})
    expected = BareSettings(
        n=1, i=4 * passes, backpropagate=passes, deep_supervision=2, width=16, heads=2, causal=True, mlp_width=None
    )
    assert found["iso_recursion"].variant.model == expected
    assert found["iso_flop"].variant.model.n == round(blocks)
    assert found["iso_param"].variant.model.n == {"trm": 1, "hrm": 2}[name]
    assert found["iso_param_depth"].variant.model.n == 4 * passes


def test_explicit_guidance_of_iterations_that_are_many_passes_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"controls: the bare recursion of trm-n1-i2.*: guidance has 2 weights for 14"):
        one({"trm": {"n": 1, "i": 2, "guidance": [0.5, 0.5]}}, controls=["iso_recursion"])


def test_a_cell_whose_stack_cannot_be_built_is_refused():
    with pytest.raises(UserError, match="controls: the vanilla stack of asura-n2000-i1000"):
        make(TINY | {"models": {"asura": {"n": 2000, "i": 1000}}, "controls": ["iso_flop"]})
