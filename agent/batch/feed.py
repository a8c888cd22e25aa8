"""The rows of a batch: a source's items, each with its digest and key, and whether the log has it already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import InputError
from .done import Done
from .explaining import FIELDS
from .item import Bad, Item
from .packing import pack
from .plan import RESERVED, Plan
from .secret import digest_of_content, secret_of
from .sources import Source

__all__ = ["Feed"]


@dataclass(frozen=True)
class Feed:
    """Rows to be worked on, one at a time; may be sent to another process on the machine that has the home.

    Iterated twice it gives the same rows, whatever was logged meanwhile, for only entries before `size` count.

    Attributes:
        source: of the items.
        plan: how they are explained.
        identity: of the system.
        home: of the log.
        url: of its database, None for SQLite's in the home.
        size: of the log when the batch was begun.
    """

    source: Source
    plan: Plan
    identity: str
    home: Path
    url: str | None
    size: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield a row of `FIELDS` for each item: of kind ``item``, ``bad``, ``done`` or ``failed before``."""
        from ..log.log import Log

        secret, seen = secret_of(self.home), set()
        with Log.open(self.home, self.url, read_only=True) as log:
            done = Done(log, self.size)
            for one in islice(self.source, self.plan.limit):
                if one.id in seen:
                    one = Bad(one.id, f"{one.id}: a second item of this name; give each its own")
                seen.add(one.id)
                yield self._row(one, secret, done)

    def _row(self, one: Item | Bad, secret: bytes, done: Done) -> dict[str, Any]:
        content = b""
        if isinstance(one, Item):
            try:
                if taken := sorted(set(one.labels) & set(RESERVED)):
                    raise InputError(f"{one.id}: label {taken[0]!r} is one that a batch gives itself; rename it")
                content = pack(one.observation)
            except InputError as error:
                one = Bad(one.id, str(error))
        if isinstance(one, Bad):
            # What cannot be read has no content: the same trouble is the same item, and is noted once.
            digest = digest_of_content(secret, f"bad {one.why}".encode())
            row = {"kind": "bad", "id": one.id, "digest": digest, "why": " ".join(one.why.split())}
        else:
            digest = digest_of_content(secret, content)
            row = {"kind": "item", "id": one.id, "digest": digest, "content": content, "time": one.time or ""}
            row |= {"labels": json.dumps(dict(one.labels)), "notes": json.dumps(list(one.notes))}
        key = self.plan.key(one.id, digest, self.identity)
        found = done.find(key)
        if found == "done" or (found == "failed before" and not self.plan.retry_failed):
            return {**FIELDS, "id": one.id, "key": key, "digest": digest, "kind": found, "why": row.get("why", "")}
        changed = isinstance(one, Item) and done.changed(one.id, digest)
        return {**FIELDS, **row, "key": key, "changed": changed}
