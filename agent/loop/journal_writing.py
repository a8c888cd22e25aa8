"""Writing what a journal has gathered into the log: all in order, each once, and what went wrong on the way as well."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import InputError, RecordError
from .findings import text_of
from .journal_items import Item, Lost, tidy

if TYPE_CHECKING:
    from ..log.log import Log
    from ..log.statement import Statement

__all__ = ["Scribe"]

BYTES = 64 * 1024
"""The most that a note's detail may take as JSON."""

SLOW = 2.0
"""Seconds from which on a write is slow, and is told of."""

TRIES = 3
"""Attempts at an explanation that cannot be written while notes can."""


class Scribe:
    """Writes batches, one after the other. For one thread alone, but for `lose` and the attributes.

    Args:
        open_log: opens the log; called when the first batch is written, and again until it succeeds.
        agent: name under which notes stand.

    Attributes:
        trouble: why the last attempt failed; None when all is well.
        written: notes, acts and explanations that are in the log, without those of the journal's own.
        lost: of these, those that will not be.
    """

    def __init__(self, open_log: Callable[[], Log], agent: str) -> None:
        self._open, self._agent, self._log = open_log, agent, None
        self.trouble: str | None = None
        self.written = self.lost = 0
        self._lock = threading.Lock()  # callers of the journal lose things, too
        self._missing = Lost()
        self._faults: list[Item] = []
        self._owing: list[Item] = []  # what is told of the journal itself, being written
        self._uncertain: set[str] = set()  # batches, by their first id, of which an attempt failed
        self._slow: deque[float] = deque(maxlen=1000)  # seconds that the last writes took, while they are slow
        self._spell: dict[str, Any] = {}  # of trouble: the first reason, since when, how many attempts

    @property
    def owes(self) -> bool:
        """Whether there is something to be told of the journal itself."""
        return bool(self._owing or self._faults or self._missing.events)

    def lose(self, item: Item, why: str) -> None:
        """Give one up; a note will say so."""
        with self._lock:
            self.lost += 1
            self._missing.add(item, why)

    def attempt(self, batch: Sequence[Item]) -> bool:
        """Write a batch, all of it or nothing.

        Returns:
            Whether it is dealt with: written, or given up for a reason that no later attempt would mend. If not,
            the same batch must be tried again.
        """
        start = time.monotonic()
        try:
            self._write(batch)
        except Exception as error:  # noqa: BLE001  # whatever a log does, the agent goes on
            return self._failed(batch, error)
        self.written += len(batch)
        self._recovered()
        self._took(time.monotonic() - start)
        return True

    def own(self) -> bool:
        """Write what is to be told of the journal itself: faults, and what was lost; return whether it is written."""
        if not self._owing:
            with self._lock:
                missing, self._missing = self._missing, Lost()
            if missing.events:
                self._faults.append(Item("note", "lost", _now(), missing.detail()))
            self._owing, self._faults = self._faults, []
        try:
            self._write(self._owing)
        except Exception as error:  # noqa: BLE001  # as above
            self._trouble(error)
            return False
        self._owing = []
        self._recovered()
        return True

    def close(self, counts: dict[str, int]) -> bool:
        """Say that the journal ends, with its counts, and close the log; return whether that is written."""
        done = self.trouble is None
        if done:
            try:
                self._write([Item("note", "closed", _now(), counts)])
            except Exception as error:  # noqa: BLE001  # as above
                self._trouble(error)
                done = False
        try:
            if self._log is not None:
                self._log.close()
        except Exception as error:  # noqa: BLE001  # what is written is written
            self._trouble(error)
        return done

    def _opened(self) -> Log:
        if self._log is None:
            self._log = self._open()
        return self._log

    def _write(self, batch: Sequence[Item]) -> None:
        """Append one explanation, or notes and acts in one transaction, unless an earlier attempt did after all."""
        if not batch:
            return
        log, name = self._opened(), batch[0].id
        if name in self._uncertain and _there(log, name):
            self._uncertain.discard(name)
            return
        self._uncertain.add(name)
        if batch[0].kind == "decision":
            _append_decision(log, batch[0])
        else:
            log.append_all([self._statement(log, item) for item in batch])
        self._uncertain.discard(name)

    def _statement(self, log: Log, item: Item) -> Statement:
        """The statement of a note or an act. Its time is that of writing, so that a log's times follow each other."""
        from ..log.statement import new_statement

        own = {"agent": self._agent, "said": item.time}
        if item.kind == "operator":
            return new_statement("operator", {**_fitting(item.said), **own, "about": None}, log.about(), id=item.id)
        said = {**own, "event": item.event, "detail": _fitting(item.said)}
        return new_statement("note", said, log.about(), id=item.id)

    def _failed(self, batch: Sequence[Item], error: Exception) -> bool:
        """Note an attempt that failed; give up an explanation that cannot be written while notes can."""
        tries = self._spell.get("tries", 0) + 1
        if batch[0].kind != "decision" or (isinstance(error, RecordError) and tries < TRIES):
            self._trouble(error)
            return False
        said = {"what": "an explanation could not be written into the log", "why": text_of(error)}
        fault = Item("note", "fault", _now(), {**said, "id": batch[0].id})
        try:
            self._write([fault])
        except Exception as worse:  # noqa: BLE001  # notes cannot be written either: it is not the explanation's fault
            self._trouble(worse)
            return False
        self.lose(batch[0], said["why"])
        self._uncertain.discard(batch[0].id)
        self.trouble, self._spell = None, {}
        return True

    def _trouble(self, error: Exception) -> None:
        self.trouble = text_of(error)
        self._spell = self._spell or {"why": self.trouble, "from": _now(), "tries": 0}
        self._spell["tries"] += 1

    def _recovered(self) -> None:
        """The log is well again: what was the matter is to be told."""
        if self._spell:
            said = {"what": "the log could not be written", **self._spell, "to": _now()}
            self._faults.append(Item("note", "fault", _now(), said))
        self.trouble, self._spell = None, {}

    def _took(self, seconds: float) -> None:
        """Note how long a write took: the first that is slow is told, and so is the end of them."""
        if seconds > SLOW:
            if not self._slow:
                self._faults.append(
                    Item("note", "fault", _now(), {"what": f"the log is slow: a write took {seconds:.1f} s"})
                )
            self._slow.append(seconds)
        elif self._slow:
            told = f"the log is slow no more: {len(self._slow)} writes took up to {max(self._slow):.1f} s"
            self._faults.append(Item("note", "fault", _now(), {"what": told}))
            self._slow.clear()


def _there(log: Log, name: str) -> bool:
    """Whether an attempt did write a batch, though it could not say so: all of it is there, or nothing."""
    try:
        return log.entry(name).statement.id == name
    except RecordError:
        return False


def _append_decision(log: Log, item: Item) -> None:
    """Append an explanation's record under the decision's id."""
    from ..logged import log_decision

    if item.explanation is None or item.context is None:
        raise InputError(f"the explanation {item.id} came without its context; give both")
    result = {**item.explanation.to_dict(), "id": item.id}
    log_decision(log, result, item.explanation.arrays(), replace(item.context, id=item.id), item.subject)


def _fitting(said: Any) -> dict[str, Any]:
    """A detail as canonical JSON can hold it; where it cannot be had, the reason in its place."""
    from ..record.canonical import canonical_json

    try:
        detail = {str(name): tidy(value) for name, value in said.items()}
        size = len(canonical_json(detail, "the detail"))
    except Exception as error:  # noqa: BLE001  # a value of somebody else's, which cannot even be printed
        return {"unsaid": text_of(error)}
    return detail if size <= BYTES else {"unsaid": f"it had {size:,} bytes, and a note has at most {BYTES:,}"}


def _now() -> str:
    from ..log.statement import now

    return now()
