"""An explanation that somebody waits for: what is done is known at any time, and it can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Explaining", "GivenUpError"]


class GivenUpError(BaseException):
    """Nobody waits for the explanation any longer.

    Not an `Exception`: explaining must not take it for a fault of the system and carry on.
    """


class Explaining:
    """One explanation under way.

    It can be given up only between two steps, for work on tensors cannot be interrupted: whenever progress is told.

    Args:
        explain: called with a function that takes a stage and the share of it that is done.
    """

    def __init__(self, explain: Callable[[Callable[[str, float], None]], Any]) -> None:
        self._explain = explain
        self._lock = threading.Lock()
        self._stages: list[str] = []
        self._share = 0.0
        self._begun: float | None = None
        self._up = threading.Event()

    def __call__(self) -> Any:
        """Explain; in a thread of its own.

        Raises:
            GivenUpError: it was given up.
        """
        self._begun = time.monotonic()
        if self._up.is_set():
            raise GivenUpError
        return self._explain(self._advance)

    def give_up(self) -> None:
        """End it at the next step."""
        self._up.set()

    def done(self) -> dict[str, Any]:
        """Return the stages that are done, the one under way with its share, and the seconds since it began."""
        with self._lock:
            seconds = 0.0 if self._begun is None else time.monotonic() - self._begun
            return {
                "begun": self._begun is not None,
                "done": self._stages[:-1],
                "stage": self._stages[-1] if self._stages else None,
                "share": round(self._share, 3),
                "seconds": round(seconds, 3),
            }

    def _advance(self, stage: str, share: float) -> None:
        if self._up.is_set():
            raise GivenUpError
        with self._lock:
            if stage in self._stages:
                self._stages.remove(stage)  # what is taken up again is not done
            self._stages.append(stage)
            self._share = min(max(float(share), 0.0), 1.0)
