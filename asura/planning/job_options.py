"""Options of the commands of jobs that follow from what a job is given, whatever the study."""

from collections.abc import Mapping
from typing import Any


def processes_option(wildcards: Any, resources: Any) -> list[str]:
    """Shares a run among processes where it is given more than one GPU."""
    return ["--processes", str(resources.gpu)] if resources.gpu > 1 else []


def published_option(study: Mapping[str, Any]) -> list[str]:
    """Names the paper whose numbers a study is compared with."""
    return ["--published", str(study["published"])] if study.get("published") else []
