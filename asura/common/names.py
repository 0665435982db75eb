"""Names that become folders."""

from collections.abc import Iterable

EVALUATED = "evaluated"
"""The architecture of a model of other code, which is evaluated and not trained."""


def refuse_one_folder(names: Iterable[str]) -> None:
    """Raise ValueError where two names differ only in case: on macOS and Windows they are one folder."""
    known: dict[str, str] = {}
    for name in names:
        first = known.setdefault(name.casefold(), name)
        if first != name:
            raise ValueError(
                f"{first} and {name} differ only in case, and are one folder on macOS and Windows; rename one"
            )
