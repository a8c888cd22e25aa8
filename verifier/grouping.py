"""Measured effects: adaptive group testing over the evidence that gradients rank first.

The last rung of the ladder. Gradients only say where to look: groups of units that they rank high, and a coarse
partition of every sense in case they are wrong, are taken away and what that does is measured; groups that matter are
split, joined and trimmed, and measured again. What is reported was measured, every number of it.

Group testing: Dorfman, "The Detection of Defective Members of Large Populations" (Annals of Mathematical Statistics
1943); splitting what tests positive: Hwang, "A Method for Detecting All Defective Members in a Population by Group
Testing" (JASA 1972).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fusion.measure import Laboratory, Operators
from .claims import Claim, ClaimSettings, propose
from .places import halve

__all__ = ["Group", "GroupSettings", "Grouping", "measured_effects"]


@dataclass(frozen=True)
class GroupSettings:
    """How groups are searched.

    Attributes:
        groups: groups measured at most, each under every operator.
        levels: times that a sense is halved for the first, coarse partition.
        beam: groups that are refined in each round.
        single: where all senses together have so many units or fewer, each is measured alone as well, beyond
            ``groups``.
        keep: a smaller group that shares units with another takes its place if it has at least this share of its
            effect.
        least: smallest effect that counts, nats.
        claims: how large a claim may be, and how many there may be.

    Raises:
        InputError: a number out of range.
    """

    groups: int = 72
    levels: int = 3
    beam: int = 3
    single: int = 80
    keep: float = 0.8
    least: float = 0.1
    claims: ClaimSettings = field(default_factory=ClaimSettings)

    def __post_init__(self) -> None:
        if min(self.groups, self.beam) < 1 or min(self.levels, self.single, self.least) < 0 or not 0 < self.keep <= 1:
            raise InputError(
                f"groups: {self}; groups and beam are at least 1, levels, single and least at least 0, keep a share"
            )


@dataclass(frozen=True)
class Group:
    """Units of one sense that were taken away together, and what that did under each operator, nats."""

    modality: str
    units: tuple[int, ...]
    effects: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean effect over the operators, nats."""
        return float(np.mean(self.effects))

    def counts(self, least: float) -> bool:
        """Whether the score falls by at least ``least`` nats under every operator."""
        return max(self.effects) <= -least


@dataclass(frozen=True)
class Grouping:
    """What was found.

    Attributes:
        claims: the strongest groups, disjoint, with their measured mean effects as predictions.
        values: by sense and unit, nats: minus the effect of the smallest measured group that holds the unit (of a
            claim's units, the claim), shared out half evenly and half by what the units do alone, or by the rankings
            where that was not measured.
        groups: all groups measured, as they were measured.
    """

    claims: tuple[Claim, ...]
    values: Mapping[str, Float[np.ndarray, " units"]]
    groups: tuple[Group, ...]


class _Pool:
    """The groups measured so far, each once."""

    def __init__(self, laboratory: Laboratory, operators: Sequence[Operators], most: int) -> None:
        self.laboratory, self.operators, self.most = laboratory, operators, most
        self.groups: dict[tuple[str, tuple[int, ...]], Group] = {}

    def add(self, wanted: Iterable[tuple[str, tuple[int, ...]]]) -> int:
        """Measure groups that are new, as many as may be; returns how many were."""
        fresh = [key for key in dict.fromkeys(wanted) if key[1] and key not in self.groups]
        fresh = fresh[: max(self.most - len(self.groups), 0)]
        edits = [{m: units} for m, units in fresh]
        self.laboratory.score_all(edits, self.operators)
        effects = [self.laboratory.measure(edits, operators).effect.tolist() for operators in self.operators]
        for i, (m, units) in enumerate(fresh):
            self.groups[m, units] = Group(m, units, tuple(effect[i] for effect in effects))
        return len(fresh)


def measured_effects(
    laboratory: Laboratory,
    rankings: Sequence[Mapping[str, Float[np.ndarray, " units"]]],
    operators: Sequence[Operators],
    seen: Iterable[tuple[str, Sequence[int]]] = (),
    settings: GroupSettings | None = None,
) -> Grouping:
    """Find the evidence whose removal lowers the score most, by measuring.

    Args:
        laboratory: the system before the observation.
        rankings: what gradients (or anything else) make of each unit, by sense; they say where to look, no more.
        operators: infill operators of the senses; a group counts if it does under each of them.
        seen: groups that were found to matter before, control edits that did more than a claim, say.
        settings: how.

    Raises:
        ContractError: the system cannot be measured.
    """
    settings = settings or GroupSettings()
    segmentations = laboratory.segmentations
    limit = {m: max(1, int(settings.claims.largest * len(s))) for m, s in segmentations.items()}
    every = [(m, (u,)) for m, s in segmentations.items() for u in range(len(s))]
    every = every if len(every) <= settings.single else []
    most = settings.groups + len(every)
    pool = _Pool(laboratory, operators, most)
    weight = {m: _weight([r[m] for r in rankings], len(s)) for m, s in segmentations.items()}
    start: list[tuple[str, tuple[int, ...]]] = [(m, tuple(sorted({int(u) for u in units}))) for m, units in seen]
    for ranking in rankings:
        start += [(c.modality, c.units) for c in propose(segmentations, ranking, settings.claims)]
    for m, segmentation in segmentations.items():
        parts = [tuple(range(len(segmentation)))] if len(segmentation) else []
        for _ in range(settings.levels):
            parts = [half for part in parts for half in halve(segmentation, part, weight[m])]
        start += [(m, part) for part in parts]
    pool.add([*every, *start])
    while len(pool.groups) < most:
        if not pool.add(_refined(pool, limit, weight, settings)):
            break
    chosen = _choose(pool, limit, settings)
    for m, units in every:
        weight[m][units[0]] = max(-pool.groups[m, units].mean, 0.0)
    values = {m: np.zeros(len(s)) for m, s in segmentations.items()}
    # Large groups first, so that a unit ends with what the smallest group that holds it did; claims stand last.
    ordered = sorted(pool.groups.values(), key=lambda g: (-len(g.units), g.modality, g.units))
    for group in (*ordered, *chosen):
        units = list(group.units)
        share = weight[group.modality][units]
        share = share / share.sum() if share.sum() > 0 else np.full(len(units), 1 / len(units))
        each = (share + 1 / len(units)) / 2
        values[group.modality][units] = 0.0 - group.mean * each  # no −0, which JSON lacks
    claims = tuple(Claim(f"c{i + 1}", g.modality, g.units, g.mean) for i, g in enumerate(chosen))
    return Grouping(claims, values, tuple(pool.groups.values()))


def _weight(rankings: Sequence[Float[np.ndarray, " units"]], units: int) -> Float[np.ndarray, " units"]:
    """How much the rankings look at each unit: the mean of their sizes, each on a scale of its own."""
    scaled = [np.abs(r) / max(float(np.abs(r).sum()), 1e-12) for r in rankings]
    return np.mean(scaled, axis=0) if scaled else np.zeros(units)


def _refined(
    pool: _Pool,
    limit: Mapping[str, int],
    weight: Mapping[str, Float[np.ndarray, " units"]],
    settings: GroupSettings,
) -> list[tuple[str, tuple[int, ...]]]:
    """Groups worth measuring next: halves, trimmings and enlargements of the best, and the best joined."""
    segmentations = pool.laboratory.segmentations
    ranked = sorted(pool.groups.values(), key=lambda g: g.mean)
    wanted: list[tuple[str, tuple[int, ...]]] = []
    # The best that were not refined yet: their halves were not measured.
    fresh = [g for g in ranked if g.mean <= -settings.least and not _split(pool, weight, g)]
    for group in fresh[: settings.beam]:
        m, size = group.modality, len(group.units)
        wanted += [(m, half) for half in halve(segmentations[m], group.units, weight[m])]
        if size > limit[m]:
            continue
        order = sorted(group.units, key=lambda u: (-weight[m][u], u))
        wanted.append((m, tuple(sorted(order[: max(1, round(2 * size / 3))]))))
        ring = {v for u in group.units for v in segmentations[m].neighbours[u]} - set(group.units)
        near = sorted(ring, key=lambda u: (-weight[m][u], u))[: max(1, round(size / 2))]
        if near and size + len(near) <= limit[m]:
            wanted.append((m, tuple(sorted({*group.units, *near}))))
        others = [g for g in ranked[:8] if g.modality == m and not set(g.units) & set(group.units)]
        for other in others[:2]:
            if size + len(other.units) <= limit[m]:
                wanted.append((m, tuple(sorted({*group.units, *other.units}))))
    return wanted


def _split(pool: _Pool, weight: Mapping[str, Float[np.ndarray, " units"]], group: Group) -> bool:
    if len(group.units) < 2:
        return True
    halves = halve(pool.laboratory.segmentations[group.modality], group.units, weight[group.modality])
    return all((group.modality, half) in pool.groups for half in halves)


def _choose(pool: _Pool, limit: Mapping[str, int], settings: GroupSettings) -> list[Group]:
    """The strongest groups, disjoint; of those that share units with it the smallest that does nearly as much is taken.

    Not its parts alone: the strongest is often a smaller one with a few idle units that add next to nothing.
    """
    left = [g for g in pool.groups.values() if len(g.units) <= limit[g.modality] and g.counts(settings.least)]
    chosen: list[Group] = []
    while left and len(chosen) < settings.claims.most:
        best = min(left, key=lambda g: (g.mean, len(g.units)))
        if chosen and best.mean > settings.claims.least * chosen[0].mean:
            break
        units = set(best.units)
        near = [g for g in left if g.modality == best.modality and units.intersection(g.units)]
        best = min((g for g in near if g.mean <= settings.keep * best.mean), key=lambda g: (len(g.units), g.mean))
        chosen.append(best)
        units = set(best.units)
        left = [g for g in left if g.modality != best.modality or not units & set(g.units)]
    return sorted(chosen, key=lambda g: g.mean)
