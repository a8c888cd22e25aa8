"""Bootstrap intervals: how far a mean over observations might be elsewhere for other observations of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError

__all__ = ["Interval", "bootstrap"]


@dataclass(frozen=True)
class Interval:
    """A mean and its interval.

    Attributes:
        mean: mean of the defined values; None where there are none.
        low: lower end; None where there are fewer than two values, of which nothing can be resampled.
        high: upper end.
        count: how many values there are.
        undefined: how many were not defined, and left out.
        level: confidence that the interval is meant to have.
    """

    mean: float | None
    low: float | None
    high: float | None
    count: int
    undefined: int
    level: float


def bootstrap(values: Sequence[float | None], resamples: int = 1000, level: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean of the values that are defined, and its percentile bootstrap interval.

    Of few values (below twenty or so) the interval is too narrow: what was not seen is not resampled. Source: Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Args:
        values: one for each observation; None where it is undefined.
        resamples: how often as many values are drawn from them, with replacement.
        level: of the interval, between 0 and 1.
        seed: of the resampling.

    Raises:
        InputError: no resamples, a level out of range, or a value that is not finite.

    Example:
        >>> bootstrap([1.0, 1.0, None])
        Interval(mean=1.0, low=1.0, high=1.0, count=2, undefined=1, level=0.95)
    """
    if resamples < 1 or not 0 < level < 1:
        raise InputError(f"bootstrap: {resamples} resamples, level {level}; at least 1, and between 0 and 1")
    known = np.array([v for v in values if v is not None], np.float64)
    if not np.isfinite(known).all():
        raise InputError("bootstrap: a value is not finite; give None where a figure is undefined")
    undefined = len(values) - len(known)
    if len(known) == 0:
        return Interval(None, None, None, 0, undefined, level)
    mean = float(known.mean())
    if len(known) == 1:
        return Interval(mean, None, None, 1, undefined, level)
    rng = np.random.default_rng(seed)
    means = known[rng.integers(len(known), size=(resamples, len(known)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(known), undefined, level)
