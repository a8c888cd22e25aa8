"""What is killed: a process that appends to a log and says so, line by line; and what its lines say (private).

A line is written after ``append`` returned and not before: what it says was acknowledged.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

# All that a writer needs is imported here, so that one process can load it, and writers are forked from that one.
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401  # with the one above

import veridical.agent.log.subjects  # noqa: F401
from benchmarks._logged import plain, small
from veridical.agent.log.log import Log, Receipt
from veridical.agent.log.note import read_checkpoint
from veridical.agent.logged import log_decision
from veridical.errors import IntegrityError, RecordError

with contextlib.suppress(ModuleNotFoundError):  # who measures SQLite alone needs no driver of PostgreSQL
    import psycopg  # noqa: F401

__all__ = ["EVERY", "Acknowledged", "Told", "read_told", "write"]

EVERY = 6
"""Of so many appends one is a decision with its blobs; the others are plain statements."""

_REST = 0.05  # seconds, where the log could not be reached


@dataclass(frozen=True)
class Acknowledged:
    """One receipt.

    Attributes:
        number: of the entry.
        leaf: its hash, hexadecimal.
        size: of the tree head that came with it.
        root: of that tree head, hexadecimal.
    """

    number: int
    leaf: str
    size: int
    root: str


@dataclass
class Told:
    """All that writers have told.

    Attributes:
        acknowledged: receipts.
        refused: errors of appends that were not acknowledged, in words; the writer went on.
        wrong: errors that must not occur at all: the log was found to be damaged, or another.
    """

    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def write(home: str, url: str | None, lines: str, seed: int) -> None:
    """Append until killed, and write a line of what came of each append.

    Args:
        home: folder of the log.
        url: of its database; SQLite's file in the home if None.
        lines: file to which the lines are appended.
        seed: of the decisions.
    """
    handle = os.open(lines, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log: Log | None = None
    for turn in itertools.count(seed):
        try:
            log = log or Log.open(home, url)
            receipt = log_decision(log, *small(turn)) if turn % EVERY == 0 else log.append(plain(log, turn))
        except IntegrityError as error:
            _line(handle, f"! {error.cause}: {error}")
            return
        except RecordError as error:
            _line(handle, f"? {error}")
            time.sleep(_REST)
            continue
        _line(handle, _receipt(receipt))


def _receipt(receipt: Receipt) -> str:
    head = read_checkpoint(receipt.checkpoint).checkpoint
    return f"{receipt.number} {receipt.leaf.hex()} {head.size} {head.root.hex()}"


def _line(handle: int, text: str) -> None:
    """One call writes the whole line, so that a kill leaves all of it or nothing."""
    os.write(handle, (" ".join(text.split()) + "\n").encode())


def read_told(folder: Path) -> Told:
    """Read the lines of all writers; every file in the folder is one writer's."""
    told = Told()
    for path in sorted(folder.iterdir()):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("?"):
                told.refused.append(line[2:])
            elif line.startswith("!"):
                told.wrong.append(line[2:])
            else:
                number, leaf, size, root = line.split()
                told.acknowledged.append(Acknowledged(int(number), leaf, int(size), root))
    return told
