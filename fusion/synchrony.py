"""Synchrony: signals of different clocks, put on the grid on which a system reads them.

A system takes frame i for second i times its interval, and sample j for second j / rate, and knows of no other clock.
Where cameras and microphones begin apart, run apart or drop frames, what it reads together did not happen together.
Here that is mended before the system decides, and what could not be mended is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from ..errors import InputError
from ..modalities.clock import Clock, Stamps
from ..modalities.contract import Modality, System
from ..modalities.recordings import read_recording
from ..modalities.timed import Timed
from ..modalities.wording import seconds
from .lanes import Span, overlap

__all__ = ["Synchronised", "resample", "synchronise"]

LONG = 1.5
"""Intervals between frames from which a gap is told."""

CUT = 0.01
"""Seconds of sound outside the common time from which it is told that they were cut."""

_REACH = 32
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Synchronised:
    """An observation on the system's own grid.

    Attributes:
        observation: signals as the system's senses take them, all beginning at one moment.
        notes: what was cut, added, or could not be mended, one sentence each.
        clocks: for each sense with a time, from the grid to the common clock; its uncertainty is the signal's own, and
            for frames also how far they lie from the grid (root of the sum of squares).
    """

    observation: Mapping[str, Any]
    notes: tuple[str, ...]
    clocks: Mapping[str, Clock]

    def timed(self) -> dict[str, Any]:
        """Return the observation with its clocks, as `modalities.observation.prepare` takes it."""
        return {m: Timed(x, self.clocks[m]) if m in self.clocks else x for m, x in self.observation.items()}


@dataclass(frozen=True)
class _Frames:
    items: tuple[Any, ...]
    clock: Clock
    interval: float
    at: tuple[float, ...]

    @property
    def span(self) -> Span:
        return self.at[0], self.clock(len(self.items) * self.interval)


@dataclass(frozen=True)
class _Sound:
    wave: Float32[np.ndarray, " samples"]
    clock: Clock
    rate: int
    notes: tuple[str, ...]

    @property
    def span(self) -> Span:
        return self.clock(0.0), self.clock(len(self.wave) / self.rate)


def synchronise(system: System, observation: Mapping[str, Any]) -> Synchronised:
    """Put the signals of an observation on the system's own grid.

    The grid begins where all streams do and is as long as what they share, rounded to whole intervals. Each tick takes
    the frame nearest to it. Sound is cut there, with silence where there is none; where its clock drifts by more than
    half a sample over the whole, it is resampled. A single frame stands for the whole time. A signal without a clock
    counts the common seconds; text has no time and stays as it is.

    Args:
        system: whose senses say their grid: ``interval`` (seconds between frames) or ``rate`` (samples a second).
        observation: signals by sense, with their clocks (`Timed`) or without.

    Raises:
        InputError: an unknown sense, no overlap in time, timestamps that do not fit the frames, a clock on a sense that
            has neither frames nor a rate, or a recording that cannot be read.
    """
    streams: dict[str, _Frames | _Sound] = {}
    others: dict[str, Any] = {}
    for m, given in observation.items():
        if m not in system.modalities:
            raise InputError(f"synchronise: unknown modality {m!r}; this system has {', '.join(system.modalities)}")
        found = None if given is None else _stream(system.modalities[m], given)
        if found is None:
            others[m] = _signal(m, given)
        else:
            streams[m] = found
    lasting = {m: s.span for m, s in streams.items() if isinstance(s, _Sound) or len(s.items) > 1}
    overlap({m: s.span for m, s in streams.items()})
    start, end = overlap(lasting or {m: s.span for m, s in streams.items()})
    intervals = [s.interval for s in streams.values() if isinstance(s, _Frames)]
    # The longest interval's, so that every grid of frames fills the time; with sound alone nothing is rounded.
    whole = max(1, math.floor((end - start) / max(intervals) + 0.5)) * max(intervals) if intervals else end - start
    ready: dict[str, Any] = {}
    clocks: dict[str, Clock] = {}
    notes: list[str] = []
    for m, stream in streams.items():
        framed = isinstance(stream, _Frames)
        found = _regrid_frames(stream, start, whole) if framed else _regrid_sound(stream, start, whole)
        ready[m], clocks[m], told = found
        notes += [f"{m}: {note}" for note in told]
    order = {m: (ready | others)[m] for m in observation}
    return Synchronised(order, tuple(notes), clocks)


def resample(
    wave: Float[np.ndarray, " samples"], at: Float[np.ndarray, " points"], cutoff: float = 1.0
) -> Float32[np.ndarray, " points"]:
    """Return a signal between its samples, by band-limited interpolation; silence lies before and after it.

    The kernel is a sinc of 32 zero crossings to each side under a Hann window (J. O. Smith, Digital Audio Resampling,
    section "Theory of Ideal Bandlimited Interpolation").

    Args:
        wave: the signal.
        at: where, in samples; at whole numbers the samples themselves come out, to rounding.
        cutoff: share of the band that is kept, below 1 where points lie farther apart than samples.
    """
    reach = math.ceil(_REACH / cutoff)
    taps = np.arange(-reach + 1, reach + 1)
    padded = np.pad(np.asarray(wave, float), reach)
    out = np.zeros(len(at), np.float32)
    for first in range(0, len(at), _BLOCK):
        points = at[first : first + _BLOCK]
        below = np.floor(points).astype(np.int64)
        apart = points[:, None] - (below[:, None] + taps)
        kernel = cutoff * np.sinc(cutoff * apart) * np.cos(np.pi * np.clip(apart / reach, -1, 1) / 2) ** 2
        index = below[:, None] + taps + reach
        inside = (index >= 0) & (index < len(padded))
        out[first : first + _BLOCK] = (np.where(inside, padded[index.clip(0, len(padded) - 1)], 0) * kernel).sum(1)
    return out


def _signal(sense: str, given: Any) -> Any:
    """Return a signal that has no grid, as it is."""
    if isinstance(given, Timed) and not isinstance(given.signal, str):
        raise InputError(f"synchronise: {sense} has neither frames nor a rate; give it without a clock")
    return given.signal if isinstance(given, Timed) else given


def _stream(modality: Modality, given: Any) -> _Frames | _Sound | None:
    signal, clock = (given.signal, given.clock) if isinstance(given, Timed) else (given, Clock.affine())
    interval, rate = getattr(modality, "interval", None), getattr(modality, "rate", None)
    if interval is not None:
        several = isinstance(signal, (list, tuple)) or (isinstance(signal, np.ndarray) and signal.ndim == 4)
        items = tuple(signal) if several else (signal,)
        if not items:
            raise InputError(f"synchronise: {modality.name} holds no frames; leave it out of the observation")
        if isinstance(clock, Stamps):
            if len(clock.times) != len(items):
                raise InputError(
                    f"synchronise: {len(clock.times)} timestamps for {len(items)} frames of {modality.name}; give one "
                    "for each"
                )
            clock = clock.clock(interval)
        at = clock(np.arange(len(items)) * interval)
        return _Frames(items, clock, interval, tuple(at.tolist()))
    if rate is None:
        return None
    if isinstance(clock, Stamps):
        raise InputError(f"synchronise: timestamps are for frames; say when {modality.name} began (Timed.started)")
    wave, notes = read_recording(signal, rate)
    return _Sound(wave, clock, rate, notes)


def _regrid_frames(stream: _Frames, start: float, whole: float) -> tuple[list[Any], Clock, list[str]]:
    at = np.array(stream.at)
    ticks = start + np.arange(round(whole / stream.interval)) * stream.interval
    nearest = np.abs(ticks[:, None] - at).argmin(1)
    off = np.abs(at[nearest] - ticks)
    notes = []
    if len(at) == 1:
        notes.append(f"one frame, taken at {_told(at[0])}, stands for all {len(ticks)}")
    elif off.max() > 1e-6:
        notes.append(f"frames lie up to {_told(off.max())} from the times at which the system reads them")
    gaps = [
        (a, b) for a, b in pairwise(stream.at) if b - a > LONG * stream.interval and a < start + whole and b > start
    ]
    if gaps:
        more = f" and {len(gaps) - 5} times more" if len(gaps) > 5 else ""
        notes.append(
            f"no frame was taken in {', '.join(seconds(*gap) for gap in gaps[:5])}{more}; the nearest stand in"
        )
    unused = len(at) - len(set(nearest.tolist()))
    if unused:
        notes.append(f"{unused} of {len(at)} frames are not used: they lie outside, or between the times that are read")
    items = [stream.items[i] for i in nearest.tolist()]
    return items, _on_grid(stream.clock, start, whole, float(off.max())), notes


def _regrid_sound(stream: _Sound, start: float, whole: float) -> tuple[Any, Clock, list[str]]:
    rate, clock, have = stream.rate, stream.clock, len(stream.wave)
    count = max(1, round(whole * rate))
    at = clock.inverse(start + np.arange(count) / rate) * rate
    notes = list(stream.notes)
    first = round(float(at[0]))
    if np.abs(at - first - np.arange(count)).max() <= 1:  # half a sample of drift beside half of rounding
        index = first + np.arange(count)
        inside = (index >= 0) & (index < have)
        wave = np.where(inside, stream.wave[index.clip(0, have - 1)], np.float32(0))
    else:
        slope = float(np.diff(at).max())
        wave = resample(stream.wave, at, min(1.0, 1 / slope))
        notes.append(f"resampled for a drift of {clock.drift:.2g}")
    before, after = (float(n) / rate for n in (at[0], have - 1 - at[-1]))
    for size, place in ((before, "first"), (after, "last")):
        if size > CUT:
            notes.append(f"the {place} {_told(size)} lie outside the common time and were cut")
        elif size < -1 / rate:
            notes.append(f"{_told(-size)} of silence stand at the {'start' if place == 'first' else 'end'}")
    return (wave, rate), _on_grid(clock, start, whole, 0.0), notes


def _on_grid(clock: Clock, start: float, whole: float, off: float) -> Clock:
    """Return the grid's clock, as uncertain as the signal's own at its worse end, and by how far samples are off."""
    worst = max(clock.uncertainty_at(clock.inverse(t)) for t in (start, start + whole))
    grid = Clock.affine(start)
    return replace(grid, uncertainty=math.hypot(worst, off) if math.isfinite(worst) else None)


def _told(value: Any) -> str:
    return f"{float(value):.3g} s"
