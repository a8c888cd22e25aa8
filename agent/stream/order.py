"""Whether a timestamp can be believed: late ones, and clocks that jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["FAR", "PROOFS", "Order", "Ruling", "read_time"]

FAR = 10.0
"""Seconds from the newest sample beyond which a timestamp is not believed at once, backwards or forwards."""

PROOFS = 3
"""How many such timestamps in a row, each later than the one before, show that the clock itself was set anew."""


@dataclass(frozen=True)
class Ruling:
    """What a timestamp is taken for.

    Attributes:
        kind: ``in order``, ``late``, ``far`` or ``restart``.
        why: one sentence.
    """

    kind: str
    why: str = ""


class Order:
    """One sense's clock: late samples are refused, jumps are believed once they have been repeated."""

    def __init__(self, lateness: float) -> None:
        """Begin with nothing known; ``lateness`` is how far behind the newest sample one may come, seconds."""
        self.lateness = lateness
        self._apart: list[float] = []

    def judge(self, at: float, newest: float | None, reference: float | None, forwards: bool = True) -> Ruling:
        """Judge a timestamp.

        Args:
            at: the timestamp, seconds.
            newest: that of this sense's newest sample; None: it has none.
            reference: what it must be near; None: nothing is known, and it is believed.
            forwards: whether a jump forwards is one as well.
        """
        away = 0.0 if reference is None else at - reference
        if away < -FAR or (forwards and away > FAR):
            return self._jumped(at, away)
        self._apart.clear()
        if newest is not None and at < newest - self.lateness:
            behind = newest - at
            return Ruling("late", f"{behind:.3g} s behind the newest sample, where {self.lateness:g} s are allowed")
        return Ruling("in order")

    def _jumped(self, at: float, away: float) -> Ruling:
        follows = self._apart and 0 < at - self._apart[-1] <= FAR
        if not (self._apart and at == self._apart[-1]):  # the same one again proves nothing
            self._apart = [*self._apart, at] if follows else [at]
        where = f"{abs(away):.4g} s {'after' if away > 0 else 'before'} what came last"
        if len(self._apart) < PROOFS:
            return Ruling("far", f"{where}; believed from {PROOFS} such timestamps in a row on")
        self._apart.clear()
        return Ruling(
            "restart", f"{where}, {PROOFS} times in a row: the clock was set anew, and this sense begins anew"
        )


def read_time(at: Any) -> float | str:
    """Return a timestamp as seconds, or a sentence on what is wrong with it."""
    if isinstance(at, (bool, str, bytes)):
        return f"timestamp {at!r} is no number of seconds"
    try:
        found = float(at)
    except (TypeError, ValueError, OverflowError):
        return f"a timestamp of type {type(at).__name__} is no number of seconds"
    if not math.isfinite(found):
        return f"timestamp {found} is not finite"
    if found < 0:
        return f"timestamp {found:g} s is negative; count from the stream's start, or from 1970"
    return found
