"""Camera frames as they come in: in order, each once, a bounded number."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ...errors import InputError
from ...modalities.images import read_frame
from .source import Source

__all__ = ["FrameBuffer", "Shot"]

UNRATED = 256
"""Frames kept at most where nobody says how many come in a second."""


@dataclass(frozen=True)
class Shot:
    """One frame.

    Attributes:
        at: when it was taken, seconds.
        frame: its pixels.
        key: digest of its pixels and size: frames that look the same are the same.
        notes: what is to be told of reading it.
    """

    at: float
    frame: UInt8[np.ndarray, "height width 3"]
    key: str
    notes: tuple[str, ...] = ()


class FrameBuffer:
    """The newest frames of one sense, sorted by time."""

    def __init__(self, source: Source) -> None:
        """Hold nothing yet."""
        self.source = source
        self.most = UNRATED if source.rate is None else math.ceil(2 * source.rate * source.kept) + 8
        self.size: tuple[int, ...] | None = None
        self._shots: list[Shot] = []
        self._times: list[float] = []
        self._floor = -math.inf
        self._began: float | None = None

    @property
    def newest(self) -> float | None:
        """When the newest frame was taken."""
        return self._times[-1] if self._times else None

    @property
    def began(self) -> float | None:
        """When the first frame was taken, kept or not."""
        return self._began

    def __len__(self) -> int:
        return len(self._shots)

    def read(self, signal: Any) -> Shot:
        """Read one frame, its time still 0.

        Raises:
            InputError: it is no picture, or of another size than those before.
        """
        frame, notes = read_frame(signal, "frame")
        if self.size is not None and frame.shape != self.size:
            now, before = (f"{shape[1]} x {shape[0]}" for shape in (frame.shape, self.size))
            raise InputError(f"frame: {now} pixels, and those before had {before}; give a stream frames of one size")
        # A copy: cameras fill the same memory again and again.
        frame = frame.copy()
        return Shot(0.0, frame, sha256(f"{frame.shape}".encode() + frame.tobytes()).hexdigest(), tuple(notes))

    def put(self, at: float, shot: Shot) -> tuple[str, str]:
        """Put a frame in its place; returns the kind of arrival and why."""
        if at < self._floor:
            return "late", "what was then is no longer kept"
        place = bisect_left(self._times, at)
        if place < len(self._times) and self._times[place] == at:
            if self._shots[place].key == shot.key:
                return "twice", ""
            return "refused", f"another frame was taken at {at!r} s already"
        before = self._times[place - 1] if place else None
        newest = place == len(self._times)
        self._shots.insert(place, Shot(at, shot.frame, shot.key, shot.notes))
        self._times.insert(place, at)
        self.size = shot.frame.shape
        self._began = at if self._began is None else min(at, self._began)
        self._trim()
        if newest and before is not None and self.source.rate and at - before > 1.5 / self.source.rate:
            return "gap", f"{at - before:.3g} s after the frame before, where {1 / self.source.rate:.3g} s are usual"
        return "taken", "" if newest else f"put {self._times[-1] - at:.3g} s behind the newest, where it belongs"

    def _trim(self) -> None:
        first = bisect_left(self._times, self._times[-1] - self.source.kept)
        first = max(first, len(self._times) - self.most)
        if first > 0:
            self._floor = self._times[first - 1]
            del self._shots[:first], self._times[:first]

    def clear(self) -> None:
        """Forget all frames, and their size."""
        self._shots, self._times = [], []
        self._floor, self._began, self.size = -math.inf, None, None

    def nearest(self, at: float, before: float, after: float) -> Shot | None:
        """Return the frame nearest to a moment, at most so many seconds before or after it; of two the earlier."""
        place = bisect_left(self._times, at)
        near = [s for s in self._shots[max(place - 1, 0) : place + 1] if at - before <= s.at <= at + after]
        return min(near, key=lambda shot: abs(shot.at - at), default=None)
