"""Training from run.json to weights: with metrics as it goes, checkpoints, and exact resumption."""

import json
import math
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.common.files import checksum, naming, remove_leftovers, write_sealed, write_text, write_whole
from asura.corpora.settings import Corpus
from asura.models.evaluated import EvaluatedSettings
from asura.planning.code import training_code
from asura.planning.plugins import keep_for_run, origins
from asura.planning.run_folder import OUT_OF_MEMORY, RunFolder
from asura.planning.runs import Run, is_folder_of
from asura.training import checkpoints
from asura.training.admitted import admit
from asura.training.checkpoints import Checkpoint
from asura.training.devices import describe, is_out_of_memory, precision, prepare, refuse_neighbours
from asura.training.origin import Origin, origin_of
from asura.training.processes import ALONE, Alone, joined
from asura.training.progress import Reporter
from asura.training.provenance import provenance
from asura.training.signals import Stopped, signals
from asura.training.tensors import load_tensors, save_tensors
from asura.training.trainer import Metrics, Trainer
from asura.training.usage import Meter


def train(run: Run, path: Path, threads: int = 1, start_from: Path | None = None) -> dict[str, Any]:
    """Train a run in a folder, or resume it there, or leave it alone if it has ended; returns its record.

    `start_from` is the folder of the trained run whose weights are the first ones, where the run asks for one; by
    default, the one of its study.

    What was left of other settings, by a run that was changed since, is not gone on from, nor a checkpoint that is
    damaged: the one before it is, or else training begins anew. A run that diverges, or whose memory does not suffice,
    ends so, and so does one that starts from it. Raises UserError for a folder of another run, Stopped on a signal, and
    OSError where nothing can be written; what was saved before stays.
    """
    folder = RunFolder(path)
    if not folder.run.is_file():
        write_text(folder.run, json.dumps(run.stated(), indent=1) + "\n")
        keep_for_run(run.plugins, folder.run)
    elif not is_folder_of(folder, run):
        raise UserError(f"{path}: it is the folder of a run with other settings; give another folder")
    origin = origin_of(run, path, start_from)
    if record := _result(origin, folder):
        _tidy(folder, record["status"])
        return record
    remove_leftovers(path)
    if isinstance(run.model, EvaluatedSettings):
        return admit(run, origin, folder, threads)
    remove_leftovers(folder.snapshots)
    with joined() as processes, signals() as received:
        device = prepare(threads, run.training.compile)
        return _Session(run, origin, folder, device, threads, processes).go(received)


def _result(origin: Origin, folder: RunFolder) -> dict[str, Any] | None:
    """The record of a run that has ended, if it is of this origin and its weights are whole."""
    if not folder.record.is_file():
        return None
    try:
        record = folder.read_record()
    except UserError:
        record = {}
    if record.get("run") != origin.identity:
        wrong = f"{folder.record}: damaged, or of other settings, texts or first weights"
    elif path := folder.damaged(record):
        wrong = f"{path}: missing or damaged"
    else:
        return record
    print(f"asura: {wrong}; the run is trained again", file=sys.stderr, flush=True)
    folder.record.unlink(missing_ok=True)
    return None


def _tidy(folder: RunFolder, status: str) -> None:
    """Remove the checkpoints of a run that has ended; not of one that may go on with more memory."""
    if status != OUT_OF_MEMORY:
        checkpoints.remove(folder)


class _Session:
    """One process's part of a training: from its start, or from a checkpoint, to the end or to a signal."""

    def __init__(
        self,
        run: Run,
        origin: Origin,
        folder: RunFolder,
        device: torch.device,
        threads: int,
        processes: Alone,
    ) -> None:
        self.run, self.origin, self.folder, self.device, self.threads = run, origin, folder, device, threads
        self.processes = processes
        self.record: dict[str, Any] = {"sessions": [], "seconds": 0.0}
        self.metrics = b""  # as far as this training has come; the file may be that of another training of the run
        self.step = 0  # that is being taken
        self.saved, self.meter = time.monotonic(), Meter(device)

    def go(self, received: list[int]) -> dict[str, Any]:
        try:
            if self.origin.prior and self.origin.prior["status"] != "finished":
                self._note_session()
                return self._end(self.origin.prior["status"], {})
            self._begin()
            return self._train(received)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                refuse_neighbours(self.device)
                self._note_usage(ALONE)
                self._write_end(OUT_OF_MEMORY, {})  # by whichever process it is: the others may be waiting for it
            elif self.processes.count == 1 or not self.folder.record.is_file():
                raise
            return self.folder.read_record()

    def _begin(self) -> None:
        """Make the model, and take up the last checkpoint, if there is one."""
        checkpoint = checkpoints.last(self.folder, self.origin.identity, quiet=not self.processes.first)
        if checkpoint:
            self.step, self.record = checkpoint.step, checkpoint.record
            self.metrics = checkpoint.tensors["metrics"].numpy().tobytes()
        last, first = self.processes.largest(self.step, -self.step)
        if last != -first:
            raise UserError(f"{self.folder.path}: its processes found steps {-first} to {last} saved; start them again")
        self._note_session()
        if corpus := self.run.task.reads:
            self.processes.write(partial(self._keep_tokenizer, corpus))
        self.trainer = Trainer(self.run, self.device, self.processes)
        if checkpoint:
            self.trainer.restore(checkpoint.tensors, checkpoint.step)
        elif self.origin.start:
            self.trainer.start_from(self._first_weights(self.origin.start))
        self.processes.write(lambda: write_text(self.folder.metrics, self.metrics.decode()))
        self.processes.write(self._say_what_begins)

    def _say_what_begins(self) -> None:
        run = self.run
        where = f"step {self.step} of {run.training.steps}, on {describe(self.device)}"
        print(f"asura: {run.label} on {run.task_name}, seed {run.seed}: from {where}", file=sys.stderr, flush=True)

    def _first_weights(self, start: RunFolder) -> Mapping[str, Tensor]:
        assert self.origin.prior
        start.check(self.origin.prior, ["weights"])
        return load_tensors(start.weights)[0]

    def _note_session(self) -> None:
        """What this session is, in the record."""
        about = {
            "device": describe(self.device),
            "precision": precision(self.run.training, self.device),
            "code": training_code(self.run.model, self.run.task),
            "threads": self.threads,
            "processes": self.processes.count,
        }
        own = {"plugins": origins(self.run.plugins, self.folder.run)} if self.run.plugins else {}
        self.record["sessions"].append({"step": self.step, "time": _now(), **about, **provenance(), **own})

    def _note_usage(self, processes: Alone) -> None:
        """What this session has used so far, in its entry of the record."""
        if self.record["sessions"]:
            self.record["sessions"][-1] |= self.meter.used(processes)

    def _train(self, received: list[int]) -> dict[str, Any]:
        trainer, training = self.trainer, self.run.training
        shown = closing(Reporter(self.run.label, trainer.step, training.steps, self.processes.first))
        with self.folder.metrics.open("ab", buffering=0) as log, shown as reporter:
            while not trainer.done:
                self.step = trainer.step + 1
                trainer.advance()
                reporter.advance()
                if trainer.step % training.log_steps == 0 or trainer.done:
                    metrics = trainer.measure()
                    line = _line(metrics)
                    self.processes.write(partial(_append, log, line))
                    self.metrics += line
                    trainer.forget()
                    reporter.measured(metrics.step, metrics.loss)
                    if metrics.diverged_at is not None:
                        self.step = metrics.diverged_at
                        return self._end("diverged", trainer.weights())
                if self.run.snapshot_steps and trainer.step % self.run.snapshot_steps == 0 and not trainer.done:
                    self.processes.write(partial(self._keep_snapshot, trainer.weights()))
                signalled, due = self.processes.largest(received[0] if received else 0, self._is_due())
                if signalled or due:
                    self._save()
                if signalled:
                    raise Stopped(signalled, trainer.step)
        return self._end("finished", trainer.weights())

    def _keep_snapshot(self, weights: Mapping[str, Tensor]) -> None:
        """Write the weights after this step; its checkpoint, if there is one, comes after it and knows of it."""
        path = self.folder.snapshot(self.trainer.step)
        save_tensors(path, weights, {"run": self.origin.identity, "step": self.trainer.step})
        self.record.setdefault("snapshots", {})[str(self.trainer.step)] = checksum(path)

    def _is_due(self) -> bool:
        training = self.run.training
        if training.checkpoint_steps and self.trainer.step % training.checkpoint_steps == 0:
            return True
        return time.monotonic() - self.saved > 60 * training.checkpoint_minutes

    def _save(self) -> None:
        self._note_usage(self.processes)
        state = self.trainer.state() | {"metrics": torch.from_numpy(np.frombuffer(self.metrics, np.uint8).copy())}
        checkpoint = Checkpoint(self.origin.identity, self.trainer.step, self._timed(), state)
        self.processes.write(lambda: checkpoints.save(self.folder, checkpoint))
        self.saved = time.monotonic()

    def _end(self, status: str, weights: Mapping[str, Tensor]) -> dict[str, Any]:
        self._note_usage(self.processes)
        self.processes.write(lambda: self._write_end(status, weights))
        return self.folder.read_record()

    def _write_end(self, status: str, weights: Mapping[str, Tensor]) -> None:
        """The result, unless another training of this run, as a cluster may leave one running, has ended first.

        What ran out of memory where another finishes is no result. Raises UserError where the folder has become that
        of another run meanwhile.
        """
        if not is_folder_of(self.folder, self.run):
            raise UserError(f"{self.folder.run}: it was changed during training; what was trained is not kept")
        if not self.folder.record.is_file() or self._ends_better(status, self.folder.read_record()):
            self._write_result(status, weights)
        _tidy(self.folder, status)

    def _ends_better(self, status: str, record: Mapping[str, Any]) -> bool:
        is_of_this = record.get("run") == self.origin.identity
        return not is_of_this or (record["status"] == OUT_OF_MEMORY and status != OUT_OF_MEMORY)

    def _write_result(self, status: str, weights: Mapping[str, Tensor]) -> None:
        save_tensors(self.folder.weights, weights, {"run": self.origin.identity})
        write_text(self.folder.metrics, self.metrics.decode())
        record = {
            "status": status,
            "step": self.step,
            "run": self.origin.identity,
            "start": self.origin.prior["weights"] if self.origin.prior else None,
            "corpus": self.origin.corpus,
            "weights": checksum(self.folder.weights),
            "metrics": sha256(self.metrics).hexdigest(),
            "tokenizer": checksum(self.folder.tokenizer) if self.folder.tokenizer.is_file() else None,
            **{name: self._of_sessions(name) for name in ("code", "device", "precision")},
            **self._timed(),
            "ended": _now(),
        }
        write_sealed(self.folder.record, record)
        for path in self.folder.snapshots.glob("*.safetensors"):  # also of other settings, that the run had before
            if path.stem not in record.get("snapshots", {}):
                path.unlink()

    def _of_sessions(self, name: str) -> str:
        """What all sessions have in common; where they differ, each of it."""
        return " and ".join(dict.fromkeys(session.get(name, "unknown") for session in self.record["sessions"]))

    def _keep_tokenizer(self, corpus: Corpus) -> None:
        """Beside the weights, so that the folder is all that generation needs."""
        from asura.corpora.tokenizers import load

        source = corpus.folder / "tokenizer.json"
        load(source, self.run.task.vocabulary)
        write_whole(self.folder.tokenizer, lambda aside: aside.write_bytes(source.read_bytes()))

    def _timed(self) -> dict[str, Any]:
        return {**self.record, "seconds": self.record["seconds"] + self.meter.seconds()}


def _append(log: BinaryIO, line: bytes) -> None:
    with naming(Path(log.name)):
        log.write(line)


def _line(metrics: Metrics) -> bytes:
    """A line of JSON of the metrics, measures among them; it has no NaN and no infinity, and says null."""
    flat = {**metrics._asdict(), **metrics.measures, **metrics.validation}
    del flat["measures"], flat["validation"]
    plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in flat.items()}
    return json.dumps(plain).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
