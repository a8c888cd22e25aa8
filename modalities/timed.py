"""Signals whose time is known, and evidence units on the clock that all senses share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from .clock import Clock, Seconds, Stamps
from .contract import Prepared
from .evidence import Segmentation

__all__ = ["Timed", "place"]


@dataclass(frozen=True)
class Timed:
    """A signal of an observation, and when it was.

    Attributes:
        signal: as the sense takes it.
        clock: from the signal's own seconds to the observation's, or the timestamps of its samples.

    Raises:
        InputError: no signal, one that is timed already, or something that is no clock.

    Example:
        >>> observation = {"vision": Timed.stamped(frames, [0.0, 1.2, 2.0]), "audio": Timed.started(wave, 0.3)}
        ... # doctest: +SKIP
    """

    signal: Any
    clock: Clock | Stamps

    def __post_init__(self) -> None:
        if self.signal is None or isinstance(self.signal, Timed):
            told = "no signal" if self.signal is None else "a signal that is timed already"
            raise InputError(f"timed: {told}; give the signal itself, or leave the sense out of the observation")
        if not isinstance(self.clock, (Clock, Stamps)):
            raise InputError(f"timed: a {type(self.clock).__name__} is no clock; use Timed.started or Timed.stamped")

    @classmethod
    def stamped(cls, signal: Any, stamps: Seconds, uncertainty: float | None = 0.0) -> Timed:
        """Return a signal each of whose samples (frames) has a timestamp in seconds of the observation's clock.

        Raises:
            InputError: a timestamp that goes backwards, stands twice or is not finite; a negative uncertainty.
        """
        return cls(signal, Stamps.of(stamps, uncertainty))

    @classmethod
    def started(cls, signal: Any, start: float, drift: float = 0.0, uncertainty: float | None = 0.0) -> Timed:
        """Return a signal that began at ``start`` on the observation's clock; see `Clock.affine`.

        Raises:
            InputError: a number that is not finite, a drift beyond ``MOST_DRIFT``, a negative uncertainty.
        """
        return cls(signal, Clock.affine(start, drift, uncertainty))


def place(segmentation: Segmentation, prepared: Prepared) -> Segmentation:
    """Put evidence units on the observation's clock; the segmentation itself where the signal has no clock.

    Call it once, on what ``Modality.segment`` gave. Only the units' times change, not their order.
    """
    clock = prepared.clock
    if clock is None or not segmentation.units:
        return segmentation
    times = clock(np.array([unit.time for unit in segmentation.units], float))
    units = tuple(replace(u, time=(float(a), float(b))) for u, (a, b) in zip(segmentation.units, times, strict=True))
    return replace(segmentation, units=units)
