"""A study of text from its files to the report: corpus, models, tasks in its words, and what starts from what."""

import json
import os
from pathlib import Path

import pandas as pd

from asura.checking.verify import verify
from tests.conftest import TEXTS, TINY
from tests.workflow.conftest import call, changed_by, runs_trained, succeed, write

WORDS = {"task": "phop", "hops": 1, "alphabet": 3, "length": 8, "written_as": "text", "training": {"steps": 100}}
STUDY = TINY | {
    "tasks": {
        "text": {"corpus": {"source": "files", "paths": ["texts.jsonl"], "vocabulary": 320}, "length": 16},
        "words": WORDS,
    },
    "controls": ["iso_param"],
    "width": 16,
    "ablations": ["pretrained_prior"],
    "ablated": {"n": 1, "i": 2},
}


def test_text_is_tokenised_once_and_its_runs_come_before_those_that_start_from_them(folder: Path):
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    write(folder, STUDY)
    trained = runs_trained(changed_by(folder, lambda: succeed(folder)))
    started = {run for run in trained if "start_from" in run}
    assert {Path(run).parts[1:3] for run in started} == {
        ("words", "asura-n1-i2+start_from=text"),
        ("words", "vanilla-n1+mlp_width=98+start_from=text"),
    }
    (corpus,) = (folder / "data" / "corpora").iterdir()
    scores = pd.read_csv(folder / "results" / "tiny" / "tidy" / "scores.csv")
    bits = scores[scores["metric"] == "bits_per_byte"]
    assert set(bits["task"]) == {"text"} and set(bits["iterations"]) == {1, 2, 3, 4}
    assert bits["value"].between(0, 8).all()
    for run in started:
        record = json.loads((folder / "results" / "tiny" / run / "run.json").read_text())
        prior = folder / "results" / "tiny" / record["start_from"] / "training.json"
        assert prior.stat().st_mtime <= (folder / "results" / "tiny" / run / "training.json").stat().st_mtime
        assert record["label"].split("+start_from")[0] in record["start_from"]
    table = pd.read_csv(folder / "results" / "tiny" / "ablations" / "pretrained_prior" / "table.csv")
    assert set(table[table["task"] == "words"]["model"]) >= {"asura", "asura+start_from=text"}
    time = (corpus / "train.npy").stat().st_mtime_ns
    held = list(verify(folder / "results" / "tiny"))
    assert "table and figures of the ablation pretrained_prior follow from its runs" in held
    said = call(folder, "--delete-all-output", "--dry-run")
    deleted = said.stdout + said.stderr
    assert "results/tiny/report.html" in deleted and " data/" not in deleted  # which other studies read too
    texts = folder / "texts.jsonl"
    before = texts.stat().st_mtime
    os.utime(texts)
    assert changed_by(folder, lambda: succeed(folder)) == set()
    assert (corpus / "train.npy").stat().st_mtime_ns == time
    slower = STUDY["tasks"]["text"] | {"training": {"learning_rate": 0.0001}}
    write(folder, STUDY | {"tasks": {"text": slower, "words": WORDS}})
    changed = changed_by(folder, lambda: succeed(folder, "--until", "evaluate"))
    again = {run for run in trained if run in started or Path(run).parts[1] == "text"}
    assert runs_trained(changed) == again and {f"{run}/evaluation.json" for run in again} <= changed
    texts.write_text("".join(json.dumps({"text": text[::-1]}) + "\n" for text in TEXTS))
    os.utime(texts, (before - 1000, before - 1000))
    changed = changed_by(folder, lambda: succeed(folder, "--until", "evaluate"))
    assert runs_trained(changed) == trained  # of other texts now
