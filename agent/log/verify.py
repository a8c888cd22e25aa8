"""Verifying a whole log: every signature, digest, hash of the tree and checkpoint, and what the database says of them.

One pass over the entries in their order. What is stored beside an entry is derived from it again and compared; nothing
stored is believed. Each problem has a cause (`CAUSES`), the entry where there is one, and words; the first bad entry is
told first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import RecordError
from .heads import check_heads, wanted_sizes
from .raw import RawStore
from .verified import Absent, Contents, Expected, Problem, Verification
from .walk import Walk

if TYPE_CHECKING:
    from .log import Log

__all__ = ["Absent", "Contents", "Expected", "Problem", "Verification", "verify_log"]

Progress = Callable[[int, int], None]


def verify_log(
    log: Log,
    expected: Expected | None = None,
    contents: Contents | None = None,
    progress: Progress = lambda done, of: None,
) -> Verification:
    """Verify a log.

    Args:
        log: opened for reading.
        expected: what is known from elsewhere. Without it this shows that the log is whole, not that it is the one
            that was written: who holds the key can write another.
        contents: checks what an entry refers to (blobs, manifests); see `veridical.agent.audit.contents`. None looks
            at the entries alone.
        progress: called with entries read and how many there are.
    """
    walk = Walk(log, expected or Expected(), contents)
    try:
        with log.database.read(still=True) as connection, RawStore(connection).as_it_is() as store:
            walk.run(store, lambda: wanted_sizes(walk, store), progress)
            check_heads(walk, store)
    except RecordError as error:
        walk.add(getattr(error, "cause", "database"), str(error), getattr(error, "entry", None))
    return walk.finish()
