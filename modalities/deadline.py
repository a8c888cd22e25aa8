"""A moment by which work must have ended, and what each kind of work was measured to cost.

Work on tensors cannot be interrupted, so a deadline is kept by not beginning what would overrun it: each piece is
foretold from what pieces of its kind took before.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import DeadlineError, InputError

__all__ = ["Costs", "Deadline", "within"]

KEPT = 32
"""Measurements kept of each kind; what was measured before is forgotten, so that costs follow the machine."""

MARGIN = 1.25
"""Factor on the largest of them: what is foretold is to be seldom exceeded, not right on average."""


class Costs:
    """What kinds of work took, seconds. Threads may share it.

    Example:
        >>> costs = Costs()
        >>> costs.observe("gradient", 1, 0.2)
        >>> costs.estimate("gradient")
        0.25
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, deque[float]]] = {}
        self._lock = threading.Lock()

    def observe(self, kind: str, count: int, seconds: float) -> None:
        """Remember that ``count`` pieces of a kind took so many seconds together; none is remembered of no pieces."""
        if count > 0:
            with self._lock:
                sizes = self._seen.setdefault(kind, {})
                sizes.setdefault((count - 1).bit_length(), deque(maxlen=KEPT)).append(seconds / count)

    def estimate(self, kind: str, count: int = 1) -> float:
        """Foretell the seconds that so many pieces take: the most that was seen lately, and a quarter more.

        A batch costs something by itself, so that pieces are cheaper in larger ones: what was seen of batches of about
        this size counts, else of the next smaller size, or of the smallest, all of it. Infinite for a kind that was
        never seen: what nobody measured is not promised. Of a kind ``family/member`` that was never seen, what others
        of its family took counts, the most of it.
        """
        if count <= 0:
            return 0.0
        with self._lock:
            sizes = self._seen.get(kind, {})
            if not sizes and "/" in kind:  # of its family, the costliest
                begins = kind[: kind.index("/") + 1]
                family = [each for name, each in self._seen.items() if name.startswith(begins)]
                kept = {size for each in family for size in each}
                sizes = {size: deque(x for each in family for x in each.get(size, ())) for size in kept}
            size = (count - 1).bit_length()
            smaller = [each for each in sizes if each <= size]
            if smaller:
                return MARGIN * count * max(sizes[max(smaller)])
            if sizes:  # a batch of few costs no more than one of many
                return MARGIN * 2 ** min(sizes) * max(sizes[min(sizes)])
            return float("inf")

    def knows(self, kind: str) -> bool:
        """Whether work of this kind was measured."""
        with self._lock:
            return kind in self._seen

    def to_dict(self) -> dict[str, float]:
        """Return what one piece of each kind is foretold to take, seconds."""
        with self._lock:
            kinds = sorted(self._seen)
        return {kind: self.estimate(kind) for kind in kinds}


class Deadline:
    """A moment by which work must have ended.

    Attributes:
        seconds: allowed, from when it was made or ``started``, by the clock.
        costs: what kinds of work took.
        reserve: seconds that are kept for what must follow whatever is done.
        skipped: sentences: what was not begun, and why.

    Raises:
        InputError: not a positive number of seconds.
    """

    def __init__(
        self,
        seconds: float,
        costs: Costs | None = None,
        clock: Callable[[], float] = time.perf_counter,
        started: float | None = None,
    ) -> None:
        if not seconds > 0:
            raise InputError(f"deadline: {seconds} s; give a positive number of seconds")
        self.seconds, self.costs, self.clock = float(seconds), costs or Costs(), clock
        self.started, self.reserve = clock() if started is None else started, 0.0
        self.skipped: list[str] = []

    def left(self) -> float:
        """Return the seconds that are left, negative once it has passed."""
        return self.started + self.seconds - self.clock()

    def affords(self, kind: str, count: int = 1) -> bool:
        """Whether so many pieces can be done, and what must follow after them, before it passes."""
        return self.costs.estimate(kind, count) + self.reserve <= self.left()

    def ask(self, kind: str, count: int = 1, what: str | None = None) -> None:
        """Begin work only if it can be done in time.

        Args:
            kind: of work.
            count: how many pieces.
            what: the work in words.

        Raises:
            DeadlineError: it cannot.
        """
        if self.affords(kind, count):
            return
        needed = self.costs.estimate(kind, count) + self.reserve
        told = "was never measured here" if needed == float("inf") else f"takes up to {1000 * needed:.0f} ms"
        why = f"{what or kind} {told}, and {1000 * max(self.left(), 0.0):.0f} ms were left"
        self.skipped.append(f"Not done in the time allowed: {why}.")
        raise DeadlineError(f"deadline: {why}; allow more time, or ask for less")


@contextmanager
def within(deadline: Deadline | None, kind: str, count: int = 1, what: str | None = None) -> Iterator[None]:
    """Do work if the deadline affords it, and remember what it took; without a deadline, just do it.

    Raises:
        DeadlineError: it cannot be done in time; nothing was begun.
    """
    if deadline is None:
        yield
        return
    deadline.ask(kind, count, what)
    start = deadline.clock()
    yield
    deadline.costs.observe(kind, count, deadline.clock() - start)
