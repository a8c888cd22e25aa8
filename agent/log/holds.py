"""Legal holds: what must not be erased, by whose word, until it is lifted. A hold is an entry of the log itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import InputError, RecordError
from .statement import new_statement

if TYPE_CHECKING:
    from .log import Log, Receipt

__all__ = ["Holds", "holds_of", "lift", "place"]

EVERYTHING = "everything"


@dataclass
class Holds:
    """What is held.

    Attributes:
        subjects: pseudonym → numbers of the entries that hold it.
        records: id → the same.
        everything: numbers of the entries that hold the whole log.
    """

    subjects: dict[str, set[int]] = field(default_factory=dict)
    records: dict[str, set[int]] = field(default_factory=dict)
    everything: set[int] = field(default_factory=set)

    def on(self, subject: str | None, record: str | None) -> list[int]:
        """Return the entries that hold a record of a subject, the first one first."""
        found = set(self.everything)
        found |= self.subjects.get(subject, set()) if subject else set()
        found |= self.records.get(record, set()) if record else set()
        return sorted(found)

    def learn(self, predicate: Mapping[str, Any], number: int) -> None:
        """Take in one entry of kind hold."""
        if predicate.get("act") == "placed":
            for subject in _texts(predicate.get("subjects")):
                self.subjects.setdefault(subject, set()).add(number)
            for record in _texts(predicate.get("records")):
                self.records.setdefault(record, set()).add(number)
            if predicate.get("scope") == EVERYTHING:
                self.everything.add(number)
        elif predicate.get("act") == "lifted":
            lifted = predicate.get("hold")
            if not isinstance(lifted, int):
                return
            for held in (*self.subjects.values(), *self.records.values(), self.everything):
                held.discard(lifted)


def _texts(value: Any) -> list[str]:
    """The texts in a list; what was signed may still be of another form."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def holds_of(log: Log) -> Holds:
    """Read a log's holds."""
    from .query import Query

    holds = Holds()
    for row in log.select(Query(kind="hold", newest_first=False, limit=None)):
        holds.learn(log.entry(row.number).statement.predicate, row.number)
    return holds


def place(
    log: Log, who: str, reason: str, subjects: Iterable[str] = (), records: Iterable[str] = (), everything: bool = False
) -> Receipt:
    """Hold subjects, records or everything; return the receipt, whose number is what lifts the hold again.

    Args:
        log: to be written to.
        who: places it.
        reason: why.
        subjects: pseudonyms.
        records: ids of records.
        everything: whether the whole log is held.

    Raises:
        InputError: nothing to hold, nobody, or no reason.
        RecordError: a record that is not in the log, or a log that cannot be written to.
    """
    held = {"subjects": sorted(set(subjects)), "records": sorted({log.entry(r).statement.id for r in records})}
    _said(who, reason)
    if not (held["subjects"] or held["records"] or everything):
        raise InputError("hold: nothing is named; name subjects, records, or everything")
    scope = {"scope": EVERYTHING} if everything else {}
    predicate = {"act": "placed", "who": who, "reason": reason, **held, **scope}
    return log.append(new_statement("hold", predicate, log.about()))


def lift(log: Log, hold: int, who: str, reason: str) -> Receipt:
    """Lift a hold by the number of the entry that placed it.

    Raises:
        InputError: nobody, or no reason.
        RecordError: no such hold, or one that was lifted before.
    """
    _said(who, reason)
    now = holds_of(log)
    standing = now.everything.union(*now.subjects.values(), *now.records.values())
    if hold not in standing:
        known = ", ".join(f"#{number}" for number in sorted(standing)) or "none"
        raise RecordError(f"hold #{hold} does not stand; those that do: {known}")
    predicate = {"act": "lifted", "hold": hold, "who": who, "reason": reason}
    return log.append(new_statement("hold", predicate, log.about()))


def _said(who: str, reason: str) -> None:
    if not who.strip() or not reason.strip():
        raise InputError("a hold needs somebody and a reason; say who, and why")
