"""The report of a study: one page that is read from top to bottom, without the network and without scripts."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from asura.common.files import read_json, write_text
from asura.planning.ablations import listed_ablations
from asura.planning.analysis_settings import ANALYSES
from asura.planning.outputs import ANALYSIS, figure_path, figures_of
from asura.planning.products import REPORT, report_made_of
from asura.planning.run_folder import FAILURES, RunFolder
from asura.reporting.findings import finding, read_table, short_ablation, short_comparison
from asura.reporting.frames import OTHER_CODE, Results, remarks, without_benchmarks
from asura.reporting.names import model_name, spaced, task_name
from asura.reporting.statistics import INTERVAL

PACKAGE = "asura.reporting"
SHOWN_SEPARATELY = ("name", "questions")
"""Keys of a study that the page says elsewhere."""


def write_report(results: Results, study: Path) -> None:
    """Write the page beside the tables and figures that it shows. Raises UserError and OSError."""
    write_text(study / REPORT, report_page(results, study, study))


def report_page(results: Results, study: Path, products: Path) -> str:
    """The page of a study, with the tables, figures and ablations that stand in the folder `products`."""
    settings = read_json(study / "study.json")
    ablations = listed_ablations(settings)
    environment = Environment(
        loader=PackageLoader(PACKAGE, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html").render(
        study=settings["name"],
        made_of=json.dumps(report_made_of(study, ablations, bool(settings.get("analyses"))), sort_keys=True),
        about=_about(results),
        interval=INTERVAL,
        findings=[finding(row) for row in read_table(products / "tables" / "questions.csv").to_dict("records")],
        tasks=list(_tasks(results, products)),
        analyses=list(_analyses(settings.get("analyses") or {}, results.runs["task"].unique(), products / ANALYSIS)),
        ablations=[_ablation(name, products / "ablations" / name) for name in ablations],
        settings=yaml.safe_dump({k: v for k, v in settings.items() if k not in SHOWN_SEPARATELY}, sort_keys=False),
        provenance=_provenance(results, study),
        remarks=remarks(results),
        failures=_table(_failures(results)),
    )


def _about(results: Results) -> dict[str, Any]:
    """What was trained, in numbers."""
    runs = without_benchmarks(results.runs)
    trained = runs.drop_duplicates(["task", "label"])
    return {
        "tasks": [task_name(task) for task in runs["task"].unique()],
        "models": trained["label"].nunique(),
        "runs": len(runs),
        "seeds": sorted(runs["seed"].unique()),
        "failed": int(runs["status"].isin(FAILURES).sum()),
    }


def _tasks(results: Results, products: Path) -> Iterator[dict[str, Any]]:
    """Each task with its short table and its figures."""
    figures: dict[str, list[str]] = {}
    for task, figure in figures_of(results.runs.drop_duplicates(["task", "label"]).to_dict("records")):
        figures.setdefault(task, []).append(figure)
    for task, names in figures.items():
        shown = [_figure(products / "figures" / figure_path(task, name), name) for name in names]
        yield {"name": task_name(task), "table": _table(short_comparison(results, task)), "figures": shown}


def _analyses(asked: Mapping[str, Any], tasks: Iterable[str], folder: Path) -> Iterator[dict[str, Any]]:
    """The figures of the analyses on each task."""
    names = [name for name in ANALYSES if asked.get(name) is not None]
    for task in tasks if names else ():
        if (folder / f"{figure_path(task, names[0])}.svg").is_file():
            figures = [_figure(folder / figure_path(task, name), f"analysis_{name}") for name in names]
            yield {"name": task_name(task), "figures": figures}


def _ablation(name: str, folder: Path) -> dict[str, Any]:
    """The differences of an ablation, as a table and as figures."""
    shown = {"figure": "ablation_figure", "iterations": "iterations_at_evaluation"}
    figures = [_figure(folder / file, about, name) for file, about in shown.items()]
    return {"name": spaced(name), "table": _table(short_ablation(read_table(folder / "table.csv"))), "figures": figures}


def _figure(path_stem: Path, name: str, of: str | None = None) -> dict[str, Any]:
    """A figure with its caption."""
    prefix = re.sub(r"\W", "-", "-".join(filter(None, [path_stem.parent.name, path_stem.name, of])))
    drawing = Path(f"{path_stem}.svg").read_text(encoding="utf-8")
    return {"svg": inline(drawing, prefix, spaced(name)), "caption": caption(name)}


def inline(svg: str, prefix: str, label: str) -> Markup:
    """A drawing as part of a page: without what is for files alone, and with ids that no other drawing has."""
    start = svg.index("<svg")
    drawing = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    drawing = re.sub(r' id="(mean|seeds)"', "", drawing)  # of which there are many
    drawing = re.sub(r'\bid="', f'id="{prefix}-', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", drawing)
    return Markup(drawing.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1).strip())


def caption(name: str) -> Markup:
    """The caption of a figure or a table, which Snakemake's report shows too."""
    text = (Path(__file__).parent / "captions" / f"{name}.rst").read_text(encoding="utf-8")
    return Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", escape(" ".join(text.split()))))


def _provenance(results: Results, study: Path) -> Markup:
    """What made the runs: commits, devices, precisions, versions of packages, and whether the code is that of now."""
    runs = without_benchmarks(results.runs)
    versions: dict[str, set[str]] = {}
    plugins: dict[str, set[str]] = {}
    for run in runs.drop_duplicates(["task", "label", "seed"]).itertuples():
        record = RunFolder(study / "runs" / run.task / run.label / f"seed{run.seed}").read_record()
        for session in record["sessions"]:
            for package, version in session.get("versions", {}).items():
                versions.setdefault(package, set()).add(str(version))
            for name, origin in session.get("plugins", {}).items():
                plugins.setdefault(name, set()).add(_origin_in_words(origin))
    other = int((runs["code"] == OTHER_CODE).sum())
    rows = [
        ("commits of the runs", ", ".join(sorted(runs["commit"].dropna().unique())) or "not recorded"),
        ("devices", ", ".join(sorted(runs["device"].dropna().unique())) or "not recorded"),
        ("precisions", ", ".join(sorted(runs["precision"].dropna().unique())) or "not recorded"),
        ("code", f"{other} of {len(runs)} runs were made by other code" if other else "all runs were made by one code"),
        *((f"code of the study, {name}", ", ".join(sorted(found))) for name, found in sorted(plugins.items())),
        *((package, ", ".join(sorted(found))) for package, found in sorted(versions.items())),
    ]
    return _table(pd.DataFrame(rows, columns=["", "recorded"]))


def _origin_in_words(origin: Mapping[str, Any]) -> str:
    """Where the code of a plugin is from: its digest, and the commit of its repository."""
    if not origin["commit"]:
        return f"{origin['digest']}, in no commit"
    changed = "" if origin["clean"] else ", changed since"
    return f"{origin['digest']}, commit {origin['commit']}{changed}"


def _failures(results: Results) -> pd.DataFrame:
    """The runs that failed, and the step at which they did."""
    runs = without_benchmarks(results.runs)
    runs = runs[runs["status"].isin(FAILURES)]
    rows = [(task_name(run.task), model_name(run.label), run.seed, run.status, run.step) for run in runs.itertuples()]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "ended", "at step"])


def _table(table: pd.DataFrame) -> Markup:
    """A table of text as HTML; nothing where it has no rows."""
    if table.empty:
        return Markup("")
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table)
    rows = ("".join(f"<td>{escape(str(value))}</td>" for value in row) for row in table.itertuples(index=False))
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return Markup(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>")
