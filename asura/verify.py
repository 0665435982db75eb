"""Whether the results of a study are what its runs say: everything that can be computed again is, and compared."""

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asura.errors import UserError
from asura.evaluation.evaluate import rows_checksum
from asura.files import checksum, read_json
from asura.planning import Plan, load, make
from asura.reporting.ablations import ablation_table
from asura.reporting.beside_published import beside_published
from asura.reporting.collect import collect, read_results, write_results
from asura.reporting.tables import write_table, write_tables
from asura.runs import RunFolder, read_run
from asura.training.tensors import load_tensors


def verify(study: Path) -> Iterator[str]:
    """Check one thing after the other, and say of each that it holds. Raises UserError, naming the first that does not.

    Of trainings it is checked that weights, metrics and records belong together; whether training would lead to these
    weights again, only training again can say.
    """
    plan = _plan(study)
    yield f"plan.json is the plan of study.json: {len(plan.models)} models, {len(plan.runs)} runs"
    for folder, content in plan.runs.items():
        _run(RunFolder(study / folder), content)
    yield f"{len(plan.runs)} runs: settings, weights, metrics and scores belong together"
    with tempfile.TemporaryDirectory() as name:
        again = Path(name)
        write_results(collect(study), again / "tidy")
        yield f"{_same(again / 'tidy', study / 'tidy')} tidy frames follow from the runs"
        found = read_results(again / "tidy")
        write_tables(found, again / "tables")
        if paper := read_json(study / "study.json").get("published"):
            write_table(beside_published(found, paper), again / "tables" / "published", None)
        yield f"{_same(again / 'tables', study / 'tables')} files of tables follow from the frames"
        for folder in sorted(path.parent for path in study.glob("ablations/*/table.csv")):
            for run, content in load(folder / "plan.json").runs.items():
                _run(RunFolder(study / run), content)
            write_table(ablation_table(collect(study, plan_folder=folder)), again / folder.name / "table", None)
            _same(again / folder.name, folder)
            yield f"the table of the ablation {folder.name} follows from its runs"
    yield f"report.html holds {_embedded(study)} tables and figures as they stand beside it"


def _plan(study: Path) -> Plan:
    path = study / "plan.json"
    plan = load(path)
    expected = make(read_json(study / "study.json"))._replace(digest=plan.digest)
    if json.loads(json.dumps(expected)) != json.loads(json.dumps(plan)):
        raise UserError(f"{path}: it is not the plan of study.json; run the workflow, which writes it anew")
    return plan


def _run(folder: RunFolder, content: dict) -> None:
    if read_json(folder.run) != content:
        raise UserError(f"{folder.run}: it is not the run of plan.json")
    record = folder.read_record_of(read_run(folder.run))
    for path, name in ((folder.weights, "weights"), (folder.metrics, "metrics")):
        if not path.is_file() or checksum(path) != record.get(name):
            raise UserError(f"{path}: missing, or without the checksum in {folder.record.name}")
    load_tensors(folder.weights)
    evaluation = read_json(folder.evaluation)
    if evaluation.get("made_of", {}).get("weights") != record["weights"]:
        raise UserError(f"{folder.evaluation}: it is of other weights than those beside it")
    if evaluation.get("sha256") != rows_checksum(evaluation):
        raise UserError(f"{folder.evaluation}: its rows do not have the checksum they were written with")


def _same(again: Path, there: Path) -> int:
    """Compare each file of a folder with that of another. Raises UserError for the first that differs."""
    paths = sorted(again.iterdir())
    for path in paths:
        other = there / path.name
        if not other.is_file() or other.read_bytes() != path.read_bytes():
            raise UserError(f"{other}: missing, or not what follows from the runs")
    return len(paths)


def _embedded(study: Path) -> int:
    """Number of tables and figures in the report, each of which must be there as it is on the disk."""
    path = study / "report.html"
    try:
        report = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: it cannot be read ({error.strerror})") from None
    shown = [*study.glob("tables/*.html"), *study.glob("figures/*.svg")]
    shown += [*study.glob("ablations/*/*.html"), *study.glob("ablations/*/*.svg")]
    for each in shown:
        if base64.b64encode(each.read_bytes()).decode() not in report:
            raise UserError(f"{path}: it does not hold {each.relative_to(study)} as that stands there")
    return len(shown)
