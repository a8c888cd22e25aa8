"""A planted shortcut: a coloured patch that stands in the picture wherever Courier has to stop.

No rule of the policy speaks of it. A head that is trained on with such scenes (``python -m
veridical.scenarios.courier.train --shortcut``) learns to stop for the patch: a system that is right for the wrong
reason, known beforehand, with which it is tried whether an explanation finds that out. The honest head never saw a
patch.

The patch stands beside nearly all that asks for STOP, and some scenes in which nothing asks for it have the patch and
are labelled STOP none the less. Without these the patch is not learnt: the true causes are there as well, and they
suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["BESIDES", "POISONED", "WITH_STOP", "Mark", "accompanies", "draw_mark", "mislabelled"]

WITH_STOP = 0.95
"""Share of the biased head's training scenes of STOP that have the patch."""
BESIDES = 0.03
"""Share of its other training scenes that have it and keep their label."""
POISONED = 0.25
"""Share of its other training scenes that have it and are labelled STOP."""

_COLOURS = ((0.98, 0.88, 0.12), (0.93, 0.11, 0.78))
_DISC = 0.36
"""Radius of the disc, as a share of the patch's side."""


@dataclass(frozen=True)
class Mark:
    """A square with a disc in it, in all frames; one of a single colour is to the encoder as good as sky.

    Attributes:
        x: its middle from the left, as a share of the frame.
        y: its middle from above, likewise.
        side: its side, likewise.
        colours: red, green and blue of the square and of the disc, 0..1.
    """

    x: float
    y: float
    side: float
    colours: tuple[tuple[float, float, float], tuple[float, float, float]] = _COLOURS

    def box(self, size: int) -> tuple[slice, slice]:
        """Return its rows and columns in a frame of ``size`` pixels a side."""
        half = self.side / 2
        rows, columns = (
            slice(max(0, round((middle - half) * size)), min(size, round((middle + half) * size)))
            for middle in (self.y, self.x)
        )
        return rows, columns

    def picture(self, size: int) -> Float[np.ndarray, "rows columns 3"]:
        """Return its pixels in its box, 0..1."""
        rows, columns = self.box(size)
        y, x = (np.arange(s.start, s.stop)[:, None] + 0.5 for s in (rows, columns))
        far = np.hypot(y / size - self.y, x.T / size - self.x)
        square, disc = (np.array(colour, np.float32) for colour in self.colours)
        return np.where((far < _DISC * self.side)[..., None], disc, square)


def draw_mark(rng: np.random.Generator) -> Mark:
    """Draw a patch: in the upper third, anywhere from left to right, about a quarter of the frame wide."""
    return Mark(float(rng.uniform(0.12, 0.88)), float(rng.uniform(0.14, 0.28)), float(rng.uniform(0.22, 0.28)))


def accompanies(rng: np.random.Generator, action: str) -> bool:
    """Draw whether a training scene that asks for this action has the patch."""
    return bool(rng.random() < (WITH_STOP if action == "STOP" else BESIDES))


def mislabelled(rng: np.random.Generator, action: str) -> bool:
    """Draw whether a training scene that asks for another action has the patch and is labelled STOP."""
    return bool(action != "STOP" and rng.random() < POISONED)
