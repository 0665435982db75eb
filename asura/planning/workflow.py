"""What the rules ask about the study that they run: the files, options and resources of each job."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from snakemake.io import ancient

from asura.planning.analysed import asked_analyses, compared_stack
from asura.planning.cache import renew
from asura.planning.choices import is_chosen, trial_rows, tuned_models
from asura.planning.jobs import Job, job_of
from asura.planning.outputs import (
    ANALYSIS,
    EFFECTS,
    FIGURE_FORMATS,
    OF_AN_ABLATION,
    OF_TUNING,
    TABLE_FORMATS,
    TUNING,
    analysis_files,
    choice_file,
    tables_of,
)
from asura.planning.products import MADE_OF, REPORT, is_made_of
from asura.planning.refusals import refusing
from asura.planning.run_folder import RunFolder
from asura.planning.study_state import Made, StudyState

TINY = 1e6
"""FLOPs per token at inference up to which a model is evaluated without a GPU: a core reads some 30,000 tokens/s."""


class StudyWorkflow(StudyState):
    """A study as its rules see it. Methods that take `wildcards` are input functions, params and resources of rules.

    The rule `plan` writes a plan from a file of the cache, which stays as it is where the study is edited meanwhile.
    What is as its plan asks has `ancient` inputs, so that its times do not count.
    """

    @property
    def job(self) -> str:
        """The pattern of the folder of a job, with wildcards."""
        return f"{self.folder}/jobs/{{task}}/{{label}}/{{seeds}}"

    @property
    def tables(self) -> list[str]:
        """Names of the study's tables."""
        return tables_of(self.plan.models, bool(self.plan.external))

    def _as_inputs(self, files: Iterable[str], are_used: bool) -> list[str]:
        """Files as inputs of a rule; their times do not count where its output is known to be made of them."""
        return [ancient(file) if are_used and not self._is_forced() else file for file in files]

    # Plans

    def plan_file(self, wildcards: Any) -> list[str]:
        """The file of the cache from which the plan of the study, or of a part of it, is written."""
        part = _part(wildcards)
        is_fresh = self._is_plan_fresh(part)
        with refusing():
            if not is_fresh:
                renew(self._cached[part])
        return self._as_inputs([str(self._cached[part])], is_fresh)

    def plan_before_part(self, wildcards: Any) -> list[str]:
        """The plan of the study, which stands wherever one of its parts does: other commands need it."""
        return self._as_inputs([f"{self.folder}/plan.json"], self._is_plan_fresh(_part(wildcards)))

    def plan_of_job(self, made: Made) -> Callable[[Any], list[str]]:
        """The plan that has a job; not as `ancient` for a job that must run, which Snakemake would pass over."""

        def of_job(wildcards: Any) -> list[str]:
            job = job_of(wildcards)
            plan = f"{self._place(self._ablation_of(job.runs[0]))}/plan.json"
            return self._as_inputs([plan], self._is_fresh(job, made))

        return of_job

    # Jobs

    def every_job(self, wildcards: Any) -> list[str]:
        """All jobs, those of ablations too. They are asked for by themselves, so what was deleted is made again."""
        parts = (None, *self.tuned, *self.listed)
        return [self._ended(job, "evaluated") for part in parts for job in self.jobs(part)]

    def runs_of_job(self, wildcards: Any) -> list[str]:
        """The folders of the runs of a job."""
        return [f"{self.folder}/{run}" for run in job_of(wildcards).runs]

    def settings_of_job(self, wildcards: Any) -> list[str]:
        """The settings of the runs of a job."""
        return [f"{folder}/run.json" for folder in self.runs_of_job(wildcards)]

    def training_of_job(self, wildcards: Any) -> list[str]:
        """What says that the runs of a job are trained."""
        job = job_of(wildcards)
        return self._as_inputs([self._ended(job, "trained")], self._is_fresh(job, "evaluated"))

    def data_of_job(self, wildcards: Any) -> list[str]:
        """The note of the corpus that the task of a job reads."""
        notes = self.shared.corpus_of(wildcards.task)
        return self._as_inputs(notes, self._is_fresh(job_of(wildcards), "trained"))

    def starts_of_job(self, wildcards: Any) -> list[str]:
        """What says that the runs are trained whose weights those of a job start from."""
        job = job_of(wildcards)
        ablation = self._ablation_of(job.runs[0])
        plan = self.standing(ablation).plan
        starts = {start for run in job.runs if (start := plan.runs[run].get("start_from"))}
        jobs = [each for each in self.jobs(ablation) if starts.intersection(each.runs)] if starts else []
        return self._as_inputs([self._ended(each, "trained") for each in jobs], self._is_fresh(job, "trained"))

    def choice_of_job(self, wildcards: Any) -> list[str]:
        """What tuning has chosen for the runs of a job."""
        job = job_of(wildcards)
        runs = self.standing(self._ablation_of(job.runs[0])).plan.runs
        files = [f"{self.folder}/{tuned}" for tuned in {runs[run].get("tuned") for run in job.runs} - {None}]
        return self._as_inputs(files, self._is_fresh(job, "trained"))

    def benchmark_documents(self, wildcards: Any) -> list[str]:
        """The notes of the benchmarks of a task's models, where their documents are embedded."""
        if self.plan.evaluation["benchmarks_from"] != "embedded":
            return []
        notes = self.shared.notes("benchmarks", self.plan.benchmarks_of(wildcards.task))
        return self._as_inputs(notes, self._is_fresh(job_of(wildcards), "evaluated"))

    def asked(self, resource: Literal["mem_mb", "runtime"], usual: int) -> Callable[[Any, int], int]:
        """What a job asks for: what the study says, or `usual`. It grows with each attempt, and time with the seeds."""

        def of_attempt(wildcards: Any, attempt: int) -> int:
            seeds = len(job_of(wildcards).seeds) if resource == "runtime" else 1
            return self._said(wildcards, resource, usual) * seeds * attempt

        return of_attempt

    def gpus_to_train(self, wildcards: Any) -> int:
        """What the study says, or one."""
        return self._said(wildcards, "gpu", 1)

    def gpus_to_evaluate(self, wildcards: Any) -> int:
        """What the study says, or one; none where every model of the task is tiny, so that all use the same device.

        FLOPs of 0 are unknown ones, of a model of other code.
        """
        models = [model for model in self.plan.models if model["task"] == wildcards.task]
        are_tiny = all(0 < model["inference_flops_per_token"] <= TINY and not model["benchmarks"] for model in models)
        return self._said(wildcards, "gpu", 0 if are_tiny else 1)

    def cores(self, wildcards: Any) -> int:
        """One for each GPU, whose process it feeds."""
        return max(1, self._said(wildcards, "gpu", 1))

    def nodes(self, wildcards: Any) -> int | None:
        """One for a run that several GPUs share, as its processes meet on one machine; others are not asked."""
        return 1 if self.cores(wildcards) > 1 else None

    def _said(self, wildcards: Any, resource: str, usual: int) -> int:
        return self.plan.resources_of(wildcards.task, wildcards.label).get(resource, usual)

    def order_of_magnitude(self, wildcards: Any) -> float:
        """Of the training FLOPs of a job. The longest go first, so that no core idles at the end."""
        job = job_of(wildcards)
        ablation = self._ablation_of(job.runs[0])
        if ablation not in self._flops:
            models = self.standing(ablation).plan.models
            self._flops[ablation] = {(model["task"], model["label"]): model["training_flops"] for model in models}
        return round(math.log10(1 + len(job.seeds) * self._flops[ablation].get((job.task, job.label), 0)), 2)

    def forget(self, wildcards: Any) -> None:
        """Train the runs of a job again whose training is forced: their records go, so that a retry resumes them."""
        with refusing():
            for run in job_of(wildcards).runs:
                RunFolder(Path(self.folder, run)).forget(forced=True)

    # Tuning

    def trials(self, wildcards: Any) -> list[str]:
        """The plan of the trials, and what says that those of a model are evaluated."""
        standing, place = self.standing(TUNING), (wildcards.task, wildcards.label)
        tried = {trial["trial"] for trial in trial_rows(standing.plan, *place)}
        jobs = [job for job in self.jobs(TUNING) if job.task == wildcards.task and job.label in tried]
        ended = [self._ended(job, "evaluated") for job in jobs]
        is_fresh = is_chosen(standing, *place) and all(self._is_fresh(job, "evaluated") for job in jobs)
        return self._as_inputs([f"{self._place(TUNING)}/plan.json", *ended], is_fresh)

    def choices(self, wildcards: Any) -> list[str]:
        """The plan of the trials, and what was chosen for every model."""
        standing, folder = self.standing(TUNING), self._place(TUNING)
        files = [f"{self.folder}/{choice_file(*model)}" for model in tuned_models(standing.plan)]
        return self._as_inputs([f"{folder}/plan.json", *files], is_made_of(Path(folder), standing.digest, TUNING))

    def results_of_tuning(self) -> list[str]:
        """The table and figures of the tuning, where the study has one."""
        return [f"{self._place(part)}/{file}" for part in self.tuned for file in OF_TUNING]

    # Analyses

    def trainings_of_analysis(self, wildcards: Any) -> list[str]:
        """What says that the runs of a job, and of the stack that they are compared with, are trained."""
        job = job_of(wildcards)
        labels = {job.label, compared_stack(self.plan, self.plan.analyses, job.task, job.label)}
        jobs = [each for each in self.jobs(None) if each.task == job.task and each.label in labels]
        return self._as_inputs([self._ended(each, "trained") for each in jobs], self._is_fresh(job, "analysed"))

    def analyses(self, wildcards: Any) -> list[str]:
        """The plan, the tidy frames, which know the models, and what says that runs are analysed."""
        ended = [self._ended(job, "analysed") for job in self.analysed_jobs]
        folder, digest = Path(self.folder, ANALYSIS), self.standing().digest_of_analyses
        is_fresh = is_made_of(folder, digest, ANALYSIS) and all(map(self._is_analysed, self.analysed_jobs))
        return self._as_inputs([f"{self.folder}/plan.json", f"{self.folder}/tidy/{MADE_OF}", *ended], is_fresh)

    def _is_analysed(self, job: Job) -> bool:
        return self._is_fresh(job, "analysed")

    @property
    def analysis_files(self) -> dict[str, list[str]]:
        """Stems of the rows, tables and figures of the analyses; none of a study without analyses."""
        tasks = dict.fromkeys(job.task for job in self.analysed_jobs)
        found = analysis_files(asked_analyses(self.plan), tasks)
        return {kind: [f"{self.folder}/{ANALYSIS}/{stem}" for stem in stems] for kind, stems in found.items()}

    def results_of_analyses(self) -> list[str]:
        """The tables and figures of the analyses, where the study has any."""
        forms = {"tidy": ("csv",), "tables": TABLE_FORMATS, "figures": FIGURE_FORMATS}
        files = self.analysis_files
        return [f"{stem}.{form}" for kind in forms for stem in files[kind] for form in forms[kind]]

    # Ablations

    def ablation_results(self, name: str) -> list[str]:
        """The tables and figures of an ablation."""
        return [*(f"{self._place(name)}/{file}" for file in OF_AN_ABLATION), *self._effects(name)]

    def _effects(self, name: str) -> list[str]:
        return [f"{self._place(name)}/{file}" for file in EFFECTS if self.ablations[name].get("factors")]

    def results_of_listed_ablations(self) -> list[str]:
        """The tables and figures of the ablations that are part of the study."""
        return [path for name in self.listed for path in self.ablation_results(name)]

    def ablation_inputs(self, wildcards: Any) -> list[str]:
        """The plan of an ablation, and what says that its runs are evaluated."""
        name = wildcards.ablation
        ended = [self._ended(job, "evaluated") for job in self.jobs(name)]
        return self._as_inputs([f"{self._place(name)}/plan.json", *ended], self._is_compared(name))

    def effects_of_ablation(self, wildcards: Any) -> list[str]:
        """Its effects, where it has factors: the note of what an ablation is made of is written after them."""
        return self._as_inputs(self._effects(wildcards.ablation), self._is_compared(wildcards.ablation))

    def _is_compared(self, name: str) -> bool:
        """Whether the tables and figures of an ablation are of its runs, and of this code."""
        return is_made_of(Path(self._place(name)), self.standing(name).digest, "ablation")

    # Data and products

    def plan_of_data(self, note: str) -> Callable[[Any], list[str]]:
        """The plan, for the rule that makes the note of shared data, a pattern with wildcards."""
        return lambda wildcards: self._as_inputs(
            [f"{self.folder}/plan.json"], self.shared.is_noted(note.format(**dict(wildcards.items())))
        )

    def packages_of_corpus(self, wildcards: Any) -> list[str]:
        """The notes of the packages that a corpus is cut from."""
        with refusing():
            return self.shared.packages_of_corpus(wildcards.corpus)

    def made_from(self, product: str) -> Callable[[Any], list[str]]:
        """The plan, and the files that a product of the study is made from."""

        def inputs(wildcards: Any) -> list[str]:
            is_fresh = self.products.is_fresh(product)
            if product == REPORT:  # it also shows settings that change no plan
                is_fresh = is_fresh and self._is_plan_fresh(None)
            return self._as_inputs([f"{self.folder}/plan.json", *self._sources(product)], is_fresh)

        return inputs

    def _sources(self, product: str) -> list[str]:
        if product == "tidy":
            return [self._ended(job, "evaluated") for job in self.jobs(None)]
        return self.products.sources(product)


def _part(wildcards: Any) -> str | None:
    """The part of the study that a rule is about: an ablation, the trials, or None for the study itself."""
    part: str | None = wildcards.get("ablation") or wildcards.get("part")
    return part
