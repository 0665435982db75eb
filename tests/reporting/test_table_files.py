"""Tables as they are written: for programs, for people and for papers."""

import csv
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from asura.common.version import __version__
from asura.planning.outputs import ANALYSIS_FRAMES
from asura.reporting.ablation_report import ablation_table
from asura.reporting.frames import Results
from asura.reporting.paper import paper
from asura.reporting.statistics import INTERVAL
from asura.reporting.tables import (
    TABLES,
    comparison,
    for_people,
    write_table,
    write_tables,
)
from tests.conftest import ROOT

OF_ANALYSES = {frame for frames in ANALYSIS_FRAMES.values() for frame in frames}
EXAMPLES = [path for path in sorted((ROOT / "results" / "example").rglob("*.csv")) if path.stem not in OF_ANALYSES]
NOTE = "PARTIAL RESULTS: 3 of 72 runs_{50 %}"


def test_the_committed_examples_are_tables_of_today_or_say_of_which_version_they_are(results: Results):
    def columns(table: pd.DataFrame) -> list[str]:
        return [name for name in table if not name.startswith("score: ")]

    pages = [ROOT / "results" / "example" / "README.md", ROOT / "docs" / "results.md", ROOT / "README.md"]
    versions = {re.search(r"made by version (\d+\.\d+\.\d+)", page.read_text()).group(1) for page in pages}
    assert len(versions) == 1 and EXAMPLES
    for path in EXAMPLES if versions == {__version__} else []:
        make = ablation_table if path.stem == "table" else TABLES[path.stem]
        assert columns(pd.read_csv(path)) == columns(make(results))


def test_a_table_for_people():
    table = pd.DataFrame(
        {
            "model": ["asura-n1-i4", "vanilla-n4"],
            "metric": ["accuracy", "bits_per_byte"],
            "score": [0.98765, math.nan],
            "score_low": [0.9, math.nan],
            "score_high": [1.0, math.nan],
            "difference": [math.nan, 0.0304],
            "difference_low": [math.nan, -0.01],
            "difference_high": [math.nan, 0.0708],
            "p": [math.nan, 0.01234],
            "solved": [0.5, math.nan],
            "solved_low": [0.1, math.nan],
            "solved_high": [0.9, math.nan],
            "parameters": [81920, 1234567],
            "training_flops": [7.2e11, 1.5e12],
            "control_value": [81920.0, 7.2e11],
            "deviation": [0.00078, -0.0101],
            "train_seconds": [1234.56, math.nan],
        }
    )
    assert for_people(table).to_dict("list") == {
        "model": ["asura-n1-i4", "vanilla-n4"],
        "metric": ["accuracy ↑", "bits_per_byte ↓"],
        f"score [{INTERVAL}]": ["0.988 [0.900, 1.000]", "–"],
        f"difference [{INTERVAL}]": ["–", "+0.030 [-0.010, +0.071]"],
        "p (Holm)": ["–", "0.012"],
        "solved share [95 % Clopper–Pearson interval]": ["0.500 [0.100, 0.900]", "–"],
        "parameters": ["81,920", "1,234,567"],
        "training flops": ["7.200e+11", "1.500e+12"],
        "control value": ["81,920", "7.200e+11"],
        "deviation": ["+0.08%", "-1.01%"],
        "train seconds": ["1,234.6", "–"],
    }


def test_a_mean_without_an_interval_stands_alone(build):
    table = for_people(comparison(build([("asura", 1, 2)], seeds=(0,))))
    assert all(re.fullmatch(r"\d\.\d{3}", text) for text in table[f"score [{INTERVAL}]"])


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(results, folder / "whole")
    write_tables(results, folder / "partial", NOTE)
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_the_csv_holds_the_exact_numbers(name: str, results: Results, written: Path):
    table = TABLES[name](results)
    with (written / "partial" / f"{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table) and len(rows) == len(table)
    for column in table:
        for row, value in zip(rows, table[column], strict=True):
            assert row[column] == "" if pd.isna(value) else type(value)(row[column]) == value


@pytest.mark.parametrize(("form", "note"), [("md", NOTE), ("tex", r"PARTIAL RESULTS: 3 of 72 runs\_\{50 \%\}")])
@pytest.mark.parametrize("name", TABLES)
def test_the_note_is_there_when_given_and_only_then(name: str, form: str, note: str, written: Path):
    whole, partial = ((written / folder / f"{name}.{form}").read_text() for folder in ("whole", "partial"))
    first, rest = partial.split("\n", 1)
    assert note in first
    assert "PARTIAL" not in whole and rest.lstrip("\n") == whole


def test_what_is_special_in_latex_is_escaped(tmp_path: Path):
    write_table(pd.DataFrame({"model": ["a_b&c%d#e$f{g}"], "p": [0.5]}), tmp_path / "t", None)
    assert r"a\_b\&c\%d\#e\$f\{g\} & 0.5" in (tmp_path / "t.tex").read_text()


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_latex_and_markdown_has_every_column(name: str, results: Results, written: Path):
    latex = (written / "partial" / f"{name}.tex").read_text()
    assert not re.search(r"(?<!\\)[%#$_]", latex)
    grouped = name == "paper"  # whose group is no column in LaTeX, but a row
    of_latex = [line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    of_markdown = (written / "whole" / f"{name}.md").read_text().splitlines()
    (columns,) = map(len, re.findall(r"begin{tabular}{([lr]+)}", latex))
    assert {len(re.findall(r"(?<!\\)&", line)) for line in of_latex} == {columns - 1}
    assert {line.count("|") for line in of_markdown} == {columns + 1 + grouped}
    assert len(of_latex) - 1 == len(of_markdown) - 2 == len(TABLES[name](results))


@pytest.mark.parametrize("name", TABLES)
def test_a_study_without_any_run_has_a_table_without_rows(name: str, empty: Results, tmp_path: Path):
    table = TABLES[name](empty)
    assert len(table) == 0
    write_table(table, tmp_path / name, "nothing yet")
    assert "no rows" in (tmp_path / f"{name}.md").read_text()
    assert "nothing yet" in (tmp_path / f"{name}.tex").read_text()


def test_a_table_as_html_holds_its_note_and_every_cell_and_escapes_them(tmp_path):
    write_table(pd.DataFrame({"model": ["<b>", "x"], "score": [0.25, 1.0]}), tmp_path / "t", "1 < 2 runs")
    page = (tmp_path / "t.html").read_text()
    assert "1 &lt; 2 runs" in page and "&lt;b&gt;" in page and "0.250" in page and "1.000" in page


def test_the_table_for_papers_is_short_and_grouped_by_cell(results: Results, written: Path):
    table, wide = paper(results), comparison(results)
    assert list(table["group"]) == list("phop: " + wide["cell"])
    assert list(table["model"]) == list(wide["model"].where(wide["role"] == "cell", wide["role"]))
    for name in ("metric", "score", "difference", "difference_low", "difference_high", "parameters", "training_flops"):
        pd.testing.assert_series_equal(table[name], wide[name])
    latex = (written / "whole" / "paper.tex").read_text()
    assert [latex.count(part) for part in (r"\toprule", r"\caption{", r"\label{", r"\end{table}")] == [1, 1, 1, 1]
    groups = re.findall(r"multicolumn\{6\}\{l\}\{\\emph\{(.*)\}\}", latex)
    assert [group.replace("\\", "") for group in groups] == list(table["group"].unique())
    lines = latex.splitlines()
    for group in table["group"].unique():  # its own rows follow the line that names it
        place = next(k for k, line in enumerate(lines) if group.replace("_", r"\_") + "}" in line)
        own = table[table["group"] == group]["model"]
        after = [line.split(" &")[0].replace("\\", "") for line in lines[place + 1 : place + 1 + len(own)]]
        assert after == list(own)
    assert re.search(r"(?<!\\)%", latex) is None
