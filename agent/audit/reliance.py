"""Reliance by group: which things matter for whom, with intervals, and tested between groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ...errors import InputError
from ...modalities.wording import percent
from ..wording import clean
from .decided import Decided
from .rates import Rate, rate

__all__ = ["LEAST", "NONE", "GroupDifference", "GroupReliance", "Reliance", "grouped", "reliance"]

LEAST = 10
"""Decisions that a group must have to be tested."""
NONE = "(none)"
"""Group of the decisions that do not bear the label."""
_RARE = 5  # decisions of all groups that must rest on a thing for it to be tested; known before any group is looked at
_PAIRS = 8  # groups up to which each pair is tested; of more, each group against all others


@dataclass(frozen=True)
class GroupReliance:
    """How a group's decisions rest on one thing.

    Attributes:
        name: of the thing.
        group: value of the label.
        rests: how many of the group's decisions rest on it.
        share: mean over the group's decisions of its share of all measured effects, 0 to 1; 0 where one does not rest.
        interval: of that mean at 95 %; None for fewer than 10 decisions, or where all are alike.
    """

    name: str
    group: str
    rests: Rate
    share: float
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        interval = None if self.interval is None else list(self.interval)
        return {**vars(self), "rests": self.rests.to_dict(), "interval": interval}


@dataclass(frozen=True)
class GroupDifference:
    """One thing, between two groups.

    Attributes:
        name: of the thing.
        first: a group.
        second: another, or ``all others``.
        difference: mean share of the first less that of the second.
        p: by permutation, two-sided.
        adjusted: over all that was tested (Benjamini–Hochberg): the share of false findings is held.
        holm: the same by Holm: the chance of any false finding is held.
        found: whether ``adjusted`` is at most alpha.
    """

    name: str
    first: str
    second: str
    difference: float
    p: float
    adjusted: float
    holm: float
    found: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Reliance:
    """Reliance by group.

    Attributes:
        by: label whose values are the groups; empty where there is one group only.
        groups: number of decisions of each group, the largest first; all have an account.
        rows: for each thing and group, the most relied on thing first.
        differences: everything that was tested, the smallest p first.
        untested: groups too small to be tested.
        alpha: level.
        notes: what a reader must know.
    """

    by: str
    groups: Mapping[str, int]
    rows: tuple[GroupReliance, ...]
    differences: tuple[GroupDifference, ...]
    untested: tuple[str, ...]
    alpha: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **vars(self),
            "groups": dict(self.groups),
            "rows": [row.to_dict() for row in self.rows],
            "differences": [d.to_dict() for d in self.differences],
            "untested": list(self.untested),
            "notes": list(self.notes),
        }


def reliance(decided: Iterable[Decided], by: str | None = None, alpha: float = 0.05, seed: int = 0) -> Reliance:
    """Return how much the decisions of each group rest on each thing, and between which groups that differs.

    Of up to 8 groups with 10 decisions or more every pair is tested, of more each against all others; only things that
    5 decisions or more rest on, for others cannot be told apart. The test is on the mean share of the measured effects,
    by permutation, two-sided and seeded.

    Args:
        decided: decisions; those without an account are left out.
        by: name of the label whose values are the groups; None: one group, nothing to test.
        alpha: level, 0 to 1.
        seed: of what is drawn.

    Raises:
        InputError: ``alpha`` is no level, or no decision has the label.
    """
    import numpy as np

    if not 0 < alpha < 1:
        raise InputError(f"reliance: alpha {alpha}; a level strictly between 0 and 1 is wanted, such as 0.05")
    held = [d for d in decided if d.verdict is not None]
    if by is not None and held and not any(by in d.labels for d in held):
        known = ", ".join(sorted({clean(name) for d in held for name in d.labels})) or "none"
        raise InputError(f"reliance: no decision has the label {clean(by)!r}; labels there are: {known}")
    members = grouped(held, by)
    rests = {group: [d.rests() for d in own] for group, own in members.items()}
    often = Counter(name for own in rests.values() for told in own for name in told)
    total = Counter[str]()
    for own in rests.values():
        for told in own:
            total.update(told)
    names = sorted(often, key=lambda name: (-total[name], name))
    values = {g: np.array([[t.get(n, 0.0) for n in names] for t in own]) for g, own in rests.items()}
    rng = np.random.default_rng(seed)
    rows = _rows(names, values, rng)
    large = [group for group in members if len(members[group]) >= LEAST]
    common = [i for i, name in enumerate(names) if often[name] >= _RARE]
    differences = _differences({g: values[g][:, common] for g in large}, [names[i] for i in common], alpha, rng)
    small = tuple(group for group in members if len(members[group]) < LEAST)
    notes = _notes(by, small, len(names) - len(common), len(differences), alpha)
    return Reliance(clean(by or ""), {g: len(m) for g, m in members.items()}, rows, differences, small, alpha, notes)


def grouped(held: Sequence[Decided], by: str | None) -> dict[str, list[Decided]]:
    """Return the decisions of each value of a label, the largest group first; those without it under ``NONE``."""
    groups: dict[str, list[Decided]] = defaultdict(list)
    for d in held:
        groups["all" if by is None else clean(d.labels[by]) if by in d.labels else NONE].append(d)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def _rows(names: Sequence[str], values: Mapping[str, Any], rng: Any) -> tuple[GroupReliance, ...]:
    from .chance import mean_intervals

    if not names:
        return ()
    intervals = {group: mean_intervals(own, rng) for group, own in values.items()}
    return tuple(
        GroupReliance(
            name,
            group,
            rate(name, int((own[:, i] > 0).sum()), len(own)),
            float(own[:, i].mean()),
            intervals[group][i],
        )
        for i, name in enumerate(names)
        for group, own in values.items()
    )


def _differences(
    values: Mapping[str, Any], names: Sequence[str], alpha: float, rng: Any
) -> tuple[GroupDifference, ...]:
    """All tests: the groups' pairs, or each group against the rest, times the things."""
    import numpy as np

    from .chance import benjamini_hochberg, holm, means_differ

    if len(values) < 2 or not names:
        return ()
    if len(values) <= _PAIRS:
        sides = [(a, b, values[a], values[b]) for a, b in combinations(values, 2)]
    else:
        sides = [(g, "all others", values[g], np.concatenate([v for o, v in values.items() if o != g])) for g in values]
    # The least p must be able to pass the strictest correction.
    draws = min(max(9_999, 40 * len(sides) * len(names)), 99_999)
    tested: list[tuple[str, str, str, float, float]] = []
    for first, second, a, b in sides:
        apart = a.mean(0) - b.mean(0)
        p = means_differ(a, b, rng, draws)
        tested += [(n, first, second, float(apart[i]), float(p[i])) for i, n in enumerate(names)]
    ps = [row[-1] for row in tested]
    corrected = zip(tested, benjamini_hochberg(ps), holm(ps), strict=True)
    found = [GroupDifference(*row, adjusted, strict, adjusted <= alpha) for row, adjusted, strict in corrected]
    return tuple(sorted(found, key=lambda d: (d.p, -abs(d.difference), d.name, d.first, d.second)))


def _notes(by: str | None, small: Sequence[str], rare: int, tests: int, alpha: float) -> tuple[str, ...]:
    notes = [
        "A share is of all measured effects of its kind, concepts or evidence, of one decision, by size. Things "
        "overlap, so shares need not add up. Effects are on the system; they say nothing of causes in the world.",
    ]
    if by is None:
        return (*notes, "No label was named to group by, so nothing was compared.")
    if tests:
        notes.append(
            f"{tests} comparisons by permutation, corrected together. Of the differences called found, no more than "
            f"about {percent(alpha)} are expected to be chance (Benjamini–Hochberg); Holm's figure holds the chance of "
            "any false one at all."
        )
        notes.append(
            "Decisions are taken to be independent of each other; steps of one trip are not, and then these figures "
            "are too sure. A difference between groups may come from what they met, not from how they were treated."
        )
    else:
        notes.append(
            "Nothing was compared: two groups with enough decisions, and something that they rest on, are needed."
        )
    if small:
        notes.append(f"Shown but not tested, for fewer than {LEAST} decisions: {', '.join(small)}.")
    if rare and tests:
        notes.append(f"Not tested, for fewer than {_RARE} decisions rest on it: {rare} further things.")
    return tuple(notes)
