"""Smoothing, feathering and filling from the surroundings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from veridical.modalities.infill_vision import blur, feather, mean_colour, road, surround, swap


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


def noise(size: int = 56, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_road_continues_a_ramp_but_for_noise_of_a_hundredth():
    y = torch.linspace(0.2, 0.8, 56)[:, None].expand(56, 56)
    ramps = torch.stack([y, y.T, (y + y.T) / 2])[None]
    hidden = torch.where(hole() == 1, 1 - ramps, ramps)
    off = (road(hidden, hole()) - ramps)[:, :, hole()[0, 0] > 0]
    assert abs(off.mean()) < 0.001
    assert off.std().item() == pytest.approx(0.01, rel=0.05)
    assert off.abs().max() < 0.05


def test_road_draws_its_noise_from_the_frame_and_the_edit():
    x = noise()
    assert torch.equal(road(x, hole()), road(x, hole()))
    other = torch.where(hole() == 1, 1 - x, x)  # the same known pixels, but another frame
    assert not torch.equal(road(other, hole())[:, :, 30, 30], road(x, hole())[:, :, 30, 30])
    both = torch.cat([other, x])
    assert torch.equal(road(both, hole().expand(2, -1, -1, -1))[1:], road(x, hole()))


def test_road_stays_between_black_and_white():
    assert road(torch.ones(1, 3, 56, 56), hole()).max() == 1
    assert road(torch.zeros(1, 3, 56, 56), hole()).min() == 0


@pytest.mark.parametrize("fill", [road, swap])
def test_of_a_frame_edited_whole_the_mean_colour_is_left(fill):
    torch.testing.assert_close(fill(noise(), torch.ones(1, 1, 56, 56)), mean_colour(noise()))


@pytest.mark.parametrize("size", [56, 64, 33, 100])
def test_a_swap_moves_one_patch_of_what_is_not_edited(size: int):
    x, mask = noise(size), torch.zeros(1, size, size, dtype=torch.bool)
    mask[0, size // 3 : size // 2, size // 4 : size // 2] = True
    alpha = feather(mask)
    edited = alpha[0, 0] > 0
    filled = swap(x, alpha)
    colours = {
        tuple(colour): place for place, colour in zip(np.ndindex(size, size), x[0].flatten(1).T.tolist(), strict=True)
    }
    at = np.argwhere(edited.numpy())
    sources = np.array([colours[tuple(filled[0, :, y, x_].tolist())] for y, x_ in at])
    assert not edited[sources[:, 0], sources[:, 1]].any()
    steps = sources - at
    assert (steps == steps[0]).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5))
def test_swapped_pixels_stand_elsewhere_in_the_frame(seed: int, share: float):
    coarse = torch.rand(1, 7, 7, generator=torch.Generator().manual_seed(seed)) < share
    alpha = feather(coarse.repeat_interleave(8, 1).repeat_interleave(8, 2))
    edited = alpha[0, 0] > 0
    known = {tuple(colour) for colour in noise()[0][:, ~edited].T.tolist()}
    known |= {tuple(mean_colour(noise())[0, :, 0, 0].tolist())}  # where nothing is left whole
    assert {tuple(colour) for colour in swap(noise(), alpha)[0][:, edited].T.tolist()} <= known


def test_a_swap_depends_on_the_frame_and_the_edit_alone():
    x = torch.cat([noise(seed=1), noise()])
    assert torch.equal(swap(x, hole().expand(2, -1, -1, -1))[1:], swap(noise(), hole()))
