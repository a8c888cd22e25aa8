"""Projection: closed forms of non-negative least squares, and features moved by what is wanted and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.concepts.planted import features, planted
from veridical.concepts.project import Projector, nonnegative
from veridical.errors import ContractError

BANK = planted(np.eye(4)[:3], channels=6, price=0.05)
rows = arrays(np.float64, (3, 4), elements=st.floats(-3, 3, width=32))
SKEW = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, -0.6, 0.8]], np.float32)


@given(rows)
def test_of_orthonormal_directions_weights_are_the_positive_parts(targets):
    np.testing.assert_allclose(nonnegative(targets, np.eye(4)[:3]), np.maximum(targets[:, :3], 0), atol=1e-6)


def test_the_price_of_a_single_direction():
    """Of one direction: u = max(v.y, 0) / (1 + price)."""
    found = nonnegative(np.array([[3.0, 1.0], [-1.0, 2.0]]), np.array([[1.0, 0.0]]), 0.5)
    np.testing.assert_allclose(found, [[2.0], [0.0]], atol=1e-6)


@given(rows, st.sampled_from([0.0, 0.05, 1.0]))
def test_no_weight_can_be_moved_for_the_better(targets, price: float):
    """The conditions of Karush, Kuhn and Tucker: the slope is 0 where u > 0, and nowhere below 0."""
    found = nonnegative(targets, SKEW, price).astype(np.float64)
    assert (found >= 0).all()
    slope = -(targets - found @ SKEW) @ SKEW.T + price * found.sum(1, keepdims=True)
    assert (slope >= -1e-4).all()
    assert (np.abs(slope[found > 1e-4]) < 1e-4).all()


@given(rows, st.floats(0.1, 10))
def test_strengths_grow_with_the_rows(targets, scale: float):
    one, more = nonnegative(targets, SKEW, 0.05), nonnegative(targets * scale, SKEW, 0.05)
    np.testing.assert_allclose(more, one * scale, atol=2e-5 * max(scale, 1))


def test_planted_strengths_are_found():
    planted_ = np.array([[2.0, 0, 0, 0], [0, 1.5, 3.0, 0], [0, 0, 0, -2.0]])
    found = Projector(replace(BANK, price=0.0))(features(BANK, planted_))
    np.testing.assert_allclose(found.strengths, planted_[:, :3], atol=1e-5)
    np.testing.assert_allclose(found.coordinates, planted_, atol=1e-5)
    np.testing.assert_allclose(found.residual, [[0] * 4, [0] * 4, [0, 0, 0, -2]], atol=1e-5)
    assert found.unexplained == pytest.approx(4 / (4 + 2.25 + 9 + 4), abs=1e-5)
    assert found.replicas.numel() == 0


def test_strengths_by_the_replicas():
    found = Projector(BANK)(features(BANK, [[2.0, 1.0, 0, 0]]), replicas=True)
    assert found.replicas.shape == (2, 1, 3)
    torch.testing.assert_close(found.replicas[0], found.strengths)


def test_padding_is_nothing_at_all():
    given_ = features(BANK, [[2.0, 0, 0, 0], [1.0, 0, 0, 0]])
    given_[0, 1] = 0
    found = Projector(BANK)(given_)
    assert not found.strengths[1].any()
    assert not found.coordinates[1].any()
    absent = Projector(BANK)(torch.zeros(1, 3, 6))
    assert absent.unexplained == 0


def test_features_are_moved_as_asked_and_by_no_more():
    projector, given_ = Projector(BANK), features(BANK, [[2.0, 0, 0, 1.0], [0, 1.0, 0, 0]])
    change = torch.zeros(2, 2, 4)
    change[0, 0, 0], change[1, 1, 3] = -2.0, 0.5
    moved = projector.moved(given_, change)
    assert moved.shape == (2, 2, 6)
    np.testing.assert_allclose(projector(moved[:1]).coordinates, [[0, 0, 0, 1], [0, 1, 0, 0]], atol=1e-5)
    torch.testing.assert_close(moved[0, 1], given_[0, 1])
    assert float((moved[1] - given_[0]).norm()) == pytest.approx(0.5, abs=1e-5)


def test_features_of_another_system_are_refused():
    with pytest.raises(ContractError, match="have 7 channels, the bank was fitted on 6"):
        Projector(BANK)(torch.zeros(1, 2, 7))
