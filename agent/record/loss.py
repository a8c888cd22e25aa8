"""What storing a map more coarsely lost: largest and root-mean-square error, rank correlation, error of the sum."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mean_ranks", "measure_loss", "rank_correlation"]


def measure_loss(exact: np.ndarray, stored: np.ndarray) -> dict[str, Any]:
    """Compare a map with what comes back of it.

    Returns:
        ``max`` and ``rms`` error and the error of the ``sum`` (stored less exact), all in the map's unit, and ``rank``,
        Spearman's correlation of the two, null where one of them ranks nothing.
    """
    one, two = exact.astype(np.float64).ravel(), stored.astype(np.float64).ravel()
    error = two - one
    return {
        "max": float(np.abs(error).max(initial=0)),
        "rms": float(np.sqrt(np.mean(error**2))) if error.size else 0.0,
        "rank": rank_correlation(one, two),
        "sum": float(two.sum() - one.sum()),
    }


def rank_correlation(one: np.ndarray, two: np.ndarray) -> float | None:
    """Return Spearman's rank correlation, ties at their mean rank; None where it is not defined."""
    if one.size < 2:
        return None
    a, b = (mean_ranks(values) - (values.size + 1) / 2 for values in (one, two))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / spread, -1, 1)) if spread > 0 else None


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each of ``values`` (flat), 1 the least, equal ones at the mean of their ranks."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
