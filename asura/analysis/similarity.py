"""Similarity: linear CKA of the states of iterations (Kornblith et al., 2019, arXiv 1905.00414)."""

from torch import Tensor

from asura.analysis.states import at_most, states
from asura.analysis.subject import NotApplicable, Row, Subject, Tables
from asura.planning.analysis_settings import Similarity

FEWEST = 4
"""Positions that the estimate needs."""


def similarity(subject: Subject, settings: Similarity) -> Tables:
    """Two tables of the CKA, at asked positions, of states after iterations or blocks; place 0 is the embedding.

    similarity: a row for each two places, `t` and `other`, of the model itself.
    similarity_stack: a row for each place `t` of a recursive model and each `block` of its stack of equal FLOPs; none
        for a model without such a stack.

    Raises NotApplicable where too few positions are asked.
    """
    subject = at_most(subject, settings.positions)
    if (asked := int(subject.asked.sum())) < FEWEST:
        raise NotApplicable(f"{asked} positions are asked; it takes {FEWEST} to compare states")
    own = states(subject, subject.model, settings.iterations)
    tables = {"similarity": _rows(own, own, "other")}
    if subject.stack is not None:
        tables["similarity_stack"] = _rows(own, states(subject, subject.stack), "block")
    return tables


def cka(x: Tensor, y: Tensor) -> float:
    """Linear CKA of features of the same N positions, (N, d) and (N, d'); nan where one of them is constant.

    It is HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)) in the unbiased estimate of HSIC (Song et al., 2012), as the authors'
    code offers it. With ‖YᵀX‖² in its place, independent features would have a CKA of about d / N.
    """
    x, y = (each.double() - each.double().mean(0) for each in (x, y))
    return (_hsic(x, y) / (_hsic(x, x) * _hsic(y, y)).sqrt()).item()


def _hsic(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate for linear kernels of centred features, times N (N - 3)."""
    count = len(x)
    of_x, of_y = x.square().sum(1), y.square().sum(1)
    own_pairs = of_x @ of_y * count / (count - 2)
    return (y.T @ x).square().sum() - own_pairs + of_x.sum() * of_y.sum() / ((count - 1) * (count - 2))


def _rows(one: Tensor, other: Tensor, named: str) -> list[Row]:
    return [{"t": t, named: place, "cka": cka(x, y)} for t, x in enumerate(one) for place, y in enumerate(other)]
