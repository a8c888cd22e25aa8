"""The process that explains: it takes one job at a time, answers each, and ends when its parent does."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from .findings import text_of

__all__ = ["main"]

_NICE = 10
"""How far it stands back: what decides goes before what explains."""


def main(pipe: int) -> None:
    """Do jobs until the parent says that there are no more.

    Args:
        pipe: file descriptor of the connection. First comes the order, a callable that gives the desk; then jobs. Each
            message is answered by one: (``ready``, …), (``done``, outcome) or (``refused``, why).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes this one in order
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    connection = Connection(pipe)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone: nobody is left to be told
        _serve(connection)
    # Not by the interpreter's own end: threads of a library must not keep it.
    os._exit(0)


def _serve(connection: Connection) -> None:
    order = connection.recv_bytes()
    try:
        desk = pickle.loads(order)()  # noqa: S301  # our own parent's
    except BaseException as error:  # noqa: BLE001  # told to whoever waits
        _say(connection, "refused", f"the system could not be made: {text_of(error)}")
        return
    _one_thread()
    _say(connection, "ready", "ready")
    while (job := pickle.loads(connection.recv_bytes())) is not None:  # noqa: S301  # the same
        _say(connection, "done", desk.do(job))
    desk.close()


def _say(connection: Connection, said: str, content: Any) -> None:
    connection.send_bytes(pickle.dumps((said, content)))


def _one_thread() -> None:
    """Leave the other cores to what decides."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Wait until stdin ends, which it does when the parent does, in whatever way."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)
