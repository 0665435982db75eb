"""Figures as files: the numbers beside them, what they say of themselves, and the same bytes each time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from asura.planning.outputs import FIGURE_FORMATS, figures_of
from asura.reporting.figures import FIGURES, write_figures
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.frames import Results
from tests.reporting.conftest import COMMIT, Figures, headline_scores, lines

SCORES = ["score_against_iterations", "score_against_parameters", "score_against_flops"]
LINES = ["iterations_at_evaluation", "learning_curves"]


def heights(figure: Figure, gid: str) -> list[float]:
    return sorted(np.concatenate([line.get_ydata() for axes in figure.axes for line in lines(axes, gid)]))


@pytest.mark.parametrize("name", [*SCORES, *LINES])
def test_the_numbers_beside_a_figure_are_those_in_it(name: str, drawn: Figures):
    figure, numbers = drawn[name]
    for shows, gid in (("mean", "mean"), ("seed", "seeds")):
        assert heights(figure, gid) == pytest.approx(sorted(numbers.loc[numbers["shows"] == shows, "value"]))
    failed = numbers[numbers["shows"] == "diverged"]
    assert set(failed["run"]) == ({"runs/phop/asura-n2-i4/seed1"} if name != "iterations_at_evaluation" else set())


@pytest.mark.parametrize("name", ["grid", "train_against_evaluation_iterations"])
def test_the_numbers_beside_a_heat_map_are_those_in_it(name: str, drawn: Figures):
    figure, numbers = drawn[name]
    shown = [axes.collections[0].get_array().compressed() for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert sorted(np.concatenate(shown)) == pytest.approx(sorted(numbers["value"]))


def test_a_number_names_the_folders_of_its_runs(results: Results, drawn: Figures):
    numbers = drawn["score_against_flops"].numbers
    scores = headline_scores(results)
    for row in numbers[numbers["shows"] == "seed"].itertuples():
        _, task, label, seed = row.run.split("/")
        assert row.model == label and row.value == scores[task, label][int(seed.removeprefix("seed"))]
    mean = numbers[(numbers["shows"] == "mean") & (numbers["model"] == "asura-n1-i2")].iloc[0]
    assert mean["run"] == " ".join(f"runs/phop/asura-n1-i2/seed{seed}" for seed in (0, 1, 2))


@pytest.mark.parametrize("name", ["score_against_flops", "grid", "learning_curves"])
def test_the_same_data_give_the_same_bytes_which_say_what_they_are_of(name: str, build: Callable, tmp_path: Path):
    small = build([("asura", 1, 2)], seeds=(0, 1), diverged=[("asura-n1-i2", 1)])
    for folder in ("a", "b"):
        write_figure(FIGURES[name](small, "phop"), tmp_path / folder / name, source_of(small, "mine"), "a note")
    for form in FIGURE_FORMATS:
        first, second = (tmp_path / folder / f"{name}.{form}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes() != b""
    stem = tmp_path / "a" / name
    said = Image.open(f"{stem}.png").info
    assert said["Description"] == f"commits of the runs: {COMMIT}" and said["Title"].endswith("study mine")
    for form in ("svg", "pdf"):
        content = Path(f"{stem}.{form}").read_bytes()
        assert b"study mine" in content and COMMIT.encode() in content


def test_the_figures_of_each_task_stand_in_a_folder_of_its_own_under_their_note(build: Callable, tmp_path: Path):
    results = build([("asura", 1, 2)], seeds=(0, 1), tasks=("phop", "text/piqa"), diverged=())
    note = "PARTIAL RESULTS: $0$ of 72 runs"
    write_figures(results, tmp_path, "mine", note)
    models = results.runs.drop_duplicates(["task", "label"]).to_dict("records")
    names = {f"{task.replace('/', '+')}/{name}.{form}" for task, name in figures_of(models) for form in FIGURE_FORMATS}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == names
    assert all(note in path.read_text().replace("\\$", "$") for path in tmp_path.rglob("*.svg"))
    table = pd.read_csv(tmp_path / "text+piqa" / "score_against_flops.csv")
    assert set(table["run"].str.split("/").str[1]) == {"text"}  # a benchmark is of the runs on its text
    assert source_of(results._replace(runs=results.runs.assign(commit=None)), "mine")["commits"] == "not recorded"
