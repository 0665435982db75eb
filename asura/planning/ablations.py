"""The plan of an ablation: the models that its file names, at the study's `ablated` size."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from asura.common.errors import UserError
from asura.common.validation import Settings, checked, in_file, mapping_at, nearest
from asura.planning.cache import planned
from asura.planning.control_settings import Controls
from asura.planning.factors import check_factors
from asura.planning.plan import Plan
from asura.planning.study_settings import is_ablation_file, names_of


class About(Settings):
    """What an ablation says in addition to the settings of its models."""

    against: str = "first"
    """What each model is compared with: `first`, the first model; `previous`, the model before it; or the name of a
    setting, and then the first model that differs from it in that setting alone."""
    controls: Controls = Field([])
    """Matched controls that are trained for every recursive model, as in a study."""
    tasks: list[str] = Field([])
    """Tasks of the study that the ablation uses. An empty list means all."""
    factors: dict[str, Annotated[list[str], Field(min_length=2)]] = Field({})
    """Settings whose main effects and interactions get a table, each with its values. The first is the default of the
    architecture, every combination must be one of the models, and there are no others and no controls."""


OWN = ("models", "controls", "resources", "tasks")
"""Keys that an ablation does not have as its study has them."""
LEFT_OUT = ("ablations", "questions", "analyses", "external", "evaluated")
"""Keys of a study that an ablation does not have."""


def planned_ablation(config: Mapping[str, Any], ablation: str, models: Mapping[str, Any]) -> Path:
    """The file of the plan of an ablation of a study, in the cache. Raises UserError and OSError.

    Its runs stand among the study's, so that what the study has trained is not trained again.
    """
    with in_file(f"ablation {ablation}"):
        own, about = _as_study(config, models)
        settings = {**own, "about": about.model_dump()}
        return planned(f"{config['name']}/ablations/{ablation}", settings, own, lambda: _plan(own, about))


def ablations_in_words(config: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    """A line for each ablation that is written within a study, with what it adds to its plan, and one for the others.

    Raises UserError where one is wrong.
    """
    inline = inline_ablations(config)
    for name, models in inline.items():
        with in_file(f"ablation {name}"):
            added = _plan(*_as_study(config, models))
        runs = len(added.runs.keys() - plan.runs.keys())
        yield f"Its ablation {name} adds {runs} runs of {len(added.models)} models, which are not counted above."
    if others := ", ".join(name for name in listed_ablations(config) if name not in inline):
        yield f"Its ablations in rule files are not counted ({others}); `snakemake -n` checks and counts them."


def _as_study(config: Mapping[str, Any], models: Mapping[str, Any]) -> tuple[dict[str, Any], About]:
    """An ablation as a study of its own, and what it says besides. Raises UserError.

    models: settings by architecture; it may have what `About` has.
    """
    if config.get("tune"):
        raise UserError("a study that is tuned has none; name its models under `models`")
    shared, tasks = _shared(config), _tasks(config)
    given = mapping_at(models, "models")
    about = checked(About, {key: value for key, value in given.items() if key in About.model_fields}, "")
    for task in about.tasks:
        if task not in tasks:
            raise UserError(f"tasks: no such task{nearest(task, tasks)}")
    ablated = {"n": 1, "i": 4, **config.get("ablated", {})}
    resources = {**config.get("resources", {}), **ablated.get("resources", {})}
    own = {**shared, "tasks": tasks, "resources": resources}
    return own | {"models": _filled(given, ablated), "controls": given.get("controls", [])}, about


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in LEFT_OUT}


def _tasks(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {k: v for k, v in entry.items() if k != "models"} for name, entry in config["tasks"].items()}


def has_settings_of(config: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether an ablation, as a study of its own, has the settings that those of a study have now."""
    before, now = ({key: value for key, value in each.items() if key not in OWN} for each in (own, _shared(config)))
    return before == now and own["tasks"] == _tasks(config)


def _plan(own: Mapping[str, Any], about: About) -> Plan:
    from asura.planning.planner import make  # imports torch, which an ablation that has been planned does not need

    plan = reported(make(own, about.against), about.tasks or own["tasks"])._replace(factors=about.factors)
    for task in {model["task"] for model in plan.models} if about.factors else ():
        check_factors([model["label"] for model in plan.models if model["task"] == task], about.factors)
    return plan


def listed_ablations(config: Mapping[str, Any]) -> list[str]:
    """Names of the ablations that a study lists: as it says them, of the files that it lists, of those within it."""
    return [name for entry in config.get("ablations", []) for name in names_of(entry)]


def inline_ablations(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The ablations that are written within a study, by name."""
    inline = [entry for entry in config.get("ablations", []) if isinstance(entry, Mapping)]
    return {name: models for entry in inline for name, models in entry.items()}


def ablation_files(config: Mapping[str, Any], folders: Iterable[Path]) -> list[Path]:
    """The rule files of ablations: all that stand in folders, and those that a study lists by their paths.

    Of files with the same name, the last is taken: a study replaces what stands in a folder, and a later folder what
    stands in an earlier one. Raises UserError where a listed file does not exist.
    """
    listed = [Path(entry) for entry in config.get("ablations", []) if is_ablation_file(entry)]
    for path in listed:
        if not path.is_file():
            raise UserError(f"ablations: {path}: no such file; paths start from the folder of the study file")
    found = [path for folder in folders for path in sorted(folder.glob("*.smk"))]
    files = {path.stem: path.resolve() for path in [*found, *listed]}
    for name in inline_ablations(config):
        if name in files:
            raise UserError(f"ablations.{name}: there is a rule file of this name, {files[name]}; rename the ablation")
    return list(files.values())


def reported(plan: Plan, tasks: Collection[str]) -> Plan:
    """The plan of some tasks only, and of the runs that theirs start from."""
    models, roles = ([row for row in rows if row["task"] in tasks] for rows in (plan.models, plan.roles))
    starts = {run.get("start_from") for run in plan.runs.values() if run["task_name"] in tasks}
    runs = {name: run for name, run in plan.runs.items() if run["task_name"] in tasks or name in starts}
    return plan._replace(models=models, roles=roles, runs=runs)


def _filled(models: Mapping[str, Any], ablated: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The models' settings with the size of the ablated cell; a stack without iterations is given its depth."""
    depth = {"n": ablated["n"] * ablated["i"]}
    size = {"n": ablated["n"], "i": ablated["i"]}
    filled = {}
    for architecture in [name for name in models if name not in About.model_fields]:
        entries = models[architecture] if isinstance(models[architecture], list) else [models[architecture]]
        entries = [mapping_at(entry, f"models.{architecture}") for entry in entries]
        if any("resources" in entry for entry in entries):
            raise UserError(f"models.{architecture}.resources: they stand in the study, at ablated.resources")
        filled[architecture] = [{**(depth if architecture == "vanilla" else size), **entry} for entry in entries]
    return filled
