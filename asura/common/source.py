"""Digests of source code that comments, docstrings and blank lines do not change."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

from asura.common.version import PACKAGE


def source_digest(modules: Iterable[str]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of what modules of this package say, whatever their order."""
    texts = [f"{module}\n{stripped(path_of(module).read_text(encoding='utf-8'))}" for module in sorted(set(modules))]
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def reached(roots: Iterable[str], within: tuple[str, ...], without: tuple[str, ...]) -> set[str]:
    """Modules of this package that are imported from `roots`, directly or not, roots included.

    within: prefixes of the modules that are followed.
    without: modules that are not.
    """
    found: set[str] = set()
    new = list(roots)
    while new:
        found.add(module := new.pop())
        imported = {name for name in imports(module) if name.startswith(within) and name not in without}
        new += imported - found - set(new)
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of this package that a module imports."""
    return imports_of(path_of(module).read_text(encoding="utf-8"))


def imports_of(text: str) -> frozenset[str]:
    """The modules of this package that a source text imports."""
    return frozenset(_imports(ast.parse(text)))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(f"{PACKAGE.name}."))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE.name):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (module if path_of(module).is_file() else node.module for module in modules)


def path_of(module: str) -> Path:
    """The file of a module of this package."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def stripped(source: str) -> str:
    """Source code without comments, docstrings and blank lines.

    What remains is taken as it is written, and not from a syntax tree, whose form depends on the version of Python.
    """
    lines = [line.encode() for line in source.split("\n")]  # the columns of a syntax tree count bytes
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
            lines[first : last + 1] = [before + after] + [b""] * (last - first)
    text = [line.decode() for line in lines]
    for token in generate_tokens(StringIO("\n".join(text)).readline):
        if token.type == COMMENT:
            row, column = token.start
            text[row - 1] = text[row - 1][:column]
    return "\n".join(line.rstrip() for line in text if line.strip())
