"""The command ``veridical audit report``: the letter about one decision, and the report on a period."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, IntegrityError
from .options import file_option, json_option, log_options, opened, print_json, write_file
from .tables import say

if TYPE_CHECKING:
    from ..log.log import Log
    from .letter import Letter
    from .period import Period

__all__ = ["report"]

_OF_LETTER, _OF_PERIOD = ("contact",), ("since", "until", "by", "must_not")


@click.command()
@click.argument("which", required=False, metavar="[WHICH]")
@click.option("--letter", is_flag=True, help="Write the letter about one decision: Article 86 of the EU's AI Act.")
@click.option("--contact", metavar="TEXT", help="Where the letter says that the decision can be contested.")
@click.option("--period", is_flag=True, help="Report on the decisions of a period.")
@click.option("--since", metavar="TIME", help="The period's beginning, such as 2026-11-01 (UTC); the first decision.")
@click.option("--until", metavar="TIME", help="The first moment after the period; unless said, the last decision's.")
@click.option("--by", metavar="LABEL", help="The label whose values are the groups to compare, such as group.")
@click.option("--must-not", multiple=True, metavar="CONCEPT", help="What decisions must not rest on; may be repeated.")
@file_option("--html", ".html", "Write it as a page of its own, instead of printing it.")
@log_options
@json_option
def report(which: str | None, letter: bool, period: bool, html: Path | None, as_json: bool, **options: Any) -> None:
    """Answer for one decision in plain language, or report on all of a period.

    The letter is for a person whom the decision affects; before it is written the entry's signature and its place in
    the log are checked. The report on a period tells verdicts, reasons, what people did, drift, and reliance by group.
    """
    if letter == period:
        raise InputError("report: say --letter with an entry, or --period")
    if letter and which is None:
        raise InputError("report --letter: name the decision, by its entry's number or its id")
    if period and which is not None:
        raise InputError(f"report --period {which[:40]!r}: a period is of no one entry; leave it out, or say --letter")
    for name in _OF_PERIOD if letter else _OF_LETTER:
        if options[name]:
            told = "a period" if letter else "a letter"
            raise InputError(f"--{name.replace('_', '-')} goes with {told}: say --{'period' if letter else 'letter'}")
    if html:
        from ..report import check_report

        check_report(html)
    with opened(options) as log:
        made = _letter(log, str(which), options) if letter else _period(log, options)
    if html:
        write_file(html, made.html())
    if as_json:
        print_json(made.to_dict())
    elif not html:
        from .tables import width

        say(made.text(min(width(), 78 if letter else 100)).rstrip("\n"))


def _letter(log: Log, which: str, options: Mapping[str, Any]) -> Letter:
    """The letter about a decision, whose entry is checked first."""
    from .letter import letter
    from .reading import read_decision
    from .terminal import check_entry

    decision = read_decision(log, which)
    checked = check_entry(log, decision.entry)
    if checked.startswith("✗"):
        raise IntegrityError(f"no letter is written: {checked[2:]}", "signature", decision.entry.number)
    head = _head(log)
    return letter(
        decision.result,
        decision.predicate,
        [act for _, act in decision.acts()],
        f"The log {log.origin} holds it under the fingerprint {head}. Its signature and its place in the log were "
        "checked when this letter was written.",
        entry=decision.entry.number,
        erased=decision.gone(),
        contact=options["contact"],
    )


def _head(log: Log) -> str:
    from ..log.note import read_checkpoint

    return read_checkpoint(log.checkpoint()).checkpoint.root.hex()


def _period(log: Log, options: Mapping[str, Any]) -> Period:
    """The report on a period."""
    from ..log.query import Query
    from .decided import instant
    from .period import period_report

    since, until = (instant(options[n], f"--{n}").isoformat() if options[n] else None for n in ("since", "until"))
    rows = log.select(Query(kind="decision", since=since, until=until, newest_first=False))
    acts = log.select(Query(kind="operator", newest_first=False))

    def said(numbers: list[int]) -> list[Mapping[str, Any]]:
        return [log.entry(number).statement.predicate for number in numbers]

    return period_report(
        said([row.number for row in rows]),
        said([row.number for row in acts]),
        since,
        until,
        options["by"],
        list(options["must_not"]),
    )
