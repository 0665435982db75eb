import pytest
import torch

from asura.common.errors import UserError
from asura.common.files import write_sealed
from asura.common.validation import checked
from asura.corpora.folders import manifest_checksum
from asura.evaluation.evaluate import evaluate, load_trained
from asura.models.model import Model
from asura.planning.run_folder import RunFolder, digest
from asura.planning.study_settings import Evaluation
from asura.training.loop import train
from asura.training.trainer import Trainer
from tests.conftest import tiny_run

FEW = Evaluation(examples=50)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    train(tiny_run(), tmp_path)
    (tmp_path / "run.json").write_text(tiny_run().model_dump_json())
    return RunFolder(tmp_path)


def test_a_recursive_model_is_evaluated_up_to_twice_its_iterations(folder):
    rows = evaluate(folder.path, FEW)["rows"]
    assert {row["iterations"] for row in rows} == {1, 2, 3, 4}
    trained = evaluate(folder.path, Evaluation(examples=50, iterations="trained"))["rows"]
    assert {row["iterations"] for row in trained} == {1, 2}


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [(6, [1, 2, 3, 4, 5, 6]), (1, [1, 2]), ([8, 5], [2, 5, 8]), ([2], [2]), ("up_to_four_times", [*range(1, 9)])],
)
def test_a_model_is_evaluated_at_the_numbers_that_are_asked_for_and_at_the_trained_one(asked, numbers):
    assert list(checked(Evaluation, {"iterations": asked}, "").numbers(2, True)) == numbers
    assert checked(Evaluation, {"iterations": asked}, "").numbers(1, False) == (1,)


def test_the_head_is_evaluated_at_the_numbers_that_are_asked_for_alone(folder, monkeypatch):
    every = evaluate(folder.path, Evaluation(examples=50, iterations=9))["rows"]
    heads, original = [], Model.logits

    def logits(model: Model, z: torch.Tensor) -> torch.Tensor:
        heads.append(len(z))
        return original(model, z)

    monkeypatch.setattr(Model, "logits", logits)
    some = evaluate(folder.path, Evaluation(examples=50, iterations=(9, 4)))["rows"]
    assert len(heads) == 3 * len(tiny_run().task.splits)
    assert some == [row for row in every if row["iterations"] in (2, 4, 9)]


def test_a_model_without_iterations_is_evaluated_once(tmp_path):
    run = tiny_run(models={"vanilla": {"n": 2}})
    train(run, tmp_path)
    (tmp_path / "run.json").write_text(run.model_dump_json())
    assert {row["iterations"] for row in evaluate(tmp_path, FEW)["rows"]} == {1}


def test_an_evaluation_records_what_it_used(folder):
    evaluation = evaluate(folder.path, FEW)
    assert 0 < evaluation["seconds"] < 60 and 0 < evaluation["cpu_seconds"] < 60
    assert 50 < evaluation["job_rss_mb"] < 20_000 and evaluation["job_device_mb"] is None


def test_an_evaluation_has_the_precision_of_the_training(tmp_path, monkeypatch):
    run = tiny_run({"precision": "bfloat16"})
    train(run, tmp_path)
    seen, original = set(), Model.logits

    def logits(model: Model, z: torch.Tensor) -> torch.Tensor:
        found = original(model, z)
        seen.add(found.dtype)
        return found

    monkeypatch.setattr(Model, "logits", logits)
    assert evaluate(tmp_path, FEW)["precision"] == "bfloat16" and seen == {torch.bfloat16}


def test_what_is_evaluated_is_left_alone_until_something_changes(folder):
    first = evaluate(folder.path, FEW)
    time = folder.evaluation.stat().st_mtime_ns
    assert evaluate(folder.path, FEW) == first and folder.evaluation.stat().st_mtime_ns == time
    assert evaluate(folder.path, Evaluation(examples=60)) != first


def test_a_diverged_run_has_no_rows(tmp_path, monkeypatch):
    def advance(trainer: Trainer) -> None:
        with torch.no_grad():
            trainer.model.head.weight.fill_(float("nan"))
        original(trainer)

    original = Trainer.advance
    monkeypatch.setattr(Trainer, "advance", advance)
    train(tiny_run(), tmp_path)
    (tmp_path / "run.json").write_text(tiny_run().model_dump_json())
    assert evaluate(tmp_path, FEW)["rows"] == []


def test_benchmarks_of_a_model_that_is_not_of_text_are_refused(folder):
    with pytest.raises(UserError, match="benchmarks are for models of text, and phop is none"):
        evaluate(folder.path, Evaluation(examples=10, benchmarks=("copa",)))


def test_a_run_in_training_is_refused(tmp_path):
    (tmp_path / "run.json").write_text(tiny_run().model_dump_json())
    with pytest.raises(UserError, match="not been trained to its end"):
        evaluate(tmp_path, FEW)


def test_weights_that_are_not_those_of_the_record_are_refused(folder):
    content = bytearray(folder.weights.read_bytes())
    content[-1] ^= 1
    folder.weights.write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        evaluate(folder.path, FEW)


def test_a_training_of_other_settings_is_refused(folder):
    folder.run.write_text(tiny_run({"learning_rate": 0.1}).model_dump_json())
    with pytest.raises(UserError, match=r"training\.json: it is of other settings than run\.json"):
        evaluate(folder.path, FEW)


def test_weights_of_another_architecture_are_refused(folder):
    wider = tiny_run(width=16)
    folder.run.write_text(wider.model_dump_json())
    write_sealed(folder.record, folder.read_record() | {"run": digest(wider)})
    with pytest.raises(UserError, match="its tensors are not those of"):
        evaluate(folder.path, FEW)


def test_a_model_is_built_of_the_settings_that_it_was_trained_with_and_no_others(folder):
    folder.run.write_text(tiny_run(width=16).model_dump_json())
    with pytest.raises(UserError, match=r"training\.json: it is of other settings than run\.json"):
        load_trained(folder.path, torch.device("cpu"))


def test_texts_that_were_changed_since_training_are_noticed(corpus, tmp_path):
    run = tiny_run({"steps": 1}, tasks={"text": {"corpus": corpus, "length": 16}})
    record = train(run, tmp_path / "run")
    manifest = run.task.reads.folder / "manifest.json"
    assert record["corpus"] == manifest_checksum(manifest.parent)
    manifest.write_text(manifest.read_text().replace("1", "2", 1))
    with pytest.raises(UserError, match=r"training\.json: it is of other texts than the corpus has now"):
        evaluate(tmp_path / "run", FEW)
    assert train(run, tmp_path / "run")["corpus"] == manifest_checksum(manifest.parent)
