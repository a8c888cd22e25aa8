"""Where a byte of a log can be changed, how, and which causes an auditor may be told then (private)."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._tampered import Judgement, judge, settle
from veridical.agent.audit.contents import Contents
from veridical.agent.log.bundle import verify_bundle
from veridical.agent.log.erasure import check_certificate
from veridical.agent.log.merkle import leaf_hash
from veridical.agent.log.proof import check_proof, read_proof
from veridical.agent.log.verified import Expected
from veridical.agent.record.canonical import read_json
from veridical.errors import RecordError

__all__ = ["COLUMNS", "NOTE", "SIGNED", "Outcome", "Sandbox", "Stored", "flipped"]

SIGNED = frozenset({"json", "signature", "key", "algorithm", "format"})
"""What a changed byte of an envelope can come to."""

NOTE = frozenset({"checkpoint", "signature", "key"})
"""What a changed byte of a signed tree head can come to."""

FOUND = frozenset({"digest", "json", "format", "path", "size", "order", "missing"})
"""What a changed byte of a bundle can come to: of its index, its names and sizes, or its files."""

PROOF = frozenset({"tree", "format", *NOTE})
"""What a changed byte of a proof can come to."""

_INDEX = frozenset({"index"})
COLUMNS: Mapping[tuple[str, str], frozenset[str]] = {
    ("meta", "name"): frozenset({"index", "format"}),
    ("meta", "value"): frozenset({"index", "format"}),
    ("entries", "number"): frozenset({"order", "missing"}),
    **{("entries", name): _INDEX for name in "id kind time about action verdict system subject".split()},
    ("entries", "leaf"): frozenset({"tree"}),
    ("entries", "envelope"): SIGNED,
    **{("facets", name): _INDEX for name in "number position name value amount".split()},
    **{("nodes", name): frozenset({"tree"}) for name in "level position hash".split()},
    ("checkpoints", "size"): frozenset({"checkpoint", "rollback"}),
    ("checkpoints", "note"): NOTE,
    ("witnessed", "size"): frozenset({"checkpoint", "rollback"}),
    ("witnessed", "name"): _INDEX,
    ("witnessed", "note"): NOTE | _INDEX,
}
"""The causes that are right for a changed byte, by table and column."""

Dump = dict[tuple[str, str], list[Any]]


@dataclass(frozen=True)
class Outcome:
    """What came of one change.

    Attributes:
        place: where.
        what: which byte, in words.
        causes: all that are told, that of the first bad entry first; empty where nothing is found.
        right: whether the first is one that is right for this place, and tells the right entry where there is one.
        effect: whether anything that is stored is another afterwards.
        refused: whether the log does not even open.
    """

    place: str
    what: str
    causes: tuple[str, ...]
    right: bool
    effect: bool = True
    refused: bool = False


def flipped(content: bytes, at: int, rng: random.Random) -> bytes:
    """Return bytes of which one is another."""
    return content[:at] + bytes([content[at] ^ rng.randrange(1, 256)]) + content[at + 1 :]


class Sandbox:
    """A log in its home, whose files are changed and put back.

    Args:
        home: of the log; nobody else may have it open.
        expected: what an auditor knows.
    """

    def __init__(self, home: Path, expected: Expected) -> None:
        self.home, self.expected = home, expected
        self.path = home / "log.sqlite"
        settle(home)
        self.sound = self.path.read_bytes()
        self.dumped = dump(self.path) or {}

    def judge(self) -> Judgement:
        """Verify the log as it is now."""
        return judge(self.home, self.expected)

    def column(self, table: str, column: str, rng: random.Random) -> Outcome | None:
        """Change one byte of one value of a column; None where the database itself refuses it."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            keys = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
            connection.text_factory = bytes
            query = f"SELECT {', '.join(keys)}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
            *key, value = rng.choice(connection.execute(f"{query} ORDER BY {', '.join(keys)}").fetchall())
            if value in (b"", ""):
                return None
            new, what = _changed(value, rng)
            told = "CAST(? AS TEXT)" if isinstance(value, bytes) and _is_text(table, column) else "?"
            texts = [bytes(part).decode() if isinstance(part, bytes) else part for part in key]
            where = " AND ".join(f"{name} = ?" for name in keys)
            try:
                connection.execute(f"UPDATE {table} SET {column} = {told} WHERE {where}", [new, *texts])  # noqa: S608
                connection.commit()
            except sqlite3.IntegrityError:
                return None
        try:
            found = self.judge()
        finally:
            self.restore()
        right = bool(found.causes) and found.causes[0] in COLUMNS[table, column]
        if table == "entries" and column not in ("number", "leaf") and found.first is not None:
            right &= found.first.entry == texts[0]
        place = "envelopes" if column == "envelope" else f"columns of {table}"
        return _told(place, f"{column} of {texts}: {what}", found, right=right)

    def raw(self, rng: random.Random) -> Outcome:
        """Change one byte of SQLite's file."""
        at = rng.randrange(len(self.sound))
        self.path.write_bytes(flipped(self.sound, at, rng))
        try:
            after = dump(self.path)
            found = self.judge()
        finally:
            self.restore()
        wanted = frozenset({"database"})
        if after is not None:
            changed = [key for key in {**self.dumped, **after} if self.dumped.get(key) != after.get(key)]
            wanted |= frozenset().union(*(COLUMNS.get(key, frozenset()) for key in changed))
            if ("entries", "number") in changed:  # a row that is lost
                wanted |= {"order", "missing", "tree", "index", "checkpoint"}
            if not changed:
                wanted |= {"index", "tree"} if found.causes else frozenset()
        effect = after != self.dumped or bool(found.causes)
        right = bool(found.causes) and found.causes[0] in wanted
        return _told("SQLite’s file", f"byte {at}", found, right=right, effect=effect)

    def file(self, place: str, path: Path, causes: frozenset[str], rng: random.Random) -> Outcome:
        """Change one byte of another file of the home."""
        content = path.read_bytes()
        at = rng.randrange(len(content))
        path.write_bytes(flipped(content, at, rng))
        try:
            found = self.judge()
        finally:
            path.write_bytes(content)
        right = bool(found.causes) and found.causes[0] in causes
        return _told(place, f"{path.name}, byte {at}", found, right=right)

    def restore(self) -> None:
        """Put SQLite's file back as it was."""
        settle_nothing(self.home)
        self.path.write_bytes(self.sound)


@dataclass(frozen=True)
class Stored:
    """What a log hands out: proofs, a bundle, a certificate.

    Attributes:
        expected: what an auditor knows; its key is needed.
        proofs: (envelope, text) of entries.
        bundle: content of the file.
        certificate: content of the file, canonical JSON.
        folder: where a changed bundle is written to.
    """

    expected: Expected
    proofs: tuple[tuple[bytes, str], ...]
    bundle: bytes
    certificate: bytes
    folder: Path

    def proof(self, rng: random.Random) -> Outcome:
        """Change one byte of a proof."""
        envelope, text = rng.choice(self.proofs)
        content = text.encode()
        at = rng.randrange(len(content))
        changed = flipped(content, at, rng).decode("utf-8", "surrogateescape")

        def read() -> None:
            assert self.expected.key is not None  # noqa: S101  # made with one
            check_proof(read_proof(changed), leaf_hash(envelope), self.expected.key)

        return _alone("proofs", f"byte {at}", read, PROOF)

    def certified(self, rng: random.Random) -> Outcome:
        """Change one byte of a certificate."""
        at = rng.randrange(len(self.certificate))
        changed = flipped(self.certificate, at, rng)

        def read() -> None:
            assert self.expected.key is not None  # noqa: S101  # made with one
            check_certificate(read_json(changed, "certificate"), self.expected.key)

        return _alone("certificates", f"byte {at}", read, PROOF | SIGNED | {"content"})

    def bundled(self, rng: random.Random) -> Outcome:
        """Change one byte of a bundle."""
        at = rng.randrange(len(self.bundle))
        path = self.folder / "changed.zip"
        path.write_bytes(flipped(self.bundle, at, rng))
        found = verify_bundle(path, self.expected.key, Contents(deep=False))
        judged = Judgement(None, tuple(found.problems))
        return _told("bundles", f"byte {at}", judged, right=bool(judged.causes) and judged.causes[0] in FOUND)


def settle_nothing(home: Path) -> None:
    """Drop SQLite's helper files without bringing anything into the database."""
    for ending in ("-wal", "-shm", "-journal"):
        (home / f"log.sqlite{ending}").unlink(missing_ok=True)


def dump(path: Path) -> Dump | None:
    """Return all values of all tables, by table and column; None where SQLite cannot read them."""
    found: Dump = {}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = bytes
            for table in dict.fromkeys(table for table, _ in COLUMNS):
                names = [name for at, name in COLUMNS if at == table]
                rows = connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
                found.update({(table, name): [row[i] for row in rows] for i, name in enumerate(names)})
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        return None
    return found


def _alone(place: str, what: str, read: Callable[[], object], causes: frozenset[str]) -> Outcome:
    """Read what stands alone, and see what it is refused for."""
    try:
        read()
    except RecordError as error:
        cause = getattr(error, "cause", "json")  # malformed JSON is told without a cause by whoever parses it
        return Outcome(place, what, (cause,), cause in causes)
    return Outcome(place, what, (), right=False)


def _told(place: str, what: str, found: Judgement, *, right: bool, effect: bool = True) -> Outcome:
    return Outcome(place, what, found.causes, right, effect, found.opening is not None)


def _is_text(table: str, column: str) -> bool:
    return (table, column) not in {("entries", "leaf"), ("entries", "envelope"), ("nodes", "hash")}


def _changed(value: Any, rng: random.Random) -> tuple[Any, str]:
    """Change one byte of a value: of a text or blob as it is, of a number as eight bytes."""
    if isinstance(value, bytes):
        at = rng.randrange(len(value))
        return flipped(value, at, rng), f"byte {at}"
    form = ">d" if isinstance(value, float) else ">q"
    at = rng.randrange(8)
    new = struct.unpack(form, flipped(struct.pack(form, value), at, rng))[0]
    return new, f"byte {at} of {json.dumps(value)}"
