"""What stands of a study: which runs and products are as its plan asks, and which were made by other code.

It is decided by what the files say and not by their times, so that a copy of a study is as good as the original.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from asura.common.errors import UserError
from asura.common.files import SEAL, read_json
from asura.corpora.folders import corpus_folder, manifest_checksum
from asura.corpora.sources import is_of_its_sources
from asura.planning.analysed import ANALYSED, analysed_runs, asked_of_run, compared_stack, is_analysed, read_analysis
from asura.planning.plan import Plan
from asura.planning.run_folder import RunFolder, is_evaluation_of, is_record_of
from asura.planning.tuned import as_tuned

State = Literal["missing", "stale", "fresh"]
"""Whether a file is not there, is of something else than the plan asks, or is as it asks."""


class RunState(NamedTuple):
    """What stands of a run.

    trained, evaluated: its record with its weights, and its scores.
    other_code: what was made by other code than is here: `training`, `evaluation`.
    made_on: device and precision of its training.
    seals: checksums of its record and of its scores.
    analysed: its analyses, where the study asks for them.
    """

    trained: State
    evaluated: State
    other_code: tuple[str, ...] = ()
    made_on: tuple[str, str] | None = None
    seals: tuple[str, str] = ("", "")
    analysed: State = "missing"

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be done."""
        return self.trained == self.evaluated == "fresh"

    @property
    def is_stale(self) -> bool:
        """Whether something is there that is to be made again."""
        return "stale" in (self.trained, self.evaluated)


class Standing:
    """What stands of the runs of a plan, in the results of a study.

    to_choose: task and label of models whose settings are to be chosen again. None of their runs counts as made.
    Raises UserError and OSError where the texts of a corpus cannot be read.
    """

    def __init__(self, plan: Plan, study: Path, to_choose: Collection[tuple[str, str]] = ()) -> None:
        self.plan, self.study, self.to_choose = plan, study, to_choose
        self._records: dict[str, dict[str, Any]] = {}
        self._states: dict[str, RunState] = {}

    @cached_property
    def runs(self) -> dict[str, RunState]:
        """The state of each run, by its folder below the study's."""
        return {name: self.state(name) for name in self.plan.runs}

    def state(self, name: str) -> RunState:
        """The state of one run: a job asks for no other."""
        if name not in self._states:
            self._states[name] = self._state_of(name, self.plan.runs[name])
        return self._states[name]

    @property
    def is_done(self) -> bool:
        """Whether all runs are trained and evaluated as the plan asks."""
        return all(state.is_done for state in self.runs.values())

    def made_by_other_code(self) -> dict[str, tuple[str, ...]]:
        """Runs that are as the plan asks but for the code that made them, and what of each that is."""
        return {name: state.other_code for name, state in self.runs.items() if state.other_code}

    def mixed(self) -> dict[str, list[str]]:
        """Devices and precisions of the runs of each task that has been trained on more than one of them."""
        found: dict[str, dict[str, None]] = {}
        for name, state in self.runs.items():
            if state.trained == "fresh" and state.made_on:
                found.setdefault(self.plan.runs[name]["task_name"], {})[" in ".join(state.made_on)] = None
        return {task: sorted(ways) for task, ways in found.items() if len(ways) > 1}

    @cached_property
    def digest(self) -> str:
        """Of the plan, and of all that its runs have left: what tables and figures follow from."""
        seals = {name: state.seals for name, state in self.runs.items()}
        return sha256(json.dumps([self.plan.as_json(), seals], sort_keys=True).encode()).hexdigest()

    @cached_property
    def digest_of_analyses(self) -> str:
        """Of all that the figures of the analyses follow from."""
        notes = [read_analysis(RunFolder(self.study / name)) for name in analysed_runs(self.plan)]
        return sha256(json.dumps([self.digest, notes], sort_keys=True).encode()).hexdigest()

    def changed(self, name: str) -> set[str]:
        """Settings of a run that are others in its folder than in the plan, by their first key."""
        before, now = _read(RunFolder(self.study / name).run), self.plan.runs[name]
        return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)} if before else set()

    def _state_of(self, name: str, planned: Mapping[str, Any]) -> RunState:
        folder, run = RunFolder(self.study / name), self._as_tuned(planned)
        is_to_choose = (planned["task_name"], planned["label"]) in self.to_choose
        if run is None or is_to_choose or self._trained_start(planned) == "missing":
            return RunState("missing", "missing")
        record = self._record(name)
        if not all(path.is_file() for path in (folder.record, folder.weights, folder.metrics)):
            return RunState("missing", "missing")
        if not self._is_of_its_origin(run, record):
            return RunState("stale", "stale" if folder.evaluation.is_file() else "missing")
        code = self.plan.code[f"{run['task_name']}/{run['label']}"]
        other = ["training"] if record.get("code") != code["training"] else []
        made_on = record.get("device", "an unknown device"), record.get("precision", "an unknown precision")
        evaluation = _read(folder.evaluation)
        evaluated: State = "missing"
        if folder.evaluation.is_file() and (folder.outcomes.is_file() or "outcomes" not in evaluation):
            asked = self.plan.evaluation_of(run["task_name"])
            evaluated = "fresh" if is_evaluation_of(evaluation, record, asked) else "stale"
        if evaluated == "fresh" and evaluation.get("code") != code["evaluation"]:
            other.append("evaluation")
        seals = (record.get(SEAL, ""), evaluation.get(SEAL, ""))
        return RunState("fresh", evaluated, tuple(other), made_on, seals, self._analysed(folder, run, record, code))

    def _analysed(
        self, folder: RunFolder, run: Mapping[str, Any], record: Mapping[str, Any], code: Mapping[str, str]
    ) -> State:
        """What stands of the analyses of a run."""
        task, label = run["task_name"], run["label"]
        if not (folder.analysis / ANALYSED).is_file() or not is_analysed(self.plan, label):
            return "missing"
        stack = compared_stack(self.plan, self.plan.analyses, task, label)
        beside = self._record(f"runs/{task}/{stack}/seed{run['seed']}").get("weights") if stack else None
        made_of = {**asked_of_run(record, self.plan.analyses, beside), "code": code["analysis"]}
        return "fresh" if read_analysis(folder).get("made_of") == made_of else "stale"

    def _as_tuned(self, run: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A run with the settings that tuning chose; None where it has not, or its choice is damaged."""
        try:
            return as_tuned(run, self.study)
        except UserError:
            return None

    def _trained_start(self, run: Mapping[str, Any]) -> State:
        """What stands of the training whose weights a run starts from, before which these are not known."""
        start = run.get("start_from")
        return self.state(start).trained if start in self.plan.runs else "fresh"

    def _is_of_its_origin(self, run: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
        """Whether a record is of the settings, first weights and texts that a run has now."""
        start = run.get("start_from")
        if self._trained_start(run) == "stale":
            return False
        if start and self._record(start).get("weights") not in (None, record.get("start")):
            return False
        return is_record_of(run, record) and self._is_of_its_texts(run["task_name"], record)

    def _is_of_its_texts(self, task: str, record: Mapping[str, Any]) -> bool:
        """Whether a record is of the texts that its corpus has now. Where the corpus is gone, it is."""
        return self.corpora.get(task) in (None, record.get("corpus"))

    @cached_property
    def corpora(self) -> dict[str, str | None]:
        """The checksum of the corpus of each task; None where it is not there, and "" where it is to be made again."""
        found: dict[str, str | None] = {}
        for task, settings in self.plan.corpora.items():
            folder = corpus_folder(settings)
            manifest = _read(folder / "manifest.json")
            if not manifest:
                found[task] = None
            else:
                found[task] = manifest_checksum(folder) if is_of_its_sources(manifest, settings) else ""
        return found

    def _record(self, name: str) -> dict[str, Any]:
        if name not in self._records:
            self._records[name] = _read(RunFolder(self.study / name).record)
        return self._records[name]


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is missing or damaged, which whoever needs it will say."""
    try:
        return read_json(path)
    except UserError:
        return {}


# What is said at the start of a study

ADVICE = "`asura outdated {study} --discard` lets the next start train them again, `asura accept {study}` compares"


def done_in_words(plans: Iterable[Standing]) -> Iterator[str]:
    """A line about the runs that are trained and evaluated, if there are any."""
    states = [state for standing in plans for state in standing.runs.values()]
    if done := sum(state.is_done for state in states):
        yield f"{done} of {len(states)} runs are done"


def remarks(study: str, plans: Iterable[Standing]) -> Iterator[str]:
    """A line each for runs that are trained again, runs by other code, and tasks on several devices or precisions."""
    plans = list(plans)
    states = {name: state for standing in plans for name, state in standing.runs.items()}
    if stale := [name for name, state in states.items() if state.trained == "stale"]:
        changed = set().union(*(each.changed(name) for each in plans for name in each.runs if name in stale))
        why = f"their {' and '.join(sorted(changed))} changed" if changed else "their texts or first weights changed"
        yield f"{study}: {len(stale)} runs ({by_model(stale)}) are trained again: {why}, or their record is damaged"
    if other := [name for name, state in states.items() if state.other_code]:
        count = f"{len(other)} of {len(states)} runs"
        yield f"{study}: {count} were made by other code ({by_model(other)}); {ADVICE.format(study=study)}"
    for task, ways in {task: ways for standing in plans for task, ways in standing.mixed().items()}.items():
        yield f"{study}: runs of {task} that are compared were trained in several ways: {', '.join(ways)}"


def by_model(runs: Iterable[str]) -> str:
    """Runs by their models, in words, from their folders: `asura-n1-i4 and 2 other models`."""
    models = list(dict.fromkeys(name.split("/")[2] for name in runs))
    others = len(models) - 1
    return models[0] + (f" and {others} other model{'s' if others > 1 else ''}" if others else "")
