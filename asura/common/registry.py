"""What a study may name: what this package ships, and what files of one's own and installed packages add."""

import re
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from asura.common.errors import UserError
from asura.common.validation import NAME, nearest
from asura.common.version import PACKAGE

Kind = TypeVar("Kind")


class Registered(NamedTuple):
    """What was registered, and where."""

    registry: "Registry[Any]"
    name: str
    kind: Any


class Registry(dict[str, Kind], Generic[Kind]):
    """Kinds by name. Those of installed packages are imported when they are first named.

    what: what each is, in a word.
    group: the group of entry points by which installed packages name theirs.
    """

    log: ClassVar[list[Registered]] = []
    """All that was registered in any registry, in order."""

    def __init__(self, what: str, group: str) -> None:
        super().__init__()
        self.what, self.group = what, group
        self._shipped: set[str] = set()

    def add(self, name: Any, kind: Kind, module: str) -> None:
        """Register a kind that a module defines. Raises UserError for a shipped name, and for what is no name."""
        if not isinstance(name, str) or not re.match(NAME, name):
            raise UserError(f"{self.what} {name!r}: it is no name; give letters, digits and '_'")
        if is_shipped(module):
            self._shipped.add(name)
        elif name in self._shipped:
            raise UserError(f"{self.what} {name!r}: this package has one of this name; give another")
        self[name] = kind
        Registry.log.append(Registered(self, name, kind))

    @property
    def shipped(self) -> dict[str, Kind]:
        """What this package ships."""
        return {name: kind for name, kind in self.items() if name in self._shipped}

    def named(self, name: Any) -> Kind:
        """The kind of this name. Raises UserError where there is none, or its package cannot be imported."""
        if isinstance(name, str) and name not in self:
            self._import(name)
        if not isinstance(name, str) or name not in self:
            installed = [point.name for point in entry_points(group=self.group)]
            raise UserError(f"no such {self.what}{nearest(name, [*self, *installed])}")
        return self[name]

    def _import(self, name: str) -> None:
        for point in entry_points(group=self.group, name=name):
            try:
                point.load()
            except (Exception, SystemExit) as error:
                raise UserError(f"{self.what} {name}: {point.value} cannot be imported ({said(error)})") from None
            if name not in self:
                raise UserError(f"{self.what} {name}: {point.value} registers none of this name")


def is_shipped(module: str) -> bool:
    """Whether a module is one of this package."""
    return module.startswith(f"{PACKAGE.name}.")


def said(error: BaseException) -> str:
    """An error of code that is not of this package, in a line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
