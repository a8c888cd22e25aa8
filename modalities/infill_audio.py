"""Sound where something was taken away: a spectrum's hole filled from the times beside it, or from other times."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from .swap import moves

__all__ = ["interpolate", "swap"]

LEAST = 1e-6
"""Magnitude, as a share of the loudest, below which a level counts as silence: -120 dB."""


def interpolate(
    spectrum: Complex[Tensor, "bins windows"], edited: Bool[Tensor, "bins windows"]
) -> Complex[Tensor, "bins windows"]:
    """Fill a hole in the short-time spectrum by linear interpolation of the log-magnitude; the phase is kept.

    In each frequency bin the level runs straight, over time, between the nearest windows that are not edited; before
    the first and behind the last it stays. A bin that is edited throughout takes its level, window by window, from the
    nearest bins below and above that are not. Where everything is edited the fill is silence. Levels below -120 dB of
    the loudest are silence.
    """
    size = spectrum.abs()
    least = LEAST * size.max()
    if not bool(least > 0):
        return torch.zeros_like(spectrum)
    level, some = _bridge(size.clamp_min(least).log(), ~edited)
    level, known = _bridge(level.T, some[:, 0].expand(level.shape[1], -1))
    filled = torch.where(known, level, -torch.inf).T
    filled = torch.where(filled <= least.log() + 1e-4, 0.0, filled.exp())
    return torch.polar(filled, spectrum.angle())


def _bridge(
    values: Float[Tensor, "lines places"], known: Bool[Tensor, "lines places"]
) -> tuple[Float[Tensor, "lines places"], Bool[Tensor, "lines places"]]:
    """Interpolate each line between its known places; return also, for each place, if its line has any."""
    count = values.shape[1]
    at = torch.arange(count, device=values.device).expand_as(known)
    before = torch.where(known, at, -1).cummax(1).values
    after = torch.where(known, at, count).flip(1).cummin(1).values.flip(1)
    low, high = values.gather(1, before.clamp_min(0)), values.gather(1, after.clamp_max(count - 1))
    share = (at - before).to(values) / (after - before).clamp_min(1).to(values)
    between = low + share * (high - low)
    filled = torch.where(before < 0, high, torch.where(after >= count, low, between))
    return filled, known.any(1, keepdim=True).expand_as(known)


def swap(
    spectrum: Complex[Tensor, "bins windows"], edited: Bool[Tensor, "bins windows"], pick: np.random.Generator
) -> Complex[Tensor, "bins windows"]:
    """Fill a hole in the short-time spectrum with what the same bins hold at other times, which are not edited.

    The hole is moved in time as a whole to where most of it lies on what is not edited; ``pick`` draws one of several
    such times. What found nothing there is moved again. A bin that is edited throughout is silenced.
    """
    patterns, which, counts = torch.unique(edited, dim=0, return_inverse=True, return_counts=True)
    wanted = patterns.cpu().numpy()
    source = torch.from_numpy(moves(wanted, ~wanted, (1,), pick, counts.cpu().double().numpy())[1])
    source = source.to(spectrum.device)[which]
    return torch.where(source >= 0, spectrum.gather(1, source.clamp_min(0)), 0.0)
