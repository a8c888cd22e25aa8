"""A small log to be tampered with, and what verifying it afterwards says."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.agent.log.database import Database
from veridical.agent.log.home import log_url
from veridical.agent.log.log import Log
from veridical.agent.log.verified import Expected, Problem
from veridical.agent.log.verify import verify_log
from veridical.errors import RecordError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Judgement", "judge", "settle", "small_record"]


@dataclass(frozen=True)
class Judgement:
    """What is found in a log.

    Attributes:
        opening: why the log does not even open; None where it does.
        problems: what verifying it finds, the first bad entry first. It is verified whether it opens or not.
    """

    opening: Problem | None
    problems: tuple[Problem, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """All causes that are told, that of the first bad entry first, each once."""
        told = [problem.cause for problem in (*self.problems, *((self.opening,) if self.opening else ()))]
        return tuple(dict.fromkeys(told))

    @property
    def first(self) -> Problem | None:
        """What is told first."""
        return self.problems[0] if self.problems else self.opening

    @property
    def told(self) -> str:
        """Words of what is told first; empty where nothing is found."""
        return self.first.told if self.first else ""


def judge(home: Path, expected: Expected | None = None, *, deep: bool = False) -> Judgement:
    """Open a log as anybody would, and verify it with all that it refers to, even where it does not open."""
    from veridical.agent.audit.contents import Contents

    opening, log = None, None
    try:
        log = Log.open(home, read_only=True)
    except RecordError as error:
        opening = _problem(error)
    try:
        if log is None:  # what an auditor wants to know is where it is broken, not only that it is
            log = Log(home, Database(log_url(home), read_only=True))
        found = verify_log(log, expected, Contents(deep))
        return Judgement(opening, tuple(found.problems))
    finally:
        if log is not None:
            log.close()
        settle(home)


def settle(home: Path) -> None:
    """Leave SQLite's file alone in its folder: what is not yet in it is brought there, and its helpers are dropped."""
    beside = [home / f"log.sqlite{ending}" for ending in ("-wal", "-shm")]
    if beside[0].exists() and beside[0].stat().st_size:
        with contextlib.closing(sqlite3.connect(home / "log.sqlite")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in beside:
        path.unlink(missing_ok=True)


def small_record(units: int = 24, step: int = 8) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a record of the real form, thinned out: fewer units, and every ``step``-th element of each long axis."""
    from tests.agent.sample import result_and_arrays

    result, arrays = result_and_arrays()
    thin = {}
    for name, array in arrays.items():
        every = tuple(slice(None, None, step if length > 8 else 1) for length in array.shape)
        thin[name] = array[every].copy()
    return {**result, "ranking": result["ranking"][:units]}, thin


def _problem(error: RecordError) -> Problem:
    return Problem(getattr(error, "cause", "none"), str(error), getattr(error, "entry", None))
