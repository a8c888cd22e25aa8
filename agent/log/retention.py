"""How long what is kept: rules in a file, carried out on request, each removal an entry of the log.

Two things end apart. *signals*: what was sensed, sealed under the subject's key; the key is deleted. *evidence*: the
manifest and the arrays of a record; the blobs are dropped. The entry itself, signed and in the tree, is never removed:
it goes on to say that there was a decision, which, when, by what system and with what verdict.

Example of a file:
    [[rule]]
    keep = "30 days"
    what = "signals"

    [[rule]]
    keep = "10 years"
    what = "evidence"
    label = { scenario = "night" }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import InputError
from .holds import holds_of
from .query import Query
from .statement import new_statement

if TYPE_CHECKING:
    from .log import Log

__all__ = ["LEAST_DAYS", "Due", "Rule", "due", "read_rules", "retain"]

LEAST_DAYS = 184
"""Evidence is kept at least so long unless the rule gives a reason: six months, Articles 19(1) and 26(6), AI Act."""

# The longest month and year there are: what is to be kept so long is never dropped earlier.
_UNITS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 31.0, "year": 366.0}
_SPAN = re.compile(r"(\d{1,5}) (hour|day|week|month|year)s?")
_KEYS = {"what", "keep", "action", "verdict", "system", "label", "shorter"}
_CHUNK = 500  # digests that one entry names


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        what: signals or evidence.
        keep: how long, days.
        told: how long, as it was written.
        action: only decisions for it.
        verdict: only decisions with it.
        system: only decisions of it, by name.
        labels: only decisions with all of them.
        shorter: why evidence is kept less than `LEAST_DAYS`.
    """

    what: Literal["signals", "evidence"]
    keep: float
    told: str
    action: str | None = None
    verdict: str | None = None
    system: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    shorter: str = ""

    def text(self) -> str:
        """The rule in words."""
        of = [f"{k} {v}" for k, v in (("action", self.action), ("verdict", self.verdict), ("system", self.system)) if v]
        of += [f"{name} {value}" for name, value in self.labels.items()]
        told = f"{self.what} kept {self.told}" + (f" where {', '.join(of)}" if of else "")
        return f"{told}; less than six months, for {self.shorter}" if self.shorter else told


@dataclass(frozen=True)
class Due:
    """What a rule says is to go.

    Attributes:
        rule: which.
        records: numbers of the entries whose time is over.
        subjects: pseudonyms whose keys go (signals).
        blobs: digests that go (evidence); none that a record still kept needs.
        held: numbers of entries whose time is over, and which a hold keeps.
    """

    rule: Rule
    records: tuple[int, ...]
    subjects: tuple[str, ...]
    blobs: tuple[str, ...]
    held: tuple[int, ...]


def read_rules(path: str | Path) -> list[Rule]:
    """Read rules from a TOML file.

    Raises:
        InputError: a file that cannot be read, or a rule that cannot be kept.
    """
    where = Path(path)
    try:
        told = tomllib.loads(where.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where} is not TOML: {error}") from error
    rules = told.get("rule")
    if set(told) - {"rule"} or not isinstance(rules, list) or not rules:
        raise InputError(f"{where}: it holds {sorted(told) or 'nothing'}; one or more [[rule]] are wanted")
    return [_rule(rule, f"{where}: rule {number}") for number, rule in enumerate(rules, 1)]


def _rule(told: Any, where: str) -> Rule:
    if not isinstance(told, dict) or set(told) - _KEYS:
        has = sorted(set(told) - _KEYS) if isinstance(told, dict) else f"{told!r:.40}, not a table"
        raise InputError(f"{where}: it has {has}; a rule has {', '.join(sorted(_KEYS))}")
    what, keep, label = told.get("what"), told.get("keep"), told.get("label", {})
    if what not in ("signals", "evidence"):
        raise InputError(f"{where}: what is {what!r}; say signals or evidence")
    match = _SPAN.fullmatch(keep) if isinstance(keep, str) else None
    if match is None:
        raise InputError(f"{where}: keep is {keep!r}; say it like '30 days' or '10 years'")
    days = int(match[1]) * _UNITS[match[2]]
    if what == "evidence" and days < LEAST_DAYS and not str(told.get("shorter", "")).strip():
        raise InputError(
            f"{where}: evidence kept {keep} is less than six months, the least of Articles 19 and 26 of the EU AI Act; "
            'keep it longer, or say why not in shorter = "…"'
        )
    if not isinstance(label, dict) or not all(isinstance(v, str) for v in label.values()):
        raise InputError(f'{where}: label is {label!r}; write it like label = {{ group = "A" }}')
    for key in ("action", "verdict", "system", "shorter"):
        if not isinstance(told.get(key, ""), str):
            raise InputError(f"{where}: {key} is {told[key]!r}, not a text")
    shorter = told.get("shorter", "") if days < LEAST_DAYS else ""
    return Rule(
        what, days, str(keep), told.get("action"), told.get("verdict"), told.get("system"), dict(label), shorter
    )


def due(log: Log, rules: Iterable[Rule], now: datetime | None = None) -> list[Due]:
    """Return what the rules say is to go now, less what is held; nothing is changed."""
    moment = now or datetime.now(UTC)
    holds = holds_of(log)
    every = log.select(Query(kind="decision", newest_first=False, limit=None))
    gone = _gone(log)
    found = []
    for rule in rules:
        before = _before(moment, rule.keep)
        labels = tuple((f"label:{name}", value) for name, value in rule.labels.items())
        query = Query(
            kind="decision",
            action=rule.action,
            verdict=rule.verdict,
            system=rule.system,
            until=before,
            facets=labels,
            newest_first=False,
            limit=None,
        )
        over = {row.number: row for row in log.select(query)}
        held = {number for number, row in over.items() if holds.on(row.subject, row.id)}
        over = {number: row for number, row in over.items() if number not in held}
        subjects: set[str] = set()
        blobs: set[str] = set()
        if rule.what == "signals":
            ours = {row.subject for row in over.values() if row.subject}
            kept = {row.subject for row in every if row.number not in over and row.subject}
            subjects = {s for s in ours - kept if log.subjects.find(s) is not None}
            over = {number: row for number, row in over.items() if row.subject in subjects}
        else:
            needed = {digest for row in every if row.number not in over for digest in _blobs(log, row.number)}
            blobs = {d for number in over for d in _blobs(log, number)} - needed - gone
            over = {number: row for number, row in over.items() if blobs & set(_blobs(log, number))}
        found.append(Due(rule, tuple(over), tuple(sorted(subjects)), tuple(sorted(blobs)), tuple(sorted(held))))
    return found


def retain(log: Log, what: Sequence[Due], who: str) -> list[int]:
    """Carry out what is due; return the numbers of the entries that say so.

    An entry is written before its blobs are dropped: a machine that stops in between has an entry that names blobs
    still there, which is no error, and the next run drops them.

    Raises:
        InputError: nobody is named.
    """
    if not who.strip():
        raise InputError("retention needs somebody who answers for it; say who")
    entries = []
    for one in what:
        needed = _needed(log, one.records) if one.blobs else set()
        dropped = [digest for digest in one.blobs if digest not in needed]  # a newer record may share some by now
        for subject in one.subjects:
            told = {"rule": one.rule.text(), "who": who, "subject": subject, "dropped": []}
            entries.append(log.append(new_statement("retention", told, log.about())).number)
            log.subjects.forget(subject)
        for start in range(0, len(dropped), _CHUNK):
            part = dropped[start : start + _CHUNK]
            told = {"rule": one.rule.text(), "who": who, "dropped": part, "records": len(one.records)}
            entries.append(log.append(new_statement("retention", told, log.about())).number)
            for digest in part:
                log.blobs.drop(digest)
    return entries


def _before(moment: datetime, days: float) -> str:
    try:
        then = moment.astimezone(UTC) - timedelta(days=days)
    except OverflowError:  # longer than there are years: nothing is that old
        then = datetime.min.replace(tzinfo=UTC)
    return then.isoformat(timespec="microseconds")


def _needed(log: Log, but: Iterable[int]) -> set[str]:
    """Digests that the decisions name, but for some of them."""
    left = {row.number for row in log.select(Query(kind="decision", limit=None))} - set(but)
    return {digest for number in left for digest in _blobs(log, number)}


def _blobs(log: Log, number: int) -> list[str]:
    predicate = log.entry(number).statement.predicate
    return [predicate["manifest"], *predicate.get("blobs", ()), *predicate.get("sealed", ())]


def _gone(log: Log) -> set[str]:
    """Digests that earlier runs dropped, and which are not there."""
    found: set[str] = set()
    for row in log.select(Query(kind="retention", newest_first=False, limit=None)):
        dropped = log.entry(row.number).statement.predicate.get("dropped")
        found |= {digest for digest in dropped if isinstance(digest, str)} if isinstance(dropped, list) else set()
    return {digest for digest in found if not log.blobs.has(digest)}
