"""The reference of study files and tasks, made from the settings classes."""

import json

from asura.planning.reference.study import study_page
from asura.planning.reference.tasks import tasks_page
from asura.planning.schema import study_schema


def files() -> dict[str, str]:
    """The text of every generated file, by its path in the repository."""
    return {
        "configs/study.schema.json": json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n",
        "docs/study-file.md": study_page(),
        "docs/tasks.md": tasks_page(),
    }
