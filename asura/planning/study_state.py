"""The plans of a study and of its ablations as a start of Snakemake finds them, and what stands of each."""

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from asura.common.errors import UserError
from asura.common.validation import in_file, nearest
from asura.common.yaml_file import read_yaml
from asura.corpora.folders import data_folder
from asura.planning.ablations import inline_ablations, listed_ablations, planned_ablation
from asura.planning.analysed import is_analysed
from asura.planning.cache import is_written, planned, read_plan
from asura.planning.choices import is_chosen, tuned_models
from asura.planning.jobs import Job, jobs_of
from asura.planning.outputs import ANALYSIS, TUNING, results_folder
from asura.planning.plan import Plan, load
from asura.planning.plugins import of_study
from asura.planning.products import MADE_OF, Products, is_made_of
from asura.planning.refusals import refuse_files, refuse_texts, refusing
from asura.planning.shared_data import SharedData
from asura.planning.shared_runs import shared_in_words
from asura.planning.standing import Standing, remarks
from asura.planning.study_file import as_placed

Made = Literal["trained", "evaluated", "analysed"]
"""What a job does to its runs; its file of this name says that it has ended."""


class StudyState:
    """A study as a start of Snakemake finds it.

    config: the study, as Snakemake has read it.
    study_files: the YAML files that it was read from; errors name them.
    overrides: what the option --config changed in it; errors that the files alone do not have name the option.
    is_job: whether this process runs a job that another Snakemake submitted. It reads the plan that this one wrote, and
        no file of the study.
    is_forced: whether jobs are to run although nothing is out of date, which is known once rules ask for their inputs.
        Then times of files count, as ever.

    Nothing is written to the results.

    Raises UserError where the study is wrong, and OSError where the cache cannot be written.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        study_files: list[str],
        is_job: bool = False,
        results: Path | None = None,
        overrides: Mapping[str, Any] = MappingProxyType({}),
        is_forced: Callable[[], bool] = bool,
    ) -> None:
        self.data = data_folder()
        self._results, self._is_job, self._is_forced = results or results_folder(), is_job, is_forced
        self._source = ", ".join(study_files) or "the study"
        self._overrides = overrides
        written = self._results / str(config.get("name"))
        self._is_planned = is_job and (written / "plan.json").is_file()
        # Our reader refuses what Snakemake's own accepts, such as a key given twice.
        self._contents = {} if self._is_planned else {Path(file): read_yaml(Path(file)) for file in study_files}
        with in_file(self._source):
            self.config = of_study(written) if self._is_planned else as_placed(config, self._contents, overrides)
        self._cached: dict[str | None, Path] = {}  # the file of the plan of an ablation; None: of the study
        self._standing: dict[str | None, Standing] = {}
        self._jobs: dict[str | None, list[Job]] = {}
        self._flops: dict[str | None, dict[tuple[str, str], float]] = {}  # of training, by task and label
        self.plan = self._load_plan()
        if not is_job:
            with in_file(self._source):
                refuse_texts(self.plan.corpora)
        self.inline_ablations = inline_ablations(config)
        self.ablations = dict(self.inline_ablations)
        """The models of each ablation, by its name; the files in rules/ablations add theirs."""
        self.listed = listed_ablations(config)
        """Names of the ablations that are part of the study."""

    @property
    def folder(self) -> str:
        """The study's folder: results/NAME."""
        return (self._results / self.plan.study).as_posix()

    # Plans

    def _load_plan(self) -> Plan:
        """The plan of the study; in a job, the one that the Snakemake that submitted it has written."""
        name = str(self.config.get("name"))
        refuse_files(self._results, self._results / name)
        if self._is_planned:
            return load(self._results / name / "plan.json")
        try:
            self._cached[None] = planned(name, self.config, self.config, lambda: _made(self.config))
        except UserError as error:
            raise UserError(f"{self._source_of(error)}: {error}") from None
        return read_plan(self._cached[None])

    def _source_of(self, error: UserError) -> str:
        """Where a mistake stands: in the files, unless these alone do not have it."""
        if not self._overrides or len(self._contents) != 1:
            return self._source
        try:
            (content,) = self._contents.values()
            _made(as_placed(content, self._contents))
        except UserError as other:
            return self._source if str(other) == str(error) else "--config"
        return "--config"

    def _plan_of_part(self, name: str) -> Plan:
        """The plan of an ablation, or of the trials."""
        written = Path(self._place(name), "plan.json")
        if self._is_job and written.is_file():
            return load(written)
        if name == TUNING:
            self._cached[name] = planned(
                f"{self.plan.study}/{TUNING}", self.config, self.config, lambda: _made(self.config, tuning=True)
            )
        else:
            self._cached[name] = planned_ablation(self.config, name, self.ablations[name])
        return read_plan(self._cached[name])

    def _place(self, part: str | None) -> str:
        """The folder of a plan: that of an ablation, of the trials, or of the study."""
        if part is None:
            return self.folder
        return f"{self.folder}/{part}" if part == TUNING else f"{self.folder}/ablations/{part}"

    @property
    def tuned(self) -> list[str]:
        """The part of the study that tunes it, if it has one."""
        return [TUNING] if self.plan.trials else []

    def _is_plan_fresh(self, ablation: str | None) -> bool:
        """Whether a plan is written, and nothing that hangs on it is to be made again."""
        if self._is_stale(ablation):
            return False
        with refusing():
            return is_written(self._cached[ablation], Path(self._place(ablation)), Path(self.folder))

    def check_ablations(self) -> None:
        """Raises UserError where the study lists an ablation that is not defined, or one is named as the trials."""
        with in_file("--config" if "ablations" in self._overrides else self._source):
            if TUNING in self.ablations:
                raise UserError(f"ablations: {TUNING} is the name of the trials; give the ablation another")
            for name in self.listed:
                if name not in self.ablations:
                    raise UserError(f"ablations: no file rules/ablations/{name}.smk{nearest(name, self.ablations)}")

    def _ablation_of(self, run: str) -> str | None:
        """The ablation that a run is of; None if it is of the study."""
        if run in self.plan.runs:
            return None
        written = [path.parent.name for path in Path(self.folder).glob("ablations/*/plan.json")] if self._is_job else []
        known = dict.fromkeys([*self.tuned, *filter(None, self._standing), *written])
        return next(ablation for ablation in known if run in self.standing(ablation).plan.runs)

    def jobs(self, ablation: str | None) -> list[Job]:
        """The jobs of the study, or of an ablation."""
        if ablation not in self._jobs:
            self._jobs[ablation] = jobs_of(self.standing(ablation).plan, self.plan if ablation else None)
        return self._jobs[ablation]

    # What stands

    def standing(self, ablation: str | None = None) -> Standing:
        """What stands of the study, or of an ablation. Ends the process where its plan or its texts are wrong."""
        if ablation not in self._standing:
            with refusing():
                plan = self._plan_of_part(ablation) if ablation else self.plan
                self._standing[ablation] = Standing(plan, Path(self.folder), () if ablation else self._to_choose())
        return self._standing[ablation]

    def _to_choose(self) -> list[tuple[str, str]]:
        """The models whose trials do not stand as they did when their settings were chosen; a job asks for none."""
        if not self.tuned or self._is_job:
            return []
        return [model for model in tuned_models(self.plan) if not is_chosen(self.standing(TUNING), *model)]

    @cached_property
    def products(self) -> Products:
        """The tables, figures and the report of the study."""
        return Products(Path(self.folder), self.standing(), {name: self.standing(name) for name in self.listed})

    @cached_property
    def shared(self) -> SharedData:
        """The data that the study shares with others."""
        return SharedData(self.folder, self.standing())

    def say_what_stands(self) -> None:
        """Say in a line each what is trained again, made by other code or in several ways, or taken from others."""
        if not self._is_job:
            parts = [self.standing(part) for part in (None, *self.tuned, *self.listed)]
            shared = (f"{self.folder}: {line}" for line in shared_in_words(parts))
            for line in (*remarks(self.folder, parts), *shared):
                print(f"asura: {line}", file=sys.stderr)

    def _ended(self, job: Job, made: Made) -> str:
        """The file which says that a job has ended."""
        return f"{self.folder}/jobs/{job.name}/{made}"

    def _is_fresh(self, job: Job, made: Made) -> bool:
        """Whether a job has ended, and what it trained or evaluated is as the plan asks."""
        states = (self.standing(self._ablation_of(run)).state(run) for run in job.runs)
        return Path(self._ended(job, made)).is_file() and all(getattr(state, made) == "fresh" for state in states)

    def _is_stale(self, ablation: str | None) -> bool:
        """Whether something is there that is to be made again, of the study or of an ablation."""
        if not (standing := self.standing(ablation)).is_done:
            is_to_be_done_again = any(map(self._is_to_be_done_again, self.jobs(ablation)))
            return is_to_be_done_again or bool(self.shared.lacking) or (not ablation and self._are_analyses_stale())
        if ablation:
            folder, product = Path(self._place(ablation)), TUNING if ablation == TUNING else "ablation"
            return (folder / "table.csv").is_file() and not is_made_of(folder, standing.digest, product)
        return self.products.is_stale() or self._are_analyses_stale()

    @property
    def analysed_jobs(self) -> list[Job]:
        """The jobs of the study whose runs it analyses."""
        return [job for job in self.jobs(None) if is_analysed(self.plan, job.label)]

    def _are_analyses_stale(self) -> bool:
        """Whether an analysis is there that is to be made again, or what shows them."""
        place = Path(self.folder, ANALYSIS)
        jobs = [job for job in self.analysed_jobs if Path(self._ended(job, "analysed")).is_file()]
        is_shown = (place / MADE_OF).is_file()
        return any(not self._is_fresh(job, "analysed") for job in jobs) or (
            is_shown and not is_made_of(place, self.standing().digest_of_analyses, ANALYSIS)
        )

    def _is_to_be_done_again(self, job: Job) -> bool:
        made: tuple[Made, Made] = ("trained", "evaluated")
        return any(Path(self._ended(job, each)).is_file() and not self._is_fresh(job, each) for each in made)


def _made(config: Mapping[str, Any], tuning: bool = False) -> Plan:
    from asura.planning.planner import make  # imports torch, which a study that has been planned does not need

    return make(config, tuning=tuning)
