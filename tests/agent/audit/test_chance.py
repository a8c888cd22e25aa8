from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from veridical.agent.audit.chance import benjamini_hochberg, counts_differ, holm, mean_intervals, means_differ
from veridical.errors import InputError

stats: Any = scipy_stats  # its stubs do not know its results

PS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def column(*values):
    return np.array(values, dtype=float)[:, None]


def test_few_decisions_are_gone_through_one_by_one():
    # Of the 20 ways to choose three of six only this one and its mirror are as far apart.
    found = means_differ(column(4, 5, 6), column(1, 2, 3), np.random.default_rng(0))
    assert found == pytest.approx([2 / 20])


def test_it_is_the_exact_test_of_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=7), rng.normal(0.8, size=6)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: abs(x.mean() - y.mean()), alternative="greater", n_resamples=np.inf
    ).pvalue
    assert means_differ(column(*a), column(*b), rng) == pytest.approx([theirs])


def test_drawn_arrangements_come_close_to_all_and_are_never_below_one_in_their_number():
    rng = np.random.default_rng(2)
    a, b = rng.random((30, 2)), rng.random((40, 2)) + np.array([0.15, 3.0])
    drawn = means_differ(a, b, rng)
    welch = stats.ttest_ind(a[:, 0], b[:, 0]).pvalue
    assert drawn[0] == pytest.approx(welch, abs=0.02)
    assert drawn[1] == 1 / 10_000
    assert means_differ(b, a, np.random.default_rng(3))[0] == pytest.approx(drawn[0], abs=0.02)


def test_many_decisions_have_the_same_law_drawn_from_the_values_other_than_zero():
    rng = np.random.default_rng(4)
    a, b = np.zeros((3000, 3)), np.zeros((3000, 3))
    a[:14, 0], b[:4, 0] = 1.0, 1.0
    a[:, 1], b[:, 1] = rng.normal(size=3000), rng.normal(0.05, size=3000)
    found = means_differ(a, b, rng)
    assert found[0] == pytest.approx(stats.fisher_exact([[14, 2986], [4, 2996]]).pvalue, abs=0.006)
    assert found[1] == pytest.approx(stats.ttest_ind(a[:, 1], b[:, 1]).pvalue, rel=0.02)
    assert found[2] == 1.0


def test_alike_values_are_never_told_apart():
    rng = np.random.default_rng(5)
    assert (means_differ(np.full((12, 2), 0.1), np.full((15, 2), 0.1), rng) == 1).all()
    assert (means_differ(np.full((2500, 1), 0.1), np.full((2500, 1), 0.1), rng) == 1).all()


def test_a_group_without_decisions_is_refused():
    with pytest.raises(InputError, match="0 and 3 decisions"):
        means_differ(np.zeros((0, 1)), np.zeros((3, 1)), np.random.default_rng(0))


def test_counts_are_tested_like_fisher_and_chi_square():
    rng = np.random.default_rng(6)
    assert counts_differ([8, 2], [1, 9], rng, 99_999) == pytest.approx(
        stats.fisher_exact([[8, 2], [1, 9]]).pvalue, abs=0.002
    )
    table = [[60, 30, 20], [45, 45, 22]]
    assert counts_differ(table[0], table[1], rng) == pytest.approx(stats.chi2_contingency(table).pvalue, abs=0.02)
    assert counts_differ([5, 0], [9, 0], rng) == 1.0
    with pytest.raises(InputError, match="none empty"):
        counts_differ([1, 2], [0, 0], rng)


def test_a_mean_lies_in_its_interval_and_what_is_alike_has_none():
    rng = np.random.default_rng(7)
    values = np.stack([rng.random(80), np.zeros(80)], axis=1)
    told, alike = mean_intervals(values, rng)
    assert told is not None
    half = 1.96 * values[:, 0].std(ddof=1) / math.sqrt(80)
    assert told == pytest.approx((values[:, 0].mean() - half, values[:, 0].mean() + half), abs=0.01)
    assert alike is None
    assert mean_intervals(values[:9], rng) == [None, None]
    many = rng.random((4000, 1))
    assert mean_intervals(many, rng)[0] == pytest.approx(
        stats.norm.interval(0.95, many.mean(), many.std(ddof=1) / 4000**0.5)
    )


@given(PS)
def test_corrections_are_those_of_scipy_and_of_the_definition(ps):
    assert benjamini_hochberg(ps) == pytest.approx(stats.false_discovery_control(ps).tolist())
    strict = holm(ps)
    assert all(h >= b - 1e-12 >= p - 2e-12 for h, b, p in zip(strict, benjamini_hochberg(ps), ps, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    for rank, index in enumerate(order):
        assert strict[index] == pytest.approx(min(max((len(ps) - k) * ps[order[k]] for k in range(rank + 1)), 1.0))


def test_corrections_do_not_depend_on_the_order():
    ps = [0.01, 0.02, 0.04]
    for order in permutations(range(3)):
        for correct in (holm, benjamini_hochberg):
            assert [correct([ps[i] for i in order])[order.index(i)] for i in range(3)] == correct(ps)
