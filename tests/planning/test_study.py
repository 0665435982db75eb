import re
from pathlib import Path

import pytest
import yaml

from asura.common.errors import UserError
from asura.common.usual_names import USUAL_NAMES
from asura.common.validation import Settings
from asura.common.yaml_file import read_yaml
from asura.corpora.settings import Corpus
from asura.models import ARCHITECTURES
from asura.planning.planner import make
from asura.planning.study import Study
from asura.planning.study_file import read_study
from asura.planning.training_settings import Training
from asura.tasks import TASKS
from tests.conftest import ROOT, TINY


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_of_the_repository_can_be_planned(path: Path):
    config = read_study(path)
    plan = make(config)
    assert plan.study == config["name"] == path.stem
    assert all(abs(role["deviation"]) <= 0.02 for role in plan.roles)


ASURA = {"n": 1, "i": 2}
BAD: dict[str, tuple] = {
    "misspelt key": (
        {"modles": {}},
        "modles: no such key",
        "did you mean 'models'",
        "allowed: ablated, ablations, analyses, causal",
    ),
    "misspelt training": ({"training": {"steps": 1, "batchs": 2}}, "training.batchs", "did you mean 'batch'"),
    "misspelt setting": ({"models": {"asura": {**ASURA, "long_skp": "add"}}}, "models.asura.long_skp", "'long_skip'"),
    "wrong type": ({"training": {"steps": "many"}}, "training.steps: found 'many'; give an integer"),
    "no iterations": ({"models": {"asura": {"n": 1, "i": 0}}}, "models.asura.i: found 0", "greater than or equal to 1"),
    "iterations of vanilla": ({"models": {"vanilla": {"n": 1, "i": 2}}}, "models.vanilla.i: found 2"),
    "heads": ({"models": {"asura": {**ASURA, "heads": 3}}}, "models.asura", "width 8 with 3 heads", "divisible"),
    "unknown model": ({"models": {"asurra": ASURA}}, "models.asurra: no such architecture", "did you mean 'asura'"),
    "unknown task": ({"tasks": {"fhop": {}}}, "tasks.fhop: no such task", "did you mean 'phop'"),
    "unknown kind": ({"tasks": {"x": {"task": 3}}}, "tasks.x: no such task", "found 3", "allowed: addition"),
    "task setting": ({"tasks": {"phop": {"hop": 2}}}, "tasks.phop.hop: no such key", "did you mean 'hops'"),
    "iterations at evaluation": (
        {"evaluation": {"iterations": "twice"}},
        "evaluation.iterations: found 'twice'; give 'trained', 'up_to_twice' or 'up_to_four_times' or an integer or ",
        "a list of integers",
    ),
    "no iterations at evaluation": (
        {"evaluation": {"iterations": []}},
        "evaluation.iterations: found []",
        "at least 1 entry",
    ),
    "iterations at evaluation twice": ({"evaluation": {"iterations": [4, 4]}}, "iterations: 4 stands there twice"),
    "iterations at evaluation of 0": ({"evaluation": {"iterations": [4, 0]}}, "evaluation.iterations.1: found 0; it"),
    "iterations at evaluation as a switch": ({"evaluation": {"iterations": True}}, "iterations: found True; give"),
    "benchmark twice": ({"evaluation": {"benchmarks": ["copa", "copa"]}}, "copa stands there twice; name each once"),
    "unknown value": ({"models": {"asura": {**ASURA, "long_skip": "ad"}}}, "long_skip: found 'ad'", "'concat'"),
    "unknown control": ({"controls": ["iso_parm"]}, "controls.0: found 'iso_parm'", "'iso_param'"),
    "unknown control with settings": (
        {"controls": {"iso_parm": {}}},
        "controls.iso_parm: found 'iso_parm'; give 'iso_param', 'iso_flop'",
    ),
    "control without settings": (
        {"controls": {"iso_param": None}},
        "controls.iso_param: found None; give a mapping of settings",
    ),
    "control's setting": (
        {"controls": {"iso_param": {"steps": 4}}},
        "controls.iso_param.steps: no such key: found 'steps'; allowed: training",
    ),
    "no mapping of a control": ({"controls": {"iso_param": {"training": 3}}}, "controls.iso_param.training: found 3;"),
    "rate in a control": (
        {"controls": {"iso_param": {"training": {"lr": 1}}}},
        "controls.iso_param.training.lr: no such key: found 'lr'; did you mean 'learning_rate'?",
    ),
    "steps of a control": (
        {"controls": {"iso_param": {"training": {"steps": "x"}}}},
        "controls.iso_param.training.steps: found 'x'; give an integer",
    ),
    "parts of a control": (
        {"controls": {"iso_param": {"training": {"accumulate": 3}}}},
        "controls.iso_param.training: accumulate 3: it must divide batch 4",
    ),
    "steps of iso_both": (
        {"controls": {"iso_both": {"training": {"steps": 3}}}},
        "controls.iso_both.training.steps: its steps follow from the FLOPs of its cell",
    ),
    "start of a control": (
        {"controls": {"iso_flop": {"training": {"start_from": "x"}}}},
        "controls.iso_flop.training.start_from: a control starts from what its cell starts from",
    ),
    "guidance too short": ({"models": {"asura": {**ASURA, "guidance": [1.0]}}}, "1 weights for 2 iterations"),
    "guidance falls": ({"models": {"asura": {**ASURA, "guidance": [0.7, 0.3]}}}, "not fall from one iteration"),
    "guidance sum": ({"models": {"asura": {**ASURA, "guidance": [0.1, 0.3]}}}, "sum to 1"),
    "empty grid": ({"models": {"asura": {"n": 1, "i": []}}}, "models.asura.i: an empty list makes an empty grid"),
    "no models": ({"models": {}}, "models: found {}"),
    "empty list of models": ({"models": {"asura": []}}, "models: the grid is empty"),
    "value twice": ({"models": {"asura": {"n": [1, 1], "i": 2}}}, "models.asura.n: a value stands there twice"),
    "label twice": ({"models": {"asura": [ASURA, ASURA]}}, "models.asura.1: two models have the label asura-n1-i2"),
    "seed twice": ({"seeds": [0, 1, 0]}, "seeds: 0 stands there twice"),
    "no seeds": ({"seeds": []}, "seeds: found []"),
    "negative seed": ({"seeds": [-1]}, "seeds.0: found -1"),
    "name of another folder": ({"name": "../x"}, "name: found '../x'"),
    "task's name": ({"tasks": {"$(x)": {"task": "phop"}}}, "tasks.$(x)"),
    "no mapping": ({"training": 3}, "training: found 3"),
    "infinite rate": ({"training": {"steps": 1, "learning_rate": float("inf")}}, "learning_rate: found inf"),
    "accumulate": ({"training": {"steps": 1, "batch": 4, "accumulate": 3}}, "accumulate 3: it must divide batch 4"),
    "warm-up": ({"training": {"steps": 1, "warmup_steps": 3}}, "warmup_steps 3: it must be at most steps 1"),
    "reads its answers": ({"tasks": {"addition": {}}, "causal": False}, "models.asura.causal: found false", "addition"),
    "long label": ({"models": {"asura": {"n": 1, "i": 60, "guidance": [1 / 60] * 60}}}, "longer than 200"),
    "model's training": ({"models": {"asura": {**ASURA, "training": {"step": 1}}}}, "models.asura.training.step"),
    "model's resources": (
        {"models": {"asura": {**ASURA, "resources": {"mem": 1}}}},
        "models.asura.resources.mem: no such key",
        "did you mean 'mem_mb'? allowed: gpu, mem_mb, runtime",
    ),
    "partition": (
        {"models": {"asura": [{**ASURA, "resources": {"slurm_partition": "x"}}]}},
        "models.asura.0.resources.slurm_partition: no such key",
    ),
    "resources of the study": ({"resources": {"gpus": 1}}, "resources.gpus: no such key", "did you mean 'gpu'?"),
    "half a GPU": ({"resources": {"gpu": 0.5}}, "resources.gpu: found 0.5"),
    "GPUs that share no batch": (
        {"resources": {"gpu": 3}, "training": {"steps": 1, "batch": 8, "accumulate": 2}},
        "models.asura.resources: batch 8 is no multiple of 6, for 3 GPUs with accumulate 2",
    ),
    "resources that are no mapping": ({"resources": 4}, "resources: found 4"),
    "GPUs in the study": ({"gpu": 4}, "gpu: no such key here; write it as `resources: {gpu: …}`"),
    "no memory": ({"ablated": {"resources": {"mem_mb": 0}}}, "ablated.resources.mem_mb: found 0"),
    "model's setting in a task": (
        {"tasks": {"phop": {"hops": 1, "width": 32}}},
        "tasks.phop.width: no such key here; write it as `model: {width: …}`",
    ),
    "rate in a task": ({"tasks": {"phop": {"lr": 1}}}, "tasks.phop.lr:", "write it as `training: {learning_rate: …}`"),
    "neither of a task": (
        {"tasks": {"phop": {"zzz": 1}}},
        "allowed: alphabet, fewest_hops, hops, length, model, models, supervision, training, written_as",
    ),
    "misspelt model of a task": ({"tasks": {"phop": {"model": {"widht": 1}}}}, "tasks.phop.model.widht", "'width'"),
    "misspelt rate in a task": (
        {"tasks": {"phop": {"learning_rat": 1}}},
        "did you mean `training: {learning_rate: …}`?",
    ),
    "usual name of a rate": ({"training": {"steps": 1, "lr": 1}}, "training.lr", "did you mean 'learning_rate'?"),
    "usual name of a batch": ({"training": {"steps": 1, "batch_size": 1}}, "did you mean 'batch'?"),
    "usual name of nearly the same": (
        {"training": {"steps": 1, "epochs": 1}},
        "training.epochs: no such key: found 'epochs'; did you mean 'steps'",
    ),
    "usual name of blocks": ({"models": {"asura": {"layers": 1}}}, "models.asura.layers", "did you mean 'n'?"),
    "rate in a model": (
        {"models": {"asura": {**ASURA, "learning_rate": 1}}},
        "models.asura.learning_rate: no such key here; write it as `training: {learning_rate: …}`",
    ),
    "memory in a model": ({"models": {"asura": {**ASURA, "mem_mb": 1}}}, "write it as `resources: {mem_mb: …}`"),
    "rate in the study": ({"lr": 1}, "lr: no such key here; write it as `training: {learning_rate: …}`"),
    "examples in the study": ({"examples": 1}, "write it as `evaluation: {examples: …}`"),
    "blocks in the study": ({"n": 1}, "n: no such key here; write it as `models: {asura: {n: …}}`"),
    "number for a list": (
        {"tasks": {"addition": {"operands": 3}}},
        "tasks.addition.operands: found 3; give a list of integers",
    ),
    "number for two": ({"training": {"steps": 1, "betas": 0.9}}, "betas: found 0.9; give a list of 2 numbers"),
    "word for a list": (
        {"controls": "iso_param"},
        "controls: found 'iso_param'; give a list of 'iso_param', 'iso_flop'",
    ),
    "number of seeds": ({"seeds": 50}, "seeds: found 50; give a list of integers: [50] or, for 50 seeds, [0, …, 49]"),
    "neither of two forms": (
        {"models": {"asura": 3}},
        "models.asura: found 3; give a mapping of settings or a list of mappings",
    ),
    "second form": ({"models": {"asura": [3]}}, "models.asura.0: found 3; give a mapping of settings"),
    "source of a corpus": (
        {"tasks": {"text": {"corpus": {"source": "x"}}}},
        "tasks.text.corpus.source: found 'x'; give 'embedded', 'hub' or 'files'",
    ),
    "files of a corpus": (
        {"tasks": {"text": {"corpus": {"source": "files", "paths": ["a"], "colum": "x"}}}},
        "tasks.text.corpus.colum: no such key",
        "did you mean 'column'?",
    ),
    "task's training": ({"tasks": {"phop": {"training": {"step": 1}}}}, "tasks.phop.training.step"),
}


def test_every_usual_name_stands_for_a_setting():
    places: list[type[Settings]] = [
        Study,
        Training,
        Corpus,
        *TASKS.values(),
        *(settings for settings, _ in ARCHITECTURES.values()),
    ]
    names = {name for place in places for name in place.model_fields}
    assert set(USUAL_NAMES.values()) <= names


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_in_one_line(name: str):
    changes, *parts = BAD[name]
    with pytest.raises(UserError) as error:
        make(TINY | changes)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert not re.search(r"tuple|dict|\[str|\bint\b|input should", message)


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match=r"training: it is missing"):
        make({key: value for key, value in TINY.items() if key != "training"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not YAML"),
        ("a: 1\na: 2", "'a' stands there twice in"),
        ("b: 1\na: 1\nc: 1\na: 2", "line 4, column 1"),
        ("- 1", "found list; a study is a mapping"),
        ("", "found NoneType; a study is a mapping"),
        ("a: &x [*x]\n? [1]\n: 2", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_file_that_holds_no_study_is_refused(tmp_path, text: str, message: str):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(tmp_path / "x.yaml")
    assert message in str(error.value) and "x.yaml" in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.yaml: no such file"):
        read_yaml(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"y\.yaml: it cannot be read"):
        read_yaml(tmp_path / "y.yaml")


def test_yaml_is_read_as_pyyaml_reads_it(tmp_path):
    text = "a: {b: [1, 2.5, x, null, true]}\nc: &c {d: 1}\ne: *c\nf: {<<: *c, g: 2}\nh: {<<: *c, d: 3}\n"
    (tmp_path / "x.yaml").write_text(text)
    assert read_yaml(tmp_path / "x.yaml") == yaml.safe_load(text)


def test_learned_positions_that_a_split_goes_beyond_are_refused():
    study = TINY | {"tasks": {"phop": {"hops": 1, "length": 1500}}}
    make(study)
    with pytest.raises(UserError, match=r"positions: found learned, of which there are 2048; .* of 3000"):
        make(study | {"models": {"asura": {"n": 1, "i": 2, "positions": "learned"}}})
