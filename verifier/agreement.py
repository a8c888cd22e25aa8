"""How far predicted and measured effects agree, and whether they would agree as well about other evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["AgreementTest", "agreement", "agreement_test"]

Values = Float[np.ndarray, " edits"]


@dataclass(frozen=True)
class AgreementTest:
    """The rank test of null A: would the same predictions be as right about comparable evidence?

    Attributes:
        agreement: that of the claims' predictions with the measured effects.
        assignments: how many ways there are to say the same of the claims or of their controls, the claims included.
        as_good: how many of them agree at least as well; the claims themselves are one.
        p: ``as_good / assignments``.
    """

    agreement: float
    assignments: int
    as_good: int
    p: float


def agreement(predicted: Values, measured: Values) -> float:
    """Return ``1 - sum |predicted - measured| / sum max(|predicted|, |measured|)``, the weighted Jaccard index.

    1 where all predictions are right, 0 where as much was wrong as was at stake, below 0 where the signs are wrong (for
    values of one sign it is Ruzicka's similarity, ``sum min / sum max``). Of nothing predicted and nothing measured it
    is 0: that is no agreement to speak of.

    >>> agreement(np.array([-4.0, -1.0]), np.array([-2.0, -1.0]))
    0.6
    """
    at_stake = float(np.maximum(np.abs(predicted), np.abs(measured)).sum())
    return 1 - float(np.abs(predicted - measured).sum()) / at_stake if at_stake > 0 else 0.0


def agreement_test(predicted: Values, measured: Values, controls: Sequence[Float[np.ndarray, " _"]]) -> AgreementTest:
    """Test if the predictions are right of the claimed evidence rather than of any evidence like it.

    Each claim has controls that are like it in size, shape and energy. For an explanation that knows nothing of the
    system the claim is one draw among them, so each way to put the predictions on one of these edits for each claim is
    as likely as any other, and the share of those that agree at least as well is an exact p-value (a stratified
    permutation test; Phipson and Smyth, SAGMB 2010, section 3, for the claims counting among them).

    Args:
        predicted: of each claim, nats.
        measured: of each claim, nats.
        controls: measured effects of each claim's controls, nats; a claim may have none.

    >>> agreement_test(np.array([-2.0]), np.array([-1.5]), [np.array([0.0, -0.5, -9.0])]).p
    0.25
    """
    own = agreement(predicted, measured)
    # 1 - wrong / stake >= own where the sum over the claims of wrong - (1 - own) stake is at most 0: a sum of one term
    # for each claim, so that the ways need not be listed. What differs from the claims' own agreement by rounding is a
    # tie, and a tie counts against them.
    halves, assignments = [np.zeros(1), np.zeros(1)], 1
    for i, (p, effect, others) in enumerate(zip(predicted, measured, controls, strict=True)):
        effects = np.concatenate([[effect], others])
        excess = np.abs(p - effects) - (1 - own + 1e-9) * np.maximum(np.abs(p), np.abs(effects))
        halves[i % 2] = np.add.outer(halves[i % 2], excess).ravel()
        assignments *= len(effects)
    as_good = int(np.searchsorted(np.sort(halves[0]), -halves[1], side="right").sum())
    return AgreementTest(own, assignments, as_good, as_good / assignments)
