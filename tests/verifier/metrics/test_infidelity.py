"""Infidelity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.metrics.infidelity import InfidelitySettings, gaussian, infidelity, infidelity_by
from veridical.verifier.metrics.removal import Elements, Units

W = torch.tensor([[1.5, -2.0, 0.5, 3.0]], dtype=torch.float64)
X = torch.tensor([[0.2, 0.4, -1.0, 0.7]], dtype=torch.float64)
PLAIN = InfidelitySettings(scaled=False)


def linear(x: torch.Tensor) -> torch.Tensor:
    return x @ W[0] + 5


def test_a_linear_score_and_its_weights_have_none():
    for s in (PLAIN, InfidelitySettings()):
        found = infidelity(linear, X, W, gaussian(0.3), s)
        assert found.figure == pytest.approx(0, abs=1e-20)
        assert found.scale == pytest.approx(1)
        assert found.share == pytest.approx(0, abs=1e-20)


def test_a_map_of_zeros_misses_all_of_the_effect():
    found = infidelity(linear, X, torch.zeros_like(W), gaussian(1.0), InfidelitySettings(5000, scaled=False))
    assert found.figure == pytest.approx(float((W**2).sum()), rel=0.1)  # the variance of w·I, I of unit variance
    assert found.share == 1.0


@given(st.floats(-10, 10).filter(lambda k: abs(k) > 0.01))
@settings(deadline=None, max_examples=20)
def test_with_the_optimal_scale_the_maps_unit_does_not_matter(factor):
    found = infidelity(linear, X, factor * W, gaussian(0.3))
    assert found.figure == pytest.approx(0, abs=1e-12)
    assert found.scale == pytest.approx(1 / factor)


def test_the_optimal_scale_is_the_least_squares_one():
    wrong = torch.tensor([[1.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
    found = infidelity(linear, X, wrong, gaussian(0.3))
    best = float(np.linalg.lstsq(found.predicted[:, None], found.measured, rcond=None)[0][0])
    assert found.scale == pytest.approx(best)
    for other in (0.9, 1.1):
        assert np.mean((other * best * found.predicted - found.measured) ** 2) > found.figure
    assert found.share is not None
    assert 0 < found.share < 1


@pytest.mark.parametrize("scaled", [False, True])
def test_it_is_captums_for_the_same_perturbations(scaled: bool):
    """Captum repeats each input and takes its noise at once: both see one draw of the same numbers."""
    metrics = pytest.importorskip("captum.metrics")
    noise = 0.3 * torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def score(x):
        return (x @ W[0]).tanh()

    theirs = metrics.infidelity(
        score, lambda x: (noise, x - noise), X, W, n_perturb_samples=60, max_examples_per_batch=60, normalize=scaled
    )
    ours = infidelity(score, X, W, gaussian(0.3), InfidelitySettings(60, scaled=scaled, chunk=60))
    assert ours.figure == pytest.approx(float(theirs[0]), rel=1e-6)


def test_removing_elements_of_a_linear_score_is_predicted_by_its_contributions():
    removal = Elements(linear, X, torch.zeros_like(X))
    found = infidelity_by(removal, (W * X)[0].numpy(), InfidelitySettings(50, scaled=False, share=0.5))
    assert found.figure == pytest.approx(0, abs=1e-20)
    assert "random 2 of 4 removed; 50 samples, the map as it is" in found.protocol


def test_chunks_do_not_change_the_figure():
    one = infidelity(lambda x: linear(x).tanh(), X, W, gaussian(0.3), InfidelitySettings(64, chunk=64))
    many = infidelity(lambda x: linear(x).tanh(), X, W, gaussian(0.3), InfidelitySettings(64, chunk=16))
    assert one.figure == pytest.approx(many.figure)


def test_what_cannot_be_said_is_not_said():
    zero = infidelity(linear, X, torch.zeros_like(W), gaussian(0.3))
    assert zero.value is None
    assert "predicts no effect" in zero.reason
    still = infidelity(lambda x: x[:, 0] * 0, X, W, gaussian(0.3), PLAIN)
    assert still.figure > 0
    assert still.share is None
    assert "fewer than two" in infidelity_by(Units(lambda there: there.sum(1) * 1.0, 1), np.ones(1)).reason


def test_settings_out_of_range_are_told():
    with pytest.raises(InputError, match=r"0 samples, share 0\.2"):
        InfidelitySettings(0)
