"""Logs of small real-form records, for tests of what becomes of them: verified, bundled, erased, dropped."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sqlite3
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from tests.agent.record.vectors import sample
from veridical.agent.log.log import Log, Receipt
from veridical.agent.log.verified import Problem, Verification
from veridical.agent.logged import log_decision
from veridical.agent.record.context import Context


def keep(log: Log, by: float = 0.0, subject: str | None = None, action: str = "STOP", **context: Any) -> Receipt:
    """Append a decision; its map of the words differs by ``by``, so that records share all other blobs but that."""
    result, arrays = deepcopy(_sample()[0]), dict(_sample()[1])
    if action != "STOP":
        result["decision"] |= {"action": action, "logits": {"GO": 1.5, "STOP": -0.5}}
        result["decision"]["probabilities"] = {"GO": 0.8807970779778823, "STOP": 0.11920292202211755}
    arrays["text.saliency"] = arrays["text.saliency"] + np.float32(by)
    return log_decision(log, result, arrays, Context(**context), subject)


@functools.cache
def _sample() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return sample()


_KEPT = tempfile.TemporaryDirectory(prefix="veridical-kept-", ignore_cleanup_errors=True)


@functools.cache
def _written() -> Path:
    home = Path(_KEPT.name) / "home"
    with Log.open(home) as log:
        keep(log, 0, "order 1", labels={"scenario": "night"})
        keep(log, 1, "order 2", action="GO", labels={"scenario": "day"})
        keep(log, 2, "order 1", labels={"scenario": "day"})
    return home


def copy(folder: Path) -> Path:
    """Copy a log of three decisions to a folder; it is made once. The first and the last are about one subject."""
    home = folder / "home"
    shutil.copytree(_written(), home)
    return home


def sql(home: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a log's database, past everything that guards it."""
    with contextlib.closing(sqlite3.connect(home / "log.sqlite")) as connection:
        found = connection.execute(query, values).fetchall()
        connection.commit()
    return found


def place(log: Log, digest: str) -> Path:
    """Where a blob lies."""
    return log.home / "blobs" / digest[7:9] / digest[7:]


def first(verification: Verification) -> Problem:
    """The problem that is told first; there must be one."""
    assert verification.first is not None
    return verification.first


def causes(verification: Verification) -> list[tuple[str, int | None]]:
    """Cause and entry of each problem, in their order."""
    return [(problem.cause, problem.entry) for problem in verification.problems]
