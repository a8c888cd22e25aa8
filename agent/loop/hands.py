"""Who does a worker's jobs: a process that can be killed, or a thread that can only be left behind."""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ...errors import InputError
from .desk import Doing
from .findings import text_of
from .jobs import Job

__all__ = ["Gone", "Hand", "ProcessHand", "ThreadHand", "packed"]

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from veridical.agent.loop.worker_child import main; main(int(sys.argv[2]))"
)
_SENDING = 20.0  # seconds for an observation to pass


class Gone(Exception):  # no error for users: the worker finds another hand, or says so
    """The hand is dead, or does not answer; the message says why."""


@runtime_checkable
class Hand(Protocol):
    """One that works: first it tells that it is ready, then it answers each job with its outcome."""

    def send(self, job: Job) -> None:
        """Give it a job.

        Raises:
            Gone: it cannot take it; it has not begun it.
        """
        ...

    def receive(self, timeout: float) -> Any:
        """Wait for what it says: ``"ready"``, or an outcome.

        Raises:
            Gone: it died, or said nothing for so many seconds.
        """
        ...

    def ended(self) -> str | None:
        """Return why it is dead, None while it lives."""
        ...

    def kill(self) -> None:
        """End it now; any thread may."""
        ...

    def close(self, seconds: float) -> None:
        """Have it end when it has nothing to do, or kill it after so many seconds; for the thread that receives."""
        ...


class ProcessHand:
    """A process of its own, which ends when this one does.

    It is a fresh interpreter: neither threads, nor locks, nor files of this one are inherited. It does not run this
    program's main script again, as `multiprocessing` would: a script that drives a robot must not be run twice.

    Args:
        order: what it needs to begin, pickled: a callable without arguments that gives its desk.
    """

    def __init__(self, order: bytes) -> None:
        ours, theirs = socket.socketpair()
        _patience(ours)
        path = json.dumps([str(Path(each).absolute()) for each in sys.path])  # "" is where this process stands
        try:
            # Its stdin is open as long as this process lives, however that ends.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, path, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            ours.close()
            raise Gone(f"no process could be started: {text_of(error)}") from error
        finally:
            theirs.close()
        self._pipe = Connection(ours.detach())
        self._order: bytes | None = order

    def send(self, job: Job) -> None:
        """Give it a job; see `Hand.send`."""
        self._send(pickle.dumps(job))

    def receive(self, timeout: float) -> Any:
        """Wait for what it says; see `Hand.receive`."""
        if self._order is not None:
            order, self._order = self._order, None
            self._send(order)
        try:
            if not self._pipe.poll(timeout):
                self.kill()
                raise Gone(f"it did not answer within {timeout:g} s, and was killed")
            said, content = pickle.loads(self._pipe.recv_bytes())  # noqa: S301  # our own child's
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise Gone(self._why(error)) from error
        if said == "refused":
            raise Gone(str(content))
        return content

    def ended(self) -> str | None:
        """Return why it is dead, None while it lives."""
        return None if self._process.poll() is None else self._why(None)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self, seconds: float) -> None:
        """Have the process end, or kill it; see `Hand.close`."""
        try:
            self._send(pickle.dumps(None))
            self._process.wait(max(seconds, 0.0))
        except (Gone, subprocess.TimeoutExpired):
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._pipe.close()

    def _send(self, content: bytes) -> None:
        try:
            self._pipe.send_bytes(content)
        except OSError as error:  # broken, or not read for so long
            raise Gone(self._why(error)) from error

    def _why(self, error: BaseException | None) -> str:
        """How it ended."""
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return f"it stopped answering ({text_of(error) if error else 'no reason is known'}), and was killed"
        if status < 0:
            return f"it was ended by {_signal(-status)}"
        return f"it ended by itself, with status {status}"


class ThreadHand:
    """A thread of this process. One that hangs is left behind: its work ends with it, or with the process.

    Args:
        order: gives its desk, in the thread.
    """

    def __init__(self, order: Callable[[], Doing]) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(order,), name="explainer", daemon=True)
        self._thread.start()

    def send(self, job: Job) -> None:
        """Give it a job; see `Hand.send`."""
        if self._thread.is_alive():
            self._jobs.put(job)
        else:
            raise Gone("its thread has ended")

    def receive(self, timeout: float) -> Any:
        """Wait for what it says; see `Hand.receive`."""
        try:
            said, content = self._said.get(timeout=timeout)
        except queue.Empty:
            raise Gone(f"it did not answer within {timeout:g} s, and was left behind") from None
        if said == "refused":
            raise Gone(str(content))
        return content

    def ended(self) -> str | None:
        """Return why it is dead, None while it lives."""
        return None if self._thread.is_alive() else "its thread has ended"

    def kill(self) -> None:
        """Leave the thread behind; it ends after what it does now."""
        self._jobs.put(None)
        self._said.put(("refused", "it was left behind"))

    def close(self, seconds: float) -> None:
        """Have the thread end, and wait so many seconds for it."""
        self._jobs.put(None)
        self._thread.join(max(seconds, 0.0))

    def _run(self, order: Callable[[], Doing]) -> None:
        try:
            desk = order()
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self._said.put(("refused", f"the system could not be made: {text_of(error)}"))
            return
        self._said.put(("ready", "ready"))
        while (job := self._jobs.get()) is not None:
            try:
                self._said.put(("done", desk.do(job)))
            except BaseException as error:  # noqa: BLE001  # a desk tells all but what ends it
                self._said.put(("refused", text_of(error)))
                return
        desk.close()


def packed(order: Callable[[], Doing], make: Any) -> bytes:
    """Return an order as another process can take it.

    Args:
        order: gives the desk.
        make: of the order, what makes the system.

    Raises:
        InputError: it cannot be imported there.
    """
    if getattr(make, "__module__", None) == "__main__":
        raise InputError(
            f"make_system: {getattr(make, '__name__', make)!r} is of the program's main script, which the worker's "
            'process does not run; put it into a module, name an entry point, or use worker = "thread"'
        )
    try:
        return pickle.dumps(order)
    except Exception as error:
        raise InputError(
            f"make_system: {text_of(error)}; what makes the system, and the settings, must be what another process can "
            'import: a function of a module, or an entry point; or use worker = "thread"'
        ) from error


def _patience(ours: socket.socket) -> None:
    """Have neither way block for ever: a child that was stopped reads nothing, and may have written half a message."""
    for way in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        ours.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", int(_SENDING), 0))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
