"""The data that a study shares with others: packages, corpora, benchmarks. In its own folder it has a note of each."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from asura.common.errors import UserError
from asura.corpora.folders import corpus_folder, data_folder
from asura.corpora.notes import stands
from asura.corpora.packages import wheel
from asura.corpora.sources import packages_of
from asura.planning.standing import Standing


class SharedData:
    """The notes of a study whose folder is `study`, and what of them still stands."""

    def __init__(self, study: str, standing: Standing) -> None:
        self._study, self._standing = study, standing
        self._corpora = {task: corpus_folder(corpus).name for task, corpus in standing.plan.corpora.items()}

    def notes(self, kind: str, names: Iterable[str]) -> list[str]:
        """The notes of `packages`, `corpora` or `benchmarks`."""
        return [f"{self._study}/data/{kind}/{name}.json" for name in names]

    def packages(self, names: Iterable[str]) -> list[str]:
        """The notes of packages."""
        return self.notes("packages", map(wheel, names))

    def corpus_of(self, task: str) -> list[str]:
        """The note of the corpus that a task reads, if it reads one."""
        return self.notes("corpora", [self._corpora[task]] if task in self._corpora else [])

    def packages_of_corpus(self, corpus: str) -> list[str]:
        """The notes of the packages that a corpus is cut from. Raises UserError for one that no task reads."""
        for task, name in self._corpora.items():
            if name == corpus:
                return self.packages(packages_of(self._standing.plan.corpora[task]))
        raise UserError(f"{corpus}: no task of {self._standing.plan.study} reads this corpus")

    def is_noted(self, note: str) -> bool:
        """Whether a note is there, and what it says."""
        return Path(note).is_file() and note not in self.lacking

    @cached_property
    def lacking(self) -> set[str]:
        """Notes of what is no longer there, or was made from other texts than there are now."""
        changed = {name for task, name in self._corpora.items() if self._standing.corpora[task] == ""}
        notes = Path(self._study).glob("data/*/*.json")
        return {note.as_posix() for note in notes if not stands(note, data_folder()) or note.stem in changed}
