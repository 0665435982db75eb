"""Options of the commands of jobs that follow from what a job is given, whatever the study."""

from typing import Any


def processes_option(wildcards: Any, resources: Any, threads: int) -> list[str]:
    """Shares a run among as many processes as it has GPUs, and the cores of the job among these."""
    processes = max(1, resources.gpu)
    shared = ["--processes", str(processes)] if processes > 1 else []
    return [*shared, "--threads", str(max(1, threads // processes))]


def device_variable(wildcards: Any, resources: Any) -> list[str]:
    """Sets the variable that keeps a job off the GPUs of others where it is given none."""
    return [] if resources.gpu else ["ASURA_DEVICE=cpu"]
