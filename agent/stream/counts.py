"""What came in of a sense, how evenly, and how old the newest sample was when it was decided from."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from .source import ARRIVALS

__all__ = ["Counts", "quantiles"]

_LOST = {"twice": "came twice", "late": "came too late", "refused": "could not be read or believed (refused)"}
"""Arrivals that leave nothing in the stream, and what is told of them."""

LONGEST = 200
"""Characters of a complaint that are told."""

KEPT = 1024
"""Newest gaps, ages and times that quantiles are taken of."""


def quantiles(values: deque[float]) -> dict[str, float | None]:
    """Return the median and the 99th percentile in milliseconds; None where there is nothing yet."""
    if not values:
        return {"p50_ms": None, "p99_ms": None}
    middle, high = np.quantile(np.array(values), (0.5, 0.99))
    return {"p50_ms": 1000 * float(middle), "p99_ms": 1000 * float(high)}


class Counts:
    """Counts of one sense; in bounded memory."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.arrivals: Counter[str] = Counter(dict.fromkeys(ARRIVALS, 0))
        self.restarts = 0
        self.last: str = ""
        self._gaps: deque[float] = deque(maxlen=KEPT)
        self._ages: deque[float] = deque(maxlen=KEPT)
        self._before: float | None = None
        self._untold: Counter[str] = Counter()

    def arrived(self, kind: str, why: str, now: float) -> None:
        """Count one arrival at a moment of the host's clock, seconds; the last complaint is kept."""
        self.arrivals[kind] += 1
        self.last = why if kind not in ("taken", "twice") else self.last
        if kind in _LOST:
            self._untold[kind] += 1
        if self._before is not None:
            self._gaps.append(now - self._before)
        self._before = now

    def untold(self) -> str | None:
        """Return what did not become part of the stream since this was last asked, as one sentence; None: nothing."""
        told = [f"{self._untold[kind]} {words}" for kind, words in _LOST.items() if self._untold[kind]]
        why = f"; the last complaint is: {self.last[:LONGEST]}" if set(self._untold) - {"twice"} else ""
        self._untold.clear()
        return f"of what came in since the last decision {', '.join(told)}{why}" if told else None

    def used(self, age: float | None) -> None:
        """Note how old the newest sample was when it was decided from, seconds of the stream's clock."""
        if age is not None:
            self._ages.append(age)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "arrivals": dict(self.arrivals),
            "restarts": self.restarts,
            "last": self.last,
            "between": quantiles(self._gaps),
            "age": quantiles(self._ages),
        }
