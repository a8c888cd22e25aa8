"""The period's report as plain text: tables that line up, and sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...errors import InputError
from ...modalities.wording import percent
from ..wording import clean
from .period_words import cause, chance, found, interval, opening, points, ruled, supervision, things
from .rates import Rate

if TYPE_CHECKING:
    from .period_figures import PeriodFigures

__all__ = ["period_text"]

_FIRST = 30  # characters of a table's first column
_IDS = 20  # of decisions that rest on what they must not; the data have all


def period_text(period: PeriodFigures, width: int = 100) -> str:
    """Return the report as plain text, its sentences wrapped to ``width`` characters; tables keep their own width.

    Raises:
        InputError: fewer than 60 characters.
    """
    if width < 60:
        raise InputError(f"report: a width of {width} characters; 60 at least are needed")
    lines = ["REPORT ON A PERIOD", "", *textwrap.wrap(opening(period), width)]
    if period.decisions:
        for heading, block in (
            ("Is the account of each decision true?", _verdicts(period)),
            ("What was decided", _rates(period.actions)),
            ("What decisions rest on, by action", _reasons(period)),
            ("What people did", _supervised(period)),
            ("What decisions must not rest on", _ruled(period)),
            ("Reliance by group", _reliance(period)),
            ("Has anything changed?", _drift(period)),
            ("Labels, systems and policies", _labels(period)),
        ):
            lines += ["", heading.upper(), ""]
            for line in block:
                table = line[:1] in ("", " ")
                lines += [line] if table else textwrap.wrap(line, width, subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines; the first column to the left, the rest to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    widths[0] = min(widths[0], _FIRST)

    def line(row: Sequence[str]) -> str:
        first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        return "  " + "  ".join(
            [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        )

    return [line(head), *map(line, rows)]


def _rates(rates: Sequence[Rate], head: str = "") -> list[str]:
    rows = [[r.name, str(r.count), "" if r.share is None else percent(r.share), interval(r)] for r in rates]
    return _table([head, "number", "share", "95 % interval"], rows)


def _verdicts(period: PeriodFigures) -> Iterator[str]:
    yield from _rates(period.verdicts)
    if period.causes:
        yield ""
        yield "Why accounts were not supported:"
        yield ""
        yield from _table(["", "number"], [[cause(r.name), str(r.count)] for r in period.causes])


def _reasons(period: PeriodFigures) -> Iterator[str]:
    for action, reasons in period.reasons.items():
        if not reasons:
            yield f"{action}: nothing was found that its decisions rest on."
            continue
        rows = [
            [r.rate.name, str(r.rate.count), percent(r.rate.share or 0.0), interval(r.rate), percent(r.share)]
            for r in reasons
        ]
        yield from _table([action, "decisions", "share", "95 % interval", "part of effects"], rows)
        yield ""


def _supervised(period: PeriodFigures) -> Iterator[str]:
    head = ["", "decisions", "accepted", "overridden", "stopped", "contested", "changed", "95 % interval"]
    yield from _table(head, [supervision(row) for row in period.oversight])
    yield "Changed: overridden or stopped, of all decisions."
    if period.acts_elsewhere:
        yield f"{period.acts_elsewhere} further acts are about decisions of other periods."


def _ruled(period: PeriodFigures) -> Iterator[str]:
    if not period.forbidden:
        yield "Nothing was named that decisions must not rest on."
    for told in period.forbidden:
        yield ruled(told)
        if any(r.count for r in told.by_group):
            yield from _rates(told.by_group, "group")
        if told.ids:
            more = f" and {len(told.ids) - _IDS} more" if len(told.ids) > _IDS else ""
            yield f"Records: {', '.join(map(clean, told.ids[:_IDS]))}{more}."


def _reliance(period: PeriodFigures) -> Iterator[str]:
    shown, left = things(period.reliance)
    if not shown:
        yield "No decision with an account rests on anything that was measured."
    for thing in shown:
        rows = [
            [g, str(r.count), percent(r.share or 0.0), interval(r), share, ends] for g, r, share, ends in thing.rows
        ]
        head = [thing.name, "decisions", "share", "95 % interval", "part of effects", "95 % interval"]
        yield from _table(head, rows)
        yield ""
    if left:
        yield left
    kept, said = found(period.reliance)
    if said:
        yield said
    if kept:
        rows = [
            [d.name, d.first, d.second, points(d.difference), chance(d.p), chance(d.adjusted), chance(d.holm)]
            for d in kept
        ]
        yield from _table(["", "group", "against", "points", "p", "corrected", "Holm"], rows)
    yield from period.reliance.notes


def _drift(period: PeriodFigures) -> Iterator[str]:
    drift = period.drift
    if drift.changes:
        yield f"The {drift.earlier} earlier decisions against the {drift.later} later ones:"
        for change in drift.changes:
            yield f"- {change.told()}"
    yield from drift.notes


def _labels(period: PeriodFigures) -> Iterator[str]:
    for name, rates in period.labels.items():
        yield from _rates(rates[:12], name)
        if len(rates) > 12:
            yield f"  and {len(rates) - 12} more values"
        yield ""
    yield from _rates(period.systems, "system")
    yield ""
    yield from _rates(period.policies, "policy")
