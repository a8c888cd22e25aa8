"""Comprehensiveness and sufficiency."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.metrics.eraser import SHARES, comprehensiveness, sufficiency
from veridical.verifier.metrics.removal import Units


def additive(worth: np.ndarray) -> Units:
    return Units(lambda there: there @ np.asarray(worth, float), len(worth))


def test_an_additive_score_loses_the_sums_of_what_is_taken():
    worth = np.arange(100.0, 0.0, -1)  # 5050 in all
    sums = np.cumsum(worth)
    lost = [sums[k - 1] for k in (1, 5, 10, 20, 50)]
    found = comprehensiveness(additive(worth), worth)
    assert found.curve.scores.tolist() == lost
    assert found.figure == pytest.approx(np.mean(lost))
    assert sufficiency(additive(worth), worth).figure == pytest.approx(5050 - np.mean(lost))
    assert found.protocol.endswith("mean over 1, 5, 10, 20, 50 % leading elements")


def test_one_word_that_decides_is_all_that_is_needed():
    removal = Units(lambda there: there[:, 7].astype(float), 30)
    values = np.where(np.arange(30) == 7, 1.0, 0.0)
    assert comprehensiveness(removal, values).figure == 1.0
    assert sufficiency(removal, values).figure == 0.0
    assert comprehensiveness(removal, -values).figure == 0.0
    assert sufficiency(removal, -values).figure == 1.0


@pytest.mark.parametrize(("count", "taken"), [(30, (1, 2, 3, 6, 15)), (2, (1, 1, 1, 1, 1)), (64, (1, 4, 7, 13, 32))])
def test_shares_are_rounded_up(count: int, taken):
    removal = Units(lambda there: -there.sum(1) * 1.0, count)
    assert (-comprehensiveness(removal, np.arange(float(count))).curve.scores).tolist() == list(taken)


@given(st.lists(st.floats(0, 5), min_size=2, max_size=20), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_true_contributions_of_an_additive_score_are_best(worth, seed):
    worth = np.array(worth)
    other = np.random.default_rng(seed).random(len(worth))
    if np.ptp(worth) > 0:
        best = comprehensiveness(additive(worth), worth).figure, sufficiency(additive(worth), worth).figure
        assert best[0] >= comprehensiveness(additive(worth), other).figure - 1e-9
        assert best[1] <= sufficiency(additive(worth), other).figure + 1e-9


def test_a_constant_map_has_no_figure_and_shares_out_of_range_are_told():
    assert "constant" in comprehensiveness(additive(np.ones(3)), np.ones(3)).reason
    with pytest.raises(InputError, match=r"shares \(0.5, 1.0\)"):
        sufficiency(additive(np.ones(3)), np.arange(3.0), (0.5, 1.0))
    assert SHARES == (0.01, 0.05, 0.1, 0.2, 0.5)
