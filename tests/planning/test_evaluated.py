"""Models of other code: planned, taken in, scored and reported beside those of a study."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from asura.cli import app
from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.evaluation.evaluate import evaluate
from asura.planning.plan import Plan
from asura.planning.planner import make
from asura.planning.run_folder import RunFolder, digest
from asura.planning.runs import read_run
from asura.planning.standing import Standing
from asura.planning.study import Study
from asura.pretrained.export import export
from asura.reporting.collect import collect
from asura.reporting.figures.scores import score_against_flops, score_against_parameters
from asura.reporting.frames import members
from asura.reporting.tables import comparison
from asura.tasks import IGNORE
from asura.training.loop import train
from tests.conftest import TINY
from tests.planning.plans import prepare

HERE = "tests.planning.other_models"
TASK = "{phop: {hops: 1, alphabet: 3, length: 8}}"


def vocabulary() -> int:
    return Study.model_validate(TINY).named_tasks()[0].task.vocabulary


def with_model(factory: str, **entry: Any) -> dict[str, Any]:
    return TINY | {"evaluated": {"theirs": {"factory": f"{HERE}:{factory}", **entry}}}


def test_it_is_in_the_plan_and_in_no_control():
    settings = {"vocabulary": vocabulary(), "width": 5}
    plain = make(TINY | {"controls": ["iso_recursion"]})
    plan = make(with_model("Tied", settings=settings) | {"controls": ["iso_recursion"]})
    (model,) = (model for model in plan.models if model["label"] == "theirs")
    assert [other for other in plan.models if other is not model] == plain.models and plan.roles == plain.roles
    assert (model["parameters"], model["total_parameters"]) == (5 * 5 + 5, 5 * 5 + 5 + 5 * vocabulary())
    assert model["inference_flops_per_token"] == 2 * 5 * 5 + 2 * 5 * vocabulary()
    assert (model["training_flops"], model["tokens"], model["seeds"]) == (0, 0, [0])
    assert {name: run for name, run in plan.runs.items() if "theirs" not in name} == plain.runs


def test_a_model_that_sees_what_follows_is_said_not_to_be_causal():
    plan = make(with_model("Reversed", settings={"vocabulary": vocabulary()}, causal=False))
    assert [run["model"]["causal"] for run in plan.runs.values() if run["label"] == "theirs"] == [False]
    arguments = ["evaluate", "--model", f"{HERE}:Reversed", "--task", TASK, "--examples", "50", "--settings"]
    assert CliRunner().invoke(app, [*arguments, f"{{vocabulary: {vocabulary()}}}", "--not-causal"]).exit_code == 0


def test_only_the_last_map_to_the_vocabulary_is_a_head():
    plan = make(with_model("Tied", settings={"vocabulary": vocabulary(), "width": vocabulary()}))
    (model,) = (model for model in plan.models if model["label"] == "theirs")
    assert model["parameters"] == vocabulary() ** 2 + vocabulary()


def test_each_of_its_seeds_is_given_to_the_factory_and_tasks_are_chosen():
    phop = TINY["tasks"]["phop"]
    tasks = {"tasks": {"phop": phop, "other": {"task": "phop", **phop, "alphabet": 5}}}
    plan = make(with_model("Tied", settings={"vocabulary": vocabulary()}, seeds=[3, 4], tasks=["phop"]) | tasks)
    assert [name for name in plan.runs if "theirs" in name] == [f"runs/phop/theirs/seed{seed}" for seed in (3, 4)]


@pytest.mark.parametrize(
    ("factory", "entry", "said"),
    [
        ("Tide", {}, r"has no Tide"),
        ("no_function", {}, r"it must be a class or a function"),
        ("Tied", {"settings": {"widht": 3}}, r"it fails with the settings \{'widht': 3\} \(.*widht"),
        ("nothing", {}, r"it makes a NoneType; it must make a torch\.nn\.Module"),
        ("Tied", {"settings": {"vocabulary": 50}}, r"logits of shape \(2, \d+, 50\); they must be \(2, \d+, 3\)"),
        ("of_width", {"settings": {"width": 3}}, r"its model fails on tokens of shape \(2, \d+\)"),
        ("text", {}, r"its model gives a str; it must give a tensor of logits"),
        ("Reversed", {"settings": {"vocabulary": 3}}, r"^evaluated\.theirs: causal: found true, but the last"),
        ("Tied", {"tasks": ["phopp"]}, r"^evaluated\.theirs\.tasks: no such task: .*did you mean 'phop'"),
        ("Tied", {"setings": {}}, r"^evaluated\.theirs\.setings: no such key: .*did you mean 'settings'"),
    ],
)
def test_what_is_no_model_is_refused_by_the_plan_in_a_line(factory: str, entry: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said) as refused:
        make(with_model(factory, **entry))
    assert str(refused.value).startswith("evaluated.theirs") and "\n" not in str(refused.value)


def test_a_module_that_cannot_be_imported_and_a_label_of_the_study_are_refused():
    with pytest.raises(UserError, match="nowhere cannot be imported"):
        make(TINY | {"evaluated": {"theirs": {"factory": "nowhere:Model"}}})
    own = {"factory": f"{HERE}:Tied", "settings": {"vocabulary": vocabulary()}}
    with pytest.raises(UserError, match=r"^evaluated\.asura-n1-i2: a model of the study has this label"):
        make(TINY | {"evaluated": {"asura-n1-i2": own}})


def run_all(plan: Plan, study: Path) -> None:
    for name in plan.runs:
        train(read_run(study / name / "run.json"), study / name)
        evaluate(study / name, plan.evaluation_of("phop"))


def test_our_model_by_a_factory_scores_what_it_scores_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "results" / "tiny"
    run_all(prepare(TINY, Path("results")), study)
    ours = "runs/phop/asura-n1-i2/seed0"
    entries = {
        "theirs": {"factory": f"{HERE}:trained", "settings": {"run": str(study / ours)}},
        "copying": {"factory": f"{HERE}:copying", "settings": {"vocabulary": vocabulary()}},
    }
    plan = prepare(TINY | {"evaluated": entries}, Path("results"))
    run_all(plan, study)
    assert Standing(plan, study).is_done and not Standing(plan, study).made_by_other_code()
    rows = {label: RunFolder(study / f"runs/phop/{label}/seed0").read_evaluation()["rows"] for label in entries}
    of_ours = [row for row in RunFolder(study / ours).read_evaluation()["rows"] if row["iterations"] == 2]
    assert [row | {"iterations": 2} for row in rows["theirs"]] == of_ours

    tokens, targets = read_run(study / ours / "run.json").task.splits["test"].draw(50, generator("examples", "test"))
    asked = targets != IGNORE
    (accuracy,) = (row for row in rows["copying"] if (row["split"], row["metric"]) == ("test", "accuracy"))
    assert accuracy["value"] == pytest.approx((tokens[asked] == targets[asked]).double().mean().item())

    with pytest.raises(UserError, match="its model is of other code, and only trained models are exported"):
        export(study / "runs/phop/theirs/seed0", tmp_path / "exported")

    found = collect(study)
    table = comparison(found).set_index("model")
    assert table.loc["theirs", "score"] == table.loc["asura-n1-i2", "score"]
    assert table.loc["theirs", "role"] == "study model" and pd.isna(table.loc["theirs", "training_flops"])
    assert set(members(found)["role"]) == {"study model"}
    assert "theirs" in set(score_against_parameters(found, "phop").numbers["model"])
    assert "theirs" not in set(score_against_flops(found, "phop").numbers["model"])


def test_its_file_is_part_of_the_identity_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = f"def make():\n    import torch\n    return lambda t: torch.zeros(*t.shape, {vocabulary()})\n"
    found = []
    for name, source in {"one_model": text, "other_model": text + "x = 1\n"}.items():
        (tmp_path / f"{name}.py").write_text(source)
        (run,) = (
            run
            for run in make(TINY | {"evaluated": {"theirs": {"factory": f"{name}:make"}}}).runs.values()
            if run["label"] == "theirs"
        )
        assert list(run["plugins"]) == [name]
        found.append((run["plugins"][name], digest(run)))
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]


def test_the_command_scores_a_model_on_the_examples_of_a_study(tmp_path: Path):
    out, settings = tmp_path / "scores.json", f"{{vocabulary: {vocabulary()}}}"
    arguments = ["evaluate", "--model", f"{HERE}:copying", "--settings", settings, "--task", TASK, "--examples", "50"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0 and "test " in done.output and out.is_file()
    for given, said in (
        (["evaluate"], "give the folder of a run, or --model"),
        (["evaluate", str(tmp_path), "--model", "a:b"], "give the folder of a run, or --model"),
        (["evaluate", "--model", "a:b"], "--task: found '{}'; give one task"),
        (["evaluate", str(tmp_path), "--task", "{}"], "--task: it is for --model alone"),
        (["evaluate", str(tmp_path), "--not-causal"], "--not-causal: it is for --model alone"),
        (["evaluate", "--model", "a:b", "--log", "x"], "--log: it is for runs, and not for --model"),
        (["evaluate", "--model", "a:b", "--processes", "2"], "--processes: it is for runs"),
        (["evaluate", "--model", "a:b", "--task", "{"], "--task: it is not YAML"),
        (["evaluate", "--model", "a:b", "--task", "{phopp: {}}"], "no such task: found 'phopp'"),
    ):
        with pytest.raises(UserError, match=said):
            CliRunner().invoke(app, given, catch_exceptions=False)


def test_it_is_trained_on_nothing_and_leaves_no_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    asked = {"training": TINY["training"] | {"examples": 64}, "evaluation": {"examples": 50, "every": 4}}
    settings = {"vocabulary": vocabulary(), "width": 5}
    plan = prepare(with_model("Tied", settings=settings) | asked, tmp_path)
    models = {model["label"]: (model["examples"], model["every"]) for model in plan.models}
    assert models == {"asura-n1-i2": (64, 4), "theirs": (None, None)}
    path = tmp_path / "tiny" / "runs" / "phop" / "theirs" / "seed0"
    train(read_run(path / "run.json"), path)
    found = evaluate(path, plan.evaluation_of("phop"))
    assert not found.get("snapshots") and {row["split"] for row in found["rows"]} >= {"test"}
    assert "training" not in {row["split"] for row in found["rows"]}
