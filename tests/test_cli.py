import json
import sys

import pytest
import yaml

from asura import UserError, from_pretrained
from asura.cli import main
from asura.models import build
from tests.conftest import TINY, tiny_run, trained_folder


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"controls": ["iso_param", "iso_recursion"], "width": 16, "seeds": [0, 1]}))
    return path


@pytest.fixture
def asura(monkeypatch, capsys):
    def call(*arguments: object) -> tuple[object, str, str]:
        """Exit code or message, standard output, and standard error of a command."""
        monkeypatch.setattr(sys, "argv", ["asura", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return end.value.code, output.out, output.err

    return call


def refusal(result: tuple[object, str, str]) -> str:
    code, _, _ = result
    assert isinstance(code, str) and code.startswith("asura: ") and "\n" not in code
    return code


def test_a_plan_for_programs_has_an_object_for_each_run(asura, study):
    code, output, _ = asura("plan", study, "--json")
    rows = json.loads(output)
    assert code == 0 and len(rows) == 3 * 2
    promised = (
        "label task architecture n i seed control control_of parameters flops_per_token training_flops tokens "
        "effective_depth deviation"
    )
    assert set(promised.split()) <= set(rows[0])


def test_a_plan_for_people_names_models_controls_and_cost(asura, study):
    code, output, _ = asura("plan", study)
    assert code == 0
    for part in (
        "asura-n1-i2",
        "iso_param",
        "+0.00%",
        "depth 0.50×",
        "3 models × 2 seeds = 6 runs in 3 jobs",
        "seconds on",
    ):
        assert part in output


def test_samples_are_shown_as_the_task_shows_them(asura, study):
    code, output, _ = asura("sample", study, "phop", "--split", "longer", "--count", 2)
    assert code == 0
    assert [len(line.split(" -> ")[0].split()) for line in output.splitlines()] == [16, 16]
    assert asura("sample", study, "phop", "--split", "longer", "--count", 2)[1] == output
    assert asura("sample", study, "phop", "--split", "longer", "--count", 2, "--seed", 1)[1] != output


def test_samples_for_programs_have_tokens_and_targets(asura, study):
    _, output, _ = asura("sample", study, "phop", "--count", 3, "--json")
    examples = json.loads(output)
    assert [len(example["tokens"]) for example in examples] == [8, 8, 8]
    for example in examples:
        for place, target in enumerate(example["targets"]):  # one hop, by its definition
            earlier = [s for s in range(place) if example["tokens"][s] == example["tokens"][place]]
            assert target == (example["tokens"][earlier[-1] + 1] if earlier else -100)


def test_a_run_is_trained_and_evaluated_by_hand(asura, study, tmp_path, monkeypatch):
    from asura.common.yaml_file import read_yaml
    from tests.planning.plans import prepare

    monkeypatch.chdir(tmp_path)
    prepare(read_yaml(study), tmp_path)
    run = tmp_path / "tiny" / "runs" / "phop" / "asura-n1-i2" / "seed0" / "run.json"
    out = tmp_path / "by hand"
    assert asura("train", run, "--out", out)[:2] == (0, f"{out}: finished at step 12\n")
    assert (out / "run.json").read_text() == run.read_text()
    code, output, _ = asura("evaluate", out, "--examples", 40)
    assert code == 0 and len(output.splitlines()) == 1 + 4 * 4 * 2
    assert asura("evaluate", out, "--examples", 40)[1] == output


def test_a_run_in_a_study_is_evaluated_as_its_study_does_unless_told_where(asura, study, tmp_path, monkeypatch):
    from asura.common.yaml_file import read_yaml
    from tests.planning.plans import prepare

    monkeypatch.chdir(tmp_path)
    prepare(read_yaml(study), tmp_path)
    folder = tmp_path / "tiny" / "runs" / "phop" / "asura-n1-i2" / "seed0"
    asura("train", folder / "run.json", "--out", folder)
    assert asura("evaluate", folder)[0] == 0
    kept = (folder / "evaluation.json").read_bytes()
    assert json.loads(kept)["made_of"]["examples"] == 50
    assert asura("evaluate", folder, "--examples", 50)[0] == 0
    said = refusal(asura("evaluate", folder, "--examples", 40, "--iterations", "trained"))
    assert "another value of iterations, examples; leave that out" in said
    assert asura("evaluate", folder, "--examples", 40, "--out", tmp_path / "other.json")[0] == 0
    assert (folder / "evaluation.json").read_bytes() == kept
    assert json.loads((tmp_path / "other.json").read_text())["made_of"]["examples"] == 40


def test_a_run_is_exported_and_a_text_continued_by_hand(asura, corpus, tmp_path):
    tasks = {"text": {"corpus": corpus, "length": 8}}
    run = trained_folder(tmp_path / "run", tiny_run(tasks=tasks)).path
    assert asura("export", run, "--to", tmp_path / "x")[:2] == (0, f"{tmp_path / 'x'}\n")
    assert from_pretrained(tmp_path / "x").settings == tiny_run(tasks=tasks).model
    asked = ("generate", run, "the cat", "--tokens", 5, "--seed", 3)
    code, output, _ = asura(*asked)
    assert code == 0 and output.startswith("the cat") and len(output) > len("the cat\n")
    assert asura(*asked)[1] == output
    assert asura(*asked, "--temperature", 0, "--iterations", 3)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["plan", "none.yaml"], ["none.yaml: no such file"]),
        (["plan", "bad.yaml"], ["bad.yaml: heads: found 0"]),
        (["sample", "tiny.yaml", "fhop"], ["tiny.yaml", "did you mean 'phop'"]),
        (["sample", "tiny.yaml", "phop", "--split", "logner"], ["tasks.phop", "did you mean 'longer'"]),
        (["train", "none.json", "--out", "x"], ["none.json: no such file"]),
        (["train", "tiny.yaml", "--out", "x"], ["tiny.yaml: it is not JSON"]),
        (["train", "run.json", "--out", "tiny.yaml"], ["tiny.yaml: File exists"]),
        (["train", "run.json", "--out", "x", "--start-from", "y"], ["it starts from no other run; leave out"]),
        (["train", "run.json", "--out", "tiny.yaml/x"], ["tiny.yaml/x: Not a directory"]),
        (["evaluate", "."], ["training.json: no such file", "not been trained"]),
        (["evaluate", ".", "--iterations", "all"], ["evaluation.iterations: found 'all'", "'up_to_twice'"]),
        (["export", ".", "--to", "x"], ["training.json: no such file", "not been trained"]),
        (["generate", ".", "the", "--temperature", "-1"], ["temperature: found -1.0; it must be 0"]),
        (["collect", "none"], ["none/plan.json: no such file"]),
        (["tuning", "."], ["its study is not tuned; say what is tried"]),
        (["train", "list.json"], ["model.architecture"]),
        (["tables", "none"], ["none/tidy/runs.csv: no such file"]),
        (["partial", "none"], ["none/plan.json: no such file"]),
        (["status", "none"], ["none: it has no plan.json; give the results of a study"]),
    ],
)
def test_bad_input_is_refused_in_one_line(asura, study, monkeypatch, arguments: list[str], parts: list[str]):
    from asura.planning.planner import make

    monkeypatch.chdir(study.parent)
    run = next(iter(make(TINY).runs.values()))
    (study.parent / "run.json").write_text(json.dumps(run))
    (study.parent / "list.json").write_text(json.dumps(run | {"model": {"architecture": ["asura"]}}))
    (study.parent / "study.json").write_text(json.dumps(TINY))
    (study.parent / "bad.yaml").write_text(yaml.safe_dump(TINY | {"heads": 0}))
    message = refusal(asura(*arguments))
    for part in parts:
        assert part in message


def test_a_device_that_is_not_there_is_named(asura, study, tmp_path, monkeypatch):
    from asura.planning.planner import make

    monkeypatch.setenv("ASURA_DEVICE", "toaster")
    (tmp_path / "run.json").write_text(json.dumps(next(iter(make(TINY).runs.values()))))
    assert "ASURA_DEVICE: found 'toaster'" in refusal(asura("train", tmp_path / "run.json", "--out", tmp_path / "x"))


def test_four_lines_give_anyone_the_model():
    lines = build.__doc__.split("\n\n")[1].strip().splitlines()
    assert len(lines) == 4
    import torch

    names = {"tokens": torch.zeros(2, 5, dtype=torch.int64)}
    exec("\n".join(line.strip() for line in lines), names)
    assert names["logits"].shape == (2, 5, 256)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "i": 2, "long_skp": True}, {"n": 1, "i": "two"}], ids=str)
def test_bad_settings_of_a_model_are_said_in_python_as_on_the_command_line(asura, tmp_path, wrong):
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(TINY | {"models": {"asura": wrong}}))
    said = refusal(asura("plan", tmp_path / "bad.yaml"))
    with pytest.raises(UserError) as refused:
        build({"architecture": "asura", "width": 8, "heads": 2, **wrong}, vocabulary=3)
    line, _, _ = str(refused.value).partition(" allowed: ")  # a study has more keys
    assert f"models.asura.{line}" in said


def test_a_run_that_another_study_has_trained_is_taken_from_there(asura, tmp_path):
    run, *places = tiny_run(), *(tmp_path / study / tiny_run().folder for study in ("one", "two"))
    for place in places:
        place.mkdir(parents=True)
        (place / "run.json").write_text(run.model_dump_json())
        assert asura("train", place / "run.json", "--log", "train.log")[0] == 0
        assert asura("evaluate", place, "--log", "evaluate.log")[0] == 0
    assert "from step 0" in (places[0] / "train.log").read_text()
    assert f"trained by {tmp_path / 'one'}\n" in (places[1] / "train.log").read_text()
    assert f"evaluated by {tmp_path / 'one'}\n" in (places[1] / "evaluate.log").read_text()
    assert places[0].joinpath("weights.safetensors").samefile(places[1] / "weights.safetensors")


def test_an_architecture_that_does_not_exist_is_said_in_a_line():
    with pytest.raises(UserError, match=r"^architecture: no such architecture: found 'asurra'; did you mean 'asura'"):
        build({"architecture": "asurra", "n": 1}, vocabulary=3)
