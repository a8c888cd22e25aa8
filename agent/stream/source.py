"""Where a sense's signal comes from: its kind and rate, how long it lasts, how late it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import InputError

__all__ = ["ARRIVALS", "KINDS", "SENSOR", "Arrival", "Rows", "Source"]

KINDS = ("frames", "sound", "words")
"""What may come in: camera frames one at a time, chunks of sound, instructions."""

ARRIVALS = ("taken", "gap", "twice", "late", "refused")
"""What may become of it."""

SENSOR = "Sensor: "
"""What a note begins with that tells of a sense that is absent, stalled or fell silent; it says so in one of these
words, so that `veridical.agent.loop.findings` makes the finding ``sensor`` of it."""

LONGEST = 3600.0
"""Seconds that a window, a hold (but for words) or a lateness may last: buffers are bounded by them."""


@dataclass(frozen=True)
class Rows:
    """That a sense's features are rows, each made of its own stretch of the signal and of nothing else.

    Row k is made of samples (or frames) ``k * hop`` to ``k * hop + length``; the last is filled up with zeros. Only of
    such a sense can features be used again in another window; a stream checks on its first whole window that it is so.

    Attributes:
        length: samples (frames) that a row is made of.
        hop: samples (frames) from one row to the next.

    Raises:
        InputError: less than one.
    """

    length: int = 1
    hop: int = 1

    def __post_init__(self) -> None:
        if self.length < 1 or self.hop < 1:
            raise InputError(f"rows: length {self.length} and hop {self.hop}; give at least 1 of each")

    def count(self, samples: int) -> int:
        """Return how many rows a signal of so many samples (frames) has, at least one."""
        return 1 + math.ceil(max(samples - self.length, 0) / self.hop)


@dataclass(frozen=True)
class Source:
    """One sense's signal as it comes in.

    Attributes:
        kind: one of ``KINDS``.
        rate: of frames, how many a second are to be expected (None: not known, and gaps are not told); of sound,
            samples a second, which must be given.
        window: seconds of it that a decision is made of; of no meaning for words.
        hold: seconds after its newest sample from which a silent source counts as absent; of words usually infinite,
            for an instruction stands until another comes.
        lateness: seconds by which a sample may come behind the newest one and still be put in its place.
        rows: how features are made of it; None: of the whole at once, as far as is known.

    Raises:
        InputError: an unknown kind, sound without a rate, a number out of range.
    """

    kind: str
    rate: float | None = None
    window: float = 3.0
    hold: float = 1.0
    lateness: float = 0.5
    rows: Rows | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"source: unknown kind {self.kind!r}; give one of {', '.join(KINDS)}")
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise InputError(f"source: rate {self.rate} a second; give a positive number, or None if it is not known")
        if self.kind == "sound" and (self.rate is None or self.rate != int(self.rate)):
            raise InputError(f"source: sound at rate {self.rate}; give its samples a second, a whole number")
        if not 0 < self.window <= LONGEST:
            raise InputError(f"source: a window of {self.window} s; give more than 0 and at most {LONGEST:g} s")
        if not 0 <= self.lateness <= LONGEST:
            raise InputError(f"source: a lateness of {self.lateness} s; give 0 to {LONGEST:g} s")
        endless = self.kind == "words" and self.hold == math.inf
        if not (endless or 0 < self.hold <= LONGEST):
            raise InputError(f"source: a hold of {self.hold} s; give more than 0 and at most {LONGEST:g} s")

    @property
    def kept(self) -> float:
        """Seconds of signal that are kept: the window, what may still come late, and a second for slow deciders."""
        return self.window + min(self.hold, self.window) + self.lateness + 1.0


@dataclass(frozen=True)
class Arrival:
    """What became of a sample that came in.

    Attributes:
        kind: ``taken``; ``gap``, taken, and something is missing before it; ``twice``, it was here already; ``late``,
            too late to be put in its place; ``refused``, it cannot be used.
        why: one sentence; empty where there is nothing to tell.
    """

    kind: str
    why: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is part of the stream now."""
        return self.kind in ("taken", "gap")
