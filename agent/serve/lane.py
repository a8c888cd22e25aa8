"""A lane: threads of its own and a bounded queue, so that what waits in one holds up nothing in another.

The event loop runs no model and decodes no picture: it only waits. Threads are daemons, for a model that hangs must not
keep the process from ending.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from .problem import Problem

__all__ = ["Lane"]

T = TypeVar("T")
_REMEMBERED = 16


class Lane:
    """Threads that do one kind of work, the first asked first.

    Args:
        name: of the work, as a refusal tells it.
        threads: how many pieces are done at the same time.
        waiting: how many more may wait.
        nice: how far these threads stand back behind others of the machine, 0 to 19; Linux alone has it by thread.
    """

    def __init__(self, name: str, threads: int = 1, waiting: int = 16, nice: int = 0) -> None:
        self.name, self.threads, self.waiting, self.nice = name, threads, waiting, nice
        self._queue: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._taken = 0
        self._closed = False
        self._spent: deque[float] = deque(maxlen=_REMEMBERED)
        self._started: list[threading.Thread] = []

    def offer(self, work: Callable[[], T]) -> Future[T]:
        """Take work on.

        Raises:
            Problem: 429 with ``Retry-After``: as many wait as may; 503: the service is stopping.
        """
        with self._lock:
            if self._closed:
                raise Problem.later(503, "the service is stopping; ask again once it is up", 5)
            if self._taken >= self.threads + self.waiting:
                told = f"{self.name}: {self._taken} are asked for already, as many as may be; ask again later"
                raise Problem.later(429, told, self._expected())
            self._taken += 1
            if len(self._started) < min(self.threads, self._taken):
                self._start()
        future: Future[T] = Future()
        future.add_done_callback(self._left)
        self._queue.put((future, work))
        return future

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """Do work, and wait for it without holding up the event loop.

        Raises:
            Problem: as `offer`; 504: it took longer. What has not begun by then never begins, what has goes on.
        """
        future = self.offer(work)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.done() and not future.cancelled():  # the work's own TimeoutError
                return future.result()
            told = f"{self.name}: not done within {seconds:g} s; it may still be; ask again with more time, or later"
            raise Problem(504, told, more={"seconds": seconds}) from None

    def status(self) -> dict[str, Any]:
        """Return how many pieces were taken on and are not done, and what one took of late, seconds."""
        with self._lock:
            spent = sorted(self._spent)
            return {"taken": self._taken, "waiting": self.waiting, "seconds": spent[len(spent) // 2] if spent else None}

    def close(self, seconds: float) -> bool:
        """Take nothing on any more, drop what waits, and wait for what is being done; whether it ended in time."""
        with self._lock:
            self._closed = True
            threads = list(self._started)
        while True:
            try:
                left = self._queue.get_nowait()
            except queue.Empty:
                break
            if left is not None:
                left[0].cancel()
        for _ in threads:
            self._queue.put(None)
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in threads)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"veridical-{self.name}-{len(self._started)}", daemon=True)
        self._started.append(thread)
        thread.start()

    def _work(self) -> None:
        if self.nice and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.nice)  # of this thread, on Linux
        while (item := self._queue.get()) is not None:
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            begun = time.monotonic()
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is whoever waits that it is raised for
                future.set_exception(error)
            else:
                future.set_result(result)
            self._spent.append(time.monotonic() - begun)
            del item, future, work  # an observation is not kept until the next one comes

    def _left(self, _: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1

    def _expected(self) -> float:
        """Return the seconds until a place is likely to be free."""
        return (sum(self._spent) / len(self._spent) if self._spent else 1.0) / self.threads
