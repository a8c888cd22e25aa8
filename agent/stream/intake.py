"""One sense's way in: a sample is read, its timestamp judged, and it is put in its place or refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .counts import Counts
from .frames import FrameBuffer
from .order import Order, read_time
from .sound import SoundBuffer
from .source import Arrival, Source
from .words import WordBuffer

__all__ = ["Buffer", "Intake"]

Buffer = FrameBuffer | SoundBuffer | WordBuffer
"""What holds one sense's newest samples."""

_BUFFERS: dict[str, type[Buffer]] = {"frames": FrameBuffer, "sound": SoundBuffer, "words": WordBuffer}


class Intake:
    """One sense: samples come in through `take`, which never raises. One thread at a time."""

    def __init__(self, source: Source, clock: Callable[[], float]) -> None:
        """Begin with nothing; ``clock`` gives the host's seconds, for telling how evenly samples come in."""
        self.source = source
        self.buffer: Buffer = _BUFFERS[source.kind](source)
        self.counts = Counts()
        self.restarted: float | None = None
        self.lock = threading.Lock()
        self._order = Order(source.lateness)
        self._clock = clock

    def take(self, signal: Any, at: Any, others: float | None) -> Arrival:
        """Take one sample in, or say why not.

        Args:
            signal: a frame, a chunk of sound or an instruction.
            at: when it was taken (a chunk's first sample; from when on an instruction stands), seconds.
            others: newest timestamp of the other senses that have time; None: none yet.
        """
        self.restarted = None
        try:
            kind, why = self._take(signal, at, others)
        except Exception as error:  # noqa: BLE001 - a sensor may give anything, and the control loop goes on
            told = " ".join(str(error).split())
            kind, why = "refused", told if told else type(error).__name__
        self.counts.arrived(kind, why, self._clock())
        return Arrival(kind, why)

    def _take(self, signal: Any, at: Any, others: float | None) -> tuple[str, str]:
        when = read_time(at)
        if isinstance(when, str):
            return "refused", when
        item = self.buffer.read(signal)
        ruling = self._order.judge(when, self.buffer.newest, *self._reference(others))
        if ruling.kind == "late":
            return "late", ruling.why
        if ruling.kind == "far":
            return "refused", ruling.why
        if ruling.kind == "restart":
            self.buffer.clear()
            self.counts.restarts += 1
            self.restarted = when
        kind, why = self.buffer.put(when, item)  # type: ignore[arg-type]  # what this very buffer read
        if ruling.kind == "restart":
            return ("gap" if kind == "taken" else kind), ruling.why
        return kind, why

    def _reference(self, others: float | None) -> tuple[float | None, bool]:
        """Return what a timestamp must be near, and whether it may jump forwards.

        Frames and sound are held against what came last; a first sample against the other senses. Words may come
        hours apart, so they are held against the other senses, and without these only against going backwards.
        """
        newest = self.buffer.newest
        if self.source.kind != "words":
            return (others if newest is None else newest), True
        return (newest, False) if others is None else (others, True)
