"""What people read in figures, tables and the report in place of the names in a study file."""

import re

from asura.common.metrics import LESS_IS_BETTER
from asura.reporting.frames import CELL, STUDY_MODEL

ARCHITECTURES = {
    "asura": "ASURA",
    "asura_full": "ASURA, complete",
    "bare": "bare recursion",
    "deep_thinking": "deep thinking",
    "deq": "equilibrium model",
    "hrm": "hierarchical reasoning model",
    "ndr": "neural data router",
    "ouro": "Ouro",
    "parcae": "Parcae",
    "recurrent_depth": "recurrent depth",
    "trm": "tiny recursive model",
    "universal": "universal transformer",
    "vanilla": "vanilla",
}
ROLES = {
    CELL: "cell",
    STUDY_MODEL: "study model",
    "iso_param": "equal parameters",
    "iso_flop": "equal FLOPs (deeper stack)",
    "iso_both": "equal parameters and total FLOPs",
    "iso_param_depth": "equal parameters and depth (narrower)",
    "iso_recursion": "equal blocks (bare recursion)",
}
TASKS = {
    "phop": "p-hop induction",
    "phop_words": "p-hop induction in words",
    "igsm": "i-GSM",
    "igsm_words": "i-GSM in words",
    "listops": "ListOps",
    "copa": "COPA",
    "openbookqa": "OpenBookQA",
    "piqa": "PIQA",
    "winogrande": "WinoGrande",
}
SPLITS = {"longer": "longer sequences"}
SETTINGS = {
    "mlp_width": "MLP width",
    "abba": "ABBA",
    "act": "ACT",
    "lora": "LoRA",
    "init": "start",
    "skip_init": "start of the skip",
    "start_from": "pretrained on",
}
"""Words for settings and their values; of all others, underscores become spaces."""

SAYINGS = {
    "causal=false": "bidirectional",
    "halting=act": "with halting",
    "drawn=true": "drawn iterations",
    "drawn=false": "fixed iterations",
    "backpropagate=none": "whole gradient",
    "progressive=0.0": "plain loss",
    "guidance=none": "loss on the last iteration",
    "skip_init=random": "random start of the skip",
    "skip_init=zero": "zero start of the skip",
}
"""Settings that have words of their own with a value."""


def model_name(label: str) -> str:
    """A model, or a family of models, by its label: `asura-n1-i4+long_skip=none` is `ASURA 1×4, no long skip`."""
    stem, *settings = re.split(r"\+(?=[A-Za-z_.]+=)", label)
    found = re.fullmatch(r"(?P<name>.+?)(-n(?P<n>\d+))?(-i(?P<i>\d+))?", stem)
    parts = found.groupdict() if found else {}
    name, n, i = str(parts.get("name")), parts.get("n"), parts.get("i")
    words = ARCHITECTURES.get(name, spaced(name))
    if n and i:
        words += f" {n}×{i}"
    elif n:
        words += f", {blocks(int(n))}"
    return ", ".join([words, *map(setting_name, settings)])


def blocks(count: int) -> str:
    """So many blocks."""
    return f"{count} block{'' if count == 1 else 's'}"


def setting_name(setting: str) -> str:
    """A setting with its value: `long_skip=none` is `no long skip`."""
    if setting in SAYINGS:
        return SAYINGS[setting]
    key, _, value = setting.partition("=")
    name = SETTINGS.get(key, spaced(key))
    if key == "steps":
        return f"{int(value):,} steps"
    if value in ("none", "false"):
        return f"no {name}"
    return name if value == "true" else f"{name} {SETTINGS.get(value, spaced(value))}"


def role_name(role: str, depth: int | None = None) -> str:
    """What a model is in a comparison; `depth` is that of its cell, n·i."""
    if role == "iso_flop" and depth:
        return f"equal FLOPs (stack of {blocks(depth)})"
    return ROLES.get(role, spaced(role))


def series_name(series: str) -> str:
    """A control, or a family of models."""
    return ROLES.get(series) or model_name(series)


def task_name(task: str) -> str:
    """A task; a benchmark of a text is reported as one."""
    *_, name = task.split("/")
    return TASKS.get(name, spaced(name))


def split_name(split: str) -> str:
    """A split of a task."""
    return SPLITS.get(split, spaced(split))


def metric_name(metric: str) -> str:
    """A metric, and which way is better where that is not more."""
    return f"{spaced(metric)} (lower is better)" if metric in LESS_IS_BETTER else spaced(metric)


def spaced(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")
