"""Faithfulness correlation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.metrics.correlation import (
    CorrelationSettings,
    draw_subsets,
    faithfulness_correlation,
    pearson,
)
from veridical.verifier.metrics.removal import Elements, Units

WORTH = np.array([3.0, -1.0, 2.0, 0.5, 4.0, -2.0])


def additive(worth: np.ndarray) -> Units:
    return Units(lambda there: there @ worth, len(worth))


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_contributions_of_an_additive_score_correlate_fully(share: float):
    asked = CorrelationSettings(share=share)
    assert faithfulness_correlation(additive(WORTH), WORTH, asked).figure == pytest.approx(1)
    assert faithfulness_correlation(additive(WORTH), -WORTH, asked).figure == pytest.approx(-1)


def test_integrated_gradients_of_a_linear_score_correlate_fully():
    w, x = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([[0.5, 1.0, 2.0]])
    removal = Elements(lambda rows: rows @ w, x, torch.zeros(1, 3))
    assert faithfulness_correlation(removal, (w * x[0]).numpy()).figure == pytest.approx(1)


@given(st.floats(0.1, 10), st.integers(0, 50))
@settings(deadline=None, max_examples=25)
def test_the_scale_does_not_matter_and_the_sign_turns_it(scale, seed):
    rng = np.random.default_rng(seed)
    removal = Units(lambda there: np.array((there @ WORTH) ** 2), 6)
    values = rng.standard_normal(6)
    plain = faithfulness_correlation(removal, values).figure
    assert faithfulness_correlation(removal, scale * values).figure == pytest.approx(plain)
    assert faithfulness_correlation(removal, -values).figure == pytest.approx(-plain)
    assert -1 <= plain <= 1


def test_an_unrelated_map_correlates_with_nothing():
    worth, values = np.random.default_rng(0).standard_normal((2, 2000))
    found = faithfulness_correlation(additive(worth), values, CorrelationSettings(400))
    assert abs(found.figure) < 0.2
    assert found.sums.shape == found.drops.shape == (400,)


def test_subsets_are_of_one_size_and_even():
    drawn = draw_subsets(10, 0.3, 20_000, 0)
    assert set(drawn.sum(1)) == {3}
    np.testing.assert_allclose(drawn.mean(0), 0.3, atol=0.015)
    assert draw_subsets(3, 0.01, 5, 0).sum(1).tolist() == [1] * 5
    assert draw_subsets(3, 0.99, 5, 0).sum(1).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("removal", "values", "reason"),
    [
        (Units(lambda there: np.ones(len(there)), 6), WORTH, "no subset changes the score"),
        (Units(lambda there: np.where(there.all(1), 1.0, 0.0), 6), WORTH, "every subset changes the score by the same"),
        (additive(WORTH), np.full(6, 0.1), "the map gives every subset the same sum"),
        (additive(np.ones(1)), np.ones(1), "fewer than two elements"),
    ],
)
def test_a_constant_correlates_with_nothing(removal, values, reason: str):
    found = faithfulness_correlation(removal, values)
    assert found.value is None
    assert reason in found.reason


def test_pearson_is_numpys_and_sees_through_rounding():
    a, b = np.random.default_rng(0).standard_normal((2, 30))
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert pearson(np.full(3, 0.1) + 1e9 - 1e9, np.arange(3.0)) is None
    assert pearson(np.array([0.1 + 0.2, 0.3, 0.3]), np.arange(3.0)) is None


def test_settings_out_of_range_are_told():
    with pytest.raises(InputError, match=r"1 subsets, share 0\.2"):
        CorrelationSettings(1)
