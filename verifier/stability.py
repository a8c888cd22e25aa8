"""Stability: whether an effect stays what it is near the input, measured against what noise alone does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import InputError
from ..fusion.measure import Edit, Laboratory, Operators
from ..modalities.contract import Prepared

__all__ = ["Stability", "measure_stability", "noisy"]

LEVEL = 0.01
"""Standard deviation of the noise as a share of the signal's: what a fair sensor adds (40 dB below the signal)."""


@dataclass(frozen=True)
class Stability:
    """An edit's effect at noisy neighbours of the input.

    Attributes:
        effects: effect of the edit at each neighbour, nats.
        noise: change of the score that the noise alone makes, nats, root mean square over the neighbours.
        level: standard deviation of the noise, as a share of that of the signal.
    """

    effects: tuple[float, ...]
    noise: float
    level: float

    @property
    def steady(self) -> bool:
        """Whether the edit lowers the score, on average over the neighbours, by more than the noise alone moves it."""
        return self.mean < -self.noise

    @property
    def mean(self) -> float:
        """Mean effect over the neighbours, nats."""
        return float(np.mean(self.effects))


def noisy(prepared: Mapping[str, Prepared], level: float, rng: np.random.Generator) -> dict[str, Prepared]:
    """Return the signals with normal noise of ``level`` times each signal's own standard deviation.

    Rows of zeros (padding) stay zero. Values of pictures are kept in 0..1.
    """
    found = {}
    for m, p in prepared.items():
        x = p.tensor
        draw = torch.from_numpy(rng.standard_normal(tuple(x.shape))).to(x)
        scale = level * (x - x.mean()).square().mean().sqrt()
        moved = x + scale * draw * (x != 0).any(-1, keepdim=True)
        low, high = float(x.min()), float(x.max())
        found[m] = replace(p, tensor=moved.clamp(low, high))
    return found


def measure_stability(
    laboratory: Laboratory,
    edit: Edit,
    operators: Sequence[Operators],
    neighbours: int,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Stability:
    """Measure an edit at noisy neighbours of the input.

    Args:
        laboratory: the system before the observation; its passes are counted up.
        edit: the edit.
        operators: infill operators, one mapping for each way of editing; the neighbours take them in turn.
        neighbours: how many.
        rng: of the noise.
        level: standard deviation of the noise as a share of each signal's.

    Raises:
        InputError: no neighbours or no operators.
        ContractError: the system cannot be measured there.
    """
    if neighbours < 1 or not operators:
        raise InputError(
            f"stability: {neighbours} neighbours, {len(operators)} operators; at least 1 of each is wanted"
        )
    own = laboratory.score
    effects, moved = [], []
    for k in range(neighbours):
        near = noisy(laboratory.prepared, level, rng)
        other = Laboratory(laboratory.system, near, laboratory.segmentations, laboratory.action)
        effects.append(float(other.measure([edit], operators[k % len(operators)]).effect[0]))
        laboratory.passes += other.passes
        if own is not None and other.score is not None:
            moved.append(abs(other.score - own))
    noise = float(np.sqrt(np.mean(np.square(moved)))) if moved else 0.0
    return Stability(tuple(effects), noise, level)
