"""Telling listeners what came about, in order and in a thread of its own: who reports never waits for who listens."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

__all__ = ["Teller"]


class Teller:
    """Calls what it is given, one after the other. What a call raises is its listener's affair, and is passed over."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pending = 0

    @property
    def idle(self) -> bool:
        """Whether everything was told."""
        return not self._pending

    def start(self) -> None:
        """Begin; what was given before is told now."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)
                self._thread.start()

    def tell(self, call: Callable[[], None]) -> None:
        """Have something called. Returns at once; after closing it is called here and now."""
        with self._lock:
            if not self._closed:
                self._pending += 1
                self._calls.put(call)
                return
        _call(call)

    def close(self, seconds: float) -> bool:
        """Tell what is left, and end; return whether that is done, after so many seconds."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._calls.put(None)
            thread = self._thread
        if thread is None:
            self._run()
        elif thread is not threading.current_thread():
            thread.join(max(seconds, 0.0))
        return self.idle

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            _call(call)
            with self._lock:
                self._pending -= 1


def _call(call: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        call()
