"""What the auditor's commands print of entries and decisions."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import RecordError, VeridicalError
from ..wording import clean
from .tables import Column, heading, paint, pairs, say, table, width
from .told import act_told, gist, said, verdict_told, when

if TYPE_CHECKING:
    from ..log.log import Log
    from ..log.query import Row
    from ..log.reading import Entry
    from .reading import Decision

__all__ = [
    "about_entry",
    "as_row",
    "check_entry",
    "malformed",
    "print_lines",
    "told_arrays",
    "told_decision",
    "told_entry",
    "told_rows",
]

_COLUMNS = (
    Column("entry", right=True),
    Column("time (UTC)"),
    Column("kind"),
    Column("action", least=6),
    Column("account"),
    Column("system", least=7, spare=1),
    Column("labels, or who and what", least=12),
)

_TOLD = ("decision", "account", "shares", "system")  # what the explanation tells as well


def as_row(log: Log, row: Row) -> dict[str, Any]:
    """A row as JSON has it, with what its entry says in a few words, ``gist``."""
    return {**vars(row), "gist": _gist(log, row)}


def told_rows(log: Log, rows: Sequence[Row]) -> list[str]:
    """Rows of a log as a table; a narrow terminal gets times to the minute and verdicts as their marks."""
    narrow = width() < 80
    cells = [
        (
            str(row.number),
            when(row.time)[5:16] if narrow else when(row.time),
            row.kind,
            row.action or "",
            verdict_told(row.verdict)[: 1 if narrow else None],
            row.system or "",
            _gist(log, row),
        )
        for row in rows
    ]
    return table(_COLUMNS, cells)


def _gist(log: Log, row: Row) -> str:
    try:
        statement = log.entry(row.number).statement
    except RecordError as error:  # the list goes on; verify says what is wrong
        return f"cannot be read: {error}"
    return gist(statement.kind, statement.predicate)


def about_entry(log: Log, entry: Entry, size: int, decision: Decision | None = None) -> list[str]:
    """What an entry is, where it stands, who signed it; of a decision also what the log says beside its account."""
    statement = entry.statement
    title = f"Entry {entry.number}  {statement.kind}"
    lines = [paint(title, bold=True) + paint(f"  of {size} in {clean(log.origin)}", dim=True)]
    signers = ", ".join(key_id for key_id, _ in entry.sealed.signatures)
    rows = [("time", f"{when(statement.time)} UTC"), ("id", statement.id)]
    about = statement.predicate.get("about")
    if about is not None:
        rows.append(("about", f"{about}{_number_of(log, about)}"))
    if decision is not None:
        rows += _beside(decision)
    rows += [("signed by", signers), ("checked", check_entry(log, entry))]
    return lines + pairs(rows)


def _beside(decision: Decision) -> list[tuple[str, str]]:
    """What the log says of a decision that its explanation does not."""
    rows = [row for row in said("decision", decision.predicate) if row[0] not in _TOLD]
    if decision.name is not None:
        rows = [(name, f"{value} ({decision.name})" if name == "subject" else value) for name, value in rows]
    return rows


def _number_of(log: Log, id: str) -> str:
    try:
        return f" (entry {log.entry(id).number})"
    except RecordError:
        return " (not in this log)"


def check_entry(log: Log, entry: Entry) -> str:
    """Check an entry's signatures and that it is in the log's tree, and say so in a line; faults are said as well."""
    from ..log.merkle import leaf_hash
    from ..log.note_key import NoteKey
    from ..log.proof import check_proof

    try:
        trust = log.trust()
        trust.check(entry.sealed, entry.number, f"entry {entry.number}")
        proof = log.prove(entry.number)
        head = _size(proof.checkpoint)
        check_proof(proof, leaf_hash(entry.envelope), NoteKey(log.origin, trust.signing_at(head)))
    except RecordError as error:
        return f"✗ {error}"
    return f"✓ its signature, and its place in the tree of {head}"


def _size(checkpoint: str) -> int:
    from ..log.note import read_checkpoint

    return read_checkpoint(checkpoint).checkpoint.size


def told_entry(entry: Entry) -> list[str]:
    """What an entry says, name by name."""
    rows = said(entry.statement.kind, entry.statement.predicate)
    return [heading("What it says"), *pairs(rows)] if rows else []


def told_decision(decision: Decision) -> Iterable[str]:
    """A decision: what the entry says, the explanation where it is there, acts, and what is not to be had."""
    acts = decision.acts()
    if decision.manifest is None:
        yield heading("What the entry says")
        yield from pairs(row for row in said("decision", decision.predicate) if row[0] in _TOLD)
    else:
        yield ""
        yield _rendered(decision.result)
    yield heading("What people did")
    for number, act in acts:
        yield from pairs([(f"entry {number}", f"{when(str(act.get('time', '')))}  {act_told(act)}")])
    if not acts:
        yield "The log names nobody who accepted, changed or contested this decision."
    missing = decision.missing()
    if missing:
        yield heading("What is sealed, gone or coarse")
        for line in missing:
            yield from pairs([("·", line)])


def _rendered(result: Mapping[str, Any]) -> str:
    """The explanation as `veridical explain` prints it."""
    from ..terminal import render

    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with malformed("the record's result cannot be told"):
        return render(result, width=min(width(), 100), color=color, encoding=encoding).rstrip("\n")


@contextlib.contextmanager
def malformed(what: str) -> Iterator[None]:
    """Say in words that a record is not of its form: it is untrusted, and what tells of it believes its form.

    Raises:
        RecordError: whatever went wrong within, with ``what`` before it.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, VeridicalError):
            raise
        raise RecordError(
            f"{what}: {clean(repr(error))[:120]}; its members are not of the form of veridical.explanation/1: "
            "`veridical audit verify` says more"
        ) from error


def told_arrays(decision: Decision) -> list[str]:
    """The arrays of a record as a table."""
    columns = (
        Column("array"),
        Column("dims", least=14),
        Column("dtype", spare=2),
        Column("unit", least=8, spare=1),
        Column("coding", least=5),
        Column("state", least=8),
    )
    rows = [(r.name, r.dims, r.dtype, r.unit, r.coding, r.state) for r in decision.stored()]
    return [heading("Arrays"), *table(columns, rows)]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        say(line)
