"""The lines of progress in the log of a training."""

from itertools import count

import pytest

from asura.common.log_lines import Progress, read_progress
from asura.training import progress
from asura.training.loop import train
from asura.training.progress import FRACTION, SECONDS, Reporter
from tests.conftest import tiny_run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(capsys: pytest.CaptureFixture[str]) -> list[Progress]:
    return [found for line in capsys.readouterr().err.splitlines() if (found := read_progress(line))]


def test_a_line_is_written_where_enough_time_has_passed_and_has_the_speed_since_the_last(clock, capsys):
    reporter = Reporter("x", 10, 100, is_shown=True)
    for now, step in [(SECONDS - 0.1, 20), (SECONDS, 30), (SECONDS + 1, 40), (2 * SECONDS + 1, 60)]:
        clock[0] = now
        reporter.measured(step, 0.5)
    reporter.close()
    assert lines(capsys) == [Progress(30, 100, 0.5, 20 / SECONDS), Progress(60, 100, 0.5, 30 / (SECONDS + 1))]


def test_a_long_training_has_a_short_log(clock, capsys):
    reporter = Reporter("x", 0, 10**6, is_shown=True)
    day = 86400
    for step in range(1, day):
        clock[0] = step
        reporter.measured(step, 0.5)
    found = lines(capsys)
    assert 100 < len(found) < 700
    assert found[-1].step > (1 - 2 * FRACTION) * day


def test_only_one_process_of_several_writes(clock, capsys):
    reporter = Reporter("x", 0, 100, is_shown=False)
    clock[0] = 100
    reporter.advance()
    reporter.measured(1, 0.5)
    assert capsys.readouterr().err == ""


def test_a_training_says_how_far_it_is_at_steps_that_it_logs(tmp_path, monkeypatch, capsys):
    seconds = count(0, 10)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    train(tiny_run(), tmp_path)
    found = lines(capsys)
    assert [each.step for each in found] == [5, 10, 12] and {each.steps for each in found} == {12}
    assert all(each.per_second > 0 and each.loss > 0 for each in found)
