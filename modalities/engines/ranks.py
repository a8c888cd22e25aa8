"""How alike two maps rank their elements."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

__all__ = ["rank_correlation"]


def rank_correlation(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> float | None:
    """Return Spearman's rank correlation of two maps of one shape; ties share their mean rank.

    None where either ranks nothing (fewer than two values, or all the same): two constant maps agree on no order.
    """
    x, y = (rankdata(v.ravel()) - (v.size + 1) / 2 for v in (a, b))
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size else None
