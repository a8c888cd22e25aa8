"""The report on a period: verdicts, reasons by action, overrides, drift, reliance by group, and what must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import InputError
from ..wording import clean
from .decided import Decided, between, instant, read_acts, read_decisions
from .drifts import drifts, halves
from .forbidden import forbidden as find_forbidden
from .period_figures import PeriodFigures
from .rates import (
    Rate,
    action_rates,
    cause_rates,
    label_rates,
    oversight,
    rate,
    reasons_by_action,
    verdict_rates,
)
from .reliance import reliance

__all__ = ["Period", "period_report"]


class Period(PeriodFigures):
    """A report on all decisions of a period."""

    def text(self, width: int = 100) -> str:
        """Return the report as plain text.

        Raises:
            InputError: fewer than 60 characters.
        """
        from .period_text import period_text

        return period_text(self, width)

    def html(self) -> str:
        """Return the report as a page that holds everything, loads nothing and runs nothing."""
        from . import period_words
        from .pages import render

        return render("period.html.j2", period=self, words=period_words)


def period_report(
    predicates: Iterable[Mapping[str, Any]],
    acts: Iterable[Mapping[str, Any]] = (),
    since: str | None = None,
    until: str | None = None,
    by: str | None = None,
    forbidden: Sequence[str] = (),
) -> Period:
    """Report on the decisions of a period.

    Args:
        predicates: of kind ``decision``; those outside the period are left out.
        acts: predicates of kind ``operator``; they count with the decision that they are about, whenever they came.
        since: first instant, ISO 8601; a day alone is its first moment, UTC. None: from the first decision.
        until: first instant that is no longer of the period. None: to the last decision.
        by: label whose values are the groups to compare.
        forbidden: names of what decisions must not rest on.

    Raises:
        InputError: a time that cannot be read, a period that ends before it begins, a label that no decision has, or
            an empty name.
        RecordError: a predicate lacks a member or holds another type.
    """
    start, end = (None if text is None else instant(text, what) for text, what in ((since, "since"), (until, "until")))
    if start is not None and end is not None and end <= start:
        raise InputError(f"the period ends at {end.isoformat()}, not after it begins at {start.isoformat()}; swap them")
    held, done = between(read_decisions(predicates), start, end), read_acts(acts)
    ids = {d.id for d in held}
    return Period(
        since=None if start is None else start.isoformat(),
        until=None if end is None else end.isoformat(),
        decisions=len(held),
        first=held[0].time.isoformat() if held else "",
        last=held[-1].time.isoformat() if held else "",
        systems=_counted(held, lambda d: f"{clean(d.system)} {(clean(d.digest or 'no digest stated'))[:19]}"),
        policies=_counted(held, lambda d: d.policy or "no policy stated"),
        verdicts=tuple(verdict_rates(held)),
        causes=tuple(cause_rates(held)),
        actions=tuple(action_rates(held)),
        reasons=reasons_by_action(held),
        oversight=tuple(oversight(held, done)) if held else (),
        acts_elsewhere=sum(act.about not in ids for act in done),
        labels=label_rates(held),
        drift=drifts(*halves(held)),
        reliance=reliance(held, by),
        forbidden=tuple(find_forbidden(held, forbidden, by)),
    )


def _counted(held: Sequence[Decided], name: Any) -> tuple[Rate, ...]:
    counts = Counter(name(d) for d in held)
    return tuple(rate(what, count, len(held)) for what, count in sorted(counts.items(), key=lambda i: (-i[1], i[0])))
