"""Max-sensitivity."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.errors import InputError
from veridical.verifier.metrics.sensitivity import SensitivitySettings, max_sensitivity

X = torch.tensor([[3.0, 4.0]], dtype=torch.float64)


def test_a_map_that_does_not_move_has_none():
    assert max_sensitivity(lambda x: torch.ones(2), X).figure == 0


def test_the_input_as_its_own_map_moves_as_far_as_the_neighbours_lie():
    found = max_sensitivity(lambda x: x, X, SensitivitySettings(0.1, 2000))
    assert found.changes.max() == found.figure <= 0.1 * 2**0.5 / 5
    assert found.figure == pytest.approx(0.1 * 2**0.5 / 5, rel=0.05)  # a corner of the square, nearly
    assert "2000 neighbours, each input element within ±0.1" in found.protocol


def test_a_jump_within_the_radius_is_seen():
    assert max_sensitivity(lambda x: np.where(x.numpy() > 3, 1.0, 2.0), X).figure > 0.4


def test_it_is_captums_for_the_same_neighbours():
    metrics = pytest.importorskip("captum.metrics")
    generator = torch.Generator().manual_seed(0)
    moved = [0.02 * (2 * torch.rand(X.shape, generator=generator, dtype=X.dtype) - 1) for _ in range(10)]

    def explain(x):
        return torch.exp(x) * x.flip(-1)

    theirs = metrics.sensitivity_max(
        lambda given: (explain(given[0]),),
        X,
        perturb_func=lambda given: (X + torch.cat(moved),),
        n_perturb_samples=10,
        max_examples_per_batch=10,
    )
    assert max_sensitivity(explain, X).figure == pytest.approx(float(theirs[0]))


def test_a_map_of_zeros_has_no_figure():
    found = max_sensitivity(lambda x: 0 * x, X)
    assert found.value is None
    assert "the map is zero" in found.reason


def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match="radius 0, 10 samples"):
        SensitivitySettings(0)
    sizes = iter([2, 3])
    with pytest.raises(InputError, match="maps of 2 and 3 values"):
        max_sensitivity(lambda x: torch.ones(next(sizes)), X)
