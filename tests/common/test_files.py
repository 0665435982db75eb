import pytest

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, read_sealed, write_sealed, write_text, write_whole


def test_a_file_is_whole_or_not_there(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "old")

    def fail(path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a" / "b.txt", fail)
    assert (tmp_path / "a" / "b.txt").read_text() == "old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("named", [".x", "y"])
def test_what_cannot_be_written_is_named_and_what_cannot_be_read_meanwhile_is_too(tmp_path, named: str):
    def write(aside) -> None:
        path = aside if named == ".x" else tmp_path / "y"
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match="No space") as error:
        write_whole(tmp_path / "x", write)
    assert error.value.filename == str(tmp_path / named.removeprefix("."))


def test_what_is_sealed_is_read_as_it_was_written_and_not_otherwise(tmp_path):
    path = tmp_path / "x.json"
    sealed = write_sealed(path, {"a": 1, "b": (2,)})
    assert read_sealed(path) == sealed and (sealed["a"], sealed["b"]) == (1, [2])
    path.write_text(path.read_text().replace('"a": 1', '"a": 2'))
    with pytest.raises(UserError, match=r"x\.json: its content does not have the checksum .*; delete it to"):
        read_sealed(path)
    with pytest.raises(UserError, match=r"y\.json: no such file$"):
        read_sealed(tmp_path / "y.json")


@pytest.mark.parametrize(
    ("content", "message"), [("", "cut short"), ('{"a": 1', "cut short"), ("[1]", "found list"), ("[" * 9999, "JSON")]
)
def test_json_that_is_no_object_is_refused(tmp_path, content: str, message: str):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_json(tmp_path / "x.json")


def test_checksum_of_a_published_example(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert checksum(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
