"""The page that a co-author reads: what it says, and that it needs nothing else."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from asura.common.errors import UserError
from asura.planning.outputs import ABLATION_FIGURES, FIGURES
from asura.planning.products import MADE_OF_IN_PAGE
from asura.reporting.ablation_report import write_ablation
from asura.reporting.figures import write_figures
from asura.reporting.findings import finding, short_ablation, short_comparison
from asura.reporting.frames import Results
from asura.reporting.report import caption, inline, report_page, write_report

VOID = {"meta", "br", "hr", "img", "link"}
QUESTION = {
    "question": "1 (primary)",
    "task": "phop",
    "model": "asura-n1-i4",
    "reference": "vanilla-n4",
    "metric": "accuracy",
    "score": 0.99,
    "reference_score": 0.86,
    "difference": 0.13,
    "difference_low": 0.05,
    "difference_high": 0.21,
    "p": 0.004,
    "margin": float("nan"),
    "verdict": "better",
    "pairs": 10,
}
VERDICTS = r"\b(better|worse|equivalent|not shown to differ)\b"


class Page(HTMLParser):
    """Checks that tags are closed in order, and keeps ids, addresses and the text of each section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.tags: dict[str, int] = {}
        self.sections: dict[str, str] = {}
        self.section = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
            self.section = attributes["id"] if tag == "h2" else self.section
        self.loaded += [attributes[name] for name in ("src", "href", "xlink:href") if name in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        self.open.remove(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.sections[self.section] = self.sections.get(self.section, "") + data


@pytest.fixture(scope="module")
def study(build: Callable[..., Results], tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """The results of a study with one cell, of which a control diverged, and an ablation."""
    folder = tmp_path_factory.mktemp("study")
    results = build([("asura", 1, 2)], seeds=(0, 1), diverged=[("bare-n1-i2", 1)])
    settings = {"name": "mine", "seeds": [0, 1], "ablations": ["long_skip"], "width": 64}
    (folder / "study.json").write_text(json.dumps(settings))
    write_figures(results, folder / "figures", "mine")
    against = results.runs["label"].map(lambda label: None if label == "asura-n1-i2" else "asura-n1-i2")
    write_ablation(results._replace(runs=results.runs.assign(against=against)), folder / "ablations/long_skip", "mine")
    for run in results.runs.itertuples():
        record = folder / "runs" / run.task / run.label / f"seed{run.seed}" / "training.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"sessions": [{"versions": {"torch": "2.99"}}]}))
    for made in ("tables", "figures", "ablations/long_skip"):
        (folder / made).mkdir(exist_ok=True)
        (folder / made / "made_of.json").write_text('{"runs": "abc"}')
    return results, folder


@pytest.fixture(autouse=True)
def any_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asura.reporting.report.RunFolder.read_record", lambda run: json.loads(run.record.read_text()))


@pytest.fixture(scope="module")
def text(study: tuple[Results, Path]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asura.reporting.report.RunFolder.read_record", lambda run: json.loads(run.record.read_text()))
        return report_page(*study, study[1])


def test_the_page_is_whole_and_needs_nothing_else(text: str):
    page = Page(text)
    assert not page.open and len(set(page.ids)) == len(page.ids)
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.loaded)
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags) and "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert all(target in page.ids for target in re.findall(r"url\(#([^)]+)\)", text))


def test_the_page_shows_every_figure_with_its_caption(text: str):
    page = Page(text)
    without_meaning = 3  # one cell has no grid, no other iterations in training, and all see new examples at every step
    assert page.tags["svg"] == page.tags["figcaption"] == len(FIGURES) - without_meaning + len(ABLATION_FIGURES)
    for name in ("learning_curves", "score_against_flops", "ablation_figure"):
        assert str(caption(name)) in text


def test_the_page_says_what_was_asked_made_and_lost(text: str):
    page = Page(text)
    assert list(page.sections)[1:] == ["findings", "results", "ablations", "settings", "provenance", "failures"]
    assert "asks no question" in page.sections["findings"]
    assert "width: 64" in page.sections["settings"]
    assert "0a1b2c" in page.sections["provenance"] and "2.99" in page.sections["provenance"]
    assert "bare recursion 1×2" in page.sections["failures"] and "diverged" in page.sections["failures"]
    assert "Long skip" in page.sections["ablations"]
    made_of = MADE_OF_IN_PAGE.search(text)
    assert made_of and "abc" in made_of[1]


def test_only_questions_have_verdicts(study: tuple[Results, Path], text: str, tmp_path: Path):
    results, folder = study
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    pd.DataFrame([QUESTION]).to_csv(copy / "tables" / "questions.csv", index=False)
    sections = Page(report_page(results, copy, copy)).sections
    found = {name: re.findall(VERDICTS, content, re.IGNORECASE) for name, content in sections.items()}
    assert found["findings"] == ["Better"]
    assert "ASURA 1×4" in sections["findings"] and "vanilla, 4 blocks" in sections["findings"]
    before = {name: content for name, content in Page(text).sections.items() if name != "findings"}
    assert {name: content for name, content in sections.items() if name != "findings"} == before
    assert not any(words for name, words in found.items() if name not in ("", "findings", "ablations"))


def test_a_finding_is_the_row_of_its_table():
    said = finding(QUESTION)
    assert said["question"] == "On p-hop induction, does ASURA 1×4 differ in accuracy from vanilla, 4 blocks?"
    assert said["verdict"] == "better"
    assert said["numbers"].startswith("0.990 against 0.860, difference +0.130 [+0.050, +0.210], p = 0.004 after")
    asked = finding(QUESTION | {"margin": 0.02, "difference": -0.013, "difference_low": float("nan")})
    assert "equivalent within ±0.02?" in asked["question"] and "difference −0.013, p" in asked["numbers"]


def test_short_tables_name_what_is_compared(study: tuple[Results, Path]):
    results, folder = study
    table = short_comparison(results, "phop")
    assert table["model"].iloc[0] == "ASURA 1×2" and table["difference"].iloc[0] == "–"
    assert table["model"].iloc[2].startswith("— equal FLOPs (stack of 2 blocks): vanilla, 2 blocks, MLP width")
    assert list(table) == ["model", "accuracy", "difference", "parameters", "training FLOPs"]
    assert len(short_ablation(pd.read_csv(folder / "ablations/long_skip/table.csv"))) == results.runs["label"].nunique()


def test_a_stack_is_named_by_its_own_depth(study: tuple[Results, Path]):
    results, _ = study
    stack = results.runs["label"].str.startswith("vanilla-n2")
    deeper = results._replace(runs=results.runs.assign(effective_depth=results.runs["effective_depth"].mask(stack, 9)))
    assert short_comparison(deeper, "phop")["model"].iloc[2].startswith("— equal FLOPs (stack of 9 blocks)")


def test_a_drawing_within_a_page_keeps_its_own_ids():
    inside = '<g id="{0}a"><use xlink:href="#{0}a"/><path clip-path="url(#{0}b)"/></g></svg>'
    svg = '<?xml?><svg a="1"><metadata>x</metadata>' + inside.format("")
    expected = '<svg role="img" aria-label="&lt;x" a="1">' + inside.format("f-")
    assert str(inline(svg, "f", "<x")) == expected


def test_the_page_has_the_same_bytes_each_time_and_says_what_it_lacks(study: tuple[Results, Path], text: str, tmp_path):
    results, folder = study
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    write_report(results, copy)
    assert (copy / "report.html").read_text(encoding="utf-8") == text
    (copy / "tables" / "made_of.json").unlink()
    with pytest.raises(UserError, match=r"made_of\.json"):
        write_report(results, copy)
