"""Taking in a model of other code in place of training it: its weights and a record, as training leaves them."""

from datetime import UTC, datetime
from typing import Any

from asura.common.files import checksum, write_sealed, write_text, write_whole
from asura.models import build
from asura.planning.code import training_code
from asura.planning.plugins import origins
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.training.devices import describe, precision, prepare
from asura.training.origin import Origin
from asura.training.processes import ALONE
from asura.training.provenance import provenance
from asura.training.tensors import save_tensors
from asura.training.usage import Meter


def admit(run: Run, origin: Origin, folder: RunFolder, threads: int) -> dict[str, Any]:
    """Make the model, and write its weights with a record of no step. Raises UserError and OSError."""
    device = prepare(threads)
    meter = Meter(device)
    model = build(run.model, run.task.vocabulary, run.seed)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}  # a file has each tensor once
    save_tensors(folder.weights, weights, {"run": origin.identity})
    write_text(folder.metrics, "")
    if corpus := run.task.reads:
        source = corpus.folder / "tokenizer.json"
        write_whole(folder.tokenizer, lambda aside: aside.write_bytes(source.read_bytes()))
    about = {"code": training_code(run.model, run.task), "device": describe(device)}
    about["precision"] = precision(run.training, device)
    plugins = origins(run.plugins, folder.run)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        "status": "finished",
        "step": 0,
        "run": origin.identity,
        "start": None,
        "corpus": origin.corpus,
        **{name: checksum(getattr(folder, name)) for name in ("weights", "metrics")},
        "tokenizer": checksum(folder.tokenizer) if run.task.reads else None,
        **about,
        "sessions": [{"step": 0, "time": now, **about, "plugins": plugins, **provenance(), **meter.used(ALONE)}],
        "seconds": meter.seconds(),
        "ended": now,
    }
    write_sealed(folder.record, record)
    return folder.read_record()
