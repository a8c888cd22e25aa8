"""Appending: statements are signed, put into the tree and committed, with a signed tree head, in one transaction.

Threads that append at once share a transaction: the first commits for all that wait. An append is acknowledged only
after the database has committed it; where the connection broke and nobody knows, the log is asked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, insert, select

from ...errors import IntegrityError, RecordError
from .database import PAUSES, Database, Lost
from .dsse import Signer, key_id_of
from .keys import KeyFolder
from .merkle import Frontier
from .rows import Mark, Rows
from .state import State
from .statement import Statement, new_statement
from .store import checkpoints, entries, witnessed
from .trust import Trust

__all__ = ["MAX_GROUP", "Receipt", "Writer"]

MAX_GROUP = 64
"""Appends of threads that one transaction takes at the most."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Receipt:
    """An entry is in the log, on the disk.

    Attributes:
        number: of the entry, from 0.
        id: of its statement.
        leaf: hash of its envelope in the tree.
        checkpoint: the signed tree head of the log with the entry.
    """

    number: int
    id: str
    leaf: bytes
    checkpoint: str


@dataclass
class _Job:
    """What one call asks to be appended, and what came of it."""

    statements: Sequence[Statement]
    signers: Sequence[Signer] | None
    tried: bool = False
    receipts: list[Receipt] | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.receipts is not None or self.error is not None


class Writer:
    """Appends to one log.

    Args:
        database: where.
        origin: name of the log, which its tree heads carry.
        keys: what signs.
        keep: is told every new tree head and its size, after it was committed.
    """

    def __init__(self, database: Database, origin: str, keys: KeyFolder, keep: Callable[[str, int], None]) -> None:
        self.database, self.origin, self.keys, self.keep = database, origin, keys, keep
        self._waiting: deque[_Job] = deque()
        self._turn = threading.Lock()
        self._state: State | None = None
        self._signer: Signer | None = None

    def append(self, statements: Sequence[Statement], signers: Sequence[Signer] | None = None) -> list[Receipt]:
        """Append statements, all in one transaction, and return when they are on the disk.

        Raises:
            RecordError: they cannot be signed or written, or nobody can know whether they were.
            IntegrityError: the log is shorter than, or another than, what this writer has seen of it.
        """
        if not statements:
            return []
        job = _Job(statements, signers)
        self._waiting.append(job)
        with self._turn:
            if not job.done:  # nobody took it along: this thread commits for all that wait
                self._commit(self._group(job))
        if job.error is not None:
            raise job.error
        return job.receipts or []

    def holder(self) -> Signer:
        """Return the key that signs now.

        Raises:
            RecordError: this home has no such key, or the log cannot be written.
        """

        def work(connection: Connection) -> Signer:
            self._state = State.read(connection, self._state)
            return self.signer(self._state)

        return self.alone(work)

    def alone(self, work: Callable[[Connection], _T]) -> _T:
        """Do other work in a transaction, in turn with what is appended.

        Raises:
            RecordError: it cannot be done.
        """
        with self._turn:
            return self.database.write_patiently(work)

    def keep_note(self, size: int, name: str, note: str) -> None:
        """Keep a tree head that a witness cosigned, in the place of an earlier one of it.

        Raises:
            RecordError: it cannot be written.
        """

        def work(connection: Connection) -> None:
            same = (witnessed.c.size == size) & (witnessed.c.name == name)
            connection.execute(witnessed.delete().where(same))
            connection.execute(insert(witnessed), [{"size": size, "name": name, "note": note}])

        self.alone(work)

    def first(self, connection: Connection, statement: Statement, signer: Signer) -> str:
        """Append entry 0 within the transaction that makes the log; return the tree head."""
        state, rows, self._signer = State(Frontier(0, []), "", Trust.start(signer.public)), Rows(), signer
        rows.add(statement, [signer], state)
        return rows.insert(connection, self.origin, signer, state)

    def signer(self, state: State) -> Signer:
        """Return the key that signs entries and tree heads of the log in some state.

        Raises:
            RecordError: this home has no such key.
        """
        public = state.trust.signing_at(state.size)
        if self._signer is None or self._signer.public != public:
            key_id = key_id_of(public)
            try:
                self._signer = self.keys.find(key_id)
            except IntegrityError:
                raise
            except RecordError as error:
                raise RecordError(
                    f"the log is signed by key {key_id}, which this home cannot use: {error}; "
                    "append where that key is, or bring it here"
                ) from error
        return self._signer

    def _group(self, job: _Job) -> list[_Job]:
        """Take the jobs that wait, this thread's own among them."""
        taken: list[_Job] = []
        while self._waiting and len(taken) < MAX_GROUP:
            waiting = self._waiting.popleft()
            if not waiting.done:
                taken.append(waiting)
        # A leader that was interrupted leaves jobs behind that no longer wait, or more than a group waited.
        return taken if any(one is job for one in taken) else [*taken, job]

    def _commit(self, jobs: list[_Job]) -> None:
        """Append all jobs in one transaction, asking the log again where the connection broke."""
        lost: Lost | None = None
        try:
            for pause in (0.0, *PAUSES):
                if pause:
                    time.sleep(pause)
                try:
                    found, state, note = self.database.write(lambda connection: self._work(connection, jobs))
                except Lost as error:
                    unknown = error.unknown or (lost is not None and lost.unknown)
                    lost, self._state = Lost(error.error, unknown), None
                    continue
                self._state = state
                for job, receipts in found:
                    job.receipts = receipts
                if note:
                    self.keep(note, state.size)
                return
            if lost is not None:
                raise _unknown(lost, jobs) from lost
        except Exception as error:  # noqa: BLE001  # each thread raises its own
            self._state = None
            for job in jobs:
                job.error = job.error or (None if job.done else error)
        except BaseException:  # the thread is told to stop: the others ask the log themselves
            self._state = None
            raise

    def _work(self, connection: Connection, jobs: list[_Job]) -> tuple[list[tuple[_Job, list[Receipt]]], State, str]:
        """Within a transaction: append what is not there yet, and find what an earlier try left there.

        Returns:
            The receipts by job, the state after, and the new tree head's note, "" if nothing was appended.
        """
        state, rows = State.read(connection, self._state).copy(), Rows()
        there = _there(connection, [statement.id for job in jobs for statement in job.statements])
        kept: list[tuple[_Job, list[Mark]]] = []
        found: list[tuple[_Job, list[Receipt]]] = []
        for job in jobs:
            if job.error is not None:  # in an earlier try
                continue
            if job.tried and all(statement.id in there for statement in job.statements):
                found.append((job, _found(connection, [there[statement.id] for statement in job.statements])))
                continue
            before, lengths = state.copy(), rows.lengths()
            if any(statement.kind == "keys" for statement in job.statements):
                before.trust = deepcopy(state.trust)
            try:
                job.tried = True
                kept.append(
                    (job, [self._add(statement, job.signers, state, rows, there) for statement in job.statements])
                )
            except RecordError as error:  # one that cannot be appended must not take the others with it
                job.error, state = error, before
                rows.cut(lengths)
                there = {name: number for name, number in there.items() if number < state.size}
        if not rows.entries:
            return found, state, ""
        note = rows.insert(connection, self.origin, self.signer(state), state)
        return [*found, *((job, [Receipt(*mark, note) for mark in marks]) for job, marks in kept)], state, note

    def _add(
        self,
        statement: Statement,
        signers: Sequence[Signer] | None,
        state: State,
        rows: Rows,
        there: dict[str, int],
    ) -> Mark:
        """Make the rows of a statement, which says by how much it is late; nothing is lost for that."""
        if statement.id in there:
            told = f"the log holds {statement.id} already, as entry {there[statement.id]}"
            raise RecordError(f"{told}; an id is used once: make a new statement")
        if statement.time < state.time:
            behind = datetime.fromisoformat(state.time) - datetime.fromisoformat(statement.time)
            clock = {"clock": f"backwards by {behind.total_seconds():.6f} s"}
            statement = new_statement(statement.kind, {**statement.predicate, **clock}, statement.subjects)
        mark = rows.add(statement, [self.signer(state)] if signers is None else signers, state)
        there[statement.id] = mark[0]
        return mark


def _there(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return those of some ids that are in the log, with their numbers."""
    found: dict[str, int] = {}
    wanted = select(entries.c.id, entries.c.number).where(entries.c.id.in_(bindparam("ids", expanding=True)))
    for start in range(0, len(ids), 500):
        found.update((row[0], row[1]) for row in connection.execute(wanted, {"ids": list(ids[start : start + 500])}))
    return found


def _found(connection: Connection, numbers: Sequence[int]) -> list[Receipt]:
    """Receipts of entries that an earlier try has committed."""
    wanted = select(checkpoints.c.note).where(checkpoints.c.size > max(numbers)).order_by(checkpoints.c.size).limit(1)
    note = connection.execute(wanted).scalar_one()
    rows = select(entries.c.number, entries.c.id, entries.c.leaf).where(entries.c.number.in_(numbers))
    receipts = {row[0]: Receipt(row[0], row[1], row[2], note) for row in connection.execute(rows)}
    return [receipts[number] for number in numbers]


def _unknown(lost: Lost, jobs: Sequence[_Job]) -> RecordError:
    """Say what is known of appends whose connection broke for good."""
    if not lost.unknown:
        return RecordError(f"{lost.error}; nothing was appended")
    ids = ", ".join(statement.id for job in jobs for statement in job.statements[:1])[:200]
    return RecordError(
        f"{lost.error}; nobody can know whether {ids} was appended: look for it when the server is back, "
        "and append it again if it is not there"
    )
