"""Residuals: the polar cone, the direction that explains most of them, and where they lie by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

from veridical.concepts.residual import anywhere, explained, halved, leading, refit, unaccounted

SKEW = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0]], np.float32)
rows = arrays(np.float64, (4, 4), elements=st.floats(-3, 3, width=32))


@given(rows)
def test_residuals_are_moreau_s(targets):
    """What is left lies in the polar cone and at right angles to what was taken off."""
    left, weights = unaccounted(targets, SKEW)
    assert (left @ SKEW.T <= 1e-4).all()
    np.testing.assert_allclose(((targets - left) * left).sum(1), 0, atol=1e-3)
    np.testing.assert_allclose(targets - left, weights @ SKEW, atol=1e-3)


def test_what_concepts_account_for_leaves_nothing():
    left, _ = unaccounted(np.random.default_rng(0).random((20, 3)) @ SKEW, SKEW)
    assert not left.any()


def test_a_direction_explains_one_side_only():
    left = np.array([[2.0, 0], [-1.0, 0], [0, 1.0]])
    assert explained(np.array([1.0, 0]), left) == pytest.approx(4 / 6)
    assert explained(np.array([-1.0, 0]), left) == pytest.approx(1 / 6)
    assert explained(np.array([1.0, 0]), np.zeros((2, 2))) == 0


def test_the_leading_direction_is_found_on_its_side():
    rng = np.random.default_rng(0)
    planted = np.array([0.6, 0, -0.8])
    found = leading(np.outer(1 + rng.random(50), planted) + 0.05 * rng.normal(size=(50, 3)))
    assert found @ planted > 0.999
    assert leading(-np.outer(1 + rng.random(50), planted)) @ planted < -0.999


@settings(max_examples=30)
@given(rows)
def test_no_axis_explains_more(left):
    found = leading(left)
    assert np.linalg.norm(found) == pytest.approx(1)
    principal = np.linalg.eigh(left.T @ left)[1][:, -1]
    assert explained(found, left) >= max(explained(principal, left), explained(-principal, left)) - 1e-6


def test_halves_of_one_direction_find_each_other():
    found = halved(np.outer(np.arange(1.0, 9), [0.6, 0.8]), np.arange(8) % 2 == 0)
    assert (found.gain, found.again) == (pytest.approx(1), pytest.approx(1))
    split = halved(np.repeat(np.eye(2), 4, 0), np.arange(8) < 4)
    assert (split.gain, split.again) == (pytest.approx(0), pytest.approx(0))


@given(rows, st.integers(0, 5))
@settings(max_examples=30)
def test_chance_stays_in_the_cone_and_keeps_lengths(targets, seed: int):
    left, weights = unaccounted(targets, SKEW)
    drawn = anywhere(left, weights, SKEW, np.random.default_rng(seed))
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(left, axis=1), rtol=1e-6)
    products = drawn @ SKEW.T
    assert (products <= 1e-3).all()
    assert (np.abs(products[weights > 1e-6]) < 1e-3).all()  # what a row's concepts do not leave open


@pytest.mark.usefixtures("unchecked")
def test_chance_is_even_in_what_is_open():
    """Of the first quadrant's directions, that which is left open is the third: angles there are even."""
    left = np.tile([[-1.0, 0.0]], (800, 1))
    drawn = anywhere(left, np.zeros((800, 2)), np.eye(2), np.random.default_rng(1))
    angles = np.arctan2(-drawn[:, 1], -drawn[:, 0]) / (np.pi / 2)
    assert kstest(angles, "uniform").pvalue > 0.01


@pytest.mark.usefixtures("unchecked")
def test_residuals_of_noise_are_such_chance():
    """Noise alike in all coordinates on top of a concept: its residuals and chance have one distribution."""
    rng = np.random.default_rng(2)
    left, weights = unaccounted(3 * SKEW[0] + rng.normal(size=(1500, 4)), SKEW)
    drawn = anywhere(left, weights, SKEW, rng)
    for axis in ([0, -1, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]):
        one, other = left @ axis / np.linalg.norm(left, axis=1), drawn @ axis / np.linalg.norm(drawn, axis=1)
        assert kstest(one.round(4), other.round(4)).pvalue > 0.01  # nought may be 1e-8


def test_directions_are_fitted_again():
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=(300, 3)) * (rng.random((300, 3)) < 0.4)
    bent = SKEW + 0.3 * rng.normal(size=SKEW.shape)
    bent = (bent / np.linalg.norm(bent, axis=1, keepdims=True)).astype(np.float32)
    found = refit(weights @ SKEW, bent, 0.1, rounds=30)
    assert ((found * SKEW).sum(1) > 0.98).all()
    assert ((found * SKEW).sum(1) >= (bent * SKEW).sum(1)).all()


def test_what_is_fixed_or_unused_stays():
    rng = np.random.default_rng(0)
    rows_ = rng.exponential(size=(50, 1)) * np.array([[0, 0.8, 0.6, 0]])
    found = refit(rows_, SKEW, 0.05, fixed=2)
    np.testing.assert_array_equal(found[:2], SKEW[:2])
    np.testing.assert_allclose(refit(-rows_, SKEW, 0.05), SKEW)
