"""Intervals of a share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from veridical.scenarios.courier.evaluate import wilson as of_courier
from veridical.verifier.bounds import Share, hoeffding, hoeffding_passes, wilson

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def coverage(interval, n: int, share: float) -> float:
    """Exact probability that the interval from n trials holds the true share."""
    inside = [k for k in range(n + 1) if interval(k, n).low <= share <= interval(k, n).high]
    return float(binom.pmf(inside, n, share).sum())


def test_150_passes_give_a_tenth_at_90_percent():
    share = hoeffding(75, 150, 0.9)
    assert share.high - share.value == pytest.approx(math.sqrt(math.log(20) / 300))
    assert 0.0998 < share.value - share.low < 0.1
    assert hoeffding_passes(0.1, 0.9) == 150
    assert hoeffding(74, 149, 0.9).high - 74 / 149 > 0.1


@given(st.floats(0.02, 0.5), st.floats(0.5, 0.99))
def test_the_passes_are_the_fewest_that_do(half: float, level: float):
    n = hoeffding_passes(half, level)
    width = math.sqrt(math.log(2 / (1 - level)) / 2)
    assert width / math.sqrt(n) <= half * (1 + 1e-12)
    assert n == 1 or width / math.sqrt(n - 1) > half * (1 - 1e-12)


@pytest.mark.parametrize("n", [5, 40, 150])
def test_hoeffding_covers_every_share_and_is_wider_than_the_exact_interval(n: int):
    assert min(coverage(lambda k, m: hoeffding(k, m, 0.9), n, s / 50) for s in range(51)) >= 0.9
    for k in range(n + 1):
        exact, ours = binomtest(k, n).proportion_ci(0.9, "exact"), hoeffding(k, n, 0.9)
        assert ours.low <= exact.low + 1e-12
        assert ours.high >= exact.high - 1e-12


def test_wilson_covers_on_average_and_lies_within_the_exact_interval_of_moderate_shares():
    covered = [coverage(wilson, 60, s / 100) for s in range(2, 99)]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.006)
    for k in range(6, 55):
        exact, ours = binomtest(k, 60).proportion_ci(0.95, "exact"), wilson(k, 60)
        assert exact.low <= ours.low <= ours.high <= exact.high


@given(counts, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_wilson_is_scipys(case: tuple[int, int], level: float):
    right, n = case
    scipys, ours = binomtest(right, n).proportion_ci(level, "wilson"), wilson(right, n, level)
    assert (ours.low, ours.high) == pytest.approx((scipys.low, scipys.high), abs=1e-9)
    assert ours.low <= ours.value <= ours.high


def test_wilson_agrees_with_couriers_own():
    assert wilson(37, 50).to_list()[1:] == pytest.approx(of_courier(37, 50), abs=1e-4)


@given(counts)
def test_intervals_mirror_and_stay_within_0_and_1(case: tuple[int, int]):
    right, n = case
    for interval in (hoeffding, wilson):
        one, other = interval(right, n), interval(n - right, n)
        assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-12)
        assert 0 <= one.low <= one.value <= one.high <= 1


def test_a_sum_of_bounded_values_has_an_interval_too():
    assert hoeffding(7.5, 30).value == 0.25


def test_a_share_prints_as_value_low_high():
    assert Share(0.5, 0.2, 0.8, 9, 0.9, "wilson").to_list() == [0.5, 0.2, 0.8]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: hoeffding(1, 0), "0 trials; at least one"),
        (lambda: wilson(3, 2), "3 of 2; the successes must lie between"),
        (lambda: hoeffding(-1, 2), "-1 of 2"),
        (lambda: hoeffding(float("nan"), 2), "nan of 2"),
        (lambda: wilson(1, 2, 1.0), "level 1.0; a confidence strictly between 0 and 1"),
        (lambda: hoeffding_passes(0.0), "half-width 0.0"),
        (lambda: hoeffding_passes(0.1, 90), "level 90"),
    ],
)
def test_what_is_out_of_range_is_told(call, told: str):
    from veridical.errors import InputError

    with pytest.raises(InputError, match=told):
        call()
