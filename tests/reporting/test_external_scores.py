"""Scores that others report: in tables and figures with their source, and in no comparison."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import asura
from asura.reporting.collect import collect, write_results
from asura.reporting.figures.files import write_figure
from asura.reporting.figures.scores import score_against_flops, score_against_iterations
from asura.reporting.findings import short_comparison
from asura.reporting.frames import Results, tidy
from asura.reporting.statistics import Scale, mean_interval
from asura.reporting.tables import EXTRA, TABLES, comparison, external, paper, write_tables
from asura.reporting.verdicts import questions
from tests.conftest import TINY
from tests.planning.plans import prepare
from tests.reporting.conftest import CHANCE, build_results, lines, panels

SOURCE = "Doe et al., 2026"
ROW: dict[str, Any] = {"label": "theirs", "task": "phop", "split": "test", "metric": "accuracy", "source": SOURCE}
KNOWN = {"parameters": 60_000, "training_flops": 2e11}
SCORES = (0.71, 0.75, 0.79)


def rows(*values: float, **changes: Any) -> list[dict[str, Any]]:
    return [ROW | {"seed": k, "value": value} | changes for k, value in enumerate(values)]


@pytest.fixture(scope="module")
def results() -> Results:
    return build_results([("asura", 1, 2)])


@pytest.fixture(scope="module")
def reported(results: Results) -> Results:
    """Three seeds of a model whose cost is known, one score of one whose cost is not, and one on another split."""
    found = rows(*SCORES, **KNOWN) + rows(0.4, label="unknown cost") + rows(0.2, split="hops_4") + rows(0.6, metric="f")
    return results._replace(external=tidy("external", found))


def test_what_others_report_changes_no_row_of_a_model(results: Results, reported: Results):
    for name, table in (TABLES | EXTRA).items():
        if name != "external":
            plain, beside = table(results), table(reported)
            own = beside[beside["source"].isna()].drop(columns="source") if "source" in beside else beside
            pd.testing.assert_frame_equal(own.reset_index(drop=True), plain, check_dtype=False)
            assert ("source" in beside) == (name in ("comparison", "paper"))
    pd.testing.assert_frame_equal(questions(reported), questions(results))


def test_a_score_stands_below_the_models_of_its_task_with_its_source(reported: Results):
    mean, low, high, _ = mean_interval(SCORES, Scale(CHANCE, 1))
    for table in (comparison(reported), paper(reported)):
        others = table[table["source"].notna()]
        assert others["model"].tolist() == ["theirs", "unknown cost"] and set(others["source"]) == {SOURCE}
        assert others.index.min() == table["source"].isna().sum()
        first = others.iloc[0]
        assert (first["score"], first["parameters"], first["training_flops"]) == (pytest.approx(mean), 60_000, 2e11)
        assert others["difference"].isna().all()
    table = comparison(reported)
    others = table[table["source"].notna()]
    assert others["role"].tolist() == ["not run here"] * 2 and others["pairs"].isna().all()
    assert others.iloc[0][["score_low", "score_high"]].tolist() == pytest.approx([low, high])
    assert others.iloc[1][["score_low", "score_high"]].isna().all()


def test_a_table_has_every_score(reported: Results):
    table = external(reported)
    assert table[["model", "split", "metric", "seeds", "by_seed"]].values.tolist() == [
        ["theirs", "test", "accuracy", 3, ".710 .750 .790"],
        ["unknown cost", "test", "accuracy", 1, ".400"],
        ["theirs", "hops_4", "accuracy", 1, ".200"],
        ["theirs", "test", "f", 1, ".600"],
    ]


def test_tables_are_written_with_the_source(reported: Results, results: Results, tmp_path: Path):
    write_tables(reported, tmp_path)
    for name in ("comparison", "paper", "external"):
        for form in ("csv", "md", "tex", "html"):
            assert SOURCE in (tmp_path / f"{name}.{form}").read_text()
    text = (tmp_path / "comparison.md").read_text()
    (line,) = (line for line in text.splitlines() if "unknown cost" in line)
    assert "not run here" in line and " 0.400 " in line and "nan" not in text.lower()
    assert "65,536" in text  # parameters are still counts
    write_tables(results, tmp_path / "plain")
    assert not (tmp_path / "plain" / "external.csv").exists()


def test_the_report_says_that_it_was_not_run_here(reported: Results):
    table = short_comparison(reported, "phop")
    last = table.iloc[-1]
    assert last["model"] == f"unknown cost (not run here: {SOURCE})"
    assert last[["difference", "parameters", "training FLOPs"]].tolist() == ["–"] * 3
    assert table.iloc[-2]["parameters"] == "60,000"


def test_figures_show_a_marker_where_the_cost_is_known_and_else_a_line(reported: Results, results: Results):
    for draw, known in ((score_against_flops, 1), (score_against_iterations, 0)):
        drawn = draw(reported, "phop")
        for axes in panels(drawn.figure):
            found = lines(axes, "not run here")
            points = [line for line in found if len(line.get_xdata()) == 1]
            assert len(points) == known and len(found) - len(points) == 2 - known
            for line in points:
                assert line.get_xydata().tolist() == [[2e11, pytest.approx(0.75)]]
            low, high = axes.get_ylim()
            assert all(low < line.get_ydata()[0] < high for line in found)
        (legend,) = drawn.figure.legends
        said = [text.get_text() for text in legend.get_texts() if "not run here" in text.get_text()]
        assert said == [f"theirs, not run here: {SOURCE}", f"unknown cost, not run here: {SOURCE}"]
        others = drawn.numbers[drawn.numbers["shows"] == "not run here"]
        assert others["model"].tolist() == ["theirs", "unknown cost"] and set(others["run"]) == {SOURCE}
        plain = draw(results, "phop").numbers
        pd.testing.assert_frame_equal(drawn.numbers.iloc[: len(plain)], plain, check_dtype=False)


def test_a_name_of_another_alphabet_and_a_long_source_are_drawn(results: Results, tmp_path: Path):
    found = rows(0.5, label="$modèle_1$ <b>", source="https://example.org/" + "x" * 150)
    drawn = score_against_flops(results._replace(external=tidy("external", found)), "phop")
    write_figure(drawn, tmp_path / "figure", {"study": "s", "commits": ""})
    assert "not run here" in (tmp_path / "figure.svg").read_text()


def test_rows_of_the_study_file_are_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    row = {key: ROW[key] for key in ("label", "task", "metric", "source")} | {"score": [0.5, 0.7], "parameters": 10}
    prepare(TINY | {"external": [row]}, Path("results"))
    found = collect(Path("results/tiny"), partial=True)
    assert found.external[["label", "seed", "value", "parameters"]].values.tolist() == [
        ["theirs", 0, 0.5, 10.0],
        ["theirs", 1, 0.7, 10.0],
    ]
    write_results(found, tmp_path / "tidy")
    pd.testing.assert_frame_equal(asura.results(tmp_path)._mixed.external, found.external)
