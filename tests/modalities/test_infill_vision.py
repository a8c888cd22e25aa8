"""Smoothing, feathering and filling from the surroundings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from veridical.modalities.infill_vision import blur, feather, mean_colour, surround


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_blur_is_a_gaussian_mirrored_at_the_border(sigma: float):
    picture = np.random.default_rng(0).random((2, 64, 64))
    ours = blur(torch.tensor(picture, dtype=torch.float32), sigma).numpy()
    theirs = ndimage.gaussian_filter(picture, (0, sigma, sigma), mode="reflect", truncate=8)
    contrast = theirs.std()
    assert np.abs(ours - theirs).max() < 0.15 * contrast
    assert np.abs(ours - theirs).std() < 0.03 * contrast


def test_blur_of_one_colour_is_that_colour():
    assert torch.allclose(blur(torch.full((1, 3, 33, 33), 0.3), 11.0), torch.tensor(0.3), atol=1e-6)


def test_mean_colour():
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mean_colour(x)[:, :, 3, 5], x.mean((2, 3)))


def test_feather_is_one_on_the_mask_and_zero_beyond_four_pixels():
    mask = torch.zeros(1, 30, 30, dtype=torch.bool)
    mask[0, 10:15, 0:8] = True
    alpha = feather(mask)[0, 0]
    assert (alpha[mask[0]] == 1).all()
    assert (alpha[12, 8:12] > 0).all()
    assert (alpha[12, 12:] == 0).all()
    assert (alpha[:6] == 0).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_feather_never_falls_when_the_mask_grows(seed: int):
    pick = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 16, 16, generator=pick) < 0.05
    large = small | (torch.rand(1, 16, 16, generator=pick) < 0.05)
    assert (feather(large) >= feather(small)).all()


def hole(size: int = 56) -> torch.Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[0, 20:36, 20:36] = True
    return feather(mask)


def test_surround_does_not_look_into_the_hole():
    x = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    other = torch.where(hole() == 1, 1 - x, x)
    assert torch.allclose(surround(x, hole()), surround(other, hole()), atol=1e-4)


def test_surround_continues_one_colour():
    colour = torch.tensor([0.2, 0.5, 0.7])[None, :, None, None]
    x = torch.where(hole() == 1, 1.0, colour.expand(1, 3, 56, 56))
    assert torch.allclose(surround(x, hole()), colour, atol=1e-4)


def test_surround_follows_what_is_near():
    x = torch.zeros(1, 3, 56, 56)
    x[..., 28:] = 1  # black on the left, white on the right
    filled = surround(x, hole())[0, 0, 28]
    assert filled[20] < 0.1
    assert filled[35] > 0.9


def test_surround_with_nothing_left_is_the_mean_colour():
    x = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(surround(x, torch.ones(1, 1, 56, 56)), mean_colour(x), atol=1e-5)
