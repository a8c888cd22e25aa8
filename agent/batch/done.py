"""What of a batch is done, as the log itself says it: there is no other state that could disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["Done"]

_KINDS = {"decision": "done", "note": "failed before"}


class Done:
    """Looks items up in a log, through its index; what the index names is read in the entry itself.

    Args:
        log: to be looked into.
        size: only entries before this number count; None counts all. A look-up repeated later gives the same then.
    """

    def __init__(self, log: Log, size: int | None = None) -> None:
        self.log, self.size = log, size

    def find(self, key: str) -> str | None:
        """Return ``done`` where an item was explained, ``failed before`` where it only failed, else None."""
        found = None
        for kind, said in self._entries("batch", key):
            if said.get("batch") == key and kind in _KINDS:
                found = "done" if "done" in (found, _KINDS[kind]) else _KINDS[kind]
        return found

    def changed(self, name: str, digest: str) -> bool:
        """Return whether an item of this name was explained, and never with this content."""
        digests = [
            said.get("item-digest")
            for kind, said in self._entries("item", name)
            if kind == "decision" and said.get("item") == name
        ]
        return bool(digests) and digest not in digests

    def _entries(self, label: str, value: str) -> list[tuple[str, dict[str, str]]]:
        """Kind and labels of the entries that bear a label."""
        from ..log.query import Query

        rows = self.log.select(Query(facets=((f"label:{label}", value),), newest_first=False))
        numbers = [row.number for row in rows if self.size is None or row.number < self.size]
        statements = [self.log.entry(number).statement for number in numbers]
        return [(s.kind, dict(s.predicate.get("labels") or {})) for s in statements]
