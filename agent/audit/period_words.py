"""Words and rows of the period's report, the same in its text and on its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ...modalities.wording import MINUS, number, percent
from ..wording import CAUSES
from .decided import REVIEWED
from .letter_words import day
from .rates import Oversight, Rate
from .reliance import GroupDifference, Reliance

if TYPE_CHECKING:
    from .forbidden import Forbidden
    from .period_figures import PeriodFigures

__all__ = [
    "Thing",
    "cause",
    "chance",
    "found",
    "interval",
    "opening",
    "points",
    "resting",
    "ruled",
    "span",
    "supervision",
    "things",
]

_THINGS = 10  # shown, of all that anything rests on
_GROUPS = 6
_FOUND = 20


@dataclass(frozen=True)
class Thing:
    """One thing and how much each group rests on it.

    Attributes:
        name: of the thing.
        rows: group, its rate, its mean share and that share's interval, in words.
    """

    name: str
    rows: tuple[tuple[str, Rate, str, str], ...]


def span(period: PeriodFigures) -> str:
    """Say which period it is."""
    ends = [day(datetime.fromisoformat(text)) if text else "" for text in (period.since, period.until)]
    if all(ends):
        return f"from {ends[0]} until {ends[1]}"
    if any(ends):
        return f"from {ends[0]} on" if ends[0] else f"until {ends[1]}"
    return "all that the log holds"


def opening(period: PeriodFigures) -> str:
    """Say in one or two sentences what the report is of."""
    if not period.decisions:
        return f"No decision was logged in this period ({span(period)}). There is nothing to report."
    first, last = (day(datetime.fromisoformat(text)) for text in (period.first, period.last))
    count = "1 decision was" if period.decisions == 1 else f"{period.decisions:,} decisions were"
    return f"{count} logged in this period ({span(period)}): the first on {first}, the last on {last}."


def interval(told: Rate) -> str:
    """Return the share's interval at 95 % in words, such as ``41–66 %``; nothing of none."""
    if told.low is None or told.high is None:
        return ""
    return f"{number(100 * told.low, 0)}–{number(100 * told.high, 0)}\u00a0%"


def points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    shown = number(100 * value, 1)
    return shown if shown.startswith(MINUS) or float(shown) == 0 else f"+{shown}"


def chance(p: float) -> str:
    """Return a p-value; small ones as a bound."""
    return "<0.001" if p < 0.001 else number(p, 3)


def cause(name: str) -> str:
    """Return a cause of a verdict in words."""
    return CAUSES.get(name, name)


def supervision(row: Oversight) -> list[str]:
    """Return the row of one action: decisions, those reviewed, overridden or stopped, the rate and its interval."""
    done = [str(row.acts.get(act, 0)) for act in (*REVIEWED, "contested")]
    changed = row.changed
    share = "" if changed.share is None else percent(changed.share)
    return [row.action or "all", str(row.decisions), *done, share, interval(changed)]


def things(told: Reliance) -> tuple[list[Thing], str]:
    """Return what decisions rest on most, by group, and what was left out to keep the table short."""
    groups = list(told.groups)[:_GROUPS]
    names = list(dict.fromkeys(row.name for row in told.rows))
    shown = []
    for name in names[:_THINGS]:
        rows = [row for row in told.rows if row.name == name and row.group in groups]
        cells = tuple((r.group, r.rests, percent(r.share), _between(r.interval)) for r in rows)
        shown.append(Thing(name, cells))
    left = [
        f"{len(names) - _THINGS} further things" if len(names) > _THINGS else "",
        f"{len(told.groups) - _GROUPS} further groups" if len(told.groups) > _GROUPS else "",
    ]
    more = " and ".join(filter(None, left))
    return shown, f"Not shown here: {more}; the report's data have them." if more else ""


def found(told: Reliance) -> tuple[list[GroupDifference], str]:
    """Return the differences that were found, and a sentence on all that were tested."""
    kept = [d for d in told.differences if d.found]
    if not told.differences:
        return [], ""
    count = len(told.differences)
    if not kept:
        return [], f"Of {count} comparisons between groups, none showed a difference."
    strict = sum(d.holm <= told.alpha for d in kept)
    more = f" The {_FOUND} clearest are shown." if len(kept) > _FOUND else ""
    said = "1 showed a difference" if len(kept) == 1 else f"{len(kept)} showed a difference"
    return kept[:_FOUND], f"Of {count} comparisons between groups, {said}; {strict} also by Holm's correction.{more}"


def resting(period: PeriodFigures) -> int:
    """Return how many decisions rest on something that they must not rest on, each counted once."""
    return len({id for told in period.forbidden for id in told.ids})


def ruled(told: Forbidden) -> str:
    """Say whether decisions rest on what they must not rest on."""
    if told.rests.of == 0:
        return f"“{told.label}”: no decision has an account, so this is not known."
    if not told.rests.count:
        high = percent(told.rests.high or 0.0)
        return (
            f"“{told.label}”: in none of {told.rests.of} decisions with an account was it found. The true share may be "
            f"as high as {high}. What bears no name cannot be found."
        )
    which = f"{told.rests.count} of {told.rests.of} decisions with an account rest on it"
    share = f"{percent(told.rests.share or 0.0)}; {interval(told.rests)}"
    return (
        f"“{told.label}”: {which} ({share}), found as {', '.join(told.seen)}. In {told.leans.count} it has a tenth or "
        f"more of the measured effects. {told.supported} of the {told.rests.count} accounts are supported."
    )


def _between(ends: Sequence[float] | None) -> str:
    if ends is None:
        return ""
    return f"{number(100 * ends[0], 1)}–{number(100 * ends[1], 1)}\u00a0%"
