"""What an entry of the log says: an in-toto Statement, version 1, with a predicate of this project.

The frame is https://in-toto.io/Statement/v1 (in-toto/attestation, spec/v1/statement.md), written as canonical JSON.
What a reader does not know: an unknown kind or version is refused; unknown members of the predicate are kept and
ignored, unless the predicate's ``critical`` names them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from ...errors import IntegrityError, RecordError
from ..record.canonical import canonical_json, read_json

__all__ = ["KINDS", "PREDICATE", "STATEMENT_TYPE", "VERSION", "Statement", "new_statement", "now", "read_statement"]

KINDS = (
    "opened",
    "decision",
    "map",
    "operator",
    "keys",
    "erasure",
    "hold",
    "retention",
    "time",
    "witness",
    "note",
)
"""What an entry can be about."""

VERSION = 1
"""The version of every kind's predicate."""

PREDICATE = "urn:veridical:{kind}:1"
"""The predicate's type, by kind."""

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
"""The type of the frame."""

_COMMON = "id time about clock critical"
_MEMBERS = {
    "opened": "origin key format",
    "decision": (
        "monotonic system action verdict cause score probability shares subject labels policy trigger manifest blobs "
        "sealed reliance flags decided"
    ),
    "map": "manifest blobs sealed",
    "operator": "act who reason action",
    "keys": "act key replaced from_entry reason",
    "erasure": "act order subject records entries reason who keys_destroyed",
    "hold": "act scope subject subjects records hold reason who",
    "retention": "rule dropped records subject who",
    "time": "checkpoint token authority",
    "witness": "checkpoint",
    "note": "agent event detail said",
}
# What a predicate may declare critical and be read all the same: the members whose meaning this version knows.
_KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {kind: frozenset(f"{_COMMON} {members}".split()) for kind, members in _MEMBERS.items()}
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00:00")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TYPE = re.compile(r"urn:veridical:([a-z]{1,32}):([1-9][0-9]{0,8})")
_NEWER = "a newer veridical may be needed"


@dataclass(frozen=True)
class Statement:
    """What an entry says; make one with `new_statement`, read one with `read_statement`.

    Attributes:
        kind: one of `KINDS`.
        id: a UUID of version 4, in lower case.
        time: when it was said, ISO 8601 in UTC with microseconds. Such times sort as they follow each other.
        predicate: what is said, plain JSON values; it holds ``id`` and ``time`` too.
        subjects: (name, ``sha256:…``) of what it is about, at least one, each name once.
    """

    kind: str
    id: str
    time: str
    predicate: Mapping[str, Any]
    subjects: tuple[tuple[str, str], ...]

    def payload(self) -> bytes:
        """Return the statement as canonical JSON: the bytes that are signed.

        Raises:
            RecordError: the predicate holds what JSON cannot, or another id or time than the statement.
        """
        said = self.predicate.get("id"), self.predicate.get("time")
        if said != (self.id, self.time):
            told = f"the statement {self.id} of {self.time} has a predicate that says {said[0]} and {said[1]}"
            raise RecordError(f"{told}; make it with new_statement")
        document = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": n, "digest": {"sha256": d.removeprefix("sha256:")}} for n, d in self.subjects],
            "predicateType": PREDICATE.format(kind=self.kind),
            "predicate": dict(self.predicate),
        }
        return canonical_json(document, f"the statement {self.id}")


def now() -> str:
    """Return this moment in the form that statements use: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_statement(
    kind: str,
    predicate: Mapping[str, Any],
    subjects: Sequence[tuple[str, str]],
    time: str | None = None,
    id: str | None = None,
) -> Statement:
    """Make a statement that can be signed, and read again.

    Args:
        kind: one of `KINDS`.
        predicate: what is said, plain JSON values; ``id`` and ``time`` are put in where it has none.
        subjects: (name, ``sha256:…``) of what it is about, at least one, each name once.
        time: when, ISO 8601 in UTC with microseconds; left out, the predicate's or this moment.
        id: a UUID of version 4; left out, the predicate's or a fresh one.

    Returns:
        The statement as a reader will see it: canonical JSON has one kind of number, so that 1.0 comes back as 1.

    Raises:
        RecordError: an unknown kind, a subject, id or time of another form, or values that JSON cannot hold.
    """
    said = dict(predicate)
    for name, given, fresh in (("id", id, lambda: str(uuid.uuid4())), ("time", time, now)):
        value = said.setdefault(name, given if given is not None else fresh())
        if given is not None and given != value:
            raise RecordError(f"the predicate says {name} {value}, and {given} is asked for; leave one of them out")
    made = Statement(kind, said["id"], said["time"], said, tuple((name, digest) for name, digest in subjects))
    try:
        return read_statement(made.payload(), f"the new statement of kind {kind!r}")
    except IntegrityError as error:  # nothing was signed yet: what is given is wrong, nothing was altered
        raise RecordError(f"{error}; it cannot be written so") from error


def read_statement(payload: bytes, where: str, entry: int | None = None) -> Statement:
    """Read a statement strictly.

    Args:
        payload: an envelope's payload, whose signatures hold.
        where: what is read, for messages, such as ``entry 12``.
        entry: the log's entry, for errors.

    Raises:
        IntegrityError: ``json`` malformed, not canonical, or members of another form; ``format`` an unknown kind,
            version or critical member; ``algorithm`` a digest other than SHA-256.
    """
    try:
        document = read_json(payload, where, canonical=True)
    except RecordError as error:
        raise IntegrityError(str(error), "json", entry) from error
    if not isinstance(document, dict):
        raise IntegrityError(f"{where} is no JSON object, and a statement is one", "json", entry)
    if document.get("_type") != STATEMENT_TYPE:
        told = f"{where} is of type {document.get('_type')!r:.80}, and this version reads {STATEMENT_TYPE!r}"
        raise IntegrityError(f"{told}; {_NEWER}", "format", entry)
    kind = _kind(document.get("predicateType"), where, entry)
    if unknown := sorted(document.keys() - {"_type", "subject", "predicateType", "predicate"}):
        told = f"{where} has members beside the statement's that this version does not know: {', '.join(unknown)[:80]}"
        raise IntegrityError(f"{told}; {_NEWER}", "format", entry)
    subjects = _subjects(document.get("subject"), where, entry)
    predicate = _predicate(document.get("predicate"), kind, where, entry)
    return Statement(kind, predicate["id"], predicate["time"], predicate, subjects)


def _kind(name: Any, where: str, entry: int | None) -> str:
    """Return the kind that a predicate's type names."""
    found = _TYPE.fullmatch(name) if isinstance(name, str) else None
    if found is None or found[1] not in KINDS:
        told = f"{where} holds a predicate of type {name!r:.80}; this version knows the kinds {', '.join(KINDS)}"
        raise IntegrityError(f"{told}, as {PREDICATE.format(kind='…')}; {_NEWER}", "format", entry)
    if int(found[2]) != VERSION:
        told = f"{where} is of version {found[2]} of the kind {found[1]!r}, and this version reads {VERSION}"
        raise IntegrityError(f"{told}; {_NEWER}", "format", entry)
    return found[1]


def _subjects(rows: Any, where: str, entry: int | None) -> tuple[tuple[str, str], ...]:
    """Read what a statement is about."""
    if not isinstance(rows, list) or not rows:
        raise IntegrityError(f"{where} names no subject, and a statement is about at least one", "json", entry)
    subjects = tuple(_subject(row, f"{where}: subject {i}", entry) for i, row in enumerate(rows))
    names = [name for name, _ in subjects]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise IntegrityError(f"{where} names the subject {twice!r:.60} twice; name each once", "json", entry)
    return subjects


def _subject(row: Any, where: str, entry: int | None) -> tuple[str, str]:
    """Read one subject: its name and the one digest."""
    name, digests = (row.get("name"), row.get("digest")) if isinstance(row, dict) else (None, None)
    if not isinstance(name, str) or not name or not isinstance(digests, dict) or not digests or len(row) != 2:
        raise IntegrityError(f"{where} is not a name and a digest", "json", entry)
    if digests.keys() != {"sha256"}:
        told = f"{where} ({name:.60}) has digests by {', '.join(sorted(digests))[:60]}; SHA-256 alone is read"
        raise IntegrityError(told, "algorithm", entry)
    digest = f"sha256:{digests['sha256']}"
    if not _DIGEST.fullmatch(digest):
        told = f"{where} ({name:.60}) has the digest {digest:.80}, and SHA-256 is 64 hexadecimal digits in lower case"
        raise IntegrityError(told, "json", entry)
    return name, digest


def _predicate(said: Any, kind: str, where: str, entry: int | None) -> dict[str, Any]:
    """Read a predicate: the members that every kind has, and those that must be understood."""
    if not isinstance(said, dict):
        raise IntegrityError(f"{where} has no predicate, and every kind says something", "json", entry)
    _critical(said, kind, where, entry)
    name, time, about, clock = (said.get(member) for member in ("id", "time", "about", "clock"))
    if not isinstance(name, str) or not _UUID4.fullmatch(name):
        raise IntegrityError(f"{where}: id is {name!r:.60}, not a UUID of version 4 in lower case", "json", entry)
    if not isinstance(time, str) or not _is_time(time):
        told = f"{where}: time is {time!r:.60}, not of the form 2026-11-23T20:12:33.281000+00:00"
        raise IntegrityError(told, "json", entry)
    for member, value in (("about", about), ("clock", clock)):
        if value is not None and not isinstance(value, str):
            raise IntegrityError(f"{where}: {member} is {value!r:.60}, neither words nor null", "json", entry)
    return said


def _critical(said: dict[str, Any], kind: str, where: str, entry: int | None) -> None:
    """See that this version knows what a predicate declares must be understood; what is named must be there."""
    names = said.get("critical", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise IntegrityError(f"{where}: critical is {names!r:.60}, not a list of names", "json", entry)
    for name in names:
        if name not in _KNOWN[kind] or name not in said:
            told = f"{where} says that {name!r:.60} must be understood, and this version does not know it there"
            raise IntegrityError(f"{told}; {_NEWER}", "format", entry)


def _is_time(text: str) -> bool:
    """Whether text is a moment in the one form that statements use."""
    try:
        return _TIME.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:  # such as a thirteenth month
        return False
