"""The JSON schema and the reference pages: they are what the code says, and what they miss is known."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import asura.planning.runs
from asura.common.validation import Settings
from asura.common.yaml_file import read_yaml
from asura.planning.planner import make
from asura.planning.reference import files
from asura.planning.schema import descriptions, study_schema
from asura.tasks import TASKS
from tests.conftest import ROOT, TINY
from tests.faults.test_names import NAMES, PLACES
from tests.planning import test_study, test_texts_in_studies

SCHEMA = study_schema()
STUDIES = sorted((ROOT / "configs").rglob("*.yaml"))

BAD: dict[str, dict[str, Any]] = {f"study: {name}": TINY | changes for name, (changes, *_) in test_study.BAD.items()}
BAD |= {f"text: {says}": test_texts_in_studies.STUDY | changes for changes, says in test_texts_in_studies.BAD}
BAD |= {f"name: {name} at {k}": TINY | place(name) for name in NAMES for k, place in enumerate(PLACES)}
BAD |= {
    f"null: {path}": study
    for path, study in {
        "tasks.phop": TINY | {"tasks": {"phop": None}},
        "tasks.phop.training": TINY | {"tasks": {"phop": {"training": None}}},
        "tasks.phop.models.asura": TINY | {"tasks": {"phop": {"models": {"asura": None}}}},
        "models.asura": TINY | {"models": {"asura": None}},
        "training": TINY | {"training": None},
        "no training": {key: value for key, value in TINY.items() if key != "training"},
        "no steps": TINY | {"training": {"batch": 4}},
    }.items()
}
UNSEEN = {
    "study: heads",
    "study: guidance too short",
    "study: guidance falls",
    "study: guidance sum",
    "study: label twice",
    "study: infinite rate",
    "study: accumulate",
    "study: GPUs that share no batch",
    "study: warm-up",
    "study: reads its answers",
    "study: long label",
    "study: parts of a control",
    "study: steps of iso_both",
    "study: start of a control",
    r"text: tasks\.words\.written_as: no such task of text: found 'text'",
    r"text: start_from: no task is written_as 'text'",
    r"text: causal: found false; text is read by causal models",
}
"""Faults that concern several keys at once, or infinity: no schema sees them, and `asura plan` does."""


def accepts(study: Any) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(study)


def every_settings_class(kind: type[Settings] = Settings) -> list[type[Settings]]:
    own = [kind] if kind.__module__.startswith("asura.") and kind.model_fields else []
    return own + list(chain.from_iterable(map(every_settings_class, kind.__subclasses__())))


def test_what_is_committed_is_what_the_code_generates():
    stale = [path for path, text in files().items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert not stale, "run `python -m asura reference`"


def test_both_forms_of_controls_are_accepted_and_checked():
    assert accepts(TINY | {"controls": ["iso_param", "iso_flop"]})
    assert accepts(TINY | {"controls": {"iso_param": {"training": {"learning_rate": 0.01}}, "iso_flop": {}}})
    assert not accepts(TINY | {"controls": {"iso_param": {"training": {"learning_rat": 0.01}}}})
    assert not accepts(TINY | {"controls": ["iso_param", "iso_param"]})


def test_every_key_of_a_model_is_accepted_and_checked():
    model = {"n": 1, "i": 2, "seeds": [3, 4], "resources": {"seeds_per_job": 1}, "training": {"steps": 3}}
    assert accepts(TINY | {"models": {"asura": model}})
    for wrong in ({"seeds": [3, 3]}, {"seeds": 3}, {"resources": {"seeds_per_job": 0}}):
        assert not accepts(TINY | {"models": {"asura": model | wrong}})


@pytest.mark.parametrize("kind", every_settings_class(), ids=lambda kind: kind.__name__)
def test_every_field_is_described_in_sentences(kind: type[Settings]):
    described = descriptions(kind)
    assert described.keys() == kind.model_fields.keys()
    assert all(text[0].isupper() or text[0] == "`" for text in described.values())
    assert all(text.endswith(".") for text in described.values())


def test_every_settings_class_is_among_them():
    assert asura.planning.runs.Run in every_settings_class() and len(every_settings_class()) > 30


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_says_what_its_splits_are(kind: str):
    assert all(f"`{split}`" in str(TASKS[kind].__doc__) for split in list(TASKS[kind]().splits)[1:])


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_names_the_schema_and_is_accepted(path: Path):
    schema = "../" * (len(path.relative_to(ROOT).parts) - 2) + "study.schema.json"
    assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={schema}\n")
    assert accepts(read_yaml(path))


@pytest.mark.parametrize(
    "study",
    [TINY, test_texts_in_studies.STUDY, TINY | {"models": {"asura": {"n": [1, 2], "guidance": ["uniform", [1]]}}}],
)
def test_good_studies_are_accepted(study: Any):
    assert accepts(study)


@pytest.mark.parametrize("name", BAD)
def test_the_schema_rejects_all_but_the_faults_that_it_cannot_see(name: str):
    assert accepts(BAD[name]) == (name in UNSEEN)


def test_the_faults_that_it_cannot_see_are_among_the_bad_studies():
    assert set(BAD) >= UNSEEN


def test_a_task_may_have_any_name_if_it_says_its_kind():
    assert accepts(TINY | {"tasks": {"x": {"task": "phop", "hops": 2}, "phop": {"task": "maze", "size": 3}}})
    assert not accepts(TINY | {"tasks": {"x": {"task": "phop", "size": 3}}})
    assert not accepts(TINY | {"tasks": {"phop": {"task": "maze", "hops": 3}}})


def test_every_study_has_a_row_in_the_readme_of_the_studies():
    rows = (ROOT / "configs" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.relative_to(ROOT / 'configs')}`" in rows for path in STUDIES)


def test_the_example_of_the_reference_can_be_planned():
    (example,) = re.findall(r"```yaml\n(.*?)```", files()["docs/study-file.md"], re.DOTALL)
    study = yaml.safe_load(example)
    assert accepts(study) and make(study).runs
