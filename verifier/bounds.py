"""Intervals of a share: how sure a count of successes makes us."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError

__all__ = ["Share", "hoeffding", "hoeffding_passes", "wilson"]


@dataclass(frozen=True)
class Share:
    """A share that was counted, and where the true one lies.

    Attributes:
        value: share seen, 0 to 1.
        low: lower end of the two-sided interval.
        high: its upper end.
        count: trials.
        level: confidence of the interval, 0 to 1.
        method: ``hoeffding``, ``wilson`` or ``betting``.
    """

    value: float
    low: float
    high: float
    count: int
    level: float
    method: str

    def to_list(self) -> list[float]:
        """Return [value, low, high], as benchmarks print it."""
        return [self.value, self.low, self.high]


def _check(what: str, total: float, count: int, level: float) -> None:
    if count < 1:
        raise InputError(f"{what}: {count} trials; at least one is needed for a share")
    if not 0 <= total <= count:
        raise InputError(f"{what}: {total} of {count}; the successes must lie between 0 and the trials")
    _check_level(what, level)


def _check_level(what: str, level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"{what}: level {level}; a confidence strictly between 0 and 1 is wanted, such as 0.9")


def hoeffding(total: float, count: int, level: float = 0.9) -> Share:
    """Return a share with Hoeffding's interval, valid at every number of trials, whatever the share.

    The half-width is sqrt(ln(2 / (1 − level)) / (2 count)): P(|mean − E| ≥ t) ≤ 2 exp(−2 count t²) (Hoeffding, JASA
    1963, Theorem 1, both sides). Taken as a one-sided bound, each end holds at (1 + level) / 2.

    Args:
        total: successes, or the sum of independent values in 0 to 1.
        count: trials, fixed beforehand.
        level: confidence.

    Raises:
        InputError: no trials, more successes than trials, or a level outside 0 to 1.

    >>> share = hoeffding(120, 150)
    >>> round(share.value - share.low, 3)
    0.1
    """
    _check("hoeffding", total, count, level)
    share, half = total / count, math.sqrt(math.log(2 / (1 - level)) / (2 * count))
    return Share(share, max(share - half, 0.0), min(share + half, 1.0), count, level, "hoeffding")


def hoeffding_passes(half_width: float, level: float = 0.9) -> int:
    """Return how many trials make Hoeffding's interval no wider than ± ``half_width``.

    Raises:
        InputError: a half-width or a level outside 0 to 1.

    >>> hoeffding_passes(0.1)
    150
    """
    _check_level("hoeffding", level)
    if not 0 < half_width < 1:
        raise InputError(f"hoeffding: half-width {half_width}; a share strictly between 0 and 1 is wanted, such as 0.1")
    return math.ceil(math.log(2 / (1 - level)) / (2 * half_width**2))


def wilson(successes: int, count: int, level: float = 0.95) -> Share:
    """Return a share with Wilson's score interval (Wilson, JASA 1927).

    Its coverage is near the level on average over shares, not at every one; see `hoeffding` for a guarantee.

    Args:
        successes: how often.
        count: trials.
        level: confidence.

    Raises:
        InputError: no trials, more successes than trials, or a level outside 0 to 1.

    >>> [round(v, 3) for v in wilson(5, 10).to_list()]
    [0.5, 0.237, 0.763]
    """
    from scipy.special import ndtri

    _check("wilson", successes, count, level)
    p, z = successes / count, float(ndtri((1 + level) / 2))
    middle, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low, high = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    # Where p is 0 or 1, rounding would leave it outside.
    return Share(p, max(min(low, p), 0.0), min(max(high, p), 1.0), count, level, "wilson")
