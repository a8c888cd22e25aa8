"""Where jobs wait: a short queue whose oldest job goes first when there are too many, and an outcome for each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ...errors import InputError, VeridicalError
from .findings import text_of
from .jobs import Job, Outcome, carried
from .teller import Teller

__all__ = ["Bench"]


class Bench:
    """Jobs that wait, and who is told what became of them. Threads may share it.

    Args:
        capacity: jobs that may wait.
        on_outcome: told every outcome, in order.
        on_event: told what else comes about.

    Attributes:
        changed: notified when a job comes or goes, and when it is shut; its lock is held for moments only.

    Raises:
        InputError: a capacity below 1.
    """

    def __init__(
        self,
        capacity: int,
        on_outcome: Callable[[Outcome], None],
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise InputError(f"worker: a queue of {capacity}; at least 1 job must find room")
        self._capacity, self._on_outcome, self._on_event = capacity, on_outcome, on_event
        self._jobs: deque[Job] = deque()
        self._shut: str | None = None
        self._teller = Teller()
        self.changed = threading.Condition(threading.Lock())

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def idle(self) -> bool:
        """Whether no job waits, and every outcome was told."""
        return not self._jobs and self._teller.idle

    def start(self) -> None:
        """Begin to tell."""
        self._teller.start()

    def offer(self, job: Job) -> None:
        """Have a job wait. Returns at once, and never raises; its signals are copied."""
        try:
            job = replace(job, observation=carried(job.observation))
        except Exception as error:  # noqa: BLE001  # somebody's arrays, and the loop must go on
            why = str(error) if isinstance(error, VeridicalError) else text_of(error)
            self.tell(Outcome(job.id, job.number, "failed", fault=why))
            return
        dropped = None
        with self.changed:
            shut = self._shut
            if shut is None:
                if len(self._jobs) >= self._capacity:
                    dropped = self._jobs.popleft()
                self._jobs.append(job)
                self.changed.notify_all()
        if shut is not None:
            self.lose(job, shut)
        if dropped is not None:
            why = f"{self._capacity} later decisions were waiting to be explained"
            self.tell(Outcome(dropped.id, dropped.number, "dropped", fault=why))

    def take(self) -> Job | None:
        """Take the next job, None where none waits; for whoever holds the lock of ``changed``."""
        return self._jobs.popleft() if self._jobs else None

    def put_back(self, job: Job) -> bool:
        """Put back what was taken, to be the next; return whether there was room."""
        with self.changed:
            if self._shut is not None or len(self._jobs) >= self._capacity:
                return False
            self._jobs.appendleft(job)
            return True

    def shut(self, why: str, *, left: bool) -> None:
        """Lose what is offered from now on, and tell why.

        Args:
            why: the fault of their outcomes.
            left: whether what waits is lost as well.
        """
        with self.changed:
            self._shut = self._shut or why
            lost = list(self._jobs) if left else []
            if left:
                self._jobs.clear()
            self.changed.notify_all()
        for job in lost:
            self.lose(job, why)

    def lose(self, job: Job, why: str, seconds: float = 0.0) -> None:
        """Tell that a job was never answered."""
        self.tell(Outcome(job.id, job.number, "lost", seconds=seconds, fault=why))

    def tell(self, outcome: Outcome) -> None:
        """Tell an outcome."""
        self._teller.tell(partial(self._on_outcome, outcome))

    def happened(self, what: str, detail: Mapping[str, Any]) -> None:
        """Tell an event."""
        if self._on_event is not None:
            self._teller.tell(partial(self._on_event, what, detail))

    def close(self, seconds: float) -> bool:
        """Tell what is left to tell; return whether that is done, after so many seconds."""
        return self._teller.close(seconds)
