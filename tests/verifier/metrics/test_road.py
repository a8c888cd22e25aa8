"""ROAD: imputation, and the figure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.errors import InputError
from veridical.verifier.metrics.road import RoadSettings, road, road_impute

SIDE = 16


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def holes(share: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((SIDE, SIDE)) < share


def test_a_single_missing_pixel_is_the_weighted_mean_of_its_neighbours():
    x, gone = picture(), np.zeros((SIDE, SIDE), bool)
    gone[5, 7] = True
    near = x[0, :, 4:7, 6:9]
    weights = torch.tensor([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
    torch.testing.assert_close(road_impute(x, gone)[0, :, 5, 7], (near * weights).sum((1, 2)))


def test_at_the_corner_only_neighbours_inside_count():
    x, gone = picture(), np.zeros((SIDE, SIDE), bool)
    gone[0, 0] = True
    wanted = (2 * x[0, :, 0, 1] + 2 * x[0, :, 1, 0] + x[0, :, 1, 1]) / 5
    torch.testing.assert_close(road_impute(x, gone)[0, :, 0, 0], wanted)


def test_a_slope_is_continued_through_a_hole_inside():
    """Each value of a linear function is the mean of those around: the imputation is exact."""
    slope = (torch.arange(SIDE)[:, None] * 0.02 + torch.arange(SIDE)[None, :] * 0.03).expand(1, 3, SIDE, SIDE)
    gone = np.zeros((SIDE, SIDE), bool)
    gone[4:11, 3:12] = True
    torch.testing.assert_close(road_impute(slope.contiguous(), gone), slope.contiguous())


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # its NumPy calls on tensors
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_is_the_imputation_of_the_library_grad_cam(share: float):
    theirs = pytest.importorskip("pytorch_grad_cam.metrics.road").NoisyLinearImputer(noise=0.0)
    x, gone = picture(), holes(share)
    torch.testing.assert_close(road_impute(x, gone)[0], theirs(x[0], torch.from_numpy(~gone).float()))


def test_what_is_there_stays_bit_for_bit_and_noise_lies_on_the_rest_alone():
    x, gone = picture(), holes(0.4)
    plain, noisy = road_impute(x, gone), road_impute(x, gone, 0.01, seed=3)
    assert torch.equal(noisy[0][:, ~gone], x[0][:, ~gone])
    noise = (noisy - plain)[0][:, gone]
    assert float(noise.std()) == pytest.approx(0.01, rel=0.2)
    assert torch.equal(noisy, road_impute(x, gone, 0.01, seed=3))
    assert not torch.equal(noisy, road_impute(x, gone, 0.01, seed=4))


def test_frames_are_imputed_each_by_itself_and_one_that_is_gone_becomes_its_mean_colour():
    frames = torch.cat([picture(1), picture(2)])[None]
    gone = np.stack([holes(0.3), np.ones((SIDE, SIDE), bool)])
    found = road_impute(frames, gone)
    torch.testing.assert_close(found[0, :1], road_impute(frames[:, 0], gone[0]))
    torch.testing.assert_close(found[0, 1], picture(2)[0].mean((1, 2), keepdim=True).expand(3, SIDE, SIDE))


def test_a_map_of_the_right_place_gains_and_its_negative_loses_as_much():
    x = torch.zeros(1, 3, SIDE, SIDE)
    x[..., 4:8, 4:8] = 1.0
    values = np.random.default_rng(0).random((SIDE, SIDE)) * 0.1
    values[4:8, 4:8] += 1

    def score(rows):
        return rows[:, :, 4:8, 4:8].mean((1, 2, 3))

    plain = RoadSettings(noise=0.0)
    found, against = road(score, x, values, plain), road(score, x, -values, plain)
    assert found.figure > 0.5
    assert found.figure == pytest.approx(-against.figure)
    assert found.figure == pytest.approx(float((found.least_first.scores - found.most_first.scores).mean()))
    assert found.most_first.scores[0] < 0.5 < found.least_first.scores[0]
    assert "noisy linear imputation (noise 0), 9 shares from 10% to 90%" in found.protocol


def test_an_imputer_given_takes_the_place():
    masks = []

    def imputer(x, mask):
        masks.append(mask)
        return torch.where(torch.from_numpy(mask)[None, None], 0.0, x)

    settings = RoadSettings(shares=(0.25, 0.5))
    found = road(lambda x: x.mean((1, 2, 3)), picture(), np.arange(256.0).reshape(16, 16), settings, imputer)
    assert sorted(int(m.sum()) for m in masks) == [64, 64, 128, 128]
    assert "the imputer given" in found.protocol


def test_a_constant_map_has_no_figure():
    assert "constant" in road(lambda x: x.mean((1, 2, 3)), picture(), np.zeros((16, 16))).reason


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match="ascending shares between 0 and 1"):
        RoadSettings(shares=(0.5, 0.2))
    with pytest.raises(InputError, match=r"mask of shape \(3, 3\)"):
        road_impute(picture(), np.ones((3, 3), bool))
