"""What the rules ask about the study that they run: its plan, and the files, options and resources of each job."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from snakemake.io import ancient

from asura.common.errors import UserError
from asura.common.validation import in_file, nearest
from asura.common.yaml_file import read_yaml
from asura.corpora.folders import data_folder
from asura.planning.ablations import inline_ablations, listed_ablations, planned_ablation
from asura.planning.cache import is_written, planned, read_plan, renew
from asura.planning.outputs import OF_AN_ABLATION, PUBLISHED, TABLES
from asura.planning.plan import Plan, load, make
from asura.planning.products import Products, is_made_of
from asura.planning.refusals import refuse_files, refuse_folders, refusing
from asura.planning.run_folder import RunFolder
from asura.planning.shared_data import SharedData
from asura.planning.standing import RunState, Standing, remarks

LEFT_BY_A_RUN = ("weights.safetensors", "training.json", "evaluation.json")

Options = list[str]


class StudyWorkflow:
    """A study as its rules see it. Methods that take `wildcards` are input functions, params and resources of rules.

    config: the study, as Snakemake has read it.
    study_files: the YAML files that it was read from; errors name them.
    overrides: what the option --config changed in it; errors that the files alone do not have name the option.
    is_job: whether this process runs a job that another Snakemake submitted. It reads the plan that this one wrote.
    is_forced: whether jobs are to run although nothing is out of date, which is known once rules ask for their inputs.
        Then times of files count, as ever.

    Nothing is written to the results: the rule `plan` does that, from a file of the cache, which stays as it is where
    the study is edited meanwhile. What is as its plan asks has `ancient` inputs, so that its times do not count.

    Raises UserError where the study is wrong, and OSError where the cache cannot be written.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        study_files: list[str],
        is_job: bool = False,
        results: Path = Path("results"),
        overrides: Mapping[str, Any] = MappingProxyType({}),
        is_forced: Callable[[], bool] = bool,
    ) -> None:
        self.config = config
        self.data = data_folder()
        self._results, self._is_job, self._is_forced = results, is_job, is_forced
        self._source = ", ".join(study_files) or "the study"
        self._overrides = overrides
        # Our reader refuses what Snakemake's own accepts, such as a key given twice.
        self._in_files = [read_yaml(Path(file)) for file in study_files]
        self._cached: dict[str | None, Path] = {}  # the file of the plan of an ablation; None: of the study
        self._standing: dict[str | None, Standing] = {}
        self.plan = self._load_plan()
        with in_file(self._source):
            refuse_folders(self.plan.corpora)
        self.inline_ablations = inline_ablations(config)
        self.ablations = dict(self.inline_ablations)
        """The models of each ablation, by its name; the files in rules/ablations add theirs."""
        self.listed = listed_ablations(config)
        """Names of the ablations that are part of the study."""

    @property
    def folder(self) -> str:
        """The study's folder: results/NAME."""
        return (self._results / self.plan.study).as_posix()

    @property
    def run(self) -> str:
        """The pattern of a run's folder, with wildcards."""
        return f"{self.folder}/runs/{{task}}/{{label}}/seed{{seed}}"

    # Plans

    def _load_plan(self) -> Plan:
        """The plan of the study; in a job, the one that the Snakemake that submitted it has written."""
        name = str(self.config.get("name"))
        refuse_files(self._results, self._results / name)
        if self._is_job and (self._results / name / "plan.json").is_file():
            return load(self._results / name / "plan.json")
        try:
            self._cached[None] = planned(name, self.config, self.config, lambda: make(self.config))
        except UserError as error:
            raise UserError(f"{self._source_of(error)}: {error}") from None
        return read_plan(self._cached[None])

    def _source_of(self, error: UserError) -> str:
        """Where a mistake stands: in the files, unless these alone do not have it."""
        if not self._overrides or len(self._in_files) != 1:
            return self._source
        try:
            make(self._in_files[0])
        except UserError as other:
            return self._source if str(other) == str(error) else "--config"
        return "--config"

    def _plan_of_ablation(self, name: str) -> Plan:
        written = Path(self._place(name), "plan.json")
        if self._is_job and written.is_file():
            return load(written)
        self._cached[name] = planned_ablation(self.config, name, self.ablations[name])
        return read_plan(self._cached[name])

    def _place(self, ablation: str | None) -> str:
        """The folder of a plan: that of an ablation, or of the study."""
        return f"{self.folder}/ablations/{ablation}" if ablation else self.folder

    def plan_file(self, wildcards: Any) -> list[str]:
        """The file of the cache from which the plan of the study, or of an ablation, is written."""
        ablation = wildcards.get("ablation")
        is_fresh = self._is_plan_fresh(ablation)
        with refusing():
            if not is_fresh:
                renew(self._cached[ablation])
        return self._as_inputs([str(self._cached[ablation])], is_fresh)

    def plan_before_ablation(self, wildcards: Any) -> list[str]:
        """The plan of the study, which stands wherever one of its ablations does: other commands need it."""
        return self._as_inputs([f"{self.folder}/plan.json"], self._is_plan_fresh(wildcards.ablation))

    def _is_plan_fresh(self, ablation: str | None) -> bool:
        """Whether a plan is written, and nothing that hangs on it is to be made again."""
        if self._is_stale(ablation):
            return False
        with refusing():
            return is_written(self._cached[ablation], Path(self._place(ablation)), Path(self.folder))

    def plan_of_run(self, made: Literal["trained", "evaluated"]) -> Callable[[Any], list[str]]:
        """The plan that has a run; not as `ancient` for a job that must run, which Snakemake would pass over."""

        def of_run(wildcards: Any) -> list[str]:
            plan = f"{self._place(self._ablation_of(_name_of(wildcards)))}/plan.json"
            return self._as_inputs([plan], getattr(self._state(wildcards), made) == "fresh")

        return of_run

    # What stands

    def standing(self, ablation: str | None = None) -> Standing:
        """What stands of the study, or of an ablation. Ends the process where its plan or its texts are wrong."""
        if ablation not in self._standing:
            with refusing():
                plan = self._plan_of_ablation(ablation) if ablation else self.plan
                self._standing[ablation] = Standing(plan, Path(self.folder))
        return self._standing[ablation]

    @cached_property
    def products(self) -> Products:
        """The tables, figures and the report of the study."""
        return Products(Path(self.folder), self.standing(), {name: self.standing(name) for name in self.listed})

    @cached_property
    def shared(self) -> SharedData:
        """The data that the study shares with others."""
        return SharedData(self.folder, self.standing())

    def say_what_stands(self) -> None:
        """Say in a line each what is trained again, what was made by other code, and what was made in several ways."""
        if not self._is_job:
            for line in remarks(self.folder, [self.standing(), *map(self.standing, self.listed)]):
                print(f"asura: {line}", file=sys.stderr)

    def _as_inputs(self, files: Iterable[str], are_used: bool) -> list[str]:
        """Files as inputs of a rule; their times do not count where its output is known to be made of them."""
        return [ancient(file) if are_used and not self._is_forced() else file for file in files]

    def _ablation_of(self, name: str) -> str | None:
        """The ablation that a run is of; None if it is of the study."""
        if name in self.plan.runs:
            return None
        written = [path.parent.name for path in Path(self.folder).glob("ablations/*/plan.json")] if self._is_job else []
        known = dict.fromkeys([*filter(None, self._standing), *written])
        return next(ablation for ablation in known if name in self.standing(ablation).plan.runs)

    def _state(self, wildcards: Any) -> RunState:
        name = _name_of(wildcards)
        return self.standing(self._ablation_of(name)).state(name)

    def _is_stale(self, ablation: str | None) -> bool:
        """Whether something is there that is to be made again, of the study or of an ablation."""
        if not (standing := self.standing(ablation)).is_done:
            return bool(self.shared.lacking) or any(state.is_stale for state in standing.runs.values())
        if ablation:
            folder = Path(self._place(ablation))
            return (folder / "table.csv").is_file() and not is_made_of(folder, standing.digest, "ablation")
        return self.products.is_stale()

    def forget(self, record: str) -> None:
        """Train a run again whose training is forced: its record goes, so that a retry of the training resumes it."""
        with refusing():
            RunFolder(Path(record).parent).forget()

    def check_ablations(self) -> None:
        """Raises UserError where the study lists an ablation that is defined nowhere."""
        with in_file("--config" if "ablations" in self._overrides else self._source):
            for name in self.listed:
                if name not in self.ablations:
                    raise UserError(f"ablations: no file rules/ablations/{name}.smk{nearest(name, self.ablations)}")

    def ablation_results(self, name: str) -> list[str]:
        """The tables and figures of an ablation."""
        return [f"{self._place(name)}/{file}" for file in OF_AN_ABLATION]

    def results_of_listed_ablations(self) -> list[str]:
        """The tables and figures of the ablations that are part of the study."""
        return [path for name in self.listed for path in self.ablation_results(name)]

    def ablation_inputs(self, wildcards: Any) -> list[str]:
        """The plan of an ablation, and the files that its runs leave."""
        standing, folder = self.standing(wildcards.ablation), self._place(wildcards.ablation)
        is_fresh = is_made_of(Path(folder), standing.digest, "ablation")
        return self._as_inputs([f"{folder}/plan.json", *self._left_by(standing.plan)], is_fresh)

    # Runs

    def every_run(self, wildcards: Any) -> list[str]:
        """What all runs leave, those of ablations too. It is asked for by itself, so what was deleted is made again."""
        plans = [self.plan, *(self.standing(name).plan for name in self.listed)]
        return [file for plan in plans for file in self._left_by(plan)]

    def _left_by(self, plan: Plan) -> list[str]:
        return [f"{self.folder}/{run}/{name}" for run in plan.runs for name in LEFT_BY_A_RUN]

    def weights_of_run(self, wildcards: Any) -> list[str]:
        """The weights of a run, and their record."""
        files = [f"{self.folder}/{_name_of(wildcards)}/{name}" for name in LEFT_BY_A_RUN[:2]]
        return self._as_inputs(files, self._state(wildcards).evaluated == "fresh")

    def data_of_run(self, wildcards: Any) -> list[str]:
        """The note of the corpus that a run's task reads."""
        notes = self.shared.corpus_of(wildcards.task)
        return self._as_inputs(notes, self._state(wildcards).trained == "fresh")

    def start_of_run(self, wildcards: Any) -> list[str]:
        """The record of the run whose weights a run starts from."""
        name = _name_of(wildcards)
        start = self.standing(self._ablation_of(name)).plan.runs[name].get("start_from")
        records = [f"{self.folder}/{start}/training.json"] if start else []
        return self._as_inputs(records, self._state(wildcards).trained == "fresh")

    def asked(self, resource: str, usual: int) -> Callable[[Any, int], int]:
        """What a job of a run asks for: what the study says, or `usual`; time and memory grow with each attempt."""

        def of_attempt(wildcards: Any, attempt: int) -> int:
            amount = self.plan.resources_of(wildcards.task, wildcards.label).get(resource, usual)
            return amount if resource == "gpu" else amount * attempt

        return of_attempt

    def benchmark_options(self, wildcards: Any) -> Options:
        """Name the benchmarks of a task's models, and where their documents come from."""
        names = ",".join(self.plan.benchmarks_of(wildcards.task))
        return ["--benchmarks", names, "--benchmarks-from", self.plan.evaluation["benchmarks_from"]] if names else []

    def plan_of_data(self, note: str) -> Callable[[Any], list[str]]:
        """The plan, for the rule that makes the note of shared data, a pattern with wildcards."""
        return lambda wildcards: self._as_inputs(
            [f"{self.folder}/plan.json"], self.shared.is_noted(note.format(**dict(wildcards.items())))
        )

    def packages_of_corpus(self, wildcards: Any) -> list[str]:
        """The notes of the packages that a corpus is cut from."""
        with refusing():
            return self.shared.packages_of_corpus(wildcards.corpus)

    def benchmark_documents(self, wildcards: Any) -> list[str]:
        """The notes of the benchmarks of a task's models, where their documents are embedded."""
        if self.plan.evaluation["benchmarks_from"] != "embedded":
            return []
        notes = self.shared.notes("benchmarks", self.plan.benchmarks_of(wildcards.task))
        return self._as_inputs(notes, self._state(wildcards).evaluated == "fresh")

    def made_from(self, product: str) -> Callable[[Any], list[str]]:
        """The plan, and the files that a product of the study is made from."""
        return lambda wildcards: self._as_inputs(
            [f"{self.folder}/plan.json", *self.products.sources(product)], self.products.is_fresh(product)
        )

    @property
    def tables(self) -> list[str]:
        """Names of the study's tables."""
        return [*TABLES, *([PUBLISHED] if self.config.get("published") else [])]


def _name_of(wildcards: Any) -> str:
    """The folder of a run, below the study's."""
    return f"runs/{wildcards.task}/{wildcards.label}/seed{wildcards.seed}"
