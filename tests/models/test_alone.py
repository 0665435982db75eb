"""What a model makes of a sequence does not depend on the sequences beside it in the batch."""

import pytest
import torch

from tests.models.variants import VARIANTS, VOCABULARY, small

TOKENS = torch.randint(VOCABULARY, (16, 9), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("trains", [False, True])
def test_a_sequence_alone_has_the_states_and_measures_it_has_in_a_batch(variant: dict, trains: bool):
    model = small(i=24, **variant).double()
    with torch.set_grad_enabled(trains):
        together = list(model.trajectory(TOKENS))
        for place, row in enumerate(TOKENS[:4]):
            alone = list(model.trajectory(row[None]))
            for state, other in zip(alone, together, strict=True):
                pairs = [(model.read(state)[0], model.read(other)[place])]
                measures, others = model.measures(state), model.measures(other)
                pairs += [(measures[name][0], others[name][place]) for name in model.measured]
                assert all(torch.allclose(one, of_many, rtol=1e-6, atol=1e-8) for one, of_many in pairs)


def test_the_positions_of_a_deq_converge_at_different_evaluations():
    for solver in ("anderson", "broyden"):
        model = small(i=24, architecture="deq", solver=solver)
        with torch.no_grad():
            *_, (_, residual, evaluations) = model.trajectory(TOKENS)
        assert len(evaluations.unique()) > 1 and (residual < 1e-3).all()
