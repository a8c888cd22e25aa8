"""Chance: permutation tests of means and of counts, intervals of a mean, and corrections for many tests.

Everything drawn comes from a generator that the caller seeds, so that a report comes out the same twice. Decisions are
taken to be independent of each other, as drawn scenes are; successive steps of one trip are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from ...errors import InputError

__all__ = ["benjamini_hochberg", "counts_differ", "holm", "mean_intervals", "means_differ"]

_EXACT = 200_000  # arrangements that are gone through one by one
_JOINT = 4_000  # decisions up to which one arrangement is drawn for all columns; values drawn for one column beyond
_CELLS = 2_000_000  # of random numbers at once: 16 MB
_NORMAL = 2_000  # decisions from which on a mean is as good as normal


def means_differ(
    first: Float[np.ndarray, "a columns"],
    second: Float[np.ndarray, "b columns"],
    rng: np.random.Generator,
    draws: int = 9_999,
) -> Float[np.ndarray, " columns"]:
    """Return for each column the two-sided p-value of the difference of two means, by permutation.

    The null: which decision is of which group was settled without regard to the values (Fisher 1935; Pitman 1937). All
    arrangements are gone through where there are at most 200,000. Else ``draws`` are drawn and p is (1 + those at
    least as far apart) / (1 + draws), which is never too small (Phipson and Smyth, Statistical Applications in
    Genetics and Molecular Biology 9, 2010). Where a column has more than 4,000 values other than 0, the normal limit
    with the permutation's own moments stands for it (Hoeffding, Annals of Mathematical Statistics 22, 1951).

    Raises:
        InputError: a group without a decision.
    """
    if not len(first) or not len(second):
        raise InputError(f"means of {len(first)} and {len(second)} decisions: each group needs one at least")
    if len(first) > len(second):
        first, second = second, first
    few, values = len(first), np.concatenate([first, second]).astype(np.float64)
    expected = few * values.mean(0)
    # Rounding must not tell apart two arrangements that are as far apart as each other.
    slack = 1e-9 * np.maximum(np.abs(values).sum(0), 1e-300)
    seen = np.abs(first.sum(0, dtype=np.float64) - expected) - slack
    if math.comb(len(values), few) <= _EXACT:
        sums = values[np.array(list(combinations(range(len(values)), few)), dtype=np.intp)].sum(1)
        return (np.abs(sums - expected) >= seen).mean(0)
    if len(values) <= _JOINT:
        return (1 + _as_far(values, few, expected, seen, rng, draws)) / (1 + draws)
    return np.array([_sparse(values[:, i], few, float(seen[i]), rng, draws) for i in range(values.shape[1])])


def _as_far(
    values: np.ndarray, few: int, expected: np.ndarray, seen: np.ndarray, rng: np.random.Generator, draws: int
) -> np.ndarray:
    """How many of the drawn arrangements are at least as far apart; (columns,)."""
    count, step = np.zeros(values.shape[1]), max(_CELLS // len(values), 1)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        chosen = np.argpartition(rng.random((rows, len(values)), dtype=np.float32), few - 1, axis=1)[:, :few]
        held = np.zeros((rows, len(values)), dtype=np.float64)
        np.put_along_axis(held, chosen, 1.0, axis=1)
        count += (np.abs(held @ values - expected) >= seen).sum(0)
    return count


def _sparse(column: np.ndarray, few: int, seen: float, rng: np.random.Generator, draws: int) -> float:
    """One column of many decisions: only the values other than 0 are drawn, of which the law is the same."""
    other, total = column[column != 0], len(column)
    expected = few * column.mean()
    if not len(other):
        return 1.0
    if len(other) > _JOINT:
        deviation = math.sqrt(few * (total - few) / (total - 1) * float(column.var()))
        return math.erfc(max(seen, 0.0) / deviation / math.sqrt(2)) if deviation else 1.0
    far, step = 0, max(_CELLS // len(other), 1)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        held = rng.hypergeometric(len(other), total - len(other), few, size=rows)
        order = np.argsort(rng.random((rows, len(other)), dtype=np.float32), axis=1)
        sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(other[order], axis=1)], axis=1)
        far += int((np.abs(sums[np.arange(rows), held] - expected) >= seen).sum())
    return (1 + far) / (1 + draws)


def counts_differ(first: Sequence[int], second: Sequence[int], rng: np.random.Generator, draws: int = 9_999) -> float:
    """Return the p-value of two rows of counts over the same categories, by permutation of the chi-square statistic.

    With both margins held, which of all decisions fall into the first row follows the multivariate hypergeometric law,
    from which is drawn: valid however small the counts.

    Args:
        first: counts by category.
        second: likewise, in the same order.
        rng: seeded generator.
        draws: tables drawn.

    Raises:
        InputError: rows of different lengths, or one without a decision.
    """
    a, b = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    if a.shape != b.shape or not a.sum() or not b.sum():
        raise InputError(f"counts of {len(a)} and {len(b)} categories, {a.sum()} and {b.sum()} decisions: none empty")
    both = a + b
    a, both = a[both > 0], both[both > 0]
    if len(both) == 1:
        return 1.0
    expected = both * (a.sum() / both.sum())

    rows = np.concatenate([a[None], rng.multivariate_hypergeometric(both, int(a.sum()), size=draws)])
    # Of the second row the same deviations, so chi-square is this times a constant.
    apart = ((rows - expected) ** 2 / both).sum(1)
    return float((apart >= apart[0] * (1 - 1e-9)).sum()) / (1 + draws)  # the table itself is the one of 1 + draws


def mean_intervals(
    values: Float[np.ndarray, "decisions columns"], rng: np.random.Generator, draws: int = 1_999
) -> list[tuple[float, float] | None]:
    """Return for each column the 95 % interval of its mean, over decisions.

    The percentile bootstrap (Efron 1979), and from 2,000 decisions on the normal interval. None where all values are
    alike or there are fewer than 10, for then neither tells how sure the mean is.
    """
    count = len(values)
    if count < 10:
        return [None] * values.shape[1]
    if count >= _NORMAL:
        mean, half = values.mean(0), 1.959964 * values.std(0, ddof=1) / math.sqrt(count)
        ends = np.stack([mean - half, mean + half])
    else:
        weights = rng.multinomial(count, np.full(count, 1 / count), size=draws) / count
        ends = np.quantile(weights @ values, (0.025, 0.975), axis=0)
    alike = values.max(0) == values.min(0)
    return [None if alike[i] else (float(ends[0, i]), float(ends[1, i])) for i in range(values.shape[1])]


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the chance of any false finding is held, however they depend on each other.

    Holm, Scandinavian Journal of Statistics 6 (1979).

    >>> [round(v, 3) for v in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, most = [1.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        most = max(most, min((len(p) - rank) * p[index], 1.0))
        adjusted[index] = most
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the expected share of false findings among all findings is held.

    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995); for independent or positively
    dependent tests.

    >>> [round(v, 3) for v in benjamini_hochberg([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    adjusted, least = [1.0] * len(p), 1.0
    for rank, index in sorted(enumerate(sorted(range(len(p)), key=lambda i: p[i]), start=1), reverse=True):
        least = min(least, p[index] * len(p) / rank)
        adjusted[index] = least
    return adjusted
