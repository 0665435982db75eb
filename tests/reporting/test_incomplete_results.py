"""What is missing, damaged or of something else is named, or is missing in partial results."""

import json
import math
from pathlib import Path

import pytest

from asura.common.errors import UserError
from asura.common.files import read_sealed, write_sealed
from asura.planning.run_folder import digest
from asura.reporting.collect import collect, progress, read_results, write_results
from asura.reporting.frames import COLUMNS, Results
from asura.reporting.tables import TABLES
from tests.conftest import tiny_run
from tests.reporting.written_runs import USED, folder_of, rows_of


def test_a_run_that_is_not_done_is_missing_in_partial_results(study: Path):
    unfinished = folder_of(study, "asura-n1-i2", 1)
    for name in ("training.json", "evaluation.json"):
        (unfinished / name).unlink()
    with (unfinished / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "tok')  # being written
    with pytest.raises(UserError, match=r"asura-n1-i2/seed1/training.json"):
        collect(study)
    so_far = collect(study, partial=True)
    assert progress(so_far) == "PARTIAL RESULTS: 3 of 4 runs"
    assert so_far.runs["status"].tolist() == ["finished", "missing", "finished", "diverged"]
    assert so_far.runs["step"].tolist() == [20, 0, 20, 7]
    assert ("asura-n1-i2", 1) not in rows_of(so_far.scores, "label", "seed")
    assert len(so_far.curves) == 8  # the curve so far among them
    assert len(so_far.resources) == 6


@pytest.mark.parametrize("name", ["training.json", "evaluation.json", "metrics.jsonl"])
def test_a_missing_file_is_named(name: str, study: Path):
    (folder_of(study, "bare-n1-i2", 0) / name).unlink()
    with pytest.raises(UserError, match=f"bare-n1-i2/seed0/{name}"):
        collect(study)


def test_a_study_that_has_not_begun_has_partial_results(study: Path):
    for path in study.glob("runs/**/*.*"):
        path.unlink()
    nothing = collect(study, partial=True)
    assert progress(nothing) == "PARTIAL RESULTS: 0 of 4 runs"
    assert all(len(make(nothing)) <= 4 for make in TABLES.values())


@pytest.mark.parametrize("sessions", [[{}], [USED, {}], []])
def test_what_a_record_of_an_earlier_version_does_not_say_is_empty(sessions: list, study: Path):
    folder = folder_of(study, "asura-n1-i2", 0)
    write_sealed(folder / "training.json", read_sealed(folder / "training.json") | {"sessions": sessions})
    evaluation = read_sealed(folder / "evaluation.json")
    kept = {key: value for key, value in evaluation.items() if key not in ("seconds", *USED)}
    write_sealed(folder / "evaluation.json", kept)
    results = collect(study)
    train, evaluate = results.resources.iloc[:2].to_dict("records")
    assert train["seconds"] == 13.75 and math.isnan(train["cpu_seconds"]) and math.isnan(train["job_rss_mb"])
    assert math.isnan(evaluate["seconds"]) and math.isnan(evaluate["cpu_seconds"])
    table = TABLES["resources"](results).set_index("model")
    assert table["total_cpu_seconds"].isna().tolist() == table["total_seconds"].isna().tolist() == [True, False]
    assert table["train_seconds"].tolist() == [13.75, 13.75]


def test_an_evaluation_of_other_weights_is_refused_and_in_partial_results_missing(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    write_sealed(path, read_sealed(path) | {"weights": "abd"})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/evaluation.json: it is of other weights"):
        collect(study)
    assert collect(study, partial=True).runs["status"].tolist()[:2] == ["missing", "finished"]


def test_a_training_of_other_settings_is_refused_and_in_partial_results_missing(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    write_sealed(path, read_sealed(path) | {"run": digest(tiny_run())})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/training.json: it is of other settings"):
        collect(study)
    assert collect(study, partial=True).runs["status"].tolist()[:2] == ["missing", "finished"]


def test_an_evaluation_of_fewer_examples_than_the_plan_asks_is_refused(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "evaluation.json"
    evaluation = read_sealed(path)
    write_sealed(path, evaluation | {"made_of": evaluation["made_of"] | {"examples": 64}})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/evaluation.json: .*was asked otherwise"):
        collect(study)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", ["training.json", "evaluation.json"])
def test_a_file_cut_short_is_named(name: str, partial: bool, study: Path):
    path = folder_of(study, "asura-n1-i2", 1) / name
    path.write_text(path.read_text()[:20])
    with pytest.raises(UserError, match=f"seed1/{name}: .* cut short.*; delete it"):
        collect(study, partial)


@pytest.mark.parametrize("name", ["training.json", "evaluation.json", "plan.json"])
@pytest.mark.parametrize("content", [{}, {"status": "odd"}, {"made_of": 3, "rows": "x"}])
def test_an_object_without_its_checksum_is_refused(name: str, content: dict, study: Path):
    path = study / name if name == "plan.json" else folder_of(study, "asura-n1-i2", 1) / name
    path.write_text(json.dumps(content))
    for partial in (False, True):
        with pytest.raises(UserError, match=f"{name}: its content does not have the checksum it was written with"):
            collect(study, partial)


@pytest.mark.parametrize("content", ["", "3\n", "[]\n"])
def test_metrics_that_are_not_those_of_the_record_are_refused(content: str, study: Path):
    (folder_of(study, "asura-n1-i2", 1) / "metrics.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"metrics\.jsonl: missing, or without the checksum in training\.json; delete"):
        collect(study)


def test_a_study_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"plan.json: no such file"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "cannot be read as a table"),
        ("task,label\n", "found the columns"),
        ("\n".join([",".join(COLUMNS["curves"]), "a,b,c,d,e,f,g\n"]), "cannot be read as a table"),
    ],
)
def test_a_frame_that_is_damaged_is_refused(content: str | None, message: str, results: Results, tmp_path: Path):
    write_results(results, tmp_path)
    (tmp_path / "curves.csv").unlink()
    if content is not None:
        (tmp_path / "curves.csv").write_text(content)
    with pytest.raises(UserError, match=rf"curves.csv: .*{message}.*collect the study"):
        read_results(tmp_path)
