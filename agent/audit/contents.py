"""What entries refer to: manifests, arrays and sealed parts, held against their digests and against themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import RecordError
from ..log.verified import Absent, Holder, Problem

if TYPE_CHECKING:
    from ..log.statement import Statement

__all__ = ["Contents"]

_HEAD = re.compile(r"(.{1,200})@([0-9]{1,15}):([0-9a-f]{64})")
_OWN = {"time", "clock"}  # what an entry of a decision says of its own, not of its record


class Contents:
    """Checks what entries refer to; to be handed to `verify_log`.

    Blobs are remembered by digest and not checked again, so that one of these is for one log or bundle. A record is
    held against every entry that names it: it is one entry's, and any other says something else than it.

    Args:
        deep: whether records are read and checked against themselves (`recheck_content`), or only their bytes.
    """

    def __init__(self, deep: bool = True) -> None:
        self.deep = deep
        self._sound: set[str] = set()

    def __call__(
        self, statement: Statement, number: int, holder: Holder, count: Callable[[str], Any]
    ) -> Iterator[Problem | Absent]:
        """Check what one entry refers to."""
        predicate = statement.predicate
        if statement.kind not in ("decision", "map"):
            return
        digests = [predicate.get("manifest"), *_list(predicate.get("blobs")), *_list(predicate.get("sealed"))]
        if not all(isinstance(digest, str) for digest in digests):
            yield Problem("format", f"entry {number}: it does not name its blobs by digest", number, statement.id)
            return
        if predicate["manifest"] not in dict(statement.subjects).values():
            told = f"entry {number}: its statement is about something else than its manifest"
            yield Problem("content", told, number, statement.id)
        whole = True
        for digest in digests:
            found = self._blob(digest, number, statement.id, holder, count)
            whole &= found is None
            if found is not None:
                yield found
        if whole and statement.kind == "decision":
            yield from self._record(statement, number, holder, count)
        elif whole:
            yield from self._map(statement, number, holder)

    def _blob(
        self, digest: str, number: int, id: str, holder: Holder, count: Callable[[str], Any]
    ) -> Problem | Absent | None:
        if digest in self._sound:
            return None
        try:
            holder.blobs.get(digest)
        except RecordError as error:
            cause = getattr(error, "cause", "database")
            problem = Problem(cause, f"entry {number}: {error}", number, id)
            return Absent(digest, problem) if cause == "missing" else problem
        self._sound.add(digest)
        count("blobs")
        return None

    def _record(
        self, statement: Statement, number: int, holder: Holder, count: Callable[[str], Any]
    ) -> Iterator[Problem]:
        """Read a record, and hold it against its entry and against itself."""
        from ..record.frame import read_manifest
        from ..record.manifest import read_arrays, read_result
        from ..record.summary import summary_of

        def problem(told: str, cause: str = "content") -> Problem:
            return Problem(cause, f"entry {number}: {told}", number, statement.id)

        try:
            digest = statement.predicate["manifest"]
            manifest = read_manifest(holder.blobs.get(digest), f"the manifest of entry {number}")
            yield from map(problem, _differences(statement.predicate, summary_of(manifest, digest)))
            subject = manifest["subject"]
            key = holder.subjects.find(subject) if isinstance(subject, str) else None
            for _ in range(len(_list(statement.predicate.get("sealed")))):
                count("sealed" if key is None else "opened")
            if not self.deep and key is None:
                return
            yield from map(problem, _heads(manifest["result"], number, holder))
            secret = None if key is None else key.key
            arrays = read_arrays(manifest, holder.blobs.get, key=secret)
            result = read_result(manifest, holder.blobs.get, secret)
            if self.deep:
                from .content import recheck_content

                for finding in recheck_content(result, arrays, manifest):
                    if not finding.ok:
                        yield problem(f"{finding.what}: {finding.told}")
        except RecordError as error:
            yield problem(str(error), getattr(error, "cause", "content"))

    def _map(self, statement: Statement, number: int, holder: Holder) -> Iterator[Problem]:
        """Read a map that came from elsewhere."""
        from ..record.canonical import read_json
        from ..record.foreign.maps import manifest_to_map

        where = f"the map of entry {number}"
        try:
            manifest_to_map(read_json(holder.blobs.get(statement.predicate["manifest"]), where), holder.blobs.get)
        except RecordError as error:
            cause = getattr(error, "cause", "content")
            yield Problem(cause, f"entry {number}: {error}", number, statement.id)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _differences(told: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    """Where the entry says other than its record."""
    for name, value in record.items():
        at = "decided" if name == "time" and "decided" in told else name  # `time` itself is when the entry was written
        if at not in _OWN and told.get(at) != value:
            yield f"{at} is {_short(told.get(at))} in the entry, {_short(value)} in its record"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _heads(result: Mapping[str, Any], number: int, holder: Any) -> Iterator[str]:
    """Heads of this log that control edits were drawn from: whether the log had them, and before the entry."""
    verdict = result.get("verdict")
    attempts = _list(verdict.get("attempts")) if isinstance(verdict, Mapping) else []
    salts = [attempt.get("salt") for attempt in attempts if isinstance(attempt, Mapping)]
    for salt in dict.fromkeys(salt for salt in salts if isinstance(salt, str)):
        match = _HEAD.fullmatch(salt)
        if match is None or match[1] != getattr(holder, "origin", None):
            continue  # drawn at random, or from another log's head
        size = int(match[2])
        if size > number:
            yield f"its control edits were drawn from the log's head of size {size}, which came after it"
            continue
        from ..log.note import read_checkpoint

        if read_checkpoint(holder.checkpoint(size)).checkpoint.root.hex() != match[3]:
            yield f"its control edits were drawn from a head of size {size} that this log never had"
