"""A worker of the local engine: a process that makes what explains once, and then answers row by row.

It has a connection to its driver and nothing else. When the driver is gone, however it went, the connection ends, and
so does the worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from ...errors import VeridicalError
from .frames import from_bytes, to_bytes

__all__ = ["Maker", "work"]

Maker = Callable[[], Callable[[Mapping[str, Any]], dict[str, Any]]]
"""Makes what explains: a callable from row to row, with an attribute ``identity``."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def work(connection: Connection, make: Maker) -> None:
    """Answer rows until the connection ends; the process's main function.

    The first message says who this is: ``{"identity"}``, or ``{"error", "why"}``, after which nothing follows.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: the driver says when to end
    for name in _THREADS:  # before anything that counts threads is loaded; several workers share the cores
        os.environ.setdefault(name, "1")
    # Whatever a library prints, it is not the batch's result; and a driver that is gone is no error here.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            explain = make()
        except VeridicalError as error:
            connection.send_bytes(to_bytes({"error": type(error).__name__, "why": str(error)}))
            return
        connection.send_bytes(to_bytes({"identity": getattr(explain, "identity", "")}))
        while True:
            row = from_bytes(connection.recv_bytes())
            connection.send_bytes(to_bytes(explain(row)))
