"""What to look for in a log, and what of an entry a list shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["Query", "Row", "counting", "moment", "selecting"]


@dataclass(frozen=True)
class Query:
    """Entries that meet all of what is given; None, or nothing, asks for nothing.

    The log's columns and facets are looked at, which hold the first 200 characters of a text; whether they say what
    the entries say is what the auditor's ``verify`` finds out.

    Attributes:
        kind: such as ``decision``, see `veridical.agent.log.statement.KINDS`.
        action: the chosen action, as a decision names it, or the one that an operator put in its place.
        verdict: supported, unsupported or inconclusive.
        system: the system's name.
        subject: pseudonym of whom it is about.
        about: id of the record that it is about.
        since: from this moment on, ISO 8601; without a zone it is UTC.
        until: before this moment.
        facets: (name, value) that must all stand, such as ``("label:scenario", "night")``; see
            `veridical.agent.log.store.facets_of`.
        text: stands in a column or in a facet's value; capitals and small letters of ASCII are alike.
        limit: the most rows, all if None.
        offset: rows to pass over first.
        newest_first: the order.

    Raises:
        InputError: a moment that is none, or a number below zero.
    """

    kind: str | None = None
    action: str | None = None
    verdict: str | None = None
    system: str | None = None
    subject: str | None = None
    about: str | None = None
    since: str | None = None
    until: str | None = None
    facets: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    limit: int | None = None
    offset: int = 0
    newest_first: bool = True

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, moment(value, name))
        for name, value in (("limit", self.limit), ("offset", self.offset)):
            if value is not None and not 0 <= value < 2**63:
                raise InputError(f"{name} is {value}; it counts rows, from 0 on")


@dataclass(frozen=True)
class Row:
    """One entry, as a list shows it: its columns. See `Query` for what they hold."""

    number: int
    id: str
    kind: str
    time: str
    about: str | None
    action: str | None
    verdict: str | None
    system: str | None
    subject: str | None


def moment(text: str, what: str = "the time") -> str:
    """Return a moment in the form of the log: ISO 8601 in UTC with microseconds; without a zone it is UTC.

    Raises:
        InputError: it is no moment.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{what} is {text[:60]!r}, which is no moment; write it as 2026-11-23 or 2026-11-23T20:12:33+01:00"
        ) from error
    return found.isoformat(timespec="microseconds")


def selecting(query: Query) -> Select[Any]:
    """The statement that finds a query's rows, with the columns of `Row`."""
    from sqlalchemy import select

    from .store import entries

    order = entries.c.number.desc() if query.newest_first else entries.c.number
    columns = [entries.c[name] for name in Row.__dataclass_fields__]
    found = select(*columns).where(*_conditions(query)).order_by(order)
    if query.limit is not None or query.offset:
        # SQLite takes an offset only beside a limit.
        found = found.limit(2**62 if query.limit is None else query.limit).offset(query.offset)
    return found


def counting(query: Query) -> Select[Any]:
    """The statement that counts a query's rows, whatever its limit and offset are."""
    from sqlalchemy import func, select

    from .store import entries

    return select(func.count()).select_from(entries).where(*_conditions(query))


def _conditions(query: Query) -> list[Any]:
    """What a query asks of an entry, each a condition in SQL."""
    from sqlalchemy import exists, or_

    from .store import MAX_WORD, entries, facets

    def cut(text: str) -> str:
        return text[:MAX_WORD].replace("\x00", "\ufffd")

    names = ("kind", "action", "verdict", "system", "subject", "about")
    found: list[Any] = [entries.c[n] == cut(value) for n in names if (value := getattr(query, n)) is not None]
    if query.since is not None:
        found.append(entries.c.time >= query.since)
    if query.until is not None:
        found.append(entries.c.time < query.until)
    mine = facets.c.number == entries.c.number
    for name, value in query.facets:
        found.append(exists().where(mine, facets.c.name == cut(name), facets.c.value == cut(value)))
    if query.text:
        text = cut(query.text)
        shown = ("id", "kind", "about", "action", "verdict", "system", "subject")
        said = [entries.c[name].icontains(text, autoescape=True) for name in shown]
        found.append(or_(*said, exists().where(mine, facets.c.value.icontains(text, autoescape=True))))
    return found
