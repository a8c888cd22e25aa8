"""Pictures with pixels taken away: what stands in for them."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from .removal import Elements, Score

__all__ = ["FILLS", "Fill", "blur_image", "fill_image", "pixels"]

Fill = Literal["mean", "zero", "blur"] | tuple[float, ...]
"""What stands in for what was removed: the picture's mean colour, zero, the blurred picture, or one colour."""

FILLS = {"mean": "the picture's mean colour", "zero": "zero", "blur": "the blurred picture (kernel 11, sigma 5)"}
"""The fills by name, in words."""


def blur_image(
    x: Float[Tensor, "*batch height width"], kernel: int = 11, sigma: float = 5.0
) -> Float[Tensor, "*batch height width"]:
    """Smooth pictures by a Gaussian that is cut to ``kernel`` pixels and sums to 1; the border's pixels are repeated.

    Source: Petsiuk et al., "RISE", BMVC 2018, section 4.3, has the kernel of its code: 11 pixels, sigma 5.
    """
    at = torch.arange(kernel, dtype=x.dtype, device=x.device) - (kernel - 1) / 2
    weights = torch.exp(-((at / sigma) ** 2) / 2)
    weights = weights / weights.sum()
    flat = x.reshape(-1, 1, *x.shape[-2:])
    half = kernel // 2
    padded = F.pad(flat, (half,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, weights[None, None, :, None]), weights[None, None, None, :]).reshape(x.shape)


def fill_image(x: Float[Tensor, "1 ... channels height width"], fill: Fill) -> Tensor:
    """Return what stands in for removed pixels, shaped like ``x``.

    The mean is that of each frame by itself; a colour has one value for each channel.

    Raises:
        InputError: an unknown fill, or a colour of another number of channels.
    """
    if isinstance(fill, tuple):
        if len(fill) != x.shape[-3]:
            raise InputError(f"fill: colour {fill} has {len(fill)} values; the picture has {x.shape[-3]} channels")
        return torch.tensor(fill, dtype=x.dtype, device=x.device)[:, None, None].expand_as(x)
    if fill == "mean":
        return x.mean((-2, -1), keepdim=True).expand_as(x)
    if fill == "zero":
        return torch.zeros_like(x)
    if fill == "blur":
        return blur_image(x)
    raise InputError(f"fill: {fill!r}; one of mean, zero, blur or a colour is wanted")


def pixels(score: Score, x: Float[Tensor, "..."], fill: Fill, chunk: int = 32) -> Elements:
    """Return the removal of pixels, all channels at once, from one picture or from frames.

    Args:
        score: what is asked.
        x: (1, channels, height, width) or (1, frames, channels, height, width).
        fill: what stands in.
        chunk: edited inputs scored at once.

    Raises:
        InputError: another shape, or an unknown fill.
    """
    if x.ndim < 4:
        raise InputError(f"pixels: input of shape {tuple(x.shape)}; a picture (1, channels, height, width) is wanted")
    put = fill_image(x, fill)
    told = f"colour {fill}" if isinstance(fill, tuple) else FILLS[fill]
    return Elements(score, x, put, -3, chunk, f"pixels of a single-channel map, {told}")
