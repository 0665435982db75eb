import pytest
import torch

from asura.common.randomness import generator
from asura.evaluation.accuracy import accuracy, answers, asked_of, exact_match, mean, task_scores
from asura.models import build
from asura.tasks.base import IGNORE
from asura.tasks.phop import PHop

CPU = torch.device("cpu")
TASK = PHop(hops=1, alphabet=3, length=6)
MODEL = build({"architecture": "asura", "n": 1, "i": 2, "width": 8, "heads": 2}, TASK.vocabulary)


def test_accuracy_worked_out_by_hand():
    # right 1 of 2, 3 of 3 and 0 of 1; the fourth example asks nothing
    score = accuracy(torch.tensor([1, 3, 0, 0]), torch.tensor([2, 3, 1, 0]))
    assert score.value == pytest.approx(4 / 6)
    # residuals 1 - 4/3, 3 - 2, -2/3: squares 1/9 + 1 + 4/9 = 14/9; sqrt(14/9 · 3/2) / 6
    assert score.standard_error == pytest.approx((14 / 9 * 3 / 2) ** 0.5 / 6)
    assert score.examples == 3


def test_standard_errors_are_over_clusters():
    right, asked, cluster = torch.tensor([1, 1, 0, 0]), torch.ones(4, dtype=torch.int64), torch.tensor([7, 7, 2, 2])
    for score in (accuracy(right, asked, cluster), exact_match(right, asked, cluster)):
        assert (score.value, score.examples) == (0.5, 4)
        assert score.standard_error == pytest.approx(0.5)  # residuals 1 and -1: sqrt(2 · 2/1) / 4
    twice = accuracy(right.repeat(2), asked.repeat(2), cluster.repeat(2))
    assert twice.standard_error == pytest.approx(0.5)  # the same example again says nothing
    assert accuracy(right, asked, torch.arange(4)) == accuracy(right, asked)
    unasked = accuracy(torch.tensor([1, 0, 0]), torch.tensor([1, 1, 0]), torch.tensor([0, 1, 2]))
    assert unasked == accuracy(torch.tensor([1, 0]), torch.tensor([1, 1]))


def test_exact_match_worked_out_by_hand():
    score = exact_match(torch.tensor([1, 3, 0, 0]), torch.tensor([2, 3, 1, 0]))
    assert score.value == pytest.approx(1 / 3)
    assert score.standard_error == pytest.approx((1 / 3 * 2 / 3 / 2) ** 0.5)  # of a share, with n - 1
    assert (score.metric, score.examples) == ("exact_match", 3)


def test_the_standard_error_is_the_spread_over_draws_of_examples():
    generator = torch.Generator().manual_seed(0)
    values, errors = [], []
    for _ in range(300):
        asked = torch.randint(1, 9, (400,), generator=generator)
        easy = torch.rand(400, 1, generator=generator)  # the positions of an example are easy together
        right = (torch.rand(400, 8, generator=generator) < easy) & (torch.arange(8) < asked[:, None])
        score = accuracy(right.sum(1), asked)
        values.append(score.value)
        errors.append(score.standard_error)
    assert torch.tensor(values).std().item() == pytest.approx(torch.tensor(errors).mean().item(), rel=0.15)


def test_one_pass_over_the_iterations_equals_one_pass_for_each():
    tokens, targets = TASK.draw(2000, torch.Generator().manual_seed(0))  # more than are computed at once
    found, measures = answers(MODEL, tokens, targets, range(1, 5), CPU)
    assert not measures
    assert found.shape == (4, 2000)
    with torch.no_grad():
        for t in range(1, 5):
            said = MODEL(tokens, iterations=t).argmax(-1)
            assert torch.equal(found[t - 1], ((said == targets) & (targets != IGNORE)).sum(1))


def test_rows_are_of_every_split_iteration_and_metric_on_the_same_examples():
    rows = task_scores(MODEL, asked_of(TASK, 100), "accuracy", range(1, 4), CPU).rows
    keys = [(row["split"], row["iterations"], row["metric"]) for row in rows]
    metrics = ("accuracy", "exact_match")
    assert keys == [(split, t, metric) for split in TASK.splits for t in (1, 2, 3) for metric in metrics]
    assert rows == task_scores(MODEL, asked_of(TASK, 100), "accuracy", range(1, 4), CPU).rows


def test_the_row_of_each_iteration_is_of_the_state_after_it():
    settings = {"architecture": "universal", "n": 1, "i": 2, "width": 8, "heads": 2, "halting": "act"}
    model = build(settings, TASK.vocabulary, seed=4).eval()
    rows = task_scores(model, asked_of(TASK, 100), "accuracy", range(1, 4), CPU).rows
    found = {(row["split"], row["iterations"], row["metric"]): row["value"] for row in rows}
    for name, split in TASK.splits.items():
        tokens, targets = split.draw(100, generator("examples", name))
        for t, state in enumerate(model.trajectory(tokens, 3), start=1):
            right = (model.logits(model.read(state)).argmax(-1) == targets)[targets != IGNORE]
            assert found[name, t, "accuracy"] == pytest.approx(right.double().mean().item())
            halting = model.measures(state)["halting_iterations"].mean().item()
            assert found[name, t, "halting_iterations"] == pytest.approx(halting)
    assert all(found["test", 1, metric] != found["test", 2, metric] for metric in ("accuracy", "halting_iterations"))


def test_the_default_number_of_examples_gives_a_standard_error_below_one_percent():
    coin = torch.rand(2560, generator=torch.Generator().manual_seed(0)) < 0.5
    assert accuracy(coin.long(), torch.ones(2560, dtype=torch.int64)).standard_error < 0.01


def test_measures_of_a_model_have_rows_beside_its_scores():
    model = build({"architecture": "universal", "n": 1, "i": 2, "width": 8, "heads": 2, "halting": "act"}, 3).eval()
    scores = task_scores(model, asked_of(TASK, 300), "accuracy", range(1, 4), CPU)
    rows = [row for row in scores.rows if row["metric"] == "halting_iterations"]
    assert [(row["split"], row["iterations"]) for row in rows] == [(s, t) for s in TASK.splits for t in (1, 2, 3)]
    assert all(1 <= row["value"] <= row["iterations"] and row["examples"] == 300 for row in rows)


@pytest.mark.parametrize("metric", ["accuracy", "exact_match"])
def test_outcomes_of_examples_give_the_score_at_the_trained_iterations(metric: str):
    found = task_scores(MODEL, asked_of(TASK, 100), metric, range(1, 5), CPU)
    for split in TASK.splits:
        score, weight = found.outcomes[f"{split}.score"], found.outcomes[f"{split}.weight"]
        assert len(score) == len(weight) == 100
        (row,) = (r for r in found.rows if (r["split"], r["iterations"], r["metric"]) == (split, 2, metric))
        assert (score.sum() / weight.sum()).item() == pytest.approx(row["value"])


def test_shortcuts_are_scored_on_the_examples_of_the_model():
    questions = asked_of(PHop(hops=2, alphabet=3, length=12), 200)
    found = task_scores(MODEL, questions, "accuracy", [2], CPU).shortcuts
    tokens, targets = PHop(hops=2, alphabet=3, length=12).splits["test"].draw(200, generator("examples", "test"))
    asked = targets != IGNORE
    assert found["test"]["copy"] == pytest.approx((tokens == targets)[asked].double().mean().item())
    one_hop = PHop(hops=1, alphabet=3, length=12).answers(tokens)
    assert found["test"]["1 hop"] == pytest.approx((one_hop == targets)[asked].double().mean().item())
    assert set(found) == {"validation", "test", "more_hops", "longer"}


def test_the_mean_of_a_measure_worked_out_by_hand():
    score = mean("residual", torch.tensor([1.0, 2.0, 6.0]))
    assert score.value == 3
    assert score.standard_error == pytest.approx((7 / 3) ** 0.5)  # variance (4 + 1 + 9) / 2
