"""Python files of one's own that a study names: read, identified by their source, and imported.

What is imported is the text that was read, whose digest is part of the identity of what is made with it.
"""

import importlib
import re
import sys
from collections.abc import Callable, Iterable
from importlib.abc import InspectLoader, SourceLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from asura.common.errors import UserError
from asura.common.outside import code_digest, is_only_here, module_digest, read_source, top_imports
from asura.common.registry import Registered, Registry, is_shipped, said
from asura.common.version import PACKAGE


class Plugin(NamedTuple):
    """A file that was read."""

    name: str
    """Of the file: `gated.py`."""
    digest: str
    """See `code_digest`."""
    text: str
    path: Path

    @property
    def key(self) -> str:
        """Its place in the results of a study, below `plugins`."""
        return f"{self.digest}/{self.name}"


class _Imported(NamedTuple):
    plugin: Plugin
    module: ModuleType
    registered: list[Registered]


_imported: dict[str, _Imported] = {}  # by key
_active: dict[str, ModuleType] = {}  # by the name of the file, without its suffix


def is_file_name(name: str) -> bool:
    """Whether a name of code is that of a plugin, and not of a module; it has no folders in it."""
    return re.fullmatch(r"\w+\.py", name) is not None


def read_plugin(path: Path) -> Plugin:
    """Read a file. Raises UserError where it cannot be a plugin."""
    if not is_file_name(path.name) or not path.stem.isidentifier():
        raise UserError(f"{path.name}: it is no Python file; give one, such as gated.py")
    text = read_source(path)
    digest = code_digest(path.name, text)
    for name in sorted(top_imports(text) - {PACKAGE.name, path.stem}):
        beside = next((each for each in (f"{name}.py", f"{name}/__init__.py") if (path.parent / each).is_file()), None)
        if beside or is_only_here(name):
            where = "stands beside it" if beside else "is found only from the folder of the command"
            raise UserError(
                f"{path.name}: it imports {beside or name}, which {where}; put both in one file, or make them a "
                "package that you install (docs/extending.md)"
            )
    return Plugin(path.name, digest, text, path)


def import_plugin(plugin: Plugin) -> list[Registered]:
    """Import a file, and have its names stand for what it registers; returns that. Raises UserError."""
    if plugin.key not in _imported:
        place = len(Registry.log)
        module = _module_of(plugin)
        _imported[plugin.key] = _Imported(plugin, module, Registry.log[place:])
    _, module, registered = _imported[plugin.key]
    _active[plugin.path.stem] = module
    for registry, name, kind in registered:
        registry[name] = kind
    return registered


def _module_of(plugin: Plugin) -> ModuleType:
    name = f"plugin_{plugin.digest}_{plugin.path.stem}"
    spec = spec_from_file_location(name, plugin.path, loader=_Text(plugin))
    assert spec and spec.loader
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, UserError):
            raise UserError(f"{plugin.name}: {error}") from None
        raise UserError(f"{plugin.name}{_line(error, plugin)}: {said(error)}") from None
    return module


class _Text(SourceLoader):
    """Imports the text that was read, and keeps no compiled copy, which an edit within a second would not renew."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def get_filename(self, fullname: str) -> str:
        return str(self._plugin.path)

    def get_data(self, path: Any) -> bytes:
        return self._plugin.text.encode()


def _line(error: BaseException, plugin: Plugin) -> str:
    """Where in the file an error arose."""
    found, trace = "", error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(plugin.path):
            found = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def sources_of(modules: Iterable[str]) -> dict[str, str]:
    """The digests of the modules that are not of this package, by the names of their files, or by their own.

    Raises UserError for one that is in no file.
    """
    by_module = {each.module.__name__: each.plugin for each in _imported.values()}
    found = {}
    for module in {*modules}:
        if module in by_module:
            found[by_module[module].name] = by_module[module].digest
        elif not is_shipped(module):
            found[module] = module_digest(module)
    return dict(sorted(found.items()))


def text_of(name: str, digest: str) -> str:
    """The source of a plugin that has been imported."""
    return _imported[f"{digest}/{name}"].plugin.text


def source_of(module: str) -> str:
    """The source of an imported module. Raises UserError where it has none, as what is typed at a prompt."""
    loader = getattr(sys.modules[module].__spec__, "loader", None)
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    if source is None:
        raise UserError(f"{module}: it has no source; put it in a file, and name that under `plugins`")
    return source


def modules_of(name: str) -> set[str]:
    """The modules that `MODULE:NAME` is from: the one that is named, and the one that defines it."""
    found, module = factory(name), name.partition(":")[0]
    named = _active[module].__name__ if module in _active else module
    return {named, found.__module__} if isinstance(found, type | FunctionType) else {named}


def factory(name: str) -> Callable[..., Any]:
    """What `MODULE:NAME` stands for: in a file of one's own, or in an importable module. Raises UserError."""
    module_name, _, attributes = name.partition(":")
    module = _active.get(module_name) or import_module(module_name, name)
    found: Any = module
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise UserError(f"{name}: {module_name} has no {attributes}")
        found = getattr(found, attribute)
    if not callable(found):
        raise UserError(f"{name}: found {type(found).__name__}; it must be a class or a function")
    if isinstance(found, type | FunctionType | BuiltinFunctionType):
        _refuse_standard(found.__module__ or "", name)
    result: Callable[..., Any] = found
    return result


def import_module(module: str, where: str) -> ModuleType:
    """An importable module of no standard library. Raises UserError, which says `where` it is named."""
    _refuse_standard(module, where)
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        hint = "" if "." in module else f"; list {module}.py under `plugins` if it is a file of your own"
        raise UserError(f"{where}: {module} cannot be imported ({said(error)}){hint}") from None


def _refuse_standard(module: str, where: str) -> None:
    """Raises UserError for what is of Python itself, such as `os:system`: it runs whatever its settings say."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise UserError(f"{where}: {module} is part of Python itself, and makes nothing that is asked for here")
