"""Comprehensiveness and sufficiency: what the score loses without the leading evidence, and with nothing else.

Source: DeYoung et al., "ERASER: A Benchmark to Evaluate Rationalized NLP Models", ACL 2020, section 4.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from .curves import CONSTANT, Area, Curve
from .removal import Removal, checked_map, order_of, scored_in_order

__all__ = ["SHARES", "comprehensiveness", "sufficiency"]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the elements that count as the leading evidence, as the paper has them for continuous scores."""


def comprehensiveness(
    removal: Removal, values: Float[np.ndarray, "..."] | Tensor, shares: tuple[float, ...] = SHARES
) -> Area:
    """Return f(x) - f(x without the leading elements), averaged over the shares; higher is better.

    The leading elements of a share are its part of the elements, rounded up, with the largest values. The mean is over
    the shares alone; the paper's sum also holds the empty set, whose term is 0, and is divided by one more.

    Args:
        removal: what the system scores without certain elements; the paper's score is the probability of the class
            predicted.
        values: one value for each element.
        shares: between 0 and 1.

    Returns:
        The figure, and as its curve the loss at each share.

    Raises:
        InputError: not one finite value for each element, or a share out of range.
    """
    return _mean_loss("comprehensiveness", removal, values, shares)


def sufficiency(
    removal: Removal, values: Float[np.ndarray, "..."] | Tensor, shares: tuple[float, ...] = SHARES
) -> Area:
    """Return f(x) - f(the leading elements alone), averaged over the shares; lower is better.

    Arguments, result and errors as for `comprehensiveness`.
    """
    return _mean_loss("sufficiency", removal, values, shares)


def _mean_loss(
    metric: str, removal: Removal, values: Float[np.ndarray, "..."] | Tensor, shares: tuple[float, ...]
) -> Area:
    if not shares or not all(0 < share < 1 for share in shares):
        raise InputError(f"{metric}: shares {shares}; shares between 0 and 1 are wanted")
    each = checked_map(values, removal.shape)
    told = f"ERASER: {removal.name}; mean over {', '.join(f'{100 * s:g}' for s in shares)} % leading elements"
    order = order_of(each)
    if order is None:
        return Area(metric, None, told, reason=CONSTANT)
    # 0.1 * 30 is 3.0000000000000004
    counts = np.array([0, *(math.ceil(round(share * len(each), 9)) for share in shares)])
    alone = metric == "sufficiency"
    before = float(scored_in_order(removal, order, counts[:1])[0])
    losses = before - scored_in_order(removal, order, counts[1:], keep=alone)
    return Area(metric, float(losses.mean()), told, curve=Curve(np.array(shares), losses))
