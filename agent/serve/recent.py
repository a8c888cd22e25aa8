"""The latest decisions, and what became of their explanations: bounded, in memory; the log is what lasts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

__all__ = ["Recent"]


class Recent:
    """The decisions asked for last, by id. Threads may share it.

    Args:
        kept: how many.
    """

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self._found: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._early: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def decided(self, decision: Mapping[str, Any]) -> None:
        """Remember a decision, and forget the oldest where there are too many."""
        with self._lock:
            outcome = self._early.pop(decision["id"], None)
            self._found[decision["id"]] = {**decision, "outcome": outcome}
            while len(self._found) > self.kept:
                self._found.popitem(last=False)

    def outcome(self, id: str, told: Mapping[str, Any]) -> None:
        """Remember what became of a decision's explanation in the background; it may be quicker than the decision."""
        with self._lock:
            if id in self._found:
                self._found[id] = {**self._found[id], "outcome": dict(told)}
                return
            self._early[id] = dict(told)
            while len(self._early) > self.kept:
                self._early.popitem(last=False)

    def get(self, id: str) -> dict[str, Any] | None:
        """Return a decision with its outcome, None where there is none or no longer any."""
        with self._lock:
            return self._found.get(id)

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._found)
