"""Rates of a period: verdicts, causes, actions, reasons by action, overrides, labels; shares with Wilson intervals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...verifier.bounds import wilson
from ..wording import clean
from .decided import REVIEWED, Act, Decided

__all__ = [
    "UNTESTED",
    "VERDICTS",
    "Oversight",
    "Rate",
    "Reason",
    "action_rates",
    "cause_rates",
    "label_rates",
    "oversight",
    "rate",
    "reasons_by_action",
    "verdict_rates",
]

VERDICTS = ("supported", "unsupported", "inconclusive")
UNTESTED = "no account"


@dataclass(frozen=True)
class Rate:
    """How many of how many, and where the true share lies.

    Attributes:
        name: of what.
        count: how many.
        of: of how many.
        share: count over of, 0 to 1; None of none.
        low: lower end of Wilson's interval at 95 %; None of none.
        high: upper end.
    """

    name: str
    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Reason:
    """Something that decisions for one action rest on.

    Attributes:
        rate: of the decisions for the action that have an account, how many rest on it.
        share: mean share of all measured effects, over those that rest on it, 0 to 1.
    """

    rate: Rate
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**self.rate.to_dict(), "mean_share": self.share}


@dataclass(frozen=True)
class Oversight:
    """What people did about decisions for one action.

    Attributes:
        action: the action; empty for all together.
        decisions: how many.
        acts: by act the number of decisions that it was done about, each counted once.
        changed: decisions overridden or stopped, of all.
        changed_of_reviewed: the same, of those that a person accepted, overrode or stopped.
    """

    action: str
    decisions: int
    acts: Mapping[str, int]
    changed: Rate
    changed_of_reviewed: Rate

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "action": self.action,
            "decisions": self.decisions,
            "acts": dict(self.acts),
            "changed": self.changed.to_dict(),
            "changed_of_reviewed": self.changed_of_reviewed.to_dict(),
        }


def rate(name: str, count: int, of: int) -> Rate:
    """Return a share with Wilson's interval at 95 %; of none there is no share.

    Raises:
        InputError: more than all, or fewer than none.

    >>> rate("supported", 5, 10).high < 0.764
    True
    """
    if of == 0 == count:
        return Rate(name, 0, 0, None, None, None)
    found = wilson(count, of)
    return Rate(name, count, of, found.value, found.low, found.high)


def verdict_rates(decided: Sequence[Decided]) -> list[Rate]:
    """Return the rate of each verdict among all decisions; those without an account stand last, where there are any."""
    counts = Counter(d.verdict or UNTESTED for d in decided)
    extra = sorted(set(counts) - set(VERDICTS) - {UNTESTED}) + [UNTESTED] * (UNTESTED in counts)
    return [rate(clean(name), counts[name], len(decided)) for name in (*VERDICTS, *extra)]


def cause_rates(decided: Sequence[Decided]) -> list[Rate]:
    """Return why accounts were not supported, the most frequent cause first, of all that were not."""
    causes = [d.cause or "not stated" for d in decided if d.verdict not in (None, "supported")]
    return _ranked(causes, len(causes))


def action_rates(decided: Sequence[Decided]) -> list[Rate]:
    """Return how often each action was chosen, the most frequent first."""
    return _ranked([d.action for d in decided], len(decided))


def label_rates(decided: Sequence[Decided]) -> dict[str, list[Rate]]:
    """Return for each label how many decisions bear each of its values, of those that bear the label."""
    values: dict[str, list[str]] = defaultdict(list)
    for d in decided:
        for name, value in d.labels.items():
            values[clean(name)].append(value)
    return {name: _ranked(values[name], len(values[name])) for name in sorted(values)}


def reasons_by_action(decided: Iterable[Decided], top: int = 5) -> dict[str, list[Reason]]:
    """Return for each action what its decisions rest on, the most frequent first.

    Decisions without an account are left out: what they rest on is not known.
    """
    counted: dict[str, int] = Counter()
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for d in decided:
        if d.verdict is None:
            continue
        counted[d.action] += 1
        for name, share in d.rests().items():
            shares[d.action][name].append(share)
    told = {}
    for action in sorted(counted, key=lambda a: (-counted[a], a)):
        reasons = [
            Reason(rate(name, len(found), counted[action]), sum(found) / len(found))
            for name, found in shares[action].items()
        ]
        reasons.sort(key=lambda r: (-r.rate.count, -r.share, r.rate.name))
        told[clean(action)] = reasons[:top]
    return told


def oversight(decided: Sequence[Decided], acts: Iterable[Act]) -> list[Oversight]:
    """Return what people did, for all decisions together and then for each action, the most frequent first.

    Acts about other decisions than these are left out.
    """
    done: dict[str, set[str]] = defaultdict(set)
    for act in acts:
        done[act.about].add(act.act)
    by_action: dict[str, list[Decided]] = defaultdict(list)
    for d in decided:
        by_action[d.action].append(d)
    rows = [("", list(decided))]
    rows += sorted(by_action.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_overseen(clean(action), held, done) for action, held in rows]


def _overseen(action: str, decided: Sequence[Decided], done: Mapping[str, set[str]]) -> Oversight:
    found = [done.get(d.id, set()) for d in decided]
    acts = Counter(act for acts in found for act in acts)
    changed = sum(bool(acts & {"overridden", "stopped"}) for acts in found)
    reviewed = sum(bool(acts & set(REVIEWED)) for acts in found)
    return Oversight(
        action,
        len(decided),
        {clean(name): acts[name] for name in sorted(acts)},
        rate("overridden or stopped", changed, len(decided)),
        rate("overridden or stopped, of those reviewed", changed, reviewed),
    )


def _ranked(values: Iterable[str], of: int) -> list[Rate]:
    counts = Counter(clean(value) for value in values)
    return [rate(name, counts[name], of) for name in sorted(counts, key=lambda n: (-counts[n], n))]
