"""A steady clock for one topic: messages that came late, and a recording's clock that was set back."""

from __future__ import annotations

__all__ = ["PATIENCE", "Steady"]

PATIENCE = 1.0
"""Seconds that a topic's message may come after a later one and still take its place."""

_SET_BACK = 8  # messages in a row that all come too late: the clock itself was set back


class Steady:
    """Follows the times of one topic's messages in the order in which they were recorded."""

    def __init__(self) -> None:
        self.newest: int | None = None
        self.shift = self.late = self.in_a_row = 0
        self.notes: list[str] = []

    def place(self, ns: int) -> int | None:
        """Return a message's time, moved forward where the clock was set back; None where it came too late.

        Args:
            ns: as recorded, nanoseconds.
        """
        ns += self.shift
        if self.newest is not None and ns < self.newest - PATIENCE * 1e9:
            self.in_a_row += 1
            if self.in_a_row < _SET_BACK:
                self.late += 1
                return None
            back = self.newest - ns
            told = f"the recording's clock was set back by {back / 1e9:.3g} s; times after that go on from it"
            self.notes.append(told)
            self.shift += back
            ns += back
        self.in_a_row = 0
        self.newest = ns if self.newest is None else max(self.newest, ns)
        return ns

    def told(self) -> list[str]:
        """Return what the user must be told since the last call, one sentence each."""
        told, self.notes = self.notes, []
        if self.late:
            messages, verb = ("message", "was") if self.late == 1 else ("messages", "were")
            told.append(f"{self.late} {messages} came more than {PATIENCE:g} s late and {verb} left out")
            self.late = 0
        return told
