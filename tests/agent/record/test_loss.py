from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from scipy import stats

from veridical.agent.record.loss import mean_ranks, measure_loss, rank_correlation

VALUES = hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=1, min_side=2, max_side=30)).map(lambda a: a / 4)


def test_the_figures_are_those_of_the_definition():
    exact, stored = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.5], [2.0, 4.0]])
    assert measure_loss(exact, stored) == {
        "max": 1.0,
        "rms": pytest.approx(np.sqrt(1.25 / 4)),
        "rank": pytest.approx(0.8),  # two neighbours change places: 1 − 6 · 2 / (4 · 15)
        "sum": -0.5,
    }


def test_nothing_lost_is_zero_and_rank_one():
    array = np.linspace(-1, 1, 9, dtype=np.float32)
    assert measure_loss(array, array) == {"max": 0.0, "rms": 0.0, "rank": pytest.approx(1.0), "sum": 0.0}


def test_what_ranks_nothing_has_no_rank():
    even, rising = np.ones(4), np.arange(4.0)
    assert rank_correlation(even, rising) is None
    assert rank_correlation(rising, even) is None
    assert rank_correlation(np.ones(1), np.ones(1)) is None
    assert measure_loss(np.zeros(0), np.zeros(0)) == {"max": 0.0, "rms": 0.0, "rank": None, "sum": 0.0}


@given(VALUES)
def test_ranks_and_their_correlation_are_scipys(values):
    np.testing.assert_array_equal(mean_ranks(values), stats.rankdata(values))
    other = np.roll(values, 1) ** 2
    found = rank_correlation(values, other)
    if found is not None:
        assert found == pytest.approx(stats.spearmanr(values, other)[0], abs=1e-12)
