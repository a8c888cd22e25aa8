"""Infill for pictures: Gaussian smoothing, feathered masks, and filling a hole from its surroundings."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from .imputation import NOISE, impute
from .swap import draw, moves

__all__ = ["blur", "feather", "mean_colour", "road", "surround", "swap"]

FEATHER = 2
"""Pixels by which a mask is grown and then smoothed; it reaches twice as far."""

SCALES = (1 / 3, 1 / 7, 1 / 14, 1 / 28)
"""Widths of the Gaussians that fill a hole, widest first, as shares of the frame's size."""

BLOCKS = 32
"""Blocks along a side of the frame, in which patches to be swapped in are looked for."""

TRUST = 0.02
"""Share of known surroundings at which a scale weighs as much as the wider scale behind it."""


@lru_cache(maxsize=32)
def _gaussian(size: int, sigma: float) -> tuple[Tensor, Tensor | None]:
    """Return matrices that smooth a line of pixels: to coarse samples, and from these to pixels (None: all kept).

    A Gaussian-smoothed line needs few samples: spaced a quarter of sigma apart, linear interpolation between them is
    within 1 % of it. The border is mirrored.
    """
    count = min(size, ceil(4 * size / sigma) + 1)
    at = torch.linspace(0, size - 1, count, dtype=torch.float64)[:, None]
    x = torch.arange(size, dtype=torch.float64)[None, :]
    turns = range(-ceil(2 * sigma / size) - 1, ceil(2 * sigma / size) + 2)
    images = (at - offset for m in turns for offset in (x + 2 * m * size, -1 - x + 2 * m * size))
    down = sum((torch.exp(-((d / sigma) ** 2) / 2) for d in images), torch.zeros(count, size, dtype=torch.float64))
    down = down / down.sum(1, keepdim=True)
    down = down.where(down > 1e-9, 0.0).float()  # denormal numbers would slow the products tenfold
    if count == size:
        return down, None
    step = (size - 1) / (count - 1)
    up = (1 - (x.T / step - torch.arange(count, dtype=torch.float64)).abs()).clamp_min(0).float()
    return down, up


def blur(x: Float[Tensor, "*batch size size"], sigma: float) -> Float[Tensor, "*batch size size"]:
    """Smooth square pictures by a Gaussian of standard deviation ``sigma`` pixels, mirrored at the border."""
    down, up = _gaussian(x.shape[-1], float(sigma))
    y = _across(_across(x, down.to(x)), down.to(x))
    return y if up is None else _across(_across(y, up.to(x)), up.to(x))


def _across(x: Tensor, matrix: Tensor) -> Tensor:
    """Apply a matrix along the last axis and swap the last two; twice is both axes, and each is one large product."""
    return (x @ matrix.T).transpose(-1, -2)


def mean_colour(x: Float[Tensor, "*batch 3 size size"]) -> Float[Tensor, "*batch 3 size size"]:
    """Return pictures of one colour: the mean of each."""
    return x.mean((-2, -1), keepdim=True).expand_as(x)


def feather(mask: Bool[Tensor, "batch size size"]) -> Float[Tensor, "batch 1 size size"]:
    """Soften a mask outwards: 1 on the mask, falling to exactly 0 at ``2 * FEATHER`` pixels from it.

    A pixel's value never falls when the mask grows.
    """
    grown = functional.max_pool2d(mask[:, None].float(), 2 * FEATHER + 1, 1, FEATHER)
    padded = functional.pad(grown, (FEATHER,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * FEATHER + 1, 1)


def surround(
    x: Float[Tensor, "batch 3 size size"], alpha: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch 3 size size"]:
    """Fill from what is not edited: normalised convolution, from wide Gaussians to narrow ones.

    At each scale ``fill = G * (x (1 - alpha)) / G * (1 - alpha)`` (Knutsson & Westin, CVPR 1993, eq. 2 with a constant
    basis); where that scale sees little of the surroundings, the next wider one takes over, down to the mean colour of
    what is left, or of the whole frame if nothing is left.

    Args:
        x: pictures in 0..1.
        alpha: how much of each pixel is edited, 0..1.
    """
    known = 1 - alpha
    seen = torch.cat([x * known, known], 1)
    total = seen.mean((-2, -1), keepdim=True)
    tiny = 1e-6
    fill = (total[:, :3] + tiny * x.mean((-2, -1), keepdim=True)) / (total[:, 3:] + tiny)
    size = x.shape[-1]
    seen = functional.interpolate(seen, size=(size // 2, size // 2), mode="area")  # a fill this smooth needs no more
    for share in SCALES:
        part = blur(seen, share * (size // 2))
        fill = (part[:, :3] + TRUST * fill) / (part[:, 3:] + TRUST)
    return functional.interpolate(fill, size=(size, size), mode="bilinear").clamp(0, 1)


def road(
    x: Float[Tensor, "batch 3 size size"], alpha: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch 3 size size"]:
    """Fill by noisy linear imputation (ROAD): see `imputation.impute`, plus normal noise of deviation 0.01.

    Missing is what is edited at all (``alpha`` above 0). The noise is drawn from the frame and its missing pixels, so
    the same edit of the same frame is always filled alike. Where all is missing there is nothing to impute from, and
    the fill is the frame's mean colour, without noise.

    Args:
        x: pictures in 0..1.
        alpha: how much of each pixel is edited, 0..1.
    """
    fill = mean_colour(x).clone()
    for row, missing in enumerate((alpha[:, 0] > 0).cpu().numpy()):
        if missing.any() and not missing.all():
            pixels = x[row].cpu().numpy()
            values = impute(pixels, missing)
            values = values + NOISE * draw(pixels, missing).standard_normal(values.shape)
            filled = pixels.copy()
            filled[:, missing] = values.clip(0, 1)
            fill[row] = torch.from_numpy(filled).to(x)
    return fill


def swap(
    x: Float[Tensor, "batch 3 size size"], alpha: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch 3 size size"]:
    """Fill with patches of the same frame that are not edited themselves.

    The edited region is moved as a whole, in steps of a 32nd of the frame, to where most of it lies on what is not
    edited; one of several such places is drawn from the frame and the edit, so the same edit is always filled alike.
    What found nothing there is moved again: of a frame of which little is left, that little is repeated. Where not one
    block of a 32nd of the frame is left whole, the fill is the frame's mean colour.

    Args:
        x: pictures in 0..1.
        alpha: how much of each pixel is edited, 0..1.
    """
    fill = mean_colour(x).clone()
    size = x.shape[-1]
    block = max(1, size // BLOCKS)
    count = ceil(size / block)
    beyond = count * block - size
    at = np.indices((size, size))
    for row, edited in enumerate((alpha[:, 0] > 0).cpu().numpy()):
        wanted, touched = (
            np.logical_or.reduce(
                np.pad(edited, (0, beyond), constant_values=outside).reshape(count, block, count, block), axis=(1, 3)
            )
            for outside in (False, True)
        )
        source = np.stack(moves(wanted, ~touched, (0, 1), draw(x[row].cpu().numpy(), edited)))
        step = ((source - np.indices((count, count))) * block).repeat(block, 1).repeat(block, 2)[:, :size, :size]
        filled = edited & (source[0] >= 0).repeat(block, 0).repeat(block, 1)[:size, :size]
        down, across = torch.from_numpy((at + step)[:, filled]).to(x.device)
        fill[row][:, torch.from_numpy(filled).to(x.device)] = x[row][:, down, across]
    return fill
