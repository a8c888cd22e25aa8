"""The course of one explanation: the time that its stages take, who is told, and by when it must have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..modalities.deadline import Deadline

__all__ = ["Course", "Progress"]

Progress = Callable[[str, float], None]
"""Called with a stage and the share of it that is done."""


class Course:
    """Time spent by stage, milliseconds."""

    def __init__(self, progress: Progress | None, deadline: Deadline | None = None) -> None:
        self.spent: dict[str, float] = {}
        self.deadline = deadline
        self.progress = progress or (lambda stage, share: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a block."""
        self.progress(name, 0.0)
        start = time.perf_counter()
        yield lambda share: self.progress(name, share)
        self.add(name, time.perf_counter() - start)
        self.progress(name, 1.0)

    def add(self, name: str, seconds: float) -> None:
        """Count time that was spent on a stage elsewhere."""
        self.spent[name] = self.spent.get(name, 0.0) + 1000 * seconds
