"""Moments of a drive: from messages that come one by one, what a system would have seen at stated times."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...errors import InputError
from .signals import Picture, Signal, Sound, Words
from .steady import PATIENCE, Steady

__all__ = ["DriveMoment", "Moments", "Plan"]

_EPOCH = 10**18  # nanoseconds, in 2001: a clock that stands later than that is no count of seconds since power-on
_JOIN = 0.02  # seconds; stretches of sound nearer than that to each other are one
_LEAST, _MOST = 0.01, 3600.0
_MISSING = 0.01  # share of a window's sound that may be missing without a word

Read = Callable[[], Signal | None]


@dataclass(frozen=True)
class DriveMoment:
    """What a system would have seen at one time of a drive.

    Attributes:
        at: seconds since the drive's first message.
        observation: signal by sense: frames uint8 (height, width, 3), oldest first; sound as (int16 samples, rate); the
            words that held. A sense of which nothing had come is left out.
        notes: what the user must be told, one sentence each.
        time: by the recording's clock, ISO 8601, UTC; None where that clock does not tell the date.
    """

    at: float
    observation: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    time: str | None = None


@dataclass(frozen=True)
class Plan:
    """When there is a moment, and how much it holds.

    Attributes:
        every: seconds between moments.
        window: seconds that a moment looks back.
        rate: frames a second that it holds.

    Raises:
        InputError: a number out of range.
    """

    every: float = 1.0
    window: float = 3.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("every", "window"):
            value = getattr(self, name)
            if not _LEAST <= value <= _MOST:
                raise InputError(f"drive: {name} {value} s; give {_LEAST} to {_MOST:g} seconds")
        if not (self.rate > 0 and 1 <= self.frames <= 1000):
            raise InputError(
                f"drive: {self.rate} frames a second over {self.window} s; 1 to 1000 frames in all are wanted"
            )

    @property
    def frames(self) -> int:
        """Frames that a moment holds at most."""
        return max(1, round(self.window * self.rate)) if math.isfinite(self.rate) else 0


class Moments:
    """Takes messages about in the order of their times, gives moments.

    A message that comes up to `PATIENCE` seconds after a later one takes its place.

    Args:
        plan: when, and how much.
        kinds: sense to kind (``vision``, ``audio``, ``text``).
        notes: said with the first moment.
    """

    start: int | None
    newest: int | None
    last: int | None

    def __init__(self, plan: Plan, kinds: Mapping[str, str], notes: Sequence[str] = ()) -> None:
        makers = {"vision": _Frames, "audio": _Recording, "text": _Said}
        self.plan, self.notes = plan, list(notes)
        self.senses: dict[str, _Frames | _Recording | _Said] = {s: makers[k](plan) for s, k in kinds.items()}
        self.waiting: list[tuple[int, int, Sequence[str], Read]] = []
        self.clocks: list[Steady] = []
        self.start = self.newest = self.last = None
        self.count = self.index = 0

    def clock(self) -> Steady:
        """Return a clock for a topic; what it tells is said with the next moment."""
        self.clocks.append(Steady())
        return self.clocks[-1]

    def take(self, ns: int, senses: Sequence[str], read: Read) -> Iterator[DriveMoment]:
        """Take a message; yields the moments that nothing can be added to any more.

        Args:
            ns: its time by its topic's `clock`, nanoseconds.
            senses: that it serves.
            read: gives its signal; called when that is needed, and may raise what `DriveMessage.signal` raises.
        """
        self.newest = ns if self.newest is None else max(self.newest, ns)
        self.count += 1
        heapq.heappush(self.waiting, (ns, self.count, senses, read))
        while self.waiting and self.waiting[0][0] <= self.newest - PATIENCE * 1e9:
            yield from self._next()

    def end(self) -> Iterator[DriveMoment]:
        """Yield the moments that are left."""
        while self.waiting:
            yield from self._next()
        if self.start is None or self.last is None:
            return
        yield from self._due(self.last + 1)
        if self.index == 0:  # shorter than a window
            yield from self._moment(self.last)

    def _next(self) -> Iterator[DriveMoment]:
        ns, _, senses, read = heapq.heappop(self.waiting)
        if self.start is None:
            self.start = ns
        yield from self._due(ns)
        self.last = ns
        for sense in senses:
            self.senses[sense].take(ns / 1e9, read, self.notes)

    def _when(self, index: int) -> int:
        assert self.start is not None  # noqa: S101 - set by the first message, before any moment
        return self.start + round((self.plan.window + index * self.plan.every) * 1e9)

    def _due(self, before: int) -> Iterator[DriveMoment]:
        """The moments before a time; where nothing came for longer than a window, there are none."""
        while (now := self._when(self.index)) < before:
            if self.last is not None and now - self.last > self.plan.window * 1e9:
                self.notes.append(f"nothing came for {(before - self.last) / 1e9:.3g} s")
                gap = before - self._when(self.index)
                self.index += max(1, math.ceil(gap / (self.plan.every * 1e9)))
                continue
            self.index += 1
            yield from self._moment(now)

    def _moment(self, now: int) -> Iterator[DriveMoment]:
        self.notes += [note for clock in self.clocks for note in clock.told()]
        seen: dict[str, Any] = {}
        for sense, kept in self.senses.items():
            signal = kept.give(now / 1e9, self.notes)
            if signal is not None:
                seen[sense] = signal
        if not seen:
            return
        notes, self.notes = tuple(dict.fromkeys(self.notes)), []
        at = (now - (self.start or 0)) / 1e9
        told = datetime.fromtimestamp(now / 1e9, UTC).isoformat(timespec="milliseconds") if _dated(now) else None
        yield DriveMoment(at, seen, notes, told)


def _dated(ns: int) -> bool:
    return _EPOCH <= ns < 4 * _EPOCH


@dataclass
class _Frames:
    """The frames of a window; a frame is unpacked when a moment holds it."""

    plan: Plan
    kept: deque[tuple[float, Read]] = field(default_factory=deque)
    unpacked: dict[float, np.ndarray] = field(default_factory=dict)

    def take(self, at: float, read: Read, notes: list[str]) -> None:
        del notes
        self.kept.append((at, read))

    def give(self, now: float, notes: list[str]) -> list[np.ndarray] | None:
        while self.kept and self.kept[0][0] < now - 2 * self.plan.window - 1 / self.plan.rate:
            self.unpacked.pop(self.kept.popleft()[0], None)
        known = [at for at, _ in self.kept if at <= now]
        age = now - known[-1] if known else math.inf
        if age > self.plan.window:
            notes.append("no camera frame had come")
            return None
        if age > 1.5 / self.plan.rate:
            notes.append(f"the newest frame was {age:.3g} s old")
        step = 1 / self.plan.rate
        wanted = [known[-1] - k * step for k in reversed(range(self.plan.frames))]
        found = [min(known, key=lambda at, t=t: abs(at - t)) for t in wanted]
        near = [at if abs(at - t) < step / 2 else None for at, t in zip(found, wanted, strict=True)]
        first = next(i for i, at in enumerate(near) if at is not None)
        if first:
            notes.append(f"{len(near) - first} of {len(near)} frames had come")
        chosen: list[float] = []
        for at in near[first:]:
            if at is None:
                notes.append("a frame is missing; the one before it stands again")
            chosen.append(chosen[-1] if at is None else at)
        return [self.frame(at) for at in chosen]

    def frame(self, at: float) -> np.ndarray:
        if at not in self.unpacked:
            signal = next(read for when, read in self.kept if when == at)()
            assert isinstance(signal, Picture)  # noqa: S101 - by the topic's schema
            self.unpacked[at] = signal.frame
        return self.unpacked[at]


@dataclass
class _Recording:
    """The sound of a window, each stretch at its time."""

    plan: Plan
    kept: deque[tuple[float, Sound]] = field(default_factory=deque)

    def take(self, at: float, read: Read, notes: list[str]) -> None:
        sound = read()
        assert isinstance(sound, Sound)  # noqa: S101 - by the topic's schema
        if self.kept:
            before, last = self.kept[-1]
            shape, wanted = (sound.rate, sound.samples.shape[1]), (last.rate, last.samples.shape[1])
            if shape != wanted:
                notes.append(f"the sound changed from {wanted[0]} to {shape[0]} Hz; what came before is left out")
                self.kept.clear()
            elif abs(at - (before + last.seconds)) <= _JOIN:
                at = before + last.seconds  # clocks tremble; a click at every seam would be heard
        self.kept.append((at, sound))

    def give(self, now: float, notes: list[str]) -> tuple[np.ndarray, int] | None:
        while self.kept and self.kept[0][0] + self.kept[0][1].seconds <= now - self.plan.window - self.plan.every:
            self.kept.popleft()
        if not self.kept:
            notes.append("no sound had come")
            return None
        rate, channels = self.kept[0][1].rate, self.kept[0][1].samples.shape[1]
        length = round(self.plan.window * rate)
        out, heard = np.zeros((length, channels), np.int16), np.zeros(length, bool)
        for at, sound in self.kept:
            first = round((at - now + self.plan.window) * rate)
            inside = slice(max(first, 0), max(min(first + len(sound.samples), length), 0))
            if inside.start < inside.stop:
                out[inside] = sound.samples[inside.start - first : inside.stop - first]
                heard[inside] = True
        missing = 1 - float(heard.mean())
        if missing == 1:
            notes.append("no sound had come")
            return None
        if missing > _MISSING:
            notes.append(f"{missing * self.plan.window:.2g} s of the sound are missing, and stand as silence")
        return (out[:, 0] if channels == 1 else out), rate


@dataclass
class _Said:
    """The words that hold: the last that came."""

    plan: Plan
    kept: deque[tuple[float, str]] = field(default_factory=deque)

    def take(self, at: float, read: Read, notes: list[str]) -> None:
        del notes
        words = read()
        assert isinstance(words, Words)  # noqa: S101 - by the topic's schema
        self.kept.append((at, words.text))

    def give(self, now: float, notes: list[str]) -> str | None:
        del notes
        while len(self.kept) > 1 and self.kept[1][0] <= now:
            self.kept.popleft()
        return self.kept[0][1] if self.kept and self.kept[0][0] <= now and self.kept[0][1].strip() else None
