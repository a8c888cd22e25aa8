"""Drift: what is otherwise in the later part of a period than in the earlier one, tested and corrected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ...modalities.wording import number, percent
from ..wording import SENSES, clean
from .decided import Decided
from .rates import UNTESTED, Rate, rate

__all__ = ["LEAST", "Change", "Drifts", "drifts", "halves"]

LEAST = 10
"""Decisions that each part must have to be tested."""


@dataclass(frozen=True)
class Change:
    """One thing that was compared.

    Attributes:
        what: ``verdicts``, ``actions`` or ``part of`` a sense.
        method: of the test.
        earlier: rates in the earlier part; of a sense none.
        later: in the later part, in the same order.
        middle: medians of the sense's part in the earlier and the later decisions; None for rates.
        effect: chance that a later decision has more of the sense than an earlier one, 0 to 1; 0.5 where they are
            alike; None for rates.
        p: of the test.
        adjusted: p over all that was compared (Holm).
        changed: whether that is at most alpha.
    """

    what: str
    method: str
    earlier: tuple[Rate, ...]
    later: tuple[Rate, ...]
    middle: tuple[float, float] | None
    effect: float | None
    p: float
    adjusted: float
    changed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = {key: [r.to_dict() for r in getattr(self, key)] for key in ("earlier", "later")}
        return {**vars(self), **rows, "middle": None if self.middle is None else list(self.middle)}

    def told(self) -> str:
        """Say in a sentence what was found."""
        chance = f"p {_p(self.p)}, corrected {_p(self.adjusted)}"
        if not self.changed:
            return f"{self.what}: no change was shown ({chance})."
        if self.middle is not None:
            before, after = (number(100 * value, 0) for value in self.middle)
            return f"{self.what}: changed; its median went from {before} to {after} % ({chance})."
        pairs = zip(self.earlier, self.later, strict=True)
        most = max(pairs, key=lambda pair: abs((pair[1].share or 0.0) - (pair[0].share or 0.0)))
        before, after = (percent(r.share or 0.0) for r in most)
        return f"{self.what}: changed; most of all {most[0].name}, from {before} to {after} ({chance})."


@dataclass(frozen=True)
class Drifts:
    """All comparisons of two parts.

    Attributes:
        earlier: number of decisions in the earlier part.
        later: in the later part.
        split: first time of the later part, ISO 8601; empty if there is none.
        changes: one for each thing compared; empty where a part is too small.
        alpha: level.
        notes: what a reader must know.
    """

    earlier: int
    later: int
    split: str
    changes: tuple[Change, ...]
    alpha: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "changes": [c.to_dict() for c in self.changes], "notes": list(self.notes)}


def halves(decided: Sequence[Decided]) -> tuple[list[Decided], list[Decided]]:
    """Return the earlier and the later half by time; of an odd number the later has one more."""
    ordered = sorted(decided, key=lambda d: (d.time, d.id))
    return ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]


def drifts(earlier: Sequence[Decided], later: Sequence[Decided], alpha: float = 0.05, seed: int = 0) -> Drifts:
    """Compare two parts: rates of verdicts and of actions by permutation of chi-square, parts of senses by ranks.

    A sense's part of a decision is its contribution over the sum of all contributions by size, −1 to 1; two parts are
    compared by Mann and Whitney's test (Annals of Mathematical Statistics 18, 1947). All p-values are corrected
    together (Holm): where nothing changed, at most ``alpha`` of such comparisons as a whole report a change.

    Args:
        earlier: decisions of the earlier part.
        later: of the later one.
        alpha: level, 0 to 1.
        seed: of what is drawn.

    Raises:
        InputError: ``alpha`` is no level.
    """
    import numpy as np

    from .chance import holm

    if not 0 < alpha < 1:
        raise InputError(f"drifts: alpha {alpha}; a level strictly between 0 and 1 is wanted, such as 0.05")
    split = min(d.time for d in later).isoformat() if later else ""
    if min(len(earlier), len(later)) < LEAST:
        few = f"Not tested: {len(earlier)} and {len(later)} decisions; each part needs {LEAST} at least."
        return Drifts(len(earlier), len(later), split, (), alpha, (few,))
    rng = np.random.default_rng(seed)
    rows = [
        _counted("verdicts", [[d.verdict or UNTESTED for d in part] for part in (earlier, later)], rng),
        _counted("actions", [[d.action for d in part] for part in (earlier, later)], rng),
    ]
    senses = sorted({sense for d in (*earlier, *later) for sense in d.shares})
    rows += [row for sense in senses if (row := _ranked(sense, earlier, later))]
    adjusted = holm([row["p"] for row in rows])
    changes = tuple(Change(**row, adjusted=a, changed=a <= alpha) for row, a in zip(rows, adjusted, strict=True))
    notes = (
        f"{len(changes)} comparisons. Where nothing changed, a report like this names a change by chance in at most "
        f"{percent(alpha)} of cases.",
        "Decisions are taken to be independent of each other. Successive steps of one trip are alike: then chance "
        "makes more changes than this says.",
        *_systems(earlier, later),
    )
    return Drifts(len(earlier), len(later), split, changes, alpha, notes)


def _counted(what: str, parts: Sequence[Sequence[str]], rng: Any) -> dict[str, Any]:
    from .chance import counts_differ

    first, second = (Counter(part) for part in parts)
    names = sorted({*first, *second}, key=lambda name: (-first[name] - second[name], name))
    p = counts_differ([first[n] for n in names], [second[n] for n in names], rng)
    told = [tuple(rate(clean(n), c[n], c.total()) for n in names) for c in (first, second)]
    return {
        "what": what,
        "method": "permutation of chi-square",
        "earlier": told[0],
        "later": told[1],
        "middle": None,
        "effect": None,
        "p": p,
    }


def _ranked(sense: str, earlier: Sequence[Decided], later: Sequence[Decided]) -> dict[str, Any] | None:
    """The test of one sense's part; None where too few decisions of a part state it."""
    from statistics import median

    from scipy.stats import mannwhitneyu

    before, after = (_parts(sense, part) for part in (earlier, later))
    if min(len(before), len(after)) < LEAST:
        return None
    if len({*before, *after}) == 1:
        p, effect = 1.0, 0.5
    else:
        found = mannwhitneyu(after, before, alternative="two-sided")
        p, effect = float(found.pvalue), float(found.statistic) / (len(before) * len(after))
    name = SENSES[sense][1] if sense in SENSES else clean(sense)
    return {
        "what": f"part of the {name}",
        "method": "Mann–Whitney",
        "earlier": (),
        "later": (),
        "middle": (median(before), median(after)),
        "effect": effect,
        "p": p,
    }


def _parts(sense: str, decided: Sequence[Decided]) -> list[float]:
    sums = [(d.shares[sense], sum(map(abs, d.shares.values()))) for d in decided if sense in d.shares]
    return [share / whole for share, whole in sums if whole > 0]


def _systems(earlier: Sequence[Decided], later: Sequence[Decided]) -> list[str]:
    before, after = ({(d.system, d.digest) for d in part} for part in (earlier, later))
    if before == after:
        return []
    return ["The two parts were not decided by the same systems: a change may be theirs."]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {number(value, 3)}"
