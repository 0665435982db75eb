"""A HOME that cannot be written: a command does without, or names the cache and the variable that moves it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asura.common.caches import check_hub_cache
from asura.common.errors import UserError
from tests.conftest import TEXTS

MOVING = ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME")


def test_a_cache_that_cannot_be_written_is_named_with_what_moves_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "new"))
    check_hub_cache()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "file" / "huggingface"))
    with pytest.raises(UserError, match=r"file/huggingface: Hugging Face cannot write .* set HF_HOME"):
        check_hub_cache()


def test_a_corpus_names_the_cache_where_home_cannot_be_written(tmp_path: Path):
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    settings = {"source": "files", "paths": [str(tmp_path / "texts.jsonl")], "vocabulary": 320, "held_out": 0.2}
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(settings))
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "asura", "corpus", str(tmp_path / "corpus" / "corpus.json"), "--packages", "."]
    kept = {name: value for name, value in os.environ.items() if name not in MOVING}

    def made(**changes: str) -> subprocess.CompletedProcess[str]:
        environment = kept | {"HOME": str(tmp_path / "file")} | changes
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    refused = made()
    assert refused.returncode == 0 or ("set HF_HOME to a folder" in refused.stderr and refused.stderr.count("\n") == 1)
    assert made(HF_HOME=str(tmp_path / "cache")).returncode == 0
