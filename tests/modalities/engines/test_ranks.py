"""Spearman's rank correlation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from veridical.modalities.engines.ranks import rank_correlation

FEW = arrays(np.float64, (3, 4), elements=st.integers(-3, 3))


@given(FEW, FEW)
def test_it_is_spearmans_with_ties_and_none_where_nothing_is_ranked(a: np.ndarray, b: np.ndarray):
    found = rank_correlation(a, b)
    if np.ptp(a) and np.ptp(b):
        assert found == pytest.approx(spearmanr(a.ravel(), b.ravel())[0], abs=1e-12)
    else:
        assert found is None


def test_a_map_and_itself_agree_wholly():
    a = np.arange(6.0).reshape(2, 3)
    assert rank_correlation(a, a**3) == 1.0
    assert rank_correlation(a, -a) == -1.0
    assert rank_correlation(a[:1, :1], a[:1, :1]) is None
