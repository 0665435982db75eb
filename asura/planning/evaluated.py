"""Models of other code that a study evaluates beside its own: they are counted and tried, and in no control."""

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from asura.common.errors import UserError
from asura.common.registry import said
from asura.common.validation import Factory, Settings, checked, in_file, nearest
from asura.models import build
from asura.models.evaluated import EvaluatedSettings
from asura.models.model import Model
from asura.planning.costs import forward_flops
from asura.planning.study_settings import Seeds
from asura.tasks import Task

if TYPE_CHECKING:
    from asura.planning.study import Study
    from asura.planning.variants import NamedTask, Variant


class EvaluatedEntry(Settings):
    """A model of other code: a factory makes any `torch.nn.Module`, or function, from tokens (batch, length) to logits
    (batch, length, vocabulary). It is evaluated on the examples and benchmarks of the study's models, and neither
    trained nor matched. An example is `theirs: {factory: "theirs:Model", settings: {checkpoint: a.pt}}`."""

    factory: Factory
    """What makes the model, as `MODULE:NAME`: a function or a class of an installed module, or of a file under
    `plugins`, and not of Python itself. Whoever reads the study runs it. The digest of its source is part of the
    identity of its runs."""
    settings: dict[str, Any] = Field({})
    """The arguments of the factory, such as a checkpoint. The path of a file starts from the folder of the study file,
    and is given to the factory as seen from where the command runs."""
    files: dict[str, str] = Field({})
    """Checksums of these files, which are part of the identity of its runs; filled in where the study is read."""
    tasks: list[str] | None = None
    """Tasks on which it is evaluated; null for all of the study."""
    seeds: Seeds | None = None
    """Seeds of the model, each of which is given to the factory as the argument `seed`; null for one model, and no such
    argument."""
    causal: bool = True
    """Whether a position sees only itself and the positions before it. Benchmarks need that."""


def evaluated_variants(study: "Study", tasks: Iterable["NamedTask"]) -> "Iterator[Variant]":
    """The models of other code, on each of their tasks. Raises UserError."""
    from asura.planning.variants import Variant

    named = {task.name: task for task in tasks}
    for label, entry in study.evaluated.items():
        where = f"evaluated.{label}"
        for name in named if entry.tasks is None else entry.tasks:
            if name not in named:
                raise UserError(f"{where}.tasks: no such task{nearest(name, named)}")
            content = {
                "factory": entry.factory,
                "settings": entry.settings,
                "files": entry.files,
                "causal": entry.causal,
            }
            model = checked(EvaluatedSettings, content | {"seeded": entry.seeds is not None}, where)
            task = named[name]
            if task.task.reads_its_answers and not model.causal:
                raise UserError(f"{where}.causal: found false; {name} is read by causal models, set it to true")
            seeds = tuple(entry.seeds or (0,))
            not_trained = study.usual_training(task).model_copy(update={"examples": None, "validation_examples": 0})
            yield Variant(task, label, model, not_trained, study.resources, seeds=seeds)


def counted(variant: "Variant") -> dict[str, Any]:
    """What a model of other code costs, for its row in the plan, after it was tried. Raises UserError.

    FLOPs are 0 where they are not known: those of training, and those of a model that cannot be built on `meta`.
    """
    task, settings = variant.task.task, variant.model
    with in_file(f"evaluated.{variant.label}"):
        for seed in variant.seeds:
            model = build(settings, task.vocabulary, seed)
            tried(model, task)
    total, apart = _parameters(model), _parameters(*_embeddings(model, task.vocabulary))
    tokens = torch.zeros(1, task.sequence_length, dtype=torch.int64)
    costs: dict[str, Any] = {"parameters": total - apart, "total_parameters": total, "tokens": 0}
    costs |= {"flops_per_token": 0.0, "training_flops": 0.0}
    return costs | {"inference_flops_per_token": _forward_flops(model, tokens) / task.sequence_length}


@torch.no_grad()
def tried(model: Model, task: Task) -> None:
    """Raises UserError where a model does not give logits for the longest and the shortest sequences of a task.

    Nor may the last token change earlier ones, where the model is said to be causal.
    """
    lengths = {split.sequence_length for split in task.splits.values()}
    for length in sorted({min(lengths), max(lengths)}):
        tokens = torch.arange(2 * length).view(2, length) % task.vocabulary
        other = tokens.clone()
        other[:, -1] = (other[:, -1] + 1) % task.vocabulary
        try:
            logits, others = model.eval()(tokens), model(other)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"its model fails on tokens of shape (2, {length}) ({said(error)})") from None
        earlier = logits[:, :-1].float(), others[:, :-1].float()
        if model.settings.causal and not torch.allclose(*earlier, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise UserError(
                "causal: found true, but the last of its tokens changes the logits before it; set it to false, or have "
                "a position see only those before it"
            )


def _embeddings(model: nn.Module, vocabulary: int) -> Iterator[nn.Module]:
    """The modules that no comparison counts: embeddings, and the last linear map to the vocabulary, which is a head."""
    modules = list(model.modules())
    yield from (module for module in modules if isinstance(module, nn.Embedding))
    heads = [module for module in modules if isinstance(module, nn.Linear) and module.out_features == vocabulary]
    yield from heads[-1:]


def _parameters(*modules: nn.Module) -> int:
    """Parameters of modules; one that several share counts once."""
    return sum({id(each): each.numel() for module in modules for each in module.parameters()}.values())


def _forward_flops(model: Model, tokens: Tensor) -> int:
    """FLOPs of a forward pass; 0 for a model that cannot be put on `meta`."""
    try:
        return forward_flops(copy.deepcopy(model).to("meta"), tokens.to("meta"))
    except Exception:
        return 0
