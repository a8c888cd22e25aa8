"""The one who writes a batch into the log: its driver, whatever engine explains.

One writer makes "nothing twice, nothing lost" simple: a worker that dies has written nothing, a driver that dies has
written whole entries only, and keys and the subjects' secrets never leave the home.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .plan import Plan

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["Writer"]


class Writer:
    """Writes rows into a log.

    Args:
        log: opened for writing.
        plan: under which the rows came about.
    """

    def __init__(self, log: Log, plan: Plan) -> None:
        self.log, self.plan = log, plan

    def keep(self, row: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Append an explained item; it is durable when this returns.

        Returns:
            The entry's number, and the result.

        Raises:
            RecordError: it cannot be written.
        """
        from ..logged import log_decision
        from ..record.canonical import read_json
        from ..record.context import Context
        from ..record.tensors import read_tensors
        from .frames import from_bytes

        result = read_json(row["result"], f"the result of {row['id']}")
        arrays = {
            name: read_tensors(content, f"array {name!r} of {row['id']}")["array"]
            for name, content in from_bytes(row["arrays"]).items()
        }
        context = Context(
            **({"id": result["id"]} if "id" in result else {}),
            start=row["started"] or None,
            end=row["ended"] or None,
            trigger="batch",
            labels=self._labels(row),
            policy=self.plan.policy,
            provenance=read_json(row["provenance"], "the provenance") if row["provenance"] else None,
        )
        return log_decision(self.log, result, arrays, context).number, result

    def fail(self, row: Mapping[str, Any]) -> int:
        """Append a note of an item that could not be read or explained.

        Raises:
            RecordError: it cannot be written.
        """
        from ..log.statement import new_statement, now

        detail = {"item": row["id"], "why": row["why"], "depth": self.plan.depth}
        said = {"agent": "explain-all", "event": "failed", "said": now(), "detail": detail}
        return self.log.append(new_statement("note", said | {"labels": self._labels(row)}, self.log.about())).number

    def _labels(self, row: Mapping[str, Any]) -> dict[str, str]:
        given = {**json.loads(row["labels"]), **self.plan.labels}
        own = {"item": row["id"], "item-digest": row["digest"], "batch": row["key"], "depth": self.plan.depth}
        return given | own | ({"observed": row["time"]} if row["time"] else {})
