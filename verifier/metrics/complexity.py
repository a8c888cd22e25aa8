"""Complexity: how many elements a map needs to say what it says. That describes a map; it does not make it truer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .removal import checked_map
from .result import Result

__all__ = ["Entropy", "entropy", "sparsity"]

_ZERO = "the map is zero everywhere"


@dataclass(frozen=True)
class Entropy(Result):
    """Entropy in nats, and as a share of the largest there can be (0..1; None for a single element)."""

    normalised: float | None = field(default=None, kw_only=True)


def entropy(values: Float[np.ndarray, "..."] | Tensor) -> Entropy:
    """Return the entropy of the map's absolute values as shares of their sum, nats.

    0 where one element holds all, ln n where n elements hold as much each. Source: Bhatt, Weller and Moura, IJCAI 2020,
    definition 4 (complexity).

    Raises:
        InputError: values that are not finite.
    """
    size = np.abs(checked_map(values, tuple(values.shape)))
    told = f"absolute values of {len(size)} elements, nats"
    total = math.fsum(size)
    if total == 0:
        return Entropy("entropy", None, told, reason=_ZERO)
    p = size / total
    p = p[p > 0]
    # A rounded sum may be a hair below 0, or above the largest.
    found = min(max(-math.fsum(p * np.log(p)), 0.0), math.log(len(size)))
    return Entropy("entropy", found, told, normalised=found / math.log(len(size)) if len(size) > 1 else None)


def sparsity(values: Float[np.ndarray, "..."] | Tensor) -> Result:
    """Return the Gini index of the map's absolute values: 0 where all are the same, near 1 where one holds all.

    With the values in ascending order, ``1 - 2 sum_k (v_k / sum v) (d - k + 1/2) / d``; 1 - 1/d at most. Source:
    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020, section 2.

    Raises:
        InputError: values that are not finite.
    """
    size = np.sort(np.abs(checked_map(values, tuple(values.shape))))
    d = len(size)
    told = f"Gini index of the absolute values of {d} elements"
    total = math.fsum(size)
    if total == 0:
        return Result("sparsity", None, told, reason=_ZERO)
    rest = (d - np.arange(1, d + 1) + 0.5) / d
    return Result("sparsity", max(0.0, 1 - 2 * math.fsum(size / total * rest)), told)
