"""Deletion, insertion and symmetric relevance gain: what the score does as evidence goes or comes in a map's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from ...errors import InputError
from .fills import Fill, pixels
from .removal import Removal, Score, checked_map, order_of, scored_in_order
from .result import Result

__all__ = [
    "RISE",
    "UNITS",
    "XPLIQUE",
    "Area",
    "Curve",
    "CurveProtocol",
    "Gain",
    "deletion",
    "deletion_by",
    "insertion",
    "insertion_by",
    "srg",
    "srg_by",
    "trapezoid",
]

CONSTANT = "the map is constant: it puts its elements in no order"


def trapezoid(scores: Float[np.ndarray, " points"], shares: Float[np.ndarray, " points"]) -> float:
    """Return the area under a curve by the trapezoid rule; ``shares`` ascend.

    >>> trapezoid(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    0.5
    """
    return float(np.sum(np.diff(shares) * (scores[1:] + scores[:-1]) / 2))


@dataclass(frozen=True)
class Curve:
    """Scores by the share (0 to 1) of elements that are gone, or there again; no points where there is no figure."""

    shares: Float[np.ndarray, " points"] = field(default_factory=lambda: np.zeros(0))
    scores: Float[np.ndarray, " points"] = field(default_factory=lambda: np.zeros(0))

    def area(self) -> float:
        """Return the area under the curve by the trapezoid rule."""
        return trapezoid(self.scores, self.shares)


@dataclass(frozen=True)
class Area(Result):
    """The area under a curve, and the curve; None where there is no order."""

    curve: Curve = field(default_factory=Curve, kw_only=True)


@dataclass(frozen=True)
class Gain(Result):
    """The difference of two areas: that of the least influential first, less that of the most influential first."""

    least_first: Curve = field(default_factory=Curve, kw_only=True)
    most_first: Curve = field(default_factory=Curve, kw_only=True)


@dataclass(frozen=True)
class CurveProtocol:
    """How a curve is made.

    Attributes:
        name: what the protocol is called.
        deleted: what stands in for deleted pixels.
        inserted: what insertion begins with.
        step: elements a step; None is one row of the map (in each frame), 224 for a picture of 224 x 224 pixels.
        steps: number of steps instead, where it is given.

    Raises:
        InputError: no step at all.
    """

    name: str
    deleted: Fill = "mean"
    inserted: Fill = "blur"
    step: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if min(self.step or 1, self.steps or 1) < 1 or 0 in (self.step, self.steps):
            raise InputError(f"{self.name}: step {self.step}, steps {self.steps}; at least 1 is wanted")

    def counts(self, shape: tuple[int, ...]) -> Int[np.ndarray, " points"]:
        """Return how many elements are gone at each point, from none to all, for a map of this shape."""
        whole = int(np.prod(shape))
        if self.steps is not None:
            return np.unique(np.linspace(0, whole, self.steps + 1).astype(np.int64))
        step = max(1, whole // shape[-2]) if self.step is None and len(shape) > 1 else self.step or 1
        return np.append(np.arange(0, whole, step), whole).astype(np.int64)

    def describe(self, removal: Removal) -> str:
        """Return the protocol in words, for this input."""
        step = f"{self.steps} steps" if self.steps is not None else f"{int(self.counts(removal.shape)[1])} a step"
        return f"{self.name}: {removal.name}, {step}, trapezoid rule on 0..1"


RISE = CurveProtocol("RISE protocol")
"""Petsiuk et al., BMVC 2018, section 4.3, and its code: a row of pixels a step, mean colour, blurred picture."""

XPLIQUE = CurveProtocol("xplique protocol", "zero", "zero", steps=10)
"""As the library xplique has it by default: baseline 0 for both, 10 steps."""

UNITS = CurveProtocol("by units", step=1)
"""One evidence unit a step, through the senses' own infill operators."""


def deletion(
    score: Score,
    x: Float[Tensor, "1 ... channels height width"],
    values: Float[np.ndarray, "..."] | Tensor,
    protocol: CurveProtocol = RISE,
    *,
    chunk: int = 32,
) -> Area:
    """Return the area under the score as pixels are deleted, the most influential first; lower is better.

    Never quote it alone: beside it stand insertion, or `srg`, which a mere break-down of the system cannot raise.
    Source: Petsiuk et al., "RISE", BMVC 2018, section 4.3.

    Args:
        score: what is asked; the protocol wants the softmax probability of the class predicted on ``x``
            (`veridical.verifier.metrics.class_probability`).
        x: one picture (1, channels, height, width), or frames (1, frames, channels, height, width).
        values: one value for each pixel, (height, width) or (frames, height, width).
        protocol: fill and step.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a map of another shape, or not finite.
        ContractError: scores that are not one finite number for each row.
    """
    return deletion_by(pixels(score, x, protocol.deleted, chunk), values, protocol)


def insertion(
    score: Score,
    x: Float[Tensor, "1 ... channels height width"],
    values: Float[np.ndarray, "..."] | Tensor,
    protocol: CurveProtocol = RISE,
    *,
    chunk: int = 32,
) -> Area:
    """Return the area under the score as pixels come back, the most influential first; higher is better.

    Arguments, errors and source as for `deletion`.
    """
    return insertion_by(pixels(score, x, protocol.inserted, chunk), values, protocol)


def srg(
    score: Score,
    x: Float[Tensor, "1 ... channels height width"],
    values: Float[np.ndarray, "..."] | Tensor,
    protocol: CurveProtocol = RISE,
    *,
    chunk: int = 32,
) -> Gain:
    """Return the symmetric relevance gain: the area of deletion least influential first, less most influential first.

    0 for an order that says nothing, whatever the fill does to the system; higher is better. Arguments and errors as
    for `deletion`. Source: Blücher, Vielhaben and Strodthoff, "Decoupling Pixel Flipping and Occlusion Strategy for
    Consistent XAI Benchmarks", TMLR 2024.
    """
    return srg_by(pixels(score, x, protocol.deleted, chunk), values, protocol)


def deletion_by(removal: Removal, values: Float[np.ndarray, "..."] | Tensor, protocol: CurveProtocol = UNITS) -> Area:
    """Return the area under the score as elements are taken away, the most influential first; lower is better.

    Args:
        removal: what the system scores without certain elements: evidence units of one sense or of all, pixels ...
        values: one value for each element, of the removal's shape.
        protocol: the step; what stands in for an element is the removal's affair.

    Raises:
        InputError: not one finite value for each element.
    """
    return _area("deletion", removal, values, protocol)


def insertion_by(removal: Removal, values: Float[np.ndarray, "..."] | Tensor, protocol: CurveProtocol = UNITS) -> Area:
    """Return the area under the score as elements come back, the most influential first; higher is better.

    Arguments and errors as for `deletion_by`.
    """
    return _area("insertion", removal, values, protocol)


def srg_by(removal: Removal, values: Float[np.ndarray, "..."] | Tensor, protocol: CurveProtocol = UNITS) -> Gain:
    """Return the symmetric relevance gain by elements of any kind; higher is better.

    Arguments and errors as for `deletion_by`; definition and source as for `srg`.
    """
    order = order_of(checked_map(values, removal.shape))
    told = f"{protocol.describe(removal)}; deletion, least influential first less most influential first"
    if order is None:
        return Gain("srg", None, told, reason=CONSTANT)
    least, most = _curve(removal, order[::-1].copy(), protocol), _curve(removal, order, protocol)
    return Gain("srg", least.area() - most.area(), told, least_first=least, most_first=most)


def _curve(removal: Removal, order: np.ndarray, protocol: CurveProtocol, *, keep: bool = False) -> Curve:
    counts = protocol.counts(removal.shape)
    return Curve(counts / counts[-1], scored_in_order(removal, order, counts, keep=keep))


def _area(
    metric: Literal["deletion", "insertion"],
    removal: Removal,
    values: Float[np.ndarray, "..."] | Tensor,
    protocol: CurveProtocol,
) -> Area:
    order = order_of(checked_map(values, removal.shape))
    told = f"{protocol.describe(removal)}; most influential first"
    if order is None:
        return Area(metric, None, told, reason=CONSTANT)
    curve = _curve(removal, order, protocol, keep=metric == "insertion")
    return Area(metric, curve.area(), told, curve=curve)
