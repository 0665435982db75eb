"""The plan of a study: every run, what it costs, and which control of which cell it is.

`planner` makes it, which builds models. A plan that has been made is read without torch.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from asura.common.errors import UserError
from asura.common.files import SEAL, read_sealed, sealed, write_text
from asura.corpora.folders import corpus_folder
from asura.planning.study_settings import Evaluation


class Plan(NamedTuple):
    """Plain data, as it stands in plan.json.

    seeds: those of the study; a row of `models` has those of the model.
    models: one row for each model on a task, with what it costs; in an ablation, with the model it is compared with.
    corpora: settings of the corpus that a task reads, by the task's name.
    chances: chance in a task's primary metric on each of its splits, by the task's name; of tasks of which it is known.
    roles: one row for each control of each cell: task, label, control, control_of, deviation (as a fraction).
    runs: the content of each run.json by its folder, below the study's results.
    resources: what the jobs of each model ask of a cluster, by task/label; a control asks what its first cell does.
    ablated: the same for the models of ablations.
    code: digests of the source code that a model's runs follow from, by task/label: `training` and `evaluation`.
    against: of an ablation, what each model is compared with: `first`, the first; `previous`, the one before it; or a
        setting, and then the first of those that differ in nothing else.
    questions: one row for each question of the study: task, row, reference, metric, margin (None without one).
    trials: one row for each trial of each model: task, label, trial (its own label), settings (that it tries).
    factors: of an ablation, settings whose effects get a table, with their values.
    analyses: those of the study, see `Analyses`; nothing where there are none.
    external: one row for each score that others report, as `External`, with a list of scores.
    """

    study: str
    seeds: list[int]
    evaluation: dict[str, Any]
    corpora: dict[str, dict[str, Any]]
    chances: dict[str, dict[str, float]]
    models: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, int]]
    ablated: dict[str, int]
    code: dict[str, dict[str, str]]
    against: str | None
    questions: list[dict[str, Any]]
    trials: list[dict[str, Any]]
    factors: dict[str, list[str]]
    analyses: dict[str, Any]
    external: list[dict[str, Any]]

    def resources_of(self, task: str, label: str) -> dict[str, int]:
        """What the jobs of a model ask of a cluster where the study says so; one that is not its own is ablated."""
        return self.resources.get(f"{task}/{label}", self.ablated)

    def benchmarks_of(self, task: str) -> list[str]:
        """What the models of a task are evaluated on beside its splits."""
        return next((model["benchmarks"] for model in self.models if model["task"] == task), [])

    def evaluation_of(self, task: str) -> Evaluation:
        """How the models of a task are evaluated."""
        return Evaluation.model_validate({**self.evaluation, "benchmarks": self.benchmarks_of(task)})

    def as_json(self) -> dict[str, Any]:
        """The content of plan.json."""
        return sealed(self._asdict())

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each run; a control of several cells names them all, and its largest deviation."""
        for model in self.models:
            roles = [r for r in self.roles if (r["task"], r["label"]) == (model["task"], model["label"])]
            for seed in model["seeds"]:
                yield {key: value for key, value in model.items() if key != "seeds"} | {
                    "seed": seed,
                    "control": " ".join(dict.fromkeys(role["control"] for role in roles)) or None,
                    "control_of": " ".join(dict.fromkeys(role["control_of"] for role in roles)) or None,
                    "deviation": max((role["deviation"] for role in roles), key=abs, default=None),
                }


def load(path: Path) -> Plan:
    """Read plan.json. Raises UserError."""
    return from_json(read_sealed(path), path)


def from_json(content: Mapping[str, Any], path: Path) -> Plan:
    """The plan whose content this is, as read from a path. Raises UserError."""
    try:
        return Plan(**{key: value for key, value in content.items() if key != SEAL})
    except TypeError:
        raise UserError(f"{path}: it is no plan of this version; run the workflow, which writes it anew") from None


def write(plan: Plan, config: Mapping[str, Any], folder: Path, study: Path) -> None:
    """Write a plan to a folder, with the study that it is of; what its runs and corpora are goes to their folders.

    What has not changed is not written again. Raises OSError.
    """
    for name, run in plan.runs.items():
        _write_json(study / name / "run.json", run)
    for corpus in plan.corpora.values():
        _write_json(corpus_folder(corpus) / "corpus.json", corpus)
    _write_json(folder / "study.json", config)
    _write_json(folder / "plan.json", plan.as_json())


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
