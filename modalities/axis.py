"""An axis of an array: its name, what its elements are called, and how it is cut into blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .wording import hertz, seconds

__all__ = ["Axis", "Box", "cut", "join", "place"]

Box = tuple[tuple[int, int], ...]
"""First and past-the-last element along each axis."""


@dataclass(frozen=True)
class Axis:
    """One axis of an array.

    Attributes:
        name: what it counts, ``"feature"``, ``"mel"``, ``"frame"``.
        size: number of elements; None where it differs from signal to signal.
        block: elements of one evidence unit along this axis; ``"all"`` never cuts it (the features of an embedding);
            None lets the array choose.
        labels: a name for each element: the columns of a table.
        unit: ``"s"`` and ``"Hz"`` are told as times and frequencies; any other is shown as it is.
        start: coordinate of the first element.
        step: from one element to the next.
        coords: coordinates of all elements, rising, where they are not evenly spaced; then without start and step.

    Raises:
        InputError: an option out of range, or labels or coordinates that do not fit the size.

    Example:
        >>> Axis("frame", unit="s", step=0.01).values(3)
        array([0.  , 0.01, 0.02])
    """

    name: str
    size: int | None = None
    block: int | Literal["all"] | None = None
    labels: tuple[str, ...] = ()
    unit: str = ""
    start: float = 0.0
    step: float = 1.0
    coords: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("axis: an empty name; say what the axis counts, e.g. 'feature'")
        if self.size is not None and self.size < 1:
            raise InputError(f"axis {self.name}: size {self.size}; give at least 1, or None where it varies")
        if isinstance(self.block, int) and self.block < 1:
            raise InputError(f"axis {self.name}: blocks of {self.block} elements; give at least 1, 'all' or None")
        if not (math.isfinite(self.start) and math.isfinite(self.step) and self.step > 0):
            raise InputError(f"axis {self.name}: start {self.start}, step {self.step}; give finite ones, step above 0")
        if any(not b > a for a, b in zip(self.coords, self.coords[1:], strict=False)):
            raise InputError(f"axis {self.name}: the coordinates do not rise")
        for what, given in (("labels", self.labels), ("coordinates", self.coords)):
            if given and self.size is not None and len(given) != self.size:
                raise InputError(f"axis {self.name}: {len(given)} {what} for {self.size} elements; give one for each")

    @property
    def fixed(self) -> int | None:
        """Number of elements where it is the same for every signal, by size, labels or coordinates."""
        return self.size or len(self.labels) or len(self.coords) or None

    def values(self, size: int) -> Float[np.ndarray, " size"]:
        """Return the coordinates of the elements."""
        return np.array(self.coords, float) if self.coords else self.start + self.step * np.arange(size, dtype=float)

    def extent(self, first: int, past: int) -> tuple[float, float]:
        """Return the first and the last coordinate of a range; evenly spaced elements last until the next begins."""
        if self.coords:
            return float(self.coords[first]), float(self.coords[past - 1])
        return self.start + self.step * first, self.start + self.step * past

    def show(self, first: int, past: int) -> str:
        """Return a range in words: ``"mel 10–19"``, ``"0.5–1.25 s"``, ``"feature “age”"``."""
        if self.labels:
            return f"{self.name} " + ", ".join(f"“{label}”" for label in self.labels[first:past])
        if self.unit in ("s", "Hz"):
            return (seconds if self.unit == "s" else hertz)(*self.extent(first, past))
        if self.unit or self.coords or (self.start, self.step) != (0.0, 1.0):
            low, high = self.values(past)[[first, past - 1]]
            span = f"{low:g}" if past == first + 1 else f"{low:g}–{high:g}"
            return " ".join(filter(None, (self.name, span, self.unit)))
        return f"{self.name} {first}" if past == first + 1 else f"{self.name} {first}–{past - 1}"


def cut(axes: Sequence[Axis], sizes: Sequence[int], units: int) -> tuple[int, ...]:
    """Return the size of a block along each axis.

    Axes whose block is not given start at single elements; the one with the most blocks is halved until there are at
    most ``units`` blocks, or no such axis is left to be halved.
    """
    blocks = [n if a.block == "all" else min(a.block or 1, n) for a, n in zip(axes, sizes, strict=True)]
    free = [i for i, axis in enumerate(axes) if axis.block is None]
    while True:
        counts = [math.ceil(n / b) for n, b in zip(sizes, blocks, strict=True)]
        longest = max(free, key=lambda i: counts[i], default=None)
        if math.prod(counts) <= units or longest is None or counts[longest] == 1:
            return tuple(blocks)
        blocks[longest] *= 2


def place(axes: Sequence[Axis], sizes: Sequence[int], box: Box) -> str:
    """Return where a block lies, in words; axes that it spans as a whole are left out."""
    told = [
        axis.show(*span)
        for axis, size, span in zip(axes, sizes, box, strict=True)
        if axis.block != "all" and (axis.labels or span != (0, size))
    ]
    return ", ".join(told) or "all of it"


def join(boxes: Sequence[Box]) -> list[Box]:
    """Join blocks that touch along one axis and agree in all others, axis by axis; in rising order."""
    joined = sorted(set(boxes))
    for axis in range(len(joined[0]) if joined else 0):
        by_rest: dict[Box, list[tuple[int, int]]] = {}
        for box in joined:
            by_rest.setdefault(box[:axis] + box[axis + 1 :], []).append(box[axis])
        joined = []
        for rest, spans in by_rest.items():
            grown: list[tuple[int, int]] = []
            for first, past in sorted(spans):
                if grown and grown[-1][1] == first:
                    grown[-1] = (grown[-1][0], past)
                else:
                    grown.append((first, past))
            joined += [(*rest[:axis], span, *rest[axis:]) for span in grown]
    return sorted(joined)
