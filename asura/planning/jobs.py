"""The jobs of a plan: each trains, or evaluates, some seeds of one model in one process, one after another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from asura.planning.plan import Plan


class Job(NamedTuple):
    """Some seeds of a model on a task."""

    task: str
    label: str
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its place in the study's results, below `jobs`: `phop/asura-n1-i4/0-1-2`."""
        return f"{self.task}/{self.label}/{'-'.join(map(str, self.seeds))}"

    @property
    def runs(self) -> list[str]:
        """The folders of its runs, below the study's results."""
        return [f"runs/{self.task}/{self.label}/seed{seed}" for seed in self.seeds]


def job_of(wildcards: Any) -> Job:
    """The job that the wildcards of a rule name."""
    return Job(wildcards.task, wildcards.label, tuple(map(int, wildcards.seeds.split("-"))))


def jobs_of(plan: Plan, study: Plan | None = None) -> list[Job]:
    """The jobs of a plan; where it is that of an ablation, jobs of `study` do the runs that both have."""
    jobs = [job for job in jobs_of(study) if not plan.runs.keys().isdisjoint(job.runs)] if study else []
    done = {run for job in jobs for run in job.runs}
    models: dict[tuple[str, str], list[int]] = {}
    for name, run in plan.runs.items():
        if name not in done:
            models.setdefault((run["task_name"], run["label"]), []).append(run["seed"])
    for (task, label), seeds in models.items():
        resources = (study or plan).resources_of(task, label)
        jobs += [Job(task, label, part) for part in _parts(seeds, _seeds_per_job(resources))]
    return jobs


def _parts(seeds: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    for first in range(0, len(seeds), size):
        yield tuple(seeds[first : first + size])


def _seeds_per_job(resources: Mapping[str, int]) -> int:
    """A run that is shared among GPUs has a job of its own."""
    return 1 if resources.get("gpu", 1) > 1 else resources["seeds_per_job"]
