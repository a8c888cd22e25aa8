"""The commands ``veridical audit list``, ``show``, ``query`` and ``diff``: reading what a log holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError
from .options import file_option, filter_options, json_option, log_options, opened, print_json
from .tables import paint, say

if TYPE_CHECKING:
    from .reading import Decision

__all__ = ["diff", "list_entries", "query", "show"]


@click.command("list")
@click.option("--kind", metavar="KIND", help="Only entries of this kind, such as decision, operator, keys or erasure.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="The most entries; 0 for all.")
@log_options
@json_option
def list_entries(kind: str | None, limit: int, as_json: bool, **options: Any) -> None:
    """List the entries of the log, the newest first."""
    from ..log.query import Query
    from .asking import check_kind
    from .terminal import as_row, print_lines, told_rows

    wanted = Query(kind=check_kind(kind), limit=limit or None)
    with opened(options) as log:
        rows, count = log.select(wanted), log.count(wanted)
        if as_json:
            print_json({"origin": log.origin, "entries": count, "rows": [as_row(log, row) for row in rows]})
            return
        of = f" of kind {kind}" if kind else ""
        entries = "entry" if count == 1 else "entries"
        say(paint(log.origin, bold=True) + paint(f"  {count:,} {entries}{of}, in {log.home}", dim=True))
        if not rows:
            say("Nothing is in it." if not kind else f"Nothing{of} is in it.")
            return
        print_lines(told_rows(log, rows))
        if len(rows) < count:
            say(paint(f"{count - len(rows):,} more: --limit 0 lists all", dim=True))


@click.command()
@click.argument("which", metavar="WHICH")
@click.option("--arrays", is_flag=True, help="List the record's arrays: axes, unit, coding, and what can be read.")
@click.option(
    "--save-array",
    nargs=2,
    metavar="NAME FILE",
    help="Write one array to a file: .npy for its numbers, .png for a picture of it.",
)
@file_option("--report", ".html", "Draw the decision's report, one self-contained file.")
@log_options
@json_option
def show(
    which: str, arrays: bool, save_array: tuple[str, str] | None, report: Path | None, as_json: bool, **options: Any
) -> None:
    """Show one entry; of a decision its whole explanation, and what people did about it.

    WHICH is the entry's number, its id, or the first six or more characters of the id. What is sealed is opened where
    the subject's key is in the home.
    """
    from .reading import Decision
    from .saving import check_array_file, save

    target = check_array_file(save_array[1]) if save_array else None
    if report:
        from ..report import check_report

        check_report(report)
    with opened(options) as log:
        entry, size = log.entry(which), log.size()
        decision = Decision(log, entry) if entry.statement.kind == "decision" else None
        if decision is None and (arrays or save_array or report):
            told = f"entry {entry.number} is of kind {entry.statement.kind!r}, and has no arrays and no report"
            raise InputError(f"{told}; name a decision")
        if decision is not None and target is not None and save_array is not None:
            save(decision.arrays([save_array[0]])[save_array[0]], save_array[0], target)
        if decision is not None and report:
            _report(decision, report)
        _shown(log, entry, decision, size, as_json=as_json, arrays=arrays)


def _report(decision: Decision, path: Path) -> None:
    """Draw the report of a decision from what the log holds of it."""
    from jinja2 import TemplateError

    from ...errors import RecordError
    from ..report import write_report
    from .terminal import malformed

    result, arrays = decision.result, decision.arrays()
    try:
        with malformed(f"the report of {decision.where} cannot be drawn"):
            write_report(path, result, arrays)
    except TemplateError as error:
        told = f"the report of {decision.where} cannot be drawn: {error}; its result is not of its form"
        raise RecordError(told) from error
    click.echo(f"report: {path}", err=True)


def _shown(log: Any, entry: Any, decision: Decision | None, size: int, *, as_json: bool, arrays: bool) -> None:
    """Print an entry."""
    from .terminal import about_entry, print_lines, told_arrays, told_decision, told_entry

    if as_json:
        print_json(_plain(entry, decision))
        return
    print_lines(about_entry(log, entry, size, decision))
    if decision is None:
        print_lines(told_entry(entry))
    elif not arrays:
        print_lines(told_decision(decision))
    elif decision.manifest is None:
        print_lines(decision.missing())
    else:
        print_lines(told_arrays(decision))


def _plain(entry: Any, decision: Decision | None) -> dict[str, Any]:
    """An entry as JSON has it."""
    statement = entry.statement
    told = {
        "number": entry.number,
        "kind": statement.kind,
        "digest": entry.digest,
        "subjects": [list(pair) for pair in statement.subjects],
        "signed_by": [key_id for key_id, _ in entry.sealed.signatures],
        "predicate": dict(statement.predicate),
    }
    if decision is None:
        return told
    there = decision.manifest is not None
    return told | {
        "result": decision.result if there else None,
        "arrays": [vars(row) for row in decision.stored()] if there else [],
        "acts": [{"entry": number, **act} for number, act in decision.acts()],
        "missing": decision.missing(),
    }


@click.command()
@filter_options
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="The most rows; 0 for all.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Rows to pass over first.")
@click.option(
    "--count-by",
    metavar="NAMES",
    help="Count instead of listing: names by commas, of action, verdict, cause, system, kind, subject, day, month, "
    "concept, label:NAME.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print as CSV, and nothing else.")
@log_options
@json_option
def query(as_json: bool, as_csv: bool, count_by: str | None, limit: int, offset: int, **options: Any) -> None:
    """Find decisions in the log by what they are about, the newest first, or count them.

    What can be found are whole words of the log, not signals or sentences: actions, verdicts, labels, names of
    concepts, operators. The index is believed here; `veridical audit verify` holds it against the signed entries.
    """
    from .asking import ask, counted, names_of, print_csv
    from .terminal import as_row, print_lines, told_rows

    if as_json and as_csv:
        raise InputError("--json and --csv: one form is printed; give one of the two")
    by = names_of(count_by) if count_by is not None else None
    with opened(options) as log:
        rows = ask(log, options)
        if by is not None:
            _counts(counted(log, rows, by), by, len(rows), as_json=as_json, as_csv=as_csv)
            return
        part = rows[offset : offset + limit] if limit else rows[offset:]
        if as_csv:
            print_csv([as_row(log, row) for row in part])
        elif as_json:
            print_json({"origin": log.origin, "found": len(rows), "rows": [as_row(log, row) for row in part]})
        elif not rows:
            say("Nothing in the log meets this.")
        else:
            print_lines(told_rows(log, part))
            say(paint(f"{len(part):,} of {len(rows):,} found", dim=True))


def _counts(found: list[tuple[tuple[str, ...], int]], by: list[str], rows: int, *, as_json: bool, as_csv: bool) -> None:
    """Print counts."""
    from .asking import print_csv
    from .tables import Column, table
    from .terminal import print_lines

    told = [dict(zip(by, values, strict=True)) | {"count": count} for values, count in found]
    if as_json:
        print_json({"found": rows, "counts": told})
    elif as_csv:
        print_csv(told, [*by, "count"])
    else:
        columns = [*(Column(name, least=6) for name in by), Column("count", right=True), Column("share", right=True)]
        share = [f"{count / rows:.1%}" for _, count in found]
        cells = [(*values, f"{count:,}", part) for (values, count), part in zip(found, share, strict=True)]
        print_lines(table(columns, cells))
        say(paint(f"of {rows:,} found", dim=True))


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@log_options
@json_option
def diff(first: str, second: str, as_json: bool, **options: Any) -> None:
    """Compare two decisions: what was decided, what changed most, and what only one of them says."""
    from .diff import difference
    from .reading import read_decision
    from .tables import width
    from .terminal import print_lines
    from .told import when

    with opened(options) as log:
        both = [read_decision(log, which) for which in (first, second)]
        found = difference(both[0].result, both[1].result)
    if as_json:
        numbers = {name: one.entry.number for name, one in zip("ab", both, strict=True)}
        print_json({"entries": numbers, **found.to_dict()})
        return
    for name, one in zip("AB", both, strict=True):
        say(f"{paint(name, bold=True)}  entry {one.entry.number}, {when(one.statement.time)} UTC, {one.statement.id}")
    say()
    print_lines(found.lines(min(width(), 100)))
