"""Two accounts of one decision that name different evidence: edit what each alone names, and see which is right.

Attention beside gradients is the case in point. Jain and Wallace, "Attention is not Explanation" (NAACL 2019), found
that they often disagree; which is right of a decision, only an intervention can say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fusion.measure import Edit, Laboratory, Operators
from ..modalities.engines.ranks import rank_correlation
from ..modalities.evidence import Segmentation
from ..modalities.wording import listed, nats, number, percent
from .controls import draw_controls
from .verify import unit_energy

__all__ = ["Adjudication", "Right", "Ruling", "Side", "adjudicate", "top"]

Right = Literal["first", "second", "neither", "undecided", "agree"]
"""Which account named the evidence that moves the score more."""

Values = Mapping[str, Float[np.ndarray, " units"]]
"""An account: one value for each evidence unit, by sense."""

_Set = tuple[int, ...]

_FEWEST = 4
"""Random sets without which nothing can be told from noise."""


@dataclass(frozen=True)
class Adjudication:
    """How two accounts are held against each other.

    Attributes:
        count: units that each account names; by default ``share`` of the sense's, at least one.
        share: of the sense's units.
        controls: random sets for each account.
        alpha: level of the rank test of an account's set among its random sets. Where these are fewer than
            ``1 / alpha - 1``, it must move the score more than any of them.
        margin: effects that differ by no more than this share of the larger are a tie.
        least: nor do effects that differ by fewer nats; smaller effects are none.
        seed: of the random sets.

    Raises:
        InputError: a number out of range.
    """

    count: int | None = None
    share: float = 0.05
    controls: int = 19
    alpha: float = 0.05
    margin: float = 0.1
    least: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        counted = self.controls >= _FEWEST and (self.count is None or self.count >= 1) and self.seed >= 0
        if not (counted and 0 < self.share <= 1 and 0 < self.alpha < 1 and 0 <= self.margin < 1 and self.least >= 0):
            raise InputError(
                f"adjudicate: {self}; count is at least 1, controls at least {_FEWEST}, seed and least at least 0, "
                "share above 0 to 1, alpha between 0 and 1, margin from 0 to below 1"
            )


@dataclass(frozen=True)
class Side:
    """One account, and what came of editing the units that it alone names.

    Attributes:
        name: of the account.
        top: the units that it names.
        alone: those that the other does not; where both name the same, these.
        where: where they lie, in words.
        effects: change of the decision score by operator, nats.
        random: effects of random sets like it, by operator, nats.
        p: by operator: share of these sets, itself among them, that move the score at least as much.
    """

    name: str
    top: _Set
    alone: _Set
    where: str
    effects: tuple[float, ...]
    random: tuple[tuple[float, ...], ...]
    p: tuple[float, ...]

    @property
    def effect(self) -> float:
        """Mean effect over the operators, nats."""
        return float(np.mean(self.effects))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, ``units`` those that it alone names; random sets are told by their number."""
        told = {"where": self.where, "units": list(self.alone), "top": list(self.top), "effect": self.effect}
        return {**told, "effects": list(self.effects), "p": list(self.p), "controls": len(self.random[0])}


@dataclass(frozen=True)
class Ruling:
    """Which of two accounts is right about one sense.

    Attributes:
        sense: which.
        first: one account.
        second: the other.
        overlap: Jaccard index of the units that they name.
        correlation: rank correlation of all values by size; None where one of them ranks nothing.
        operators: infill operators of the sense, in the order of the effects.
        right: who was right, in the terms of `Right`.
        told: the ruling as a sentence or two.
    """

    sense: str
    first: Side
    second: Side
    overlap: float
    correlation: float | None
    operators: tuple[str, ...]
    right: Right
    told: str

    @property
    def named(self) -> str:
        """Who was right, by the account's name where it is one of them."""
        return {"first": self.first.name, "second": self.second.name}.get(self.right, self.right)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the accounts stand under their names."""
        sides = {side.name: side.to_dict() for side in (self.first, self.second)}
        told = {"sense": self.sense, "overlap": self.overlap, "correlation": self.correlation}
        found = {"random": list(_range((self.first, self.second))), "right": self.named, "told": self.told}
        return {**told, "operators": list(self.operators), **sides, **found}


def top(values: Float[np.ndarray, " units"], count: int) -> _Set:
    """Return the units of the largest values by size, ascending; ties go to the lower index, zeros are never named.

    >>> top(np.array([0.1, -3.0, 0.0, 2.0]), 2)
    (1, 3)
    """
    size = np.abs(values)
    order = np.argsort(-size, kind="stable")[:count]
    return tuple(sorted(int(u) for u in order if size[u] > 0))


def adjudicate(
    laboratory: Laboratory,
    first: Values,
    second: Values,
    operators: Sequence[Operators],
    *,
    names: tuple[str, str] = ("first", "second"),
    sense: str | None = None,
    settings: Adjudication | None = None,
) -> Ruling:
    """Let the intervention decide between two accounts of a decision, within one sense.

    Each names its units of largest size, equally many. Those that one alone names are edited under every operator, and
    beside them random sets like them: as many units, grown together alike, in the same frames, of nearly the same edit
    energy, that neither account names. Under one operator that account is right whose units move the score more
    (by more than a tie) and more than its random sets do; where neither's do, neither is. The ruling is what holds
    under every operator; otherwise it is ``undecided``, as it is where too few random sets exist. Where both name the
    same units there is nothing to decide (``agree``); their effect is measured all the same. A ruling is about what an
    account ranks highest, not about all of it; of units that it ranks alike (the bands of a sound that is attended to
    in time) it names the first: give evidence units that it can tell apart.

    Args:
        laboratory: the system before the observation.
        first: an account.
        second: another.
        operators: at least two ways of editing.
        names: what the accounts are called.
        sense: which sense; needed where both speak of several.
        settings: how many units, and how sure.

    Raises:
        InputError: fewer than two operators, an unknown sense or none, an account of another length, not finite or
            without any value but zero, names that do not differ.
        ContractError: the system cannot be measured.

    Example:
        >>> adjudicate(laboratory, attended, gradients, operators, names=("attention", "gradient"))     # doctest: +SKIP
    """
    settings = settings or Adjudication()
    m = _sense(laboratory, first, second, sense)
    segmentation = laboratory.segmentations[m]
    used = list(dict.fromkeys(each[m] for each in operators if m in each))
    if len(used) < 2 or names[0] == names[1]:
        raise InputError(
            f"adjudicate: operators {', '.join(used) or 'none'} of {m}, accounts {names[0]} and {names[1]}; two "
            "operators that differ are wanted, and two names"
        )
    accounts = [_checked(v[m], len(segmentation), m, name) for v, name in zip((first, second), names, strict=True)]
    count = settings.count or max(1, round(settings.share * len(segmentation)))
    # Both name equally many, so that their edits compare.
    count = min(count, *(int(np.count_nonzero(v)) for v in accounts))
    tops = [top(v, count) for v in accounts]
    shared = tuple(sorted({*tops[0]}.intersection(tops[1])))
    alone = [tuple(u for u in units if u not in shared) or units for units in tops]
    clear = (*tops[0], *tops[1])
    rng, energy = np.random.default_rng(settings.seed), unit_energy(laboratory, m)
    sets = {units: (units, *_random(segmentation, energy, units, clear, settings.controls, rng)) for units in alone}
    a, b = (_side(laboratory, m, used, name, t, sets[u]) for name, t, u in zip(names, tops, alone, strict=True))
    right = "agree" if tops[0] == tops[1] else _right(a, b, settings)
    overlap = len(shared) / len({*tops[0], *tops[1]})
    correlation = rank_correlation(np.abs(accounts[0]), np.abs(accounts[1]))
    return Ruling(m, a, b, overlap, correlation, tuple(used), right, _told(m, a, b, overlap, right))


def _side(
    laboratory: Laboratory, m: str, operators: Sequence[str], name: str, units: _Set, sets: tuple[_Set, ...]
) -> Side:
    """Edit what an account alone names, the first set, and the random ones."""
    edits: list[Edit] = [{m: units} for units in sets]
    found = [laboratory.measure(edits, {m: operator}).effect.double().tolist() for operator in operators]
    where = laboratory.system.modalities[m].show([laboratory.segmentations[m].units[u] for u in sets[0]])
    own, random = tuple(effects[0] for effects in found), tuple(tuple(effects[1:]) for effects in found)
    return Side(name, units, sets[0], where, own, random, tuple(map(_p, own, random)))


def _sense(laboratory: Laboratory, first: Values, second: Values, asked: str | None) -> str:
    both = [m for m in laboratory.segmentations if m in first and m in second]
    chosen = both[0] if asked is None and len(both) == 1 else asked
    if chosen in both:
        return str(chosen)
    what = "no sense is named" if asked is None else f"no sense {asked!r}"
    raise InputError(f"adjudicate: {what}; both accounts speak of {listed(both) or 'no sense'}; name one of these")


def _checked(values: np.ndarray, units: int, m: str, name: str) -> Float[np.ndarray, " units"]:
    if values.shape != (units,) or not np.isfinite(values).all() or not values.any():
        raise InputError(
            f"adjudicate: {name} gives {m} values of shape {values.shape}, {np.count_nonzero(values)} of them not 0; a "
            f"finite value for each of {units} evidence units is wanted, and one that is not 0"
        )
    return np.asarray(values, np.float64)


def _components(segmentation: Segmentation, units: _Set) -> list[_Set]:
    """Return the parts of a set of units that hang together, the largest first."""
    left, parts = set(units), []
    while left:
        grown, edge = set[int](), {min(left)}
        while edge:
            grown |= edge
            edge = {n for u in edge for n in segmentation.neighbours[u] if n in left} - grown
        parts.append(tuple(sorted(grown)))
        left -= grown
    return sorted(parts, key=lambda part: (-len(part), part))


def _random(
    segmentation: Segmentation, energy: Float[np.ndarray, " units"], claim: _Set, clear: _Set, count: int,
    rng: np.random.Generator,
) -> tuple[_Set, ...]:  # fmt: skip
    """Draw sets like the claim: each of its parts has a control of its own, see `controls.draw_controls`."""
    pools = [
        [edit for edit in draw_controls(segmentation, energy, part, 4 * count, rng).edits if not {*edit} & {*clear}]
        for part in _components(segmentation, claim)
    ]
    found: dict[_Set, None] = {}
    for attempt in range(20 * count if all(pools) else 0):
        taken: set[int] = set()
        for pool in pools:
            # Those that match in energy come first: the head of the pool, and all of it where that fits nowhere.
            some = [edit for edit in pool[: count if attempt < 10 * count else None] if not taken.intersection(edit)]
            if not some:
                break
            taken.update(some[rng.integers(len(some))])
        if len(taken) == len(claim):
            found[tuple(sorted(taken))] = None
        if len(found) == count:
            break
    return tuple(found)


def _p(effect: float, others: Sequence[float]) -> float:
    """Share of all sets, the account's among them, that move the score at least as much (Phipson and Smyth 2010)."""
    return (1 + sum(abs(other) >= abs(effect) for other in others)) / (1 + len(others))


def _right(first: Side, second: Side, settings: Adjudication) -> Right:
    sides, each = (first, second), set[Right]()
    if min(len(side.random[0]) for side in sides) < _FEWEST:
        return "undecided"
    for k in range(len(first.effects)):
        a, b = abs(first.effects[k]), abs(second.effects[k])
        level = [max(settings.alpha, 1 / (1 + len(side.random[k]))) for side in sides]
        beyond = [abs(s.effects[k]) > settings.least and s.p[k] <= at for s, at in zip(sides, level, strict=True)]
        if not any(beyond):
            each.add("neither")
        elif abs(a - b) <= max(settings.least, settings.margin * max(a, b)) or not beyond[0 if a > b else 1]:
            each.add("undecided")
        else:
            each.add("first" if a > b else "second")
    return each.pop() if len(each) == 1 else "undecided"


def _range(sides: Sequence[Side]) -> tuple[float, float]:
    """Return the middle 90 % of what random sets do, over accounts and operators; 0 where there are none."""
    every = [effect for side in sides for effects in side.random for effect in effects]
    low, high = np.quantile(every, (0.05, 0.95)) if every else (0.0, 0.0)
    return float(low), float(high)


def _told(m: str, first: Side, second: Side, overlap: float, right: Right) -> str:
    a, b, (low, high) = first.name, second.name, _range((first, second))
    if right == "agree":
        same = f"Of {m}, {a} and {b} name the same evidence ({first.where})"
        return f"{same}; editing it moved the score by {nats(first.effect)} nats."
    figures = (
        f"Of {m}, {a} and {b} name different evidence (overlap {percent(overlap)}): editing what {a} alone names "
        f"({first.where}) moved the score by {nats(first.effect)} nats, what {b} alone names ({second.where}) by "
        f"{nats(second.effect)}; random sets like them move it by {number(low)} to {number(high)}."
    )
    others = {
        "neither": "Neither moves it more than chance does.",
        "undecided": "That decides nothing: a tie, operators that disagree, or too few sets to compare with.",
    }
    verdict = others.get(right) or f"{a if right == 'first' else b} was right."
    return f"{figures} {verdict[0].upper()}{verdict[1:]}"
