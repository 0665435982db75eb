import shutil

import pytest
import torch

from asura.common.errors import UserError
from asura.common.files import write_sealed
from asura.corpora.tokenizers import load
from asura.evaluation.evaluate import load_trained
from asura.models import ARCHITECTURES, build
from asura.planning.run_folder import RunFolder
from asura.pretrained.generation import choose, continuation, generate
from tests.conftest import tiny_run, trained_folder

LENGTH = 16
LEARNT = {"steps": 200, "batch": 16, "learning_rate": 1e-2}


@pytest.fixture
def folder(corpus, tmp_path) -> RunFolder:
    """A run that has learnt its text: … the cat sat on the mat, and then … the dog ran.<|endoftext|>Text …."""
    tasks = {"text": {"corpus": corpus, "length": LENGTH}}
    return trained_folder(tmp_path / "run", tiny_run(LEARNT, tasks=tasks, width=32))


def no_draw() -> torch.Generator:
    return torch.Generator()


def test_a_text_is_continued_as_it_was_learnt_up_to_its_end(folder):
    assert generate(folder.path, "the cat sat on the", 4, temperature=0).startswith("the cat sat on the mat, and")
    assert generate(folder.path, "on the mat, and the dog", 100, temperature=0) == "on the mat, and the dog ran."
    assert generate(folder.path, "", 1, temperature=0).startswith("T")  # of a text's beginning


def test_what_is_drawn_follows_from_the_seed(folder):
    def drawn(seed: int) -> str:
        return generate(folder.path, "Text", 12, seed=seed)

    assert drawn(0) == drawn(0)
    assert len({drawn(seed) for seed in range(5)}) > 1


def test_the_trained_iterations_are_the_usual_ones_and_others_can_be_asked_for(folder):
    def drawn(iterations: int | None) -> str:
        return generate(folder.path, "Text 17 of", 12, temperature=0, iterations=iterations)

    assert drawn(None) == drawn(2)
    assert drawn(None) != drawn(1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_tokens_against_a_plain_loop_over_the_last_positions(name: str):
    iterates = ARCHITECTURES[name][0].iterates()
    model = build({"architecture": name, "n": 1, "width": 8, "heads": 2} | ({"i": 4} if iterates else {}), 11).eval()
    read = [3, 1, 4, 1, 5]
    found = continuation(model, read, 7, 9, 0.0, no_draw(), iterations=4)
    for _ in range(6):
        with torch.no_grad():
            read = [*read, int(model(torch.tensor([read[-7:]]), 4)[0, -1, :9].argmax())]
        assert next(found) == read[-1]


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([0.0, 1.0, 2.0])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([choose(logits, 0.5, generator) for _ in range(4000)])
    expected = (logits.double() / 0.5).exp() / (logits.double() / 0.5).exp().sum()
    error = (expected * (1 - expected) / 4000).sqrt()
    assert ((torch.bincount(drawn) / 4000 - expected).abs() < 5 * error).all()
    assert choose(logits, 0.0, generator) == choose(logits, 1e-320, generator) == 2


def test_tokens_that_the_tokenizer_does_not_have_are_not_drawn(folder):
    run, model = load_trained(folder.path, torch.device("cpu"))
    assert run.task.vocabulary == load(folder.tokenizer, 320).get_vocab_size() == 320
    with torch.no_grad():
        model.head.weight.zero_()
    drawn = continuation(model, [0], LENGTH, 3, 1.0, no_draw())
    assert {next(drawn) for _ in range(60)} == {0, 1, 2}


def test_a_run_without_a_tokenizer_is_no_language_model(tmp_path):
    folder = trained_folder(tmp_path, tiny_run())
    with pytest.raises(UserError, match=r"it has no tokenizer\.json, so it is no language model"):
        generate(folder.path, "the", 1)


def test_what_cannot_be_continued_is_said_in_one_line(folder, tmp_path):
    for temperature in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="temperature: found"):
            generate(folder.path, "the", 1, temperature)
    with pytest.raises(UserError, match="not UTF-8"):
        generate(folder.path, "\udcff", 1)
    with pytest.raises(UserError, match=r"none/run\.json: no such file"):
        generate(tmp_path / "none", "the", 1)
    diverged = RunFolder(shutil.copytree(folder.path, tmp_path / "diverged"))
    write_sealed(diverged.record, folder.read_record() | {"status": "diverged"})
    with pytest.raises(UserError, match="its training ended at step 200, diverged"):
        generate(diverged.path, "the", 1)
    folder.tokenizer.write_text("{")
    with pytest.raises(UserError, match=r"tokenizer\.json: missing, or without the checksum in training\.json; delete"):
        generate(folder.path, "the", 1)
