"""Max-sensitivity: how far a map moves at most when the input moves a little.

Source: Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, definition 3.1; the norm of the
neighbourhood is that of its code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from .removal import checked_map
from .result import Result

__all__ = ["Explain", "Sensitivity", "SensitivitySettings", "max_sensitivity"]

Explain = Callable[[Tensor], Tensor | np.ndarray]
"""From an input, a batch of one, to its map; maps of neighbouring inputs have one shape."""


@dataclass(frozen=True)
class Sensitivity(Result):
    """The largest relative change of a map, and the change at each neighbour."""

    changes: Float[np.ndarray, " samples"] = field(default_factory=lambda: np.zeros(0), kw_only=True)


@dataclass(frozen=True)
class SensitivitySettings:
    """How max-sensitivity is measured.

    Attributes:
        radius: how far an element of the input may move, in its own unit: neighbours are drawn evenly from the cube.
        samples: neighbours.
        seed: of the neighbours.

    Raises:
        InputError: a radius or a number of samples that is not positive.
    """

    radius: float = 0.02
    samples: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or not self.radius > 0:
            raise InputError(f"max-sensitivity: radius {self.radius}, {self.samples} samples; both must be positive")


def max_sensitivity(
    explain: Explain, x: Float[Tensor, "1 ..."], settings: SensitivitySettings | None = None
) -> Sensitivity:
    """Return the largest ‖map(y) - map(x)‖ / ‖map(x)‖ over neighbours y with ‖y - x‖∞ ≤ radius; lower is better.

    Norms of maps are Euclidean. 0 only says that the map does not move: an edge detector's hardly does.

    Args:
        explain: gives the map of an input.
        x: the input, a batch of one.
        settings: radius and samples.

    Raises:
        InputError: maps that are not finite, or not of one shape.
    """
    s = settings or SensitivitySettings()
    told = f"{s.samples} neighbours, each input element within ±{s.radius:g}, evenly drawn; Euclidean norm of the map"
    before = _row(explain(x))
    size = float(np.linalg.norm(before))
    if size == 0:
        return Sensitivity("max-sensitivity", None, told, reason="the map is zero: no change can be held against it")
    generator = torch.Generator().manual_seed(s.seed)
    changes = []
    for _ in range(s.samples):
        noise = 2 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1
        after = _row(explain(x + s.radius * noise.to(x.device)))
        if after.shape != before.shape:
            raise InputError(f"max-sensitivity: maps of {before.size} and {after.size} values; one shape is wanted")
        changes.append(float(np.linalg.norm(after - before)) / size)
    return Sensitivity("max-sensitivity", max(changes), told, changes=np.array(changes))


def _row(found: Tensor | np.ndarray) -> Float[np.ndarray, " elements"]:
    return checked_map(found, tuple(found.shape))
