"""What ``veridical audit query`` asks a log, and how its rows are counted and set as CSV."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from ..log.log import Log
    from ..log.query import Row

__all__ = ["ask", "check_kind", "counted", "names_of", "print_csv", "subject_of"]

_PLAIN = ("kind", "action", "verdict", "system", "subject")
_TIMES = {"month": 7, "day": 10, "hour": 13}
_SAID = ("cause", "concept", "policy", "trigger")
_NONE = "(none)"


def check_kind(kind: str | None) -> str | None:
    """Return a kind of entries.

    Raises:
        InputError: there is none of that name.
    """
    from ..log.statement import KINDS

    if kind is not None and kind not in KINDS:
        raise InputError(f"--kind {kind[:40]!r}: there is no such kind; there are {', '.join(KINDS)}")
    return kind


def ask(log: Log, asked: Mapping[str, Any]) -> list[Row]:
    """Return all rows that meet what the options ask, the newest first.

    An operator's name and act are looked for among the acts about the entries.

    Raises:
        InputError: an option that cannot be asked.
    """
    from ..cli_log_options import labels_of
    from ..log.query import Query

    kind = asked.get("kind")
    facets = [(f"label:{name}", value) for name, value in labels_of(tuple(asked["labels"])).items()]
    facets += [("concept", name) for name in asked["concepts"]]
    facets += [("cause", asked["cause"])] if asked["cause"] else []
    found = log.select(
        Query(
            kind=None if kind == "any" else check_kind(kind or "decision"),
            action=asked["action"],
            verdict=asked["verdict"],
            system=asked["system"],
            subject=subject_of(log, asked["subject"]) if asked["subject"] else None,
            since=asked["since"],
            until=asked["until"],
            facets=tuple(facets),
            text=asked["text"],
        )
    )
    if asked["operator"] or asked["act"]:
        theirs = [(name, asked[option]) for name, option in (("who", "operator"), ("act", "act")) if asked[option]]
        acts = log.select(Query(kind="operator", facets=tuple(theirs)))
        about, own = {row.about for row in acts}, {row.id for row in acts}
        found = [row for row in found if row.id in about or row.id in own]
    return found


def subject_of(log: Log, given: str) -> str:
    """Return the pseudonym of a subject, given by its name or its pseudonym.

    Raises:
        InputError: the home knows no subject of that name.
    """
    import re

    if re.fullmatch(r"s-[0-9a-f]{32}", given):
        return given
    found = log.subjects.named(given)
    if found is None:
        raise InputError(
            f"--subject {given[:60]!r}: this home knows no subject of that name; names end with their erasure, and "
            "pseudonyms (s-…) stand in the entries"
        )
    return found


def names_of(given: str) -> list[str]:
    """Return what is to be counted by.

    Raises:
        InputError: a name that nothing can be counted by.
    """
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in (*_PLAIN, *_TIMES, *_SAID) and not (name.startswith("label:") and len(name) > 6):
            known = ", ".join((*_PLAIN, *_TIMES, *_SAID, "label:NAME"))
            raise InputError(f"--count-by {name[:40]!r}: nothing can be counted by that; there are {known}")
    if len(set(names)) != len(names):
        raise InputError(f"--count-by {given[:80]}: a name stands twice; give each once")
    return names


def counted(log: Log, rows: Sequence[Row], by: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """Count rows by what they say, the most frequent first; a decision that rests on two concepts counts for each."""
    from itertools import product

    deep = any(name in _SAID or name.startswith("label:") for name in by)
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        said = log.entry(row.number).statement.predicate if deep else {}
        counts.update(product(*(_values(row, said, name) for name in by)))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _values(row: Row, said: Mapping[str, Any], name: str) -> list[str]:
    """What a row says under a name."""
    if name in _PLAIN:
        return [getattr(row, name) or _NONE]
    if name in _TIMES:
        return [row.time[: _TIMES[name]].replace("T", " ")]
    if name == "concept":
        grounds = said.get("reliance") if isinstance(said.get("reliance"), list) else []
        found = {str(g.get("label")) for g in grounds or () if isinstance(g, Mapping) and g.get("kind") == "concept"}
        return sorted(found) or [_NONE]
    if name.startswith("label:"):
        labels = said.get("labels")
        value = labels.get(name[6:]) if isinstance(labels, Mapping) else None
        return [_NONE if value is None else str(value)]
    value = said.get(name)
    if isinstance(value, Mapping):
        value = value.get("name")
    return [_NONE if value is None else str(value)]


def print_csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> None:
    """Print rows as CSV (RFC 4180) with their names first; a cell that a spreadsheet would run is quoted as text."""
    import csv

    names = list(names or (rows[0] if rows else ("number", "id", "kind", "time")))
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([[_harmless(row[name]) for name in names] for row in rows])


def _harmless(value: Any) -> Any:
    """Records are untrusted: what begins like a formula is not one."""
    text = "" if value is None else value
    return f"'{text}" if isinstance(text, str) and text[:1] in "=+-@\t\r" and text else text
