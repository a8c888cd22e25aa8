"""The short-time spectrum: a grid of frequency bins and time windows that gives the waveform back exactly."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

__all__ = [
    "BINS",
    "HOP",
    "WINDOW",
    "forward",
    "gain_contributions",
    "inverse",
    "mel_edges",
    "smooth",
    "spectral_gradient",
    "windows",
]

WINDOW = 512
"""Samples in a window (periodic Hann)."""

HOP = 128
"""Samples between windows: 75 % overlap, so that the inverse is exact."""

BINS = WINDOW // 2 + 1


def windows(samples: int) -> int:
    """Return the number of windows over ``samples``; window w is centred on sample ``w * HOP``."""
    return 1 + samples // HOP


def _hann(like: Tensor) -> Tensor:
    dtype = like.real.dtype if like.is_complex() else like.dtype
    return torch.hann_window(WINDOW, dtype=dtype, device=like.device)


def forward(wave: Float[Tensor, "*batch samples"]) -> Complex[Tensor, "*batch bins windows"]:
    """Return the short-time Fourier transform; outside the recording is silence."""
    return torch.stft(wave, WINDOW, HOP, window=_hann(wave), center=True, pad_mode="constant", return_complex=True)


def inverse(spectrum: Complex[Tensor, "*batch bins windows"], samples: int) -> Float[Tensor, "*batch samples"]:
    """Return the waveform of ``samples`` samples whose spectrum is nearest (Griffin & Lim, 1984, eq. 6)."""
    return torch.istft(spectrum, WINDOW, HOP, window=_hann(spectrum), center=True, length=samples)


def smooth(mask: Float[Tensor, "batch bins windows"]) -> Float[Tensor, "batch bins windows"]:
    """Feather a mask's edges over one bin and one window to each side (3 x 3 mean, border repeated).

    Linear in the mask: the smoothed masks of a partition add up to one.
    """
    padded = functional.pad(mask[:, None], (1, 1, 1, 1), mode="replicate")
    return functional.avg_pool2d(padded, 3, 1)[:, 0]


def mel_edges(bands: int, top: float) -> Float[np.ndarray, " edges"]:
    """Return ``bands + 1`` frequencies in hertz, 0 to ``top``, equally spaced in mel (O'Shaughnessy, 1987)."""
    mel = np.linspace(0, 2595 * np.log10(1 + top / 700), bands + 1)
    edges = 700 * (10 ** (mel / 2595) - 1)
    edges[0], edges[-1] = 0.0, top
    return edges


def gain_contributions(
    wave: Float[Tensor, " samples"], gradient: Float[Tensor, " samples"]
) -> Float[Tensor, "bins windows"]:
    """Split ``<gradient, wave>`` over the spectrum's bins and windows, exactly.

    With a gain M of ones on the grid and y(M) the inverse of M times the spectrum of ``wave``, y is linear in M and
    y(1) is ``wave``; so the derivatives of ``<gradient, y(M)>`` with respect to M sum to ``<gradient, wave>``.
    """
    spectrum = forward(wave)
    gain = torch.ones_like(spectrum.real, requires_grad=True)
    with torch.enable_grad():
        score = (gradient.detach() * inverse(gain * spectrum.detach(), len(wave))).sum()
        (contributions,) = torch.autograd.grad(score, gain)
    return contributions


def spectral_gradient(gradient: Float[Tensor, " samples"]) -> Complex[Tensor, "bins windows"]:
    """Return the gradient with respect to the short-time spectrum whose inverse is the waveform.

    The chain rule through `inverse`: its real part is the derivative by real parts, its imaginary part by imaginary
    ones.
    """
    spectrum = forward(torch.zeros_like(gradient)).requires_grad_(True)
    with torch.enable_grad():
        score = (gradient.detach() * inverse(spectrum, len(gradient))).sum()
        (found,) = torch.autograd.grad(score, spectrum)
    return found
