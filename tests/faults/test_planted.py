"""A training that is killed where it matters: started again, it loses nothing that was saved, and has the same bits."""

from pathlib import Path

import pytest

from asura.planning.run_folder import RunFolder
from asura.training.loop import train
from tests.conftest import Tell, tiny_run
from tests.faults.planted import kill_at, moments
from tests.training.trainings import same_end, steps_of

FAULT = "a training is killed before, within and after the writing of each file"
HAPPENS = "it resumes from its last checkpoint, or ends there: same bits, no file left over"
RUN = tiny_run()  # 12 steps, a checkpoint after every 4
WRITTEN = ["checkpoint.safetensors", "weights.safetensors", "metrics.jsonl", "training.json"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A training that nothing happens to, and the moments that it passes."""
    folder = tmp_path_factory.mktemp("straight")
    return folder / "run", moments(RUN, folder / "run", folder / "moments")


def try_moment(moment: int, folder: Path, straight: tuple[Path, list[str]]) -> None:
    undisturbed, names = straight
    kill_at(moment, RUN, folder)
    record = train(RUN, folder)
    begun_at = steps_of(record)[-1]
    if "rename training.json" not in names[:moment]:
        assert begun_at == 4 * names[:moment].count("rename checkpoint.safetensors"), names[moment]
    same_end(folder, undisturbed)
    assert {path.name for path in folder.iterdir()} == {path.name for path in undisturbed.iterdir()}, names[moment]


def test_every_file_is_opened_written_synced_and_renamed(straight: tuple[Path, list[str]]):
    _, names = straight
    for name in WRITTEN:
        first = names.index(f"sync {name}")
        assert names[first - 2 : first] == [f"open {name}", f"write {name}"]
        assert f"rename {name}" in names[first + 1 : first + 3]  # that of the earlier checkpoint comes before
    assert names.count("rename checkpoint.earlier.safetensors") > 1
    assert names.count("write a line of metrics.jsonl") == 3


def test_a_training_killed_at_the_last_moment_of_each_kind_ends_with_the_same_bits(
    tmp_path: Path, straight: tuple[Path, list[str]], fault: Tell
):
    last = sorted({name: moment for moment, name in enumerate(straight[1])}.values())
    fault(FAULT, HAPPENS, len(last))
    for moment in last:
        try_moment(moment, tmp_path / str(moment), straight)


@pytest.mark.faults
def test_a_training_killed_at_every_moment_ends_with_the_same_bits(
    tmp_path: Path, straight: tuple[Path, list[str]], fault: Tell
):
    fault(FAULT, HAPPENS, len(straight[1]))
    for moment in range(len(straight[1])):
        try_moment(moment, tmp_path / str(moment), straight)


def test_checkpoints_that_a_kill_left_beside_a_result_are_removed(tmp_path: Path):
    train(RUN, tmp_path)
    folder = RunFolder(tmp_path)
    folder.checkpoint.write_bytes(b"")
    train(RUN, tmp_path)
    assert not folder.checkpoint.exists()
