"""The short-time spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.modalities import spectrum


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("samples", [1, 100, 127, 128, 129, 511, 512, 513, 16000, 16001])
def test_the_inverse_is_exact_for_any_length(samples: int):
    wave = noise(samples)
    grid = spectrum.forward(wave)
    assert grid.shape == (spectrum.BINS, spectrum.windows(samples))
    assert torch.allclose(spectrum.inverse(grid, samples), wave, atol=1e-12)


def test_a_tone_stands_in_its_bin_and_a_click_in_its_window():
    at = torch.arange(4096, dtype=torch.float64)
    tone = spectrum.forward(torch.sin(2 * torch.pi * 1000 * at / 16000)).abs()
    assert (tone[:, 5:-5].argmax(0) == 1000 * 512 // 16000).all()
    click = torch.zeros(4096, dtype=torch.float64)
    click[10 * spectrum.HOP] = 1
    assert spectrum.forward(click).abs().sum(0).argmax() == 10


@pytest.mark.parametrize("samples", [1, 300, 16000])
def test_gain_contributions_split_the_product_exactly(samples: int):
    wave, gradient = noise(samples), noise(samples, 1)
    split = spectrum.gain_contributions(wave, gradient)
    assert split.shape == (spectrum.BINS, spectrum.windows(samples))
    whole = (wave * gradient).sum()
    assert abs(split.sum() - whole) < 1e-10 * wave.norm() * gradient.norm()


def test_gain_contributions_are_the_effect_of_each_cell_on_a_linear_score():
    wave, gradient = noise(2048), noise(2048, 1)
    split = spectrum.gain_contributions(wave, gradient)
    grid = spectrum.forward(wave)
    removed = grid.clone()
    removed[40:60, 3:8] = 0
    effect = (gradient * (wave - spectrum.inverse(removed, 2048))).sum()
    assert torch.allclose(split[40:60, 3:8].sum(), effect)


def test_gain_contributions_of_one_tone_lie_at_its_frequency():
    at = torch.arange(16000, dtype=torch.float64)
    low, high = torch.sin(2 * torch.pi * 500 * at / 16000), torch.sin(2 * torch.pi * 3000 * at / 16000)
    split = spectrum.gain_contributions(low + high, low)
    share = split.sum(1) / split.sum()
    assert share[12:21].sum() > 0.99
    assert abs(share[88:105].sum()) < 0.01


def test_smooth_masks_of_a_partition_add_up_to_one():
    pick = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)) < 0.5
    halves = spectrum.smooth(torch.stack([pick, ~pick]).float())
    assert torch.allclose(halves.sum(0), torch.ones(20, 30))
    assert (spectrum.smooth(torch.ones(1, 5, 5)) == 1).all()


def test_mel_edges():
    edges = spectrum.mel_edges(8, 8000.0)
    assert edges[0] == 0
    assert edges[-1] == 8000
    mel = 2595 * np.log10(1 + edges / 700)
    assert np.diff(mel) == pytest.approx(mel[-1] / 8)
