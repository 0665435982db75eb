"""Source code that is not of this package: where it is, and its digest."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.machinery import PathFinder
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec, resolve_name
from pathlib import Path

from asura.common.errors import UserError
from asura.common.source import stripped
from asura.common.version import PACKAGE

INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
"""Folders of packages that are installed, and not of one's own."""


@cache
def module_digest(module: str) -> str:
    """The digest of an importable module: of its code, see `code_digest`, or of the installed package that it is in.

    Raises UserError where it has no source.
    """
    path = file_of(module)
    if path is None:
        raise UserError(f"{module}: no such module, or one without source code")
    files = _files_of_package(module) if _is_installed(path) else ""
    return _digest(f"{module}\n{files}") if files else code_digest(module, read_source(path), module)


def _files_of_package(module: str) -> str:
    """What the record of an installed package says of its Python files; nothing of one that is built for a platform.

    Those differ from machine to machine in what is none of a model's.
    """
    for name in packages_distributions().get(module.partition(".")[0], []):
        installed = distribution(name)
        if "Root-Is-Purelib: true" in (installed.read_text("WHEEL") or ""):
            lines = (installed.read_text("RECORD") or "").splitlines()
            return "\n".join(sorted(line for line in lines if line.partition(",")[0].endswith(".py")))
    return ""


def code_digest(name: str, text: str, module: str = "") -> str:
    """The first 16 hexadecimal digits of the SHA-256 of code, and of what it imports from checkouts of one's own.

    These are not installed below `site-packages`. Comments and docstrings change nothing. Raises UserError where some
    of it is not Python.
    """
    found = {name: _stripped(name, text)}
    new = [(module, text)]
    while new:
        importing, text = new.pop()
        for imported in _imports(text, importing):
            path = file_of(imported)
            if path and imported not in found and _is_of_ones_own(imported, path):
                text_of_it = read_source(path)
                found[imported] = _stripped(imported, text_of_it)
                new.append((imported, text_of_it))
    texts = [f"{name}\n{found[name]}" for name in sorted(found)]
    return _digest("\n".join(texts))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def top_imports(text: str) -> set[str]:
    """The packages that code imports."""
    return {name.partition(".")[0] for name in _imports(text, "")}


def read_source(path: Path) -> str:
    """The text of a file. Raises UserError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: it cannot be read ({error})") from None


def file_of(module: str) -> Path | None:
    """The source file of an importable module, which is not imported for that; None where there is none."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    places = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
    files = [file for place in places for file in (place / "__init__.py", place.with_name(f"{place.name}.py"))]
    return next(filter(Path.is_file, files), None)


def is_only_here(module: str) -> bool:
    """Whether a module is found only since Python looks in the folder that it was started in."""
    here = Path.cwd()
    path = file_of(module) if Path(sys.path[0]).resolve() == here else None
    if path is None or path not in (here / f"{module}.py", here / module / "__init__.py"):
        return False
    elsewhere = [*filter(None, sys.path[1:])]
    finders = [finder for finder in sys.meta_path if finder is not PathFinder]
    return not (PathFinder.find_spec(module, elsewhere) or any(each.find_spec(module, None) for each in finders))


def _is_of_ones_own(module: str, path: Path) -> bool:
    return module.partition(".")[0] != PACKAGE.name and not _is_installed(path)


def _is_installed(path: Path) -> bool:
    is_there = any(path.is_relative_to(folder) for folder in INSTALLED)
    return is_there or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _imports(text: str, module: str) -> Iterator[str]:
    """Names of what code imports; some of them may be no modules."""
    path = file_of(module) if module else None
    package = module if path and path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if node.level and not package:
                continue
            absolute = resolve_name(name, package) if node.level else name
            yield absolute
            yield from (f"{absolute}.{alias.name}" for alias in node.names)


def _stripped(name: str, text: str) -> str:
    try:
        return stripped(text)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UserError(f"{name}{line}: it is not Python ({getattr(error, 'msg', error)})") from None
