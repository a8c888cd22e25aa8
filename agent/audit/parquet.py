"""Tables for analysts as Parquet: decisions, what they rest on, their claims, and operators' acts.

Words that were sealed stay out of them: claims are those of the record in the open.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, RecordError
from .reading import Decision, acts_about

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["TABLES", "write_tables"]

TABLES: Mapping[str, Mapping[str, str]] = {
    "decisions": {
        "entry": "int",
        "id": "text",
        "time": "time",
        "action": "text",
        "verdict": "text",
        "cause": "text",
        "score": "real",
        "probability": "real",
        "system": "text",
        "system_digest": "text",
        "subject": "text",
        "policy": "text",
        "policy_version": "text",
        "trigger": "text",
        "labels": "texts",
        "shares": "reals",
        "flags": "list",
        "manifest": "text",
        "evidence": "text",
    },
    "reliance": {
        "entry": "int",
        "record": "text",
        "label": "text",
        "kind": "text",
        "modality": "text",
        "effect": "real",
        "share": "real",
    },
    "claims": {
        "entry": "int",
        "record": "text",
        "claim": "text",
        "modality": "text",
        "where": "text",
        "name": "text",
        "named_by": "text",
        "confidence": "real",
        "predicted": "real",
        "measured": "real",
        "status": "text",
        "flips": "bool",
    },
    "acts": {
        "entry": "int",
        "id": "text",
        "time": "time",
        "record": "text",
        "act": "text",
        "who": "text",
        "reason": "text",
        "action": "text",
    },
}
"""Columns of each table by kind; scores and effects in nats, times in UTC. ``evidence`` is ``there`` or ``dropped``."""

_CHUNK = 2000  # rows that are held at once


def write_tables(log: Log, numbers: Iterable[int], folder: Path) -> dict[str, int]:
    """Write the tables of some entries: of decisions all four, with all acts about them; of operators' acts their row.

    Args:
        log: open for reading.
        numbers: of the entries; those of other kinds are passed over.
        folder: where to; is made. A table that is there already is not replaced.

    Returns:
        Rows of each table.

    Raises:
        InputError: pyarrow is not installed.
        RecordError: a table is there already or cannot be written, or an entry holds what no table can.
    """
    try:
        import pyarrow.parquet  # noqa: F401  # looked for before anything is made
    except ImportError as error:
        raise InputError("Parquet needs pyarrow, which is not installed: pip install 'veridical[analysis]'") from error
    there = [name for name in TABLES if (folder / f"{name}.parquet").exists()]
    if there:
        raise RecordError(f"{folder / there[0]}.parquet is there already; name another folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: _Table(folder / f"{name}.parquet", columns) for name, columns in TABLES.items()}
        try:
            _fill(log, sorted(set(numbers)), tables)
        finally:
            for table in tables.values():
                table.close()
    except OSError as error:
        raise RecordError(f"{folder} cannot be written to: {error.strerror or error}; name another folder") from error
    return {name: table.rows for name, table in tables.items()}


def _fill(log: Log, numbers: Iterable[int], tables: Mapping[str, _Table]) -> None:
    told: set[int] = set()
    for number in numbers:
        entry = log.entry(number)
        if entry.statement.kind == "operator":
            _act(tables["acts"], number, entry.statement.predicate, told)
        if entry.statement.kind != "decision":
            continue
        decision = Decision(log, entry)
        said, manifest = decision.predicate, decision.manifest
        system, policy = (_object(said.get(key)) for key in ("system", "policy"))
        fixed = {"entry": number, "system": system.get("name"), "system_digest": system.get("digest")}
        fixed |= {"policy": policy.get("name"), "policy_version": policy.get("version")}
        tables["decisions"].add({**said, **fixed, "evidence": "dropped" if manifest is None else "there"})
        for row in _objects(said.get("reliance")):
            tables["reliance"].add({**row, "entry": number, "record": said.get("id")})
        for row in _objects(manifest["result"].get("claims") if manifest else None):
            tables["claims"].add({**row, "entry": number, "record": said.get("id"), "claim": row.get("id")})
        for at, act in acts_about(log, entry.statement.id):
            _act(tables["acts"], at, act, told)


def _act(table: _Table, number: int, said: Mapping[str, Any], told: set[int]) -> None:
    if number not in told:
        told.add(number)
        table.add({**said, "entry": number, "record": said.get("about")})


class _Table:
    """One table, written some rows at a time."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {
            "int": pa.int64(),
            "text": pa.string(),
            "real": pa.float64(),
            "bool": pa.bool_(),
            "time": pa.timestamp("us", tz="UTC"),
            "texts": pa.map_(pa.string(), pa.string()),
            "reals": pa.map_(pa.string(), pa.float64()),
            "list": pa.list_(pa.string()),
        }
        self.columns, self.rows, self.held = columns, 0, list[dict[str, Any]]()
        self.schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; members that are no columns are left out."""
        self.held.append({name: _VALUES[kind](row.get(name)) for name, kind in self.columns.items()})
        self.rows += 1
        if len(self.held) >= _CHUNK:
            self._flush()

    def close(self) -> None:
        """Write what is held, and end the file."""
        self._flush()
        self.writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self.held:
            self.writer.write_table(pa.Table.from_pylist(self.held, schema=self.schema))
            self.held.clear()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


_VALUES = {
    "int": lambda value: value if isinstance(value, int) else None,
    "text": _text,
    "real": _real,
    "bool": lambda value: value if isinstance(value, bool) else None,
    "time": _moment,
    "texts": lambda value: [(str(k), _text(v)) for k, v in sorted(_object(value).items())],
    "reals": lambda value: [(str(k), _real(v)) for k, v in sorted(_object(value).items())],
    "list": lambda value: [str(item) for item in value] if isinstance(value, list) else [],
}
