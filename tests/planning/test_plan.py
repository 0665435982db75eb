import json
import sys
from collections import Counter
from subprocess import run

import pytest

from asura.common.errors import UserError
from asura.planning.cache import is_written, planned, read_plan, renew
from asura.planning.jobs import jobs_of
from asura.planning.plan import Plan, load
from asura.planning.planner import make
from asura.planning.runs import read_run
from tests.conftest import TINY
from tests.planning.plans import prepare

STUDY = TINY | {
    "seeds": [0, 1],
    "models": {"asura": {"n": 1, "i": [1, 2]}, "asura_full": {"n": 1, "i": 2}},
    "controls": ["iso_param", "iso_recursion"],
    "width": 16,
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_row_for_each_run_with_what_it_costs():
    rows = list(make(STUDY).rows())
    keys = [(row["label"], row["seed"]) for row in rows]
    assert len(set(keys)) == len(rows) == 2 * 9  # bare recursion has the training rule of its cell
    for row in rows:
        assert row["tokens"] == 12 * 4 * 8
        assert row["training_flops"] == pytest.approx(row["flops_per_token"] * row["tokens"])
        assert row["effective_depth"] == row["n"] * row["i"]
        assert row["total_parameters"] == row["parameters"] + 2 * 3 * 16  # three symbols, embedding and head
        assert 2 < row["flops_per_token"] / row["inference_flops_per_token"] < 3.2
        assert (row["control"] is None) == (row["control_of"] is None) == (row["deviation"] is None)


def test_a_control_of_several_cells_is_trained_once_and_names_them_all():
    plain = STUDY["models"] | {"asura_full": STUDY["models"]["asura_full"] | {"guidance": "none"}}
    rows = [row for row in make(STUDY | {"models": plain}).rows() if row["seed"] == 0]
    (shared,) = (row for row in rows if row["label"] == "bare-n1-i2")
    assert shared["control"] == "iso_recursion"
    assert shared["control_of"] == "asura-n1-i2 asura_full-n1-i2+guidance=none"
    assert shared["deviation"] == 0


def test_the_plan_is_kept_and_what_has_not_changed_is_not_written(tmp_path):
    plan = prepare(STUDY, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert prepare(STUDY, tmp_path) == plan == load(tmp_path / "tiny" / "plan.json")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == times


def test_a_start_of_the_workflow_imports_no_torch_once_the_study_is_planned():
    code = (
        "import json, sys; from asura.planning.workflow import StudyWorkflow; "
        f"StudyWorkflow(json.loads({json.dumps(STUDY)!r}), []).say_what_stands(); sys.exit('torch' in sys.modules)"
    )
    assert [run([sys.executable, "-c", code], check=False).returncode for _ in range(2)] == [1, 0]


def test_a_plan_is_made_once_and_few_are_kept():
    made = []

    def of_seed(seed: int):
        config = STUDY | {"seeds": [seed]}

        def make_it() -> Plan:
            made.append(seed)
            return make(config)

        return planned("tiny", config, config, make_it)

    paths = [of_seed(seed) for seed in (0, 1, 0, 1, *range(2, 10))]
    assert made == list(range(10))
    assert read_plan(paths[-1]).seeds == [9]
    assert len(list(paths[-1].parent.iterdir())) == 8
    of_seed(0)
    assert made[-1] == 0


def test_a_plan_is_written_where_it_is_all_there(tmp_path):
    prepare(STUDY, tmp_path)
    path, folder = planned("tiny", STUDY, STUDY, lambda: pytest.fail()), tmp_path / "tiny"
    assert is_written(path, folder, folder)
    renew(path)
    assert is_written(path, folder, folder)
    for name in ("plan.json", "study.json", next(iter(read_plan(path).runs)) + "/run.json"):
        content = (folder / name).read_text()
        (folder / name).unlink()
        assert not is_written(path, folder, folder)
        (folder / name).write_text(content)
    longer = STUDY | {"training": {**STUDY["training"], "steps": 13}}
    assert not is_written(planned("tiny", longer, longer, lambda: make(longer)), folder, folder)


def test_only_the_runs_of_a_changed_model_get_a_new_run_json(tmp_path):
    prepare(STUDY, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("run.json")}
    full = {"n": 1, "i": 2, "training": {"learning_rate": 0.01}}
    prepare(STUDY | {"models": STUDY["models"] | {"asura_full": full}}, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in times} == times  # the changed model has a label of its own
    prepare(STUDY | {"training": STUDY["training"] | {"learning_rate": 0.01}}, tmp_path)
    assert all(path.stat().st_mtime_ns != time for path, time in times.items() if "asura" in str(path))


def test_a_run_that_was_deleted_is_written_again_as_it_was(tmp_path):
    prepare(STUDY, tmp_path)
    path = next(tmp_path.rglob("run.json"))
    content = path.read_text()
    path.unlink()
    prepare(STUDY, tmp_path)
    assert path.read_text() == content


def test_a_damaged_plan_is_made_anew(tmp_path):
    plan = prepare(STUDY, tmp_path)
    for path in (tmp_path / "tiny" / "plan.json", next(tmp_path.glob(".snakemake/asura/tiny/*.json"))):
        path.write_text(path.read_text()[:100])
        with pytest.raises(UserError, match="cut short"):
            load(path)
        assert prepare(STUDY, tmp_path) == plan == load(tmp_path / "tiny" / "plan.json")


def test_a_run_reads_back_as_it_was_planned(tmp_path):
    plan = prepare(STUDY, tmp_path)
    for folder, content in plan.runs.items():
        run = read_run(tmp_path / "tiny" / folder / "run.json")
        assert run.folder == folder
        assert run.stated() == content


USUAL = {"seeds_per_job": 10}
ASKED = {"mem_mb": 9000, "gpu": 2}


def test_resources_are_those_of_the_model_for_its_controls_too_and_nothing_is_trained_again(tmp_path):
    before = prepare(STUDY, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("run.json")}
    models = STUDY["models"] | {"asura": {"n": 1, "i": [1, 2], "resources": ASKED}}
    plan = prepare(STUDY | {"models": models, "ablated": {"resources": {"runtime": 7}}}, tmp_path)
    assert plan.runs == before.runs
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("run.json")} == times
    assert plan.resources_of("phop", "asura-n1-i2") == plan.resources_of("phop", "asura-n1-i1") == USUAL | ASKED
    assert plan.resources_of("phop", "asura_full-n1-i2") == USUAL
    for role in plan.roles:  # the first cell of a shared control is asura's
        first = next(r["control_of"] for r in plan.roles if r["label"] == role["label"])
        assert plan.resources_of("phop", role["label"]) == USUAL | (ASKED if first.startswith("asura-") else {})
    assert plan.resources_of("phop", "asura-n1-i2+long_skip=none") == USUAL | {"runtime": 7}


def test_what_a_study_asks_for_all_models_a_model_and_the_ablations_change():
    asked = {"mem_mb": 500, "runtime": 30, "gpu": 0, "seeds_per_job": 2}
    models = {
        "asura": [{"n": 1, "i": 2, "resources": ASKED}, {"n": 1, "i": 1}],
        "vanilla": {"n": 1, "resources": {"runtime": None}},
    }
    plan = make(STUDY | {"resources": asked, "models": models, "controls": [], "ablated": {"resources": {"gpu": 1}}})
    assert plan.resources_of("phop", "asura-n1-i2") == asked | ASKED
    assert plan.resources_of("phop", "asura-n1-i1") == asked
    assert plan.resources_of("phop", "vanilla-n1") == {key: asked[key] for key in ("mem_mb", "gpu", "seeds_per_job")}
    assert plan.resources_of("phop", "asura-n1-i2+long_skip=none") == asked | {"gpu": 1}
    assert (
        plan.runs
        == make(STUDY | {"models": {"asura": {"n": 1, "i": [2, 1]}, "vanilla": {"n": 1}}, "controls": []}).runs
    )
    assert Counter(job.label for job in jobs_of(plan)) == {"asura-n1-i2": 2, "asura-n1-i1": 1, "vanilla-n1": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version: found 2; give 1"),
        ({"task_kind": "fhop"}, "task_kind: no such task: found 'fhop'; did you mean 'phop'"),
        (
            {"model": {"architecture": "asurra"}},
            "model.architecture: no such architecture: found 'asurra'; did you mean 'asura'",
        ),
        ({"extra": 1}, "extra: no such key"),
    ],
)
def test_a_run_of_another_kind_is_refused(tmp_path, change: dict, message: str):
    (content,) = make(TINY).runs.values()
    (tmp_path / "run.json").write_text(json.dumps(content | change))
    with pytest.raises(UserError) as error:
        read_run(tmp_path / "run.json")
    assert message in str(error.value) and "run.json" in str(error.value) and "\n" not in str(error.value)
