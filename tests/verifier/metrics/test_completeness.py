"""The completeness gap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.errors import InputError
from veridical.verifier.metrics.completeness import completeness


def test_integrated_gradients_of_a_linear_score_are_complete():
    w, x, x0 = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, 2.0]), np.array([0.25, 0.5, 1.0])
    found = completeness(float((w * (x - x0)).sum()), float(w @ x), float(w @ x0))
    assert (found.figure, found.share) == (0.0, 0.0)


def test_the_gap_and_its_share():
    found = completeness(1.5, 3.0, 1.0)
    assert (found.figure, found.share) == (0.5, 0.25)
    assert completeness(1.5, 1.0, 3.0).figure == 3.5


def test_without_a_difference_there_is_a_gap_and_no_share():
    found = completeness(0.5, 1.0, 1.0)
    assert (found.figure, found.share) == (0.5, None)
    assert "the same score" in found.share_reason


def test_numbers_that_are_not_finite_are_told():
    with pytest.raises(InputError, match="sum nan"):
        completeness(float(torch.nan), 1.0, 0.0)
