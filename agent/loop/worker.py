"""Explaining in the background: jobs wait in a short queue, and one hand does them, in a process or in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .bench import Bench
from .desk import Doing, open_desk
from .hands import Gone, Hand, ProcessHand, ThreadHand, packed
from .jobs import Job, Outcome

if TYPE_CHECKING:
    from ...modalities.contract import System
    from ..explainer import Settings

__all__ = ["Job", "Outcome", "ThreadWorker", "Worker"]

_LONGEST_PAUSE = 30.0
_LOOK = 0.5  # seconds after which it is seen that an idle hand died
_CLOSED = "the agent was closed before its turn came"


class Worker:
    """Explains jobs in a process of its own, one after the other.

    Nothing that is offered waits, and nothing raises. Every job that is offered has one `Outcome`, told by a thread of
    the worker's (after closing, by the thread that offers it). A job during which the process dies, or does not answer
    in time, is lost, and not tried again: it might have been the reason. The process is then started anew.

    Args:
        make: name of an entry point that makes the system, or a callable that the process can import.
        settings: how decisions are explained. With a log, their salt is its head.
        log: home and URL of the log (None: SQLite's file in the home); None for no log.
        queue: jobs that may wait; the oldest is dropped.
        on_outcome: told every outcome, in the order in which they come about.
        restarts: how often, in all, a process that died is replaced; after that the worker is dead, and its jobs lost.
        on_event: told what becomes of the process: ``ready``, ``gone`` (and why) or ``dead``.

    Attributes:
        job_timeout: seconds that a job may take, and the process to begin; it is killed then.
        pause: seconds before the first restart; before each further one twice as long, up to 30 s.
        restarted: how often it was.
        trouble: why the process went last, None if it never did.

    Raises:
        InputError: a queue below 1, restarts below 0, or what the process cannot import.
    """

    job_timeout: float = 120.0
    pause: float = 0.5
    open_desk: Callable[..., Doing] = staticmethod(open_desk)
    """Makes the desk, of ``make``, ``settings``, ``log`` and whether the system needs a copy."""

    def __init__(
        self,
        make: str | Callable[[], System],
        settings: Settings | None,
        log: tuple[str, str | None] | None,
        queue: int,
        on_outcome: Callable[[Outcome], None],
        restarts: int = 3,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        if restarts < 0:
            raise InputError(f"worker: {restarts} restarts; give 0 or more")
        if log is not None and settings is not None:
            settings = replace(settings, salt=None)  # it becomes the log's head, there
        self._bench = Bench(queue, on_outcome, on_event)
        self._order = self._prepare(make, settings, log)
        self._restarts = restarts
        self._thread: threading.Thread | None = None
        self._hand: Hand | None = None
        self._starting = self._busy = self._closing = self._over = self._dead = False
        self.restarted = 0
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin; the process starts meanwhile. To call it again does nothing."""
        with self._bench.changed:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
                self._thread.start()
        self._bench.start()

    def offer(self, job: Job) -> None:
        """Have a job done when its turn comes. Returns at once, and never raises; its signals are copied."""
        self._bench.offer(job)

    @property
    def waiting(self) -> int:
        """Jobs that wait, without the one that is being done."""
        return len(self._bench)

    @property
    def busy(self) -> bool:
        """Whether a job is being done."""
        return self._busy

    @property
    def alive(self) -> bool:
        """Whether what is offered will be done: it has begun, is not closed, and has not died for good."""
        return self._thread is not None and not (self._dead or self._closing)

    def drain(self, seconds: float) -> bool:
        """Wait until every outcome is told; return whether it is so, after so many seconds."""
        until = time.monotonic() + max(seconds, 0.0)
        with self._bench.changed:
            while not (done := not self._busy and self._bench.idle) and (left := until - time.monotonic()) > 0:
                self._bench.changed.wait(min(left, 0.05))  # a listener ends without saying so
        return done

    def close(self, seconds: float) -> bool:
        """Do what waits, and end. What is not done within so many seconds is lost.

        Returns:
            Whether everything was done.
        """
        until = time.monotonic() + max(seconds, 0.0)
        with self._bench.changed:
            self._closing = True
            thread = self._thread
        self._bench.shut(_CLOSED, left=False)
        if thread is not None and (len(self._bench) or not self._starting):
            thread.join(max(seconds, 0.0))
        with self._bench.changed:
            done = not (len(self._bench) or self._busy or self._dead)
        if thread is not None and thread.is_alive():
            self._stop(thread)
        self._bench.shut(_CLOSED, left=True)
        return self._bench.close(max(until - time.monotonic(), 1.0)) and done

    def _stop(self, thread: threading.Thread) -> None:
        """End whatever is being done."""
        with self._bench.changed:
            self._over = True
            hand = self._hand
            self._bench.changed.notify_all()
        if hand is not None:
            hand.kill()
        thread.join(2.0)

    def _prepare(self, make: Any, settings: Any, log: Any) -> Any:
        """Return what a hand needs to begin."""
        return packed(partial(self.open_desk, make, settings, log, False), make)

    def _hire(self) -> Hand:
        return ProcessHand(self._order)

    def _run(self) -> None:
        """Do jobs until it is closed: the thread."""
        while self._staffed():
            job = self._next()
            if job is not None:
                self._do(job)
        with self._bench.changed:
            hand, self._hand = self._hand, None
        if hand is not None:
            hand.close(0.0 if self._over else 5.0)

    def _staffed(self) -> bool:
        """See that there is a hand that is ready; False once there will be none."""
        while not (self._over or self._dead or (self._closing and not len(self._bench))):
            try:
                if self._hand is None:
                    self._begin()
                elif (why := self._hand.ended()) is not None:
                    raise Gone(why)
                return True
            except Gone as gone:
                self._replace(str(gone))
        return False

    def _begin(self) -> None:
        """Find a hand, and wait until it is ready."""
        start = time.monotonic()
        self._starting = True
        try:
            hand = self._hire()
            with self._bench.changed:
                self._hand = hand
            if self._over:  # closed while it was hired
                hand.kill()
            hand.receive(self.job_timeout)
        finally:
            self._starting = False
        self._bench.happened("ready", {"seconds": time.monotonic() - start, "restarted": self.restarted})

    def _replace(self, why: str) -> None:
        """Let the hand go, and wait before the next one; or be dead."""
        with self._bench.changed:
            hand, self._hand = self._hand, None
            self.trouble = why
        if hand is not None:
            hand.kill()
            hand.close(0.0)
        if self._over:
            return
        self._dead = self.restarted >= self._restarts
        self._bench.happened("dead" if self._dead else "gone", {"why": why, "restarted": self.restarted})
        if self._dead:
            self._bench.shut(f"the worker is dead: {why}", left=True)
            return
        until = time.monotonic() + min(self.pause * 2**self.restarted, _LONGEST_PAUSE)
        self.restarted += 1
        with self._bench.changed:
            while not self._over and (left := until - time.monotonic()) > 0:
                self._bench.changed.wait(left)

    def _next(self) -> Job | None:
        """Wait for the next job and take it; None once it is closed, or where the hand died meanwhile."""
        with self._bench.changed:
            while not len(self._bench) and not self._closing:
                self._bench.changed.wait(_LOOK)
                if self._hand is not None and self._hand.ended() is not None:
                    return None
            job = None if self._over else self._bench.take()
            self._busy = job is not None
            return job

    def _do(self, job: Job) -> None:
        start = time.monotonic()
        begun = False
        try:
            if self._hand is None:
                raise Gone("it is gone")
            self._hand.send(job)
            begun = True
            self._bench.tell(self._hand.receive(self.job_timeout))
        except Gone as gone:
            # What was never begun did no harm, and is tried again, unless others have taken its place.
            if begun or self._over or not self._bench.put_back(job):
                self._bench.lose(job, f"the worker was lost over it: {gone}", time.monotonic() - start)
            self._replace(str(gone))
        finally:
            with self._bench.changed:
                self._busy = False
                self._bench.changed.notify_all()


class ThreadWorker(Worker):
    """The same in a thread of this process: it starts at once, and competes with what decides.

    The thread has a deep copy of the system, for explaining holds a system still. One that hangs cannot be killed: it
    is left behind, and another begins.
    """

    def _prepare(self, make: Any, settings: Any, log: Any) -> Any:
        return partial(self.open_desk, make, settings, log, True)

    def _hire(self) -> Hand:
        return ThreadHand(self._order)
