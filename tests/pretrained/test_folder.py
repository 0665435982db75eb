import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import HfApi, ModelCard
from safetensors.torch import save_file

from asura import build, from_pretrained
from asura.common.errors import UserError
from asura.common.files import write_sealed
from asura.evaluation.evaluate import evaluate, load_trained
from asura.models import ARCHITECTURES
from asura.planning.run_folder import RunFolder
from asura.planning.study_settings import Evaluation
from asura.pretrained.export import export
from asura.pretrained.folder import Config, Pretrained, read, write
from asura.pretrained.hub import HubModel
from tests.conftest import ROOT, tiny_run, trained_folder

TOKENS = torch.randint(3, (2, 8), generator=torch.Generator().manual_seed(0))
FILES = {"config.json", "model.safetensors", "README.md"}


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return trained_folder(tmp_path / "run", tiny_run())


@pytest.fixture
def exported(folder, tmp_path) -> Path:
    export(folder.path, tmp_path / "exported")
    return tmp_path / "exported"


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def head_of(card: Path) -> tuple[dict, str]:
    _, head, text = card.read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_an_exported_run_gives_the_same_logits_to_the_bit(folder, exported):
    run, model = load_trained(folder.path, torch.device("cpu"))
    loaded = from_pretrained(exported)
    assert loaded.settings == run.model and not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    for iterations in (None, 1, 5):
        assert loaded(TOKENS, iterations).equal(model(TOKENS, iterations))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_read_back(name: str, tmp_path):
    iterates = ARCHITECTURES[name][0].iterates()
    settings = {"architecture": name, "n": 2, "width": 8, "heads": 2, "positions": "learned"}
    model = build(settings | ({"i": 4} if iterates else {}), 3, seed=5).eval()
    config = Config(model=model.settings, vocabulary=3, sequence_length=8)
    write(Pretrained(model, config, None, None), tmp_path)
    loaded = read(tmp_path)
    assert loaded.config == config and loaded.card is None and loaded.tokenizer is None
    with torch.no_grad():
        assert loaded.model(TOKENS).equal(model(TOKENS))


def test_the_folder_says_what_the_model_is_built_from(exported):
    assert set(contents(exported)) == FILES
    config = json.loads((exported / "config.json").read_text())
    assert config.pop("model") == tiny_run().model.model_dump(mode="json")
    assert config == {"format_version": 1, "vocabulary": 3, "sequence_length": 8}


def test_a_language_model_has_its_tokenizer_with_it_and_leaves_none_to_the_next(corpus, folder, exported, tmp_path):
    tasks = {"text": {"corpus": corpus, "length": 8}}
    text = trained_folder(tmp_path / "text", tiny_run(tasks=tasks))
    export(text.path, exported)
    assert set(contents(exported)) == FILES | {"tokenizer.json"}
    assert (exported / "tokenizer.json").read_bytes() == text.tokenizer.read_bytes()
    assert head_of(exported / "README.md")[0]["pipeline_tag"] == "text-generation"
    export(folder.path, exported)
    assert set(contents(exported)) == FILES
    assert "pipeline_tag" not in head_of(exported / "README.md")[0]


def test_the_card_says_what_was_trained(exported):
    head, text = head_of(exported / "README.md")
    assert head == {"library_name": "asura", "license": "mit", "tags": ["depth-recursion", "asura"]}
    assert ModelCard.load(exported / "README.md").data.to_dict() == head
    settings, training = (yaml.safe_load(part.split("```")[0]) for part in text.split("```yaml\n")[1:])
    assert settings == tiny_run().model.model_dump(mode="json")
    assert training["training"] == tiny_run().training.model_dump(mode="json") and training["seed"] == 0
    for part in ("asura-n1-i2, trained on phop", "Gupta, 2025", "384 tokens", "It has not been evaluated."):
        assert part in text
    total = sum(parameter.numel() for parameter in from_pretrained(exported).parameters())
    assert f"{total:,} parameters, {total - 2 * 3 * 8:,} of them in neither embedding nor head" in text


def test_the_card_has_the_scores_at_the_trained_iterations_of_these_weights(folder, tmp_path):
    rows = [row for row in evaluate(folder.path, Evaluation(examples=50))["rows"] if row["iterations"] == 2]
    export(folder.path, tmp_path / "x")
    table = [line for line in (tmp_path / "x" / "README.md").read_text().splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert found[0] == [*rows[0], "floor"]
    chance = {name: f"{task.chance:.4g}" for name, task in tiny_run().task.splits.items()}
    assert [line[-1] for line in found[1:]] == [chance[r["split"]] if r["metric"] == "accuracy" else "" for r in rows]
    values = [[row["split"], "2", row["metric"], f"{row['value']:.4g}"] for row in rows]
    assert [line[:4] for line in found[1:]] == values and len(rows) == 4 * 2
    stale = folder.read_evaluation()
    write_sealed(folder.evaluation, stale | {"made_of": stale["made_of"] | {"weights": "others"}})
    export(folder.path, tmp_path / "x")
    assert "It has not been evaluated." in (tmp_path / "x" / "README.md").read_text()


def test_the_card_has_the_floor_of_a_benchmark_beside_its_score(folder, tmp_path):
    score = {"value": 0.25, "standard_error": 0.01, "examples": 500}
    rows = [{"benchmark": "copa", "iterations": t, "metric": "accuracy", **score} for t in (1, 2)]
    weights = folder.read_record()["weights"]
    done = {"made_of": {"weights": weights}, "rows": rows, "floors": {"copa": {"accuracy": 0.55}}}
    write_sealed(folder.evaluation, done)
    export(folder.path, tmp_path / "x")
    (row,) = [line for line in (tmp_path / "x" / "README.md").read_text().splitlines() if "copa" in line]
    assert row.replace("|", " ").split() == ["copa", "2", "accuracy", "0.25", "0.01", "500", "0.55"]


def test_runs_without_a_model_to_take_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"run\.json: no such file"):
        export(tmp_path / "none", tmp_path / "x")
    write_sealed(folder.record, folder.read_record() | {"status": "diverged"})
    with pytest.raises(UserError, match="its training ended at step 12, diverged"):
        export(folder.path, tmp_path / "x")
    folder.record.unlink()
    with pytest.raises(UserError, match="not been trained to its end"):
        export(folder.path, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def changed(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "no settings": (lambda f: (f / "config.json").unlink(), r"config\.json: no such file"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors: no such file"),
    "cut settings": (lambda f: cut(f / "config.json"), r"config\.json: it is not JSON"),
    "cut weights": (lambda f: cut(f / "model.safetensors"), "cut short .*; export or download the model again"),
    "a bit": (lambda f: flipped(f / "model.safetensors"), "checksum .*; export or download the model again"),
    "later": (lambda f: changed(f / "config.json", format_version=2), "format_version: found 2"),
    "foreign": (
        lambda f: (f / "config.json").write_text('{"model_type": "gpt2"}'),
        r"\.json: model: it is missing",
    ),
    "foreign weights": (lambda f: save_file({"x": torch.ones(2)}, f / "model.safetensors"), "checksum"),
    "other settings": (lambda f: changed(f / "config.json", vocabulary=4), r"it is not the one that model\.safe"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_folder_is_refused_in_one_line(exported, damage: str):
    do, message = DAMAGE[damage]
    do(exported)
    with pytest.raises(UserError, match=message):
        from_pretrained(exported)


def test_tensors_of_another_version_of_an_architecture_are_refused(exported):
    loaded = read(exported)
    del loaded.model.head_norm
    write(loaded, exported)
    with pytest.raises(UserError, match="its tensors are not those of"):
        from_pretrained(exported)


def test_a_pushed_model_is_the_folder_that_was_exported(exported, monkeypatch):
    pushed: dict[str, bytes] = {}

    def upload_folder(api: HfApi, **options: Any) -> str:
        assert options["repo_id"] == "someone/asura"
        pushed.update(contents(options["folder_path"]))
        return "the commit"

    created = type("Created", (), {"repo_id": "someone/asura"})
    monkeypatch.setattr(HfApi, "create_repo", lambda api, **_: created)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    model = HubModel.from_pretrained(exported)
    assert model.push_to_hub("someone/asura") == "the commit"
    assert pushed == contents(exported)


def test_a_model_of_the_hub_is_downloaded_and_read(folder, exported, monkeypatch):
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(exported)

    monkeypatch.setattr("asura.pretrained.download.snapshot_download", snapshot_download)
    loaded = from_pretrained("someone/asura", revision="v1")
    assert loaded(TOKENS).equal(load_trained(folder.path, torch.device("cpu"))[1](TOKENS))
    assert asked["name"] == "someone/asura" and asked["revision"] == "v1"
    assert set(asked["allow_patterns"]) == FILES | {"tokenizer.json", "*.py"}


@pytest.mark.parametrize("name", ["someone/asura", "not/a/name", "none"])
def test_a_name_that_gives_no_model_is_said_in_one_line(name: str, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=f"^{name}: it is no folder, and the hub does not give such a model"):
        from_pretrained(name)


def test_nothing_but_the_hub_needs_the_hub(exported, folder, tmp_path):
    run = shutil.copy(folder.run, tmp_path / "run.json")
    code = f"""
import sys
from pathlib import Path
from asura import build, from_pretrained
from asura.evaluation.evaluate import evaluate
from asura.planning.runs import read_run
from asura.planning.study_settings import Evaluation
from asura.training.loop import train
train(read_run(Path({str(run)!r})), Path({str(tmp_path / "again")!r}))
evaluate(Path({str(folder.path)!r}), Evaluation(examples=5))
from_pretrained({str(exported)!r})
print("huggingface_hub" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_folder_that_holds_other_files_is_not_written_over(folder, tmp_path):
    there = tmp_path / "x"
    for name in ("README.md", "config.json", "tokenizer.json"):
        there.mkdir(exist_ok=True)
        (there / name).write_text("{}")
        with pytest.raises(UserError, match=r"x: it holds other files; give a new folder"):
            export(folder.path, there)
        assert [path.read_text() for path in there.iterdir()] == ["{}"]
        (there / name).unlink()
    for _ in range(2):  # an empty folder, and one of an earlier export
        export(folder.path, there)
    assert read(there).config.vocabulary > 0


def test_a_folder_calls_no_factory(exported):
    content = json.loads((exported / "config.json").read_text())
    model = {"architecture": "evaluated", "factory": "tests.planning.other_models:copying"}
    (exported / "config.json").write_text(json.dumps(content | {"model": model}))
    with pytest.raises(UserError, match="found 'evaluated', a model of other code; that is not exported"):
        from_pretrained(exported)
