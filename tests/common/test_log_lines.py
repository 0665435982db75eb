import math

import pytest

from asura.cli.several import Stopped
from asura.common.log_lines import STOPPED, Progress, duration, read_progress
from asura.training.signals import INTERRUPTED


@pytest.mark.parametrize("loss", [1.25, 0.0, 3e-7, math.inf])
@pytest.mark.parametrize("per_second", [0.0125, 3.0, 1.25e4])
def test_progress_reads_back_as_it_was_written(loss: float, per_second: float):
    progress = Progress(20, 12_000, loss, per_second)
    assert read_progress(progress.line()) == progress


def test_progress_of_a_training_that_diverged_is_read():
    assert math.isnan(read_progress(Progress(20, 60, math.nan, 2.0).line()).loss)


def test_a_line_says_what_is_left():
    assert Progress(20, 60, 1.5, 2.0).line() == "asura: step 20 of 60, loss 1.5, 2 steps/s, 20 seconds left"


@pytest.mark.parametrize("line", ["", "asura: step 20 of", "asura: step 20 of 60, loss a, b steps/s, 1 day left", "x"])
def test_other_lines_are_no_progress(line: str):
    assert read_progress(line) is None


@pytest.mark.parametrize("what", [Stopped(15, 7), Stopped(10, 7), Stopped(2, 7), INTERRUPTED])
def test_a_stop_is_told_from_a_failure(what: object):
    assert STOPPED.match(f"asura: results/x/seed0: {what}")
    assert not STOPPED.match("asura: failed: the run stopped by itself")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 seconds"),
        (1, "1 second"),
        (99.4, "99 seconds"),
        (99.6, "2 minutes"),
        (5400, "90 minutes"),
        (3600 * 5, "5 hours"),
        (86400 * 3, "3 days"),
        (86400 * 1131, "1,131 days"),
        (math.inf, "an unknown time"),
    ],
)
def test_a_time_is_said_in_the_unit_of_which_there_are_a_few(seconds: float, words: str):
    assert duration(seconds) == words
