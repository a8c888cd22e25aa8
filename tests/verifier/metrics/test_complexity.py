"""Entropy and sparsity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.metrics.complexity import entropy, sparsity

MAPS = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda v: any(abs(x) > 1e-6 for x in v))


def test_evenly_spread_is_the_largest_entropy_and_the_least_sparsity():
    values = np.array([[2.0, -2.0], [2.0, 2.0]])
    assert entropy(values).figure == pytest.approx(math.log(4))
    assert entropy(values).normalised == pytest.approx(1)
    assert sparsity(values).figure == pytest.approx(0, abs=1e-12)


def test_all_in_one_is_the_least_entropy_and_the_largest_sparsity():
    values = np.array([0.0, 0.0, -3.0, 0.0])
    assert entropy(values).figure == 0
    assert entropy(values).normalised == 0
    assert sparsity(values).figure == pytest.approx(1 - 1 / 4)


def test_a_small_example_by_hand():
    """Of 1 and 3: shares 1/4 and 3/4; the Gini index of two values is half their difference over their sum."""
    assert entropy(np.array([1.0, 3.0])).figure == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))
    assert sparsity(np.array([1.0, 3.0])).figure == pytest.approx(0.25)


@given(MAPS, st.floats(0.01, 100), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_scale_sign_and_order_do_not_matter(values, scale, seed):
    first = np.array(values)
    second = np.random.default_rng(seed).permutation(-scale * first)
    assert entropy(first).figure == pytest.approx(entropy(second).figure, abs=1e-9)
    assert sparsity(first).figure == pytest.approx(sparsity(second).figure, abs=1e-9)
    assert 0 <= entropy(first).figure <= math.log(len(values)) + 1e-12
    assert 0 <= sparsity(first).figure <= 1 - 1 / len(values) + 1e-12


@given(MAPS)
@settings(deadline=None, max_examples=40)
def test_the_gini_index_is_the_mean_difference_over_twice_the_mean(values):
    size = np.abs(values)
    mean_difference = np.abs(size[:, None] - size[None, :]).mean()
    assert sparsity(np.array(values)).figure == pytest.approx(mean_difference / (2 * size.mean()), abs=1e-9)


def test_a_map_of_zeros_has_neither_and_a_single_element_no_share():
    assert entropy(np.zeros(3)).reason == sparsity(np.zeros(3)).reason == "the map is zero everywhere"
    assert entropy(np.ones(1)).normalised is None
    assert entropy(np.ones(1)).figure == 0


def test_values_that_are_not_finite_are_told():
    with pytest.raises(InputError, match="1 values are not finite"):
        entropy(np.array([1.0, np.inf]))
