"""Scores that others report, in a study file and in files of their own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from asura.common.errors import UserError
from asura.planning.planner import make
from asura.planning.study_file import read_study
from asura.planning.study_state import StudyState
from tests.conftest import ROOT, TINY

ROW: dict[str, Any] = {"label": "theirs", "task": "phop", "metric": "accuracy", "score": 0.9, "source": "Doe, 2026"}
FULL = ROW | {"score": [0.8, 0.9], "parameters": 100, "training_flops": 2e9, "split": "test"}


def external(*rows: Any, **changes: Any) -> list[dict[str, Any]]:
    return make(TINY | {"external": list(rows)} | changes).external


def test_a_row_stands_in_the_plan_and_changes_nothing_else():
    plain, plan = make(TINY), make(TINY | {"external": [ROW, FULL | {"label": "2 seeds"}]})
    assert [row["score"] for row in plan.external] == [[0.9], [0.8, 0.9]] and plain.external == []
    assert plan._replace(external=[]) == plain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "phopp"}, r"^external\.0\.task: no such task: found 'phopp'; did you mean 'phop'"),
        ({"metric": "acuracy"}, r"^external\.0\.metric: phop has no such metric: .*did you mean 'accuracy'"),
        ({"metric": "bits_per_byte"}, r"^external\.0\.metric: phop has no such metric"),
        ({"split": "tset"}, r"^external\.0\.split: phop has no such split: .*did you mean 'test'"),
        ({"label": "asura-n1-i2"}, r"^external\.0\.label: found 'asura-n1-i2', which is a model of the study"),
        ({"source": ""}, r"^external\.0\.source: "),
        ({"score": 91.5}, r"^external\.0\.score: found 91\.5; accuracy is a share from 0 to 1; did you mean 0\.915\?"),
        ({"score": [0.5, -0.1]}, r"^external\.0\.score: found -0\.1; accuracy is never less than 0"),
        ({"score": float("inf")}, r"^external\.0\.score: "),
        ({"score": []}, r"^external\.0\.score: give at least 1 entry|^external\.0\.score: "),
        ({"scores": 1}, r"^external\.0\.scores: no such key: found 'scores'; did you mean 'score'"),
    ],
)
def test_a_row_that_cannot_be_is_refused_in_a_line(changes: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said) as refused:
        external(ROW | changes)
    assert "\n" not in str(refused.value)


def test_a_plan_is_made_of_rows_and_of_no_file():
    with pytest.raises(UserError, match=r"^external: found 'rows\.csv'; the rows of a file are read with the study"):
        make(TINY | {"external": "rows.csv"})


def test_a_row_without_a_source_and_one_that_stands_twice_are_refused():
    with pytest.raises(UserError, match=r"^external\.0\.source: it is missing"):
        external({key: value for key, value in ROW.items() if key != "source"})
    with pytest.raises(UserError, match=r"^external\.1: 'theirs' has two rows for one score"):
        external(ROW, ROW | {"score": 0.3})
    assert len(external(ROW, ROW | {"metric": "exact_match"}, ROW | {"label": "other"})) == 3


def test_no_question_is_about_a_row():
    with pytest.raises(UserError, match=r"^questions\.0\.row: no such model in the study: found 'theirs'"):
        external(ROW, questions=[{"row": "theirs", "reference": "asura-n1-i2"}])


def test_a_file_is_read_beside_the_study_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "rows.yaml").write_text(yaml.safe_dump([FULL]))
    (folder / "rows.csv").write_text(
        "\ufefflabel,task,metric,score,parameters,training_flops,source\n"
        'theirs,phop,accuracy,0.8 0.9,100,2e9,"Doe, 2026"\nothers,phop,accuracy,.5,,,Roe\n\n',
        encoding="utf-8",
    )
    of_files = {}
    for name in ("rows.yaml", "rows.csv"):
        (folder / "study.yaml").write_text(yaml.safe_dump(TINY | {"external": name}))
        config = read_study(folder / "study.yaml")
        of_files[name] = make(config).external
        state = StudyState(TINY | {"external": name}, [str(folder / "study.yaml")])
        assert state.config == config and state.plan.external == of_files[name]
    assert of_files["rows.yaml"] == of_files["rows.csv"][:1] == external(FULL)
    assert of_files["rows.csv"][1]["parameters"] is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.csv", None, "cannot be read"),
        ("rows.txt", "", "found 'rows.txt'; give a list of rows, or a file of them in .csv or .yaml"),
        ("rows.csv", "label,task\ntheirs,phop\n", r"rows\.csv: row 1\.metric: it is missing"),
        ("rows.csv", "label,task,metric,score,source\na,phop,accuracy,high,x\n", r"row 1\.score: "),
        (
            "rows.csv",
            "label,task\ntheirs,phop,3\n",
            r"row 1 has 3 cell\(s\), the header 2; put text with commas",
        ),
        ("rows.csv", "label,task\ntheirs\n", r"row 1 has 1 cell\(s\), the header 2"),
        ("rows.csv", "label,label\na,b\n", "its header is label,label; give each column a name, and each name once"),
        ("rows.yaml", "label: theirs\n", "found dict; give a list of rows"),
        ("rows.yaml", "- [1", "cannot be read"),
        ("rows.yaml", "- 3\n", "row 1: give a mapping|row 1: "),
    ],
)
def test_a_file_that_cannot_be_is_refused_in_a_line(tmp_path: Path, name: str, text: str | None, said: str):
    if text is not None:
        (tmp_path / name).write_text(text)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(TINY | {"external": name}))
    with pytest.raises(UserError, match=said) as refused:
        read_study(tmp_path / "study.yaml")
    assert str(refused.value).startswith(f"{tmp_path / 'study.yaml'}: external: ") and "\n" not in str(refused.value)


def test_the_scores_of_the_authors_page_fit_the_study_that_names_them():
    """Whose corpus is on the hub; so a small one with the same benchmarks stands in."""
    config = read_study(ROOT / "configs" / "papers" / "gupta.yaml")
    assert len(config["external"]) == 18 == 2 * len(config["evaluation"]["benchmarks"])
    text = {"text": {"corpus": {"source": "embedded", "vocabulary": 300}, "length": 8}}
    rows = external(
        *config["external"], tasks=text, evaluation={"benchmarks": config["evaluation"]["benchmarks"], "examples": 8}
    )
    (lambada, *_) = rows
    assert (lambada["task"], lambada["metric"], lambada["score"]) == ("text/lambada", "perplexity", [17.81])
