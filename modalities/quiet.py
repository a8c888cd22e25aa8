"""Linear algebra on one thread, so that what follows has the cores.

Threads of a BLAS library that were woken for one small product keep spinning for a tenth of a second: the system's own
forward pass, right after, took twice its time (150 ms against 70 on two cores).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@functools.cache
def _controller() -> ThreadpoolController:
    """The libraries with thread pools of this process, looked for once: that takes some milliseconds."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold NumPy's and SciPy's linear algebra to one thread."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
