"""ROAD: remove and debias. Pixels are removed by noisy linear imputation, which hides what was there, and that it went.

Source: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...errors import InputError
from ...modalities.imputation import NOISE, impute
from .curves import CONSTANT, Curve, Gain
from .removal import Score, checked_map, name_of, order_of, scores_of

__all__ = ["Imputer", "RoadSettings", "road", "road_impute"]

Imputer = Callable[[Tensor, np.ndarray], Tensor]
"""From pictures (1, ..., channels, height, width) and a mask of what is missing, to pictures without it."""


@dataclass(frozen=True)
class RoadSettings:
    """How ROAD is measured.

    Attributes:
        shares: shares of pixels that are removed.
        noise: standard deviation of the noise on imputed pixels, intensities in 0..1.
        seed: of the noise.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a share that is not between 0 and 1, or not in ascending order.
    """

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    noise: float = NOISE
    seed: int = 0
    chunk: int = 16

    def __post_init__(self) -> None:
        inside = bool(self.shares) and all(0 < s < 1 for s in self.shares)
        if not inside or list(self.shares) != sorted(set(self.shares)):
            raise InputError(f"road: shares {self.shares}; ascending shares between 0 and 1 are wanted")


def road_impute(
    x: Float[Tensor, "1 ... channels height width"],
    missing: Bool[np.ndarray, "... height width"],
    noise: float = 0.0,
    seed: int = 0,
) -> Float[Tensor, "1 ... channels height width"]:
    """Return pictures whose missing pixels are the weighted mean of their neighbours, plus noise.

    A pixel beside another weighs 1/6, one at its corner 1/12; neighbours beyond the border do not count. Missing pixels
    are each other's neighbours too: one sparse linear system is solved for each frame. What is not missing stays bit
    for bit. A frame of which nothing is left becomes its mean colour.

    Args:
        x: one picture (1, channels, height, width), or frames (1, frames, channels, height, width).
        missing: (height, width) or (frames, height, width).
        noise: standard deviation of Gaussian noise on what was imputed; values may leave 0..1 by it.
        seed: of the noise.

    Raises:
        InputError: a mask of another shape.
    """
    wanted = (*x.shape[1:-3], *x.shape[-2:])
    if missing.shape != wanted:
        raise InputError(f"road: mask of shape {missing.shape} for {tuple(x.shape)}; {wanted} is wanted")
    frames = x.detach().double().cpu().numpy().reshape(-1, *x.shape[-3:])
    out = frames.copy()
    rng = np.random.default_rng(seed)
    for frame, gone in zip(out, missing.reshape(-1, *x.shape[-2:]), strict=True):
        if gone.all():
            frame[:] = frame.mean((1, 2), keepdims=True)  # an equation without a right-hand side has any solution
            frame += noise * rng.standard_normal(frame.shape)
        elif gone.any():
            frame[:, gone] = impute(frame, gone) + noise * rng.standard_normal((len(frame), int(gone.sum())))
    filled = torch.from_numpy(out.reshape(x.shape)).to(x)
    mask = torch.from_numpy(missing).to(x.device).unsqueeze(-3)[None]
    return torch.where(mask, filled, x)


def road(
    score: Score,
    x: Float[Tensor, "1 ... channels height width"],
    values: Float[np.ndarray, "..."] | Tensor,
    settings: RoadSettings | None = None,
    imputer: Imputer | None = None,
) -> Gain:
    """Return the score with the least influential pixels removed, less that with the most influential ones removed.

    The mean over the shares of ``settings``; 0 for an order that says nothing, higher is better. Both curves are kept:
    the paper reports that of the most influential first, lower is better, and that of the least, higher is better.

    Args:
        score: what is asked, usually the softmax probability of the class predicted on ``x``.
        x: one picture (1, channels, height, width), or frames (1, frames, channels, height, width).
        values: one value for each pixel, (height, width) or (frames, height, width).
        settings: shares and noise.
        imputer: removes pixels in place of `road_impute`, noise and all.

    Raises:
        InputError: a map of another shape, or not finite.
        ContractError: scores that are not one finite number for each row.
    """
    s = settings or RoadSettings()
    shape = (*x.shape[1:-3], *x.shape[-2:])
    order = order_of(checked_map(values, shape))
    how = "the imputer given" if imputer else f"noisy linear imputation (noise {s.noise:g})"
    told = (
        f"ROAD: {name_of(score)}; pixels of a single-channel map, {how}, {len(s.shares)} shares from "
        f"{s.shares[0]:.0%} to {s.shares[-1]:.0%}; mean score, least influential first less most influential first"
    )
    if order is None:
        return Gain("road", None, told, reason=CONSTANT)

    def curve(first: np.ndarray) -> Curve:
        shares = np.array(s.shares)
        edited = []
        for step, share in enumerate(shares):
            gone = np.zeros(len(first), bool)
            gone[first[: round(share * len(first))]] = True
            mask = gone.reshape(shape)
            edited.append(imputer(x, mask) if imputer else road_impute(x, mask, s.noise, s.seed + step))
        scores = [scores_of(score, torch.cat(edited[i : i + s.chunk])) for i in range(0, len(edited), s.chunk)]
        return Curve(shares, np.concatenate(scores))

    least, most = curve(order[::-1]), curve(order)
    gain = float(least.scores.mean() - most.scores.mean())
    return Gain("road", gain, told, least_first=least, most_first=most)
