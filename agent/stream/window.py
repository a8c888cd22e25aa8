"""The bounded window that a decision is made of: what each sense has of it, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .frames import FrameBuffer, Shot
from .intake import Buffer
from .sound import SNAP, SoundBuffer
from .source import SENSOR
from .words import WordBuffer

__all__ = ["AtHand", "at_hand", "steps_of"]

EARLY = 0.25
"""Share of a step that a frame may have been taken after the moment that it stands for."""

_TINY = 1e-6


@dataclass(frozen=True)
class AtHand:
    """What one sense has of the window.

    Attributes:
        signal: as the sense takes it: a list of frames, a pair (samples, rate), text; None: the sense is absent.
        shots: the frames of it, oldest first; empty for other kinds.
        age: seconds since its newest sample; None: it has none.
        notes: what is to be told of it, one sentence each; what is broken begins with ``SENSOR``.
    """

    signal: Any = None
    shots: tuple[Shot, ...] = ()
    age: float | None = None
    notes: tuple[str, ...] = ()


def steps_of(buffers: Mapping[str, Buffer], at: float, step: float) -> int:
    """Return how many steps of the stream there are up to a moment, at least one: of the sense that began first."""
    counts = [1]
    for buffer in buffers.values():
        began = buffer.began  # read once: another thread may push
        if began is not None and began <= at:
            spent = (at - began) / step
            whole = math.floor(spent + _TINY) + 1 if isinstance(buffer, FrameBuffer) else math.ceil(spent - _TINY)
            counts.append(whole)
    return max(counts)


def at_hand(name: str, buffer: Buffer, at: float, step: float, steps: int) -> AtHand:
    """Return what a sense has of the window that ends at a moment.

    Args:
        name: of the sense, for what is told.
        buffer: what came in.
        at: end of the window, seconds.
        step: seconds of a step.
        steps: steps of the stream so far; the sense's own window may be shorter.
    """
    if isinstance(buffer, WordBuffer):
        return _words(name, buffer, at)
    count = min(steps, max(1, round(buffer.source.window / step)))
    if isinstance(buffer, FrameBuffer):
        return _frames(name, buffer, at, step, count)
    return _sound(name, buffer, at, count * step)


def _absent(name: str, age: float | None, hold: float) -> AtHand:
    if age is None:
        return AtHand(notes=(f"{SENSOR}{name} is absent: nothing has come in yet",))
    told = f"{SENSOR}{name} is absent: its newest sample is {age:.3g} s old, and {hold:g} s are allowed"
    return AtHand(age=age, notes=(told,))


def _frames(name: str, buffer: FrameBuffer, at: float, step: float, count: int) -> AtHand:
    hold = buffer.source.hold
    last = buffer.nearest(at, math.inf, _TINY)
    age = None if last is None else max(at - last.at, 0.0)
    if last is None or age is None or age > hold + _TINY:
        return _absent(name, age, hold)
    shots, notes = [last], []
    for k in range(1, count):
        # Back from the newest frame, not from the end of the window: so cameras that jitter skip no frame.
        shot = buffer.nearest(last.at - k * step, hold + _TINY, EARLY * step)
        if shot is None or shot.at > shots[0].at:
            shot = shots[0]  # rather one that was really seen, later, than one too old to be trusted
            notes.append(
                f"{SENSOR}{name} stalled: no frame of {k * step:g} s before its newest came in; the next stands there"
            )
        shots.insert(0, shot)
    if age > step / 2:
        notes.append(f"{name}: the newest frame is {age:.3g} s old and is held")
    told = {note: None for shot in shots for note in shot.notes}
    return AtHand([shot.frame for shot in shots], tuple(shots), age, (*notes, *told))


def _sound(name: str, buffer: SoundBuffer, at: float, seconds: float) -> AtHand:
    source, ended = buffer.source, buffer.ended
    if ended is None or buffer.began is None or buffer.began > at:
        return _absent(name, None, source.hold)
    age = max(at - ended, 0.0)
    if age > source.hold:
        return _absent(name, age, source.hold)
    cut = buffer.cut(at - seconds, seconds)
    before = min(max(buffer.began - (at - seconds), 0.0), seconds)
    missing = cut.missing - before
    notes = []
    if before > SNAP:
        notes.append(f"{name}: the stream is younger than the window; {before:.3g} s of silence stand before it")
    if missing > SNAP:
        told = f"{missing:.3g} of {seconds:g} s did not come in, and silence stands for it"
        notes.append(f"{SENSOR}{name} fell silent: {told}" if missing > source.hold else f"{name}: {told}")
    elif not cut.samples.any():
        # No microphone that works gives that: it has noise of its own.
        notes.append(f"{SENSOR}{name} is silent: each of its samples is 0")
    return AtHand((cut.samples, buffer.rate), (), age, tuple(notes))


def _words(name: str, buffer: WordBuffer, at: float) -> AtHand:
    said = buffer.standing(at)
    if said is None:
        return AtHand()  # no instruction is nothing broken
    age = at - said.at
    return _absent(name, age, buffer.source.hold) if age > buffer.source.hold else AtHand(said.text, (), age)
