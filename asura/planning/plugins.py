"""Files of one's own that a study names under `plugins`: found, checked, kept with its results, and loaded again.

A run names those that it uses with the digest of their source, which is so part of its identity.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json, write_text
from asura.common.git import commit_of
from asura.common.names import EVALUATED
from asura.common.outside import module_digest
from asura.common.plugins import Plugin, import_module, import_plugin, is_file_name, read_plugin
from asura.common.registry import is_shipped
from asura.common.validation import in_file
from asura.planning.study_settings import is_ablation_file

FOLDER = "plugins"
"""Of the copies, in the results of a study and in the folder of a run that is in no study."""

ORIGIN = "origin.json"
"""Beside a copy: the commit of the repository that it was taken from, and whether it was clean."""

_read: dict[str, Plugin] = {}  # by key


PATHS = ("plugins", "ablations")
"""Keys of a study with paths, which start from the folder of its file."""


def at_their_places(config: Mapping[str, Any], folder: Path, keys: Collection[str] = PATHS) -> dict[str, Any]:
    """A study whose files of its own are named by their places: plugins in the results, ablations from here.

    folder: the one that paths under `keys` start from, that of the study file. A study without any stays as it is.

    Raises UserError where a plugin is missing, or none.
    """
    entries = {key: config[key] for key in keys if isinstance(config.get(key), list)}
    places: dict[str, Callable[[Any, Path], Any]] = {"plugins": _place_of, "ablations": _from_here}
    return {**config, **{key: [places[key](entry, folder) for entry in found] for key, found in entries.items()}}


def _place_of(entry: Any, folder: Path) -> Any:
    """The place of a plugin in the results, `plugins/DIGEST/NAME`; what is no path, as it is."""
    if not isinstance(entry, str):
        return entry
    with in_file("plugins"):
        path = folder / entry
        if not path.is_file():
            raise UserError(f"{path}: no such file; paths start from the folder of the study file")
        plugin = read_plugin(path)
    _read[plugin.key] = plugin
    return f"{FOLDER}/{plugin.key}"


def _from_here(entry: Any, folder: Path) -> Any:
    """The path of the file of an ablation, where it stands in a folder; any other entry as it is."""
    if not is_ablation_file(entry) or os.path.isabs(entry) or not (folder / entry).is_file():
        return entry
    return os.path.relpath(folder / entry)


def load_plugins(config: Mapping[str, Any], is_part: bool = False) -> None:
    """Import the plugins of a study. Raises UserError where one cannot be, or registers nothing, or two the same.

    is_part: whether it is an ablation, which may leave out what names an optimiser of one's own.
    """
    owners: dict[tuple[str, str], str] = {}
    text = json.dumps(config, default=str)
    for plugin in plugins_of(config):
        with in_file("plugins"):
            registered = import_plugin(plugin)
            if not registered and not is_part and f'"{plugin.path.stem}:' not in text:
                raise UserError(
                    f"{plugin.name}: it registers nothing, and nothing names it; write @architecture(SETTINGS) above "
                    "a model, or @task(NAME) above a task (docs/extending.md)"
                )
            for registry, name, _ in registered:
                other = owners.setdefault((registry.what, name), plugin.name)
                if other != plugin.name:
                    raise UserError(f"{other} and {plugin.name} both register the {registry.what} {name}; rename one")


def plugins_of(config: Mapping[str, Any]) -> list[Plugin]:
    """The plugins of a study that has been read; of one that has not, those at its paths from here."""
    entries = [entry for entry in config.get("plugins") or [] if isinstance(entry, str)]
    places = [entry if _key(entry) in _read else _place_of(entry, Path()) for entry in entries]
    return [_read[_key(place)] for place in places]


def _key(place: str) -> str:
    return place.removeprefix(f"{FOLDER}/")


def of_study(study: Path, folder: Path | None = None) -> dict[str, Any]:
    """The study that results are of, or that of a part of them in a `folder` of their own, with its plugins at hand.

    Raises UserError where it is missing, or a copy of a plugin is.
    """
    path = (folder or study) / "study.json"
    with in_file(str(path)):
        return at_their_places(read_json(path), study)


# Copies


def copies(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is kept of each plugin of a study, by its place below FOLDER: its source, and the commit that has it."""
    return {
        plugin.key: {"source": plugin.text, **commit_of(plugin.path.parent, plugin.path.name, plugin.path.name)}
        for plugin in plugins_of(config)
    }


def write_copies(kept: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write what `copies` gave to a folder that has none. Raises OSError."""
    for key, copy in kept.items():
        path, origin = folder / FOLDER / key, {name: value for name, value in copy.items() if name != "source"}
        write_text(path, copy["source"])
        write_text(path.with_name(ORIGIN), json.dumps(origin, indent=1) + "\n")


def are_copied(kept: Iterable[str], study: Path) -> bool:
    """Whether there are copies of these plugins in the results of a study."""
    return all((study / FOLDER / key).is_file() for key in kept)


# Of a run


def load_for_run(content: Mapping[str, Any], path: Path) -> None:
    """Import what a run.json names, from the copies in its folder or in that of its study. Raises UserError.

    What it calls by name must be of these files and modules: no other code is run because it stands in some data.
    """
    plugins = content.get("plugins") or {}
    for name in _factories(content):
        module = name.partition(":")[0]
        if not is_shipped(module) and {module, f"{module}.py"}.isdisjoint(plugins):
            raise UserError(f"{path}: it names {name}, but {module} is not under its plugins; plan the study again")
    load_named(plugins, path, _folders(path))


def _factories(content: Mapping[str, Any]) -> Iterator[str]:
    """What a run.json names as `MODULE:NAME`: its optimiser, its schedule, and what makes a model of other code."""
    training, model = content.get("training"), content.get("model")
    named = [training.get(key) for key in ("optimiser", "schedule")] if isinstance(training, Mapping) else []
    if isinstance(model, Mapping) and model.get("architecture") == EVALUATED:
        named.append(model.get("factory"))
    yield from (name for name in named if isinstance(name, str) and ":" in name)


def load_named(plugins: Mapping[str, str], path: Path, folders: Iterable[Path]) -> None:
    """Import files by name and digest from folders that may have them, and installed modules. Raises UserError."""
    for name, digest in plugins.items():
        if not is_file_name(name):
            if module_digest(name) != digest:
                raise UserError(f"{path}: it is of another version of {name} than is installed; plan the study again")
            import_module(name, str(path))
            continue
        copies = [folder / FOLDER / digest / name for folder in folders]
        copy = next(filter(Path.is_file, copies), None)
        plugin = read_plugin(copy) if copy else _read.get(f"{digest}/{name}")
        if plugin is None:
            raise UserError(f"{path}: it needs {name}, but {copies[-1]} is missing; start the study again")
        if plugin.digest != digest:
            raise UserError(f"{plugin.path}: it was changed, or code that it imports; start the study again")
        _read[plugin.key] = plugin
        import_plugin(plugin)


def _folders(run: Path) -> list[Path]:
    """Where the copies for a run.json may be: in its folder, and in that of its study."""
    parents = run.resolve().parents
    return [parents[0], parents[min(4, len(parents) - 1)]]


def origins(plugins: Mapping[str, str], run: Path) -> dict[str, dict[str, Any]]:
    """The digest, and where it is known the commit, of each of the plugins of a run.json."""
    found = {}
    for name, digest in plugins.items():
        notes = [folder / FOLDER / digest / ORIGIN for folder in _folders(run)]
        note = next(filter(Path.is_file, notes), None)
        found[name] = {"digest": digest, **(read_json(note) if note else {"commit": None, "clean": None})}
    return found


def keep_for_run(plugins: Mapping[str, str], run: Path) -> None:
    """Keep copies of a run's plugins in its folder, where neither that nor its study has them. Raises OSError."""
    for name, digest in plugins.items():
        key = f"{digest}/{name}"
        if key in _read and not any(are_copied([key], folder) for folder in _folders(run)):
            write_copies({key: {"source": _read[key].text, "commit": None, "clean": None}}, run.parent)
