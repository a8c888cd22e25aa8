"""Sound as it comes in: chunks in order, joined sample by sample, a bounded number."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import Float32

from ...errors import InputError
from ...modalities.recordings import read_recording
from .source import Source

__all__ = ["SNAP", "Chunk", "Cut", "SoundBuffer"]

SNAP = 0.02
"""Seconds that a chunk may lie from the end of the one before and still follow on it: clocks of devices jitter."""

CHUNKS = 4096
"""Chunks kept at most, however short they are."""


@dataclass(frozen=True)
class Chunk:
    """Some samples in a row.

    Attributes:
        at: when the first was taken, seconds.
        samples: one channel.
        key: their digest.
    """

    at: float
    samples: Float32[np.ndarray, " samples"]
    key: str


@dataclass(frozen=True)
class Cut:
    """A stretch of sound.

    Attributes:
        samples: one channel; zero where nothing came in.
        missing: seconds of it for which nothing came in.
    """

    samples: Float32[np.ndarray, " samples"]
    missing: float


class SoundBuffer:
    """The newest sound of one sense."""

    def __init__(self, source: Source) -> None:
        """Hold nothing yet."""
        self.source = source
        self.rate = int(source.rate or 0)
        self._chunks: list[Chunk] = []
        self._times: list[float] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._end: int | None = None
        self._floor = -math.inf
        self._began: float | None = None

    @property
    def newest(self) -> float | None:
        """When the newest chunk began."""
        return self._times[-1] if self._times else None

    @property
    def ended(self) -> float | None:
        """When the sound that is here ends."""
        return self._ends[-1] / self.rate if self._ends else None

    @property
    def began(self) -> float | None:
        """When the first chunk began, kept or not."""
        return self._began

    def __len__(self) -> int:
        return len(self._chunks)

    def read(self, signal: Any) -> Chunk:
        """Read one chunk, its time still 0.

        Args:
            signal: an array (samples,) or (samples, channels), or a pair of one and its rate.

        Raises:
            InputError: it is no sound, of another rate, empty, not finite, or longer than what is kept.
        """
        array, rate = signal if isinstance(signal, tuple) and len(signal) == 2 else (signal, self.rate)
        if not isinstance(array, np.ndarray):
            raise InputError(f"sound: a chunk of type {type(array).__name__}; give an array of samples")
        if rate != self.rate:
            raise InputError(f"sound: a chunk at {rate} Hz in a stream at {self.rate} Hz; resample it before")
        if array.size and len(np.atleast_1d(array)) > self.source.kept * self.rate:
            raise InputError(
                f"sound: {len(np.atleast_1d(array))} samples at once, and {self.source.kept:g} s are kept; cut them up"
            )
        # A recording beyond full scale is scaled down as a whole. A chunk must not be: its neighbours are not.
        floats = array.dtype.kind == "f" and array.size and np.isfinite(array).all()
        peak = max(1.0, float(np.abs(array).max())) if floats else 1.0
        wave, _ = read_recording((array / peak if peak > 1 else array, self.rate), self.rate)
        wave = np.array(wave * np.float32(peak), np.float32)
        return Chunk(0.0, wave, sha256(wave.tobytes()).hexdigest())

    def put(self, at: float, chunk: Chunk) -> tuple[str, str]:
        """Put a chunk in its place; returns the kind of arrival and why."""
        if at < self._floor:
            return "late", "what was then is no longer kept"
        place = bisect_left(self._times, at)
        if place < len(self._times) and self._times[place] == at:
            if self._chunks[place].key == chunk.key:
                return "twice", ""
            return "refused", f"other sound began at {at!r} s already"
        newest, end = place == len(self._times), self.ended
        self._chunks.insert(place, Chunk(at, chunk.samples, chunk.key))
        self._times.insert(place, at)
        self._place(place)
        self._began = at if self._began is None else min(at, self._began)
        self._trim()
        if newest and end is not None and at - end > SNAP:
            return "gap", f"{at - end:.3g} s of sound are missing before it"
        return "taken", "" if newest else f"put {self._times[-1] - at:.3g} s behind the newest, where it belongs"

    def _place(self, first: int) -> None:
        """Find the first sample of each chunk from one on: it follows on what was before, if it nearly does."""
        del self._starts[first:], self._ends[first:]
        end = self._ends[-1] if self._ends else self._end
        for chunk in self._chunks[first:]:
            start = round(chunk.at * self.rate)
            if end is not None and abs(start - end) <= SNAP * self.rate:
                start = end
            stop = start + len(chunk.samples)
            end = stop if end is None else max(end, stop)
            self._starts.append(start)
            self._ends.append(end)

    def _trim(self) -> None:
        oldest = round((self._times[-1] - self.source.kept) * self.rate)
        first = max(bisect_right(self._ends, oldest), len(self._chunks) - CHUNKS)
        first = min(first, len(self._chunks) - 1)
        if first > 0:
            self._end, self._floor = self._ends[first - 1], self._times[first - 1]
            for kept in (self._chunks, self._times, self._starts, self._ends):
                del kept[:first]

    def clear(self) -> None:
        """Forget all sound."""
        self._chunks, self._times, self._starts, self._ends = [], [], [], []
        self._end, self._floor, self._began = None, -math.inf, None

    def cut(self, start: float, seconds: float) -> Cut:
        """Return a stretch of sound; where chunks overlap, the earlier one's samples stand."""
        first, count = round(start * self.rate), round(seconds * self.rate)
        samples, filled = np.zeros(count, np.float32), np.zeros(count, bool)
        for begin, chunk in zip(self._starts, self._chunks, strict=True):
            a, b = max(begin - first, 0), min(begin + len(chunk.samples) - first, count)
            if a < b:
                free = ~filled[a:b]
                samples[a:b][free] = chunk.samples[a + first - begin : b + first - begin][free]
                filled[a:b] = True
        return Cut(samples, float((~filled).sum()) / self.rate)
