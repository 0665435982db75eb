"""Training from run.json to weights: with metrics as it goes, checkpoints, and exact resumption."""

import json
import math
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from asura.corpora.folders import corpus_folder
from asura.errors import UserError
from asura.files import checksum, write_text, write_whole
from asura.runs import Run, RunFolder, digest
from asura.training.devices import describe, prepare
from asura.training.processes import Alone, joined
from asura.training.provenance import provenance
from asura.training.tensors import load_tensors, save_tensors
from asura.training.trainer import Metrics, Trainer

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What a cluster sends before it takes a machine away."""


class Stopped(Exception):
    """A signal asked training to leave, and it has saved its state."""

    def __init__(self, number: int, step: int) -> None:
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}; saved after step {step}, to be resumed")


def train(run: Run, path: Path, threads: int = 1, start_from: Path | None = None) -> dict[str, Any]:
    """Train a run in a folder, or resume it there, or leave it alone if it has ended; returns its record.

    `start_from` is the folder of the trained run whose weights are the first ones, where the run asks for one.

    A checkpoint of other settings, left by a run that was changed since, is not gone on from, nor one that is damaged:
    the one before it is, or else training begins anew. Raises Stopped on a signal, and OSError where nothing can be
    written; what was saved before stays.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(path)
    start = _start(run, start_from)
    identity = digest(run, start.read_record()["weights"] if start else None)
    if folder.record.is_file():
        return _ended(identity, folder)
    with joined() as processes, _signals() as received:
        device = prepare(threads)
        return _Session(run, identity, start, folder, device, threads, processes).go(received)


def _start(run: Run, start_from: Path | None) -> RunFolder | None:
    if run.start_from is None:
        return None
    if start_from is None:
        raise UserError(f"{run.label}: it starts from {run.start_from}; give that run's folder by --start-from")
    return RunFolder(start_from)


def _ended(identity: str, folder: RunFolder) -> dict[str, Any]:
    record = folder.read_record()
    if record.get("run") != identity:
        raise UserError(f"{folder.path}: it holds a trained run with other settings; give another folder")
    if not folder.weights.is_file() or record.get("weights") != checksum(folder.weights):
        raise UserError(f"{folder.weights}: missing or damaged; delete {folder.record.name} beside it to train again")
    return record


class _Session:
    """One process's part of a training: from its start, or from a checkpoint, to the end or to a signal."""

    def __init__(
        self,
        run: Run,
        identity: str,
        start: RunFolder | None,
        folder: RunFolder,
        device: torch.device,
        threads: int,
        processes: Alone,
    ) -> None:
        self.run, self.identity, self.folder, self.device, self.threads = run, identity, folder, device, threads
        self.processes = processes
        self.trainer = Trainer(run, device, processes)
        self.start = start.read_record()["weights"] if start else None
        if start:
            self.trainer.start_from(load_tensors(start.weights)[0])
        if run.task.reads:
            processes.write(self._keep_tokenizer)
        self.record: dict[str, Any] = {"started": _now(), "resumed_at": [], "seconds": 0.0}
        self.metrics = b""  # as far as this training has come; the file may be that of another training of the run
        self.begun = self.saved = time.monotonic()
        for path in (folder.checkpoint, folder.earlier_checkpoint):
            if path.exists() and self._restored(path):
                break
        processes.write(lambda: write_text(folder.metrics, self.metrics.decode()))

    def _restored(self, path: Path) -> bool:
        """Go on from a checkpoint, unless it is of other settings, or damaged, which is said."""
        try:
            tensors, note = load_tensors(path)
        except UserError as error:
            if self.processes.first:
                print(f"asura: {error}; going on from what was saved before", file=sys.stderr)
            return False
        if note["run"] != self.identity:
            return False
        self.trainer.restore(tensors, note["step"])
        self.record = note["record"]
        self.record["resumed_at"].append(self.trainer.step)
        self.metrics = tensors["metrics"].numpy().tobytes()
        return True

    def go(self, received: list[int]) -> dict[str, Any]:
        trainer, training = self.trainer, self.run.training
        hidden = None if self.processes.first else True  # None: where nobody looks
        bar = tqdm(total=training.steps, initial=trainer.step, desc=self.run.label, unit="step", disable=hidden)
        with self.folder.metrics.open("ab", buffering=0) as log, bar:
            while not trainer.done:
                try:
                    trainer.advance()
                except (RuntimeError, MemoryError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    self.processes.meet()  # it is the result of the run where all of them are
                    return self._end("out of memory", trainer.step + 1)
                bar.update()
                if trainer.step % training.log_steps == 0 or trainer.done:
                    metrics = trainer.measure()
                    line = _line(metrics)
                    self.processes.write(partial(log.write, line))
                    self.metrics += line
                    trainer.forget()
                    if metrics.diverged_at is not None:
                        return self._end("diverged", metrics.diverged_at)
                signalled, due = self.processes.largest(received[0] if received else 0, self._is_due())
                if signalled or due:
                    self._save()
                if signalled:
                    raise Stopped(signalled, trainer.step)
        return self._end("finished", trainer.step)

    def _is_due(self) -> bool:
        training = self.run.training
        if training.checkpoint_steps and self.trainer.step % training.checkpoint_steps == 0:
            return True
        return time.monotonic() - self.saved > 60 * training.checkpoint_minutes

    def _save(self) -> None:
        note = {"run": self.identity, "step": self.trainer.step, "record": self._timed()}
        metrics = torch.from_numpy(np.frombuffer(self.metrics, np.uint8).copy())
        state = self.trainer.state() | {"metrics": metrics}
        self.processes.write(lambda: self._write_checkpoint(state, note))
        self.saved = time.monotonic()

    def _write_checkpoint(self, state: Mapping[str, Tensor], note: dict[str, Any]) -> None:
        """The one before stays beside it, to be gone on from where this one is damaged later."""
        with suppress(FileNotFoundError):
            self.folder.checkpoint.replace(self.folder.earlier_checkpoint)
        save_tensors(self.folder.checkpoint, state, note)

    def _end(self, status: str, step: int) -> dict[str, Any]:
        weights = self.trainer.weights()
        self.processes.write(lambda: self._write_end(weights, status, step))
        return self.folder.read_record()

    def _write_end(self, weights: Mapping[str, Tensor], status: str, step: int) -> None:
        """The result, unless another training of this run, as a cluster may leave one running, has ended first."""
        if self.folder.record.is_file() and self.folder.read_record().get("run") == self.identity:
            _ended(self.identity, self.folder)
        else:
            self._write_result(weights, status, step)
        for path in (self.folder.checkpoint, self.folder.earlier_checkpoint):
            path.unlink(missing_ok=True)

    def _write_result(self, weights: Mapping[str, Tensor], status: str, step: int) -> None:
        save_tensors(self.folder.weights, weights, {"run": self.identity})
        write_text(self.folder.metrics, self.metrics.decode())
        record = {
            "status": status,
            "step": step,
            "run": self.identity,
            "start": self.start,
            "weights": checksum(self.folder.weights),
            "metrics": checksum(self.folder.metrics),
            **self._timed(),
            "ended": _now(),
            "device": describe(self.device),
            "threads": self.threads,
            "processes": self.processes.count,
            **provenance(),
        }
        write_text(self.folder.record, json.dumps(record, indent=1) + "\n")

    def _keep_tokenizer(self) -> None:
        """Beside the weights, so that the folder is all that generation needs."""
        from asura.corpora.tokenizers import load

        source = corpus_folder(self.run.task.reads.model_dump(mode="json")) / "tokenizer.json"
        load(source, self.run.task.vocabulary)
        write_whole(self.folder.tokenizer, lambda aside: copyfile(source, aside))

    def _timed(self) -> dict[str, Any]:
        return {**self.record, "seconds": self.record["seconds"] + time.monotonic() - self.begun}


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect signals while inside, in place of dying of them."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda n, _: received.append(n)) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_out_of_memory(error: Exception) -> bool:
    """Of an accelerator, of Python, or of torch's allocator on the CPU, which has no exception of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _line(metrics: Metrics) -> bytes:
    """A line of JSON of the metrics, measures among them; it has no NaN and no infinity, and says null."""
    flat = {**metrics._asdict(), **metrics.measures}
    del flat["measures"]
    plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in flat.items()}
    return json.dumps(plain).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
