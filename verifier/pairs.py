"""Pairs: do two pieces of evidence act together, more than random pieces do?

The null is that of the verifier: evidence like it. One side of a pair is held and the other changed for random
evidence of the same size, shape and energy that lies clear of it (parts of one thing play its part), and then the
other way round. A pair is *found*
if its interaction is larger than with either side changed, by rank tests at level alpha (Holm's correction over all
pairs that were proposed), if it has the same sign under all operators, and if it is large: of effects that almost add
up, what is left over says little, however reliably it is there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fusion.coalitions import Coalitions
from ..fusion.interactions import Evidence, Interaction, measure_interactions
from ..fusion.matches import holm
from ..fusion.measure import Laboratory, Operators
from .claims import ClaimSettings
from .controls import draw_beside
from .grouping import GroupSettings, measured_effects
from .places import around, windows
from .verify import unit_energy

__all__ = ["PairSearch", "PairSettings", "PairTest", "check_pairs", "find_pairs", "gather", "propose_pairs"]

TIE = 1e-4
"""Interactions that differ by this share of themselves are the same: scores are float32."""


@dataclass(frozen=True)
class PairSettings:
    """How pairs are looked for and tested.

    Attributes:
        alpha: level of the test, over all pairs together.
        together: pairs are looked for where two senses act together by at least this share of the score's difference
            from the baseline (`Coalitions.interaction`).
        least: an interaction is large if it is at least this share of the largest of the three effects.
        nats: and at least so large in itself; senses that act together by less are not looked into either.
        controls: random pieces for each side of a pair; ``most / alpha`` less one are needed to find one of ``most``.
        most: pairs tested at the most.
        groups: groups measured in each sense where evidence is gathered.
        largest: largest share of a sense's units in one piece.

    Raises:
        InputError: a number out of range.
    """

    alpha: float = 0.05
    together: float = 0.1
    least: float = 0.25
    nats: float = 0.5
    controls: int = 39
    most: int = 1
    groups: int = 32
    largest: float = 0.4

    def __post_init__(self) -> None:
        fits = 0 < self.alpha < 1 and min(self.together, self.least, self.nats) >= 0 and 0 < self.largest <= 1
        wanted = float(np.ceil(self.most / self.alpha - 1 - 1e-9)) if 0 < self.alpha < 1 else float("inf")
        if not (fits and min(self.most, self.groups) >= 1 and self.controls >= wanted):
            raise InputError(
                f"pairs: {self}; alpha is between 0 and 1, largest a share, the others positive, and controls at least "
                f"most / alpha - 1 ({wanted:.0f} here), for with fewer nothing can be found"
            )


@dataclass(frozen=True)
class PairTest:
    """What the test made of a pair.

    Attributes:
        interaction: as it was measured, under all operators.
        p: the larger p-value of the two sides, corrected for the number of pairs; None where it was not tested, for it
            is not large or not of one sign.
        controls: random pieces that stood in for a and for b.
        found: whether the pair acts together.
    """

    interaction: Interaction
    p: float | None
    controls: tuple[int, int]
    found: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**self.interaction.to_dict(), "p": self.p, "controls": list(self.controls), "found": self.found}


def gather(
    laboratory: Laboratory,
    rankings: Sequence[Mapping[str, Float[np.ndarray, " units"]]],
    operators: Sequence[Operators],
    settings: PairSettings | None = None,
    senses: Collection[str] | None = None,
) -> tuple[Evidence, ...]:
    """Return the evidence that matters most in each sense, found by measuring, sense by sense.

    Args:
        laboratory: the system before the observation.
        rankings: what gradients make of each unit; they say where to look.
        operators: sets of infill operators; evidence counts if it does under each of them.
        settings: how many groups are measured in a sense.
        senses: where to look; by default in all.

    Raises:
        ContractError: the system cannot be measured.
    """
    settings = settings or PairSettings()
    found = []
    for m, segmentation in laboratory.segmentations.items():
        if not len(segmentation) or (senses is not None and m not in senses):
            continue
        alone = replace(laboratory, segmentations={m: segmentation})
        searched = GroupSettings(groups=settings.groups, single=0, claims=ClaimSettings(largest=settings.largest))
        seen = [(m, units) for units in windows(segmentation)]
        grouping = measured_effects(alone, [{m: r[m]} for r in rankings], operators, seen, searched)
        laboratory.passes, laboratory.score = alone.passes, alone.score
        found += [Evidence(m, claim.units) for claim in grouping.claims[:1]]
    return tuple(found)


@dataclass(frozen=True)
class PairSearch:
    """What came of looking for pairs.

    Attributes:
        senses: the two senses that act together most; empty where there are no two.
        index: by how much, nats.
        wanted: from how much on pairs are looked for, nats.
        tests: the pairs that were tested.
    """

    senses: tuple[str, ...]
    index: float
    wanted: float
    tests: tuple[PairTest, ...] = ()

    @property
    def looked(self) -> bool:
        """Whether the senses act together enough for pairs to be looked for."""
        return bool(self.senses) and abs(self.index) >= self.wanted


def find_pairs(
    laboratory: Laboratory,
    coalitions: Coalitions,
    rankings: Sequence[Mapping[str, Float[np.ndarray, " units"]]],
    operators: Sequence[Operators],
    rng: np.random.Generator,
    settings: PairSettings | None = None,
) -> PairSearch:
    """Find the pair of evidence through which two senses act together.

    The coalitions of senses say which two senses to look into; in both the evidence that matters most is found by
    measuring, and the pair is tested. So one pair is tested, and it was not chosen by what the test looks at.

    Args:
        laboratory: the system before the observation.
        coalitions: scores of the coalitions of its senses.
        rankings: what gradients make of each unit.
        operators: sets of infill operators; random pieces are measured under the first.
        rng: seeded by what neither the system nor the explainer chooses.
        settings: how.

    Raises:
        InputError: an unknown operator.
        ContractError: the system cannot be measured.
    """
    settings = settings or PairSettings()
    wanted = max(settings.together * abs(coalitions.difference), settings.nats)
    index = {s: v for s, v in coalitions.interaction().items() if all(len(laboratory.segmentations[m]) for m in s)}
    if not index:
        return PairSearch((), 0.0, wanted)
    chosen = max(index, key=lambda s: abs(index[s]))
    found = PairSearch(tuple(m for m in coalitions.senses if m in chosen), index[chosen], wanted)
    if not found.looked:
        return found
    evidence = gather(laboratory, rankings, operators, settings, chosen)
    proposed = propose_pairs(laboratory, evidence, operators, settings)
    return replace(found, tests=check_pairs(laboratory, proposed, operators[0], rng, settings))


def propose_pairs(
    laboratory: Laboratory,
    evidence: Sequence[Evidence],
    operators: Sequence[Operators],
    settings: PairSettings | None = None,
    *,
    within: bool = False,
) -> tuple[Interaction, ...]:
    """Measure all pairs of evidence, and return those that interact most.

    Args:
        laboratory: the system before the observation.
        evidence: pieces to pair.
        operators: sets of infill operators.
        settings: how many pairs are returned.
        within: whether pairs of one sense count as well.

    Raises:
        InputError: an unknown unit or operator.
        ContractError: the system cannot be measured.
    """
    settings = settings or PairSettings()
    pairs = [
        (a, b)
        for a, b in combinations(dict.fromkeys(evidence), 2)
        if a.sense != b.sense or (within and not set(a.units) & set(b.units))
    ]
    found = measure_interactions(laboratory, pairs, operators)
    return tuple(sorted(found, key=lambda i: -abs(i.measured))[: settings.most])


def check_pairs(
    laboratory: Laboratory,
    proposed: Sequence[Interaction],
    operators: Operators,
    rng: np.random.Generator,
    settings: PairSettings | None = None,
) -> tuple[PairTest, ...]:
    """Test pairs against random pairs.

    Args:
        laboratory: the system before the observation.
        proposed: pairs as they were measured under all sets of operators.
        operators: the set under which random pieces are measured; the pair is measured under it as well.
        rng: seeded by what neither the system nor the explainer chooses.
        settings: how.

    Raises:
        InputError: more pairs than the settings' ``most``.
        ContractError: the system cannot be measured.
    """
    settings = settings or PairSettings()
    if len(proposed) > settings.most:
        raise InputError(f"pairs: {len(proposed)} were proposed; the test has controls for {settings.most} at most")
    raw: dict[int, tuple[float, tuple[int, int]]] = {}
    for k, pair in enumerate(proposed):
        signs = {np.sign(value) for value in pair.each}
        if pair.share >= settings.least and abs(pair.measured) >= settings.nats and len(signs) == 1:
            raw[k] = _against_random(laboratory, pair, operators, rng, settings.controls)
    # Pairs that were not tested count among those that could have been found.
    adjusted = dict(enumerate(holm([raw[k][0] if k in raw else 1.0 for k in range(len(proposed))])))
    return tuple(
        PairTest(
            interaction=pair,
            p=adjusted[k] if k in raw else None,
            controls=raw[k][1] if k in raw else (0, 0),
            found=k in raw and adjusted[k] <= settings.alpha + 1e-12,  # most times 1 / (controls + 1), rounded
        )
        for k, pair in enumerate(proposed)
    )


def _against_random(
    laboratory: Laboratory, pair: Interaction, operators: Operators, rng: np.random.Generator, count: int
) -> tuple[float, tuple[int, int]]:
    """Return the larger p-value of the two sides, and how many random pieces stood in for each."""
    own = abs(measure_interactions(laboratory, [(pair.a, pair.b)], [operators])[0].measured)
    ps, counts = [], []
    for moved, held in ((pair.a, pair.b), (pair.b, pair.a)):
        segmentation = laboratory.segmentations[moved.sense]
        clear = {*around(segmentation, moved.units), *(held.units if held.sense == moved.sense else ())}
        energy = unit_energy(laboratory, moved.sense)
        drawn = draw_beside(segmentation, energy, moved.units, clear, count, rng)
        pairs = [(Evidence(moved.sense, units), held) for units in drawn]
        sizes = [abs(i.measured) for i in measure_interactions(laboratory, pairs, [operators])]
        # A permutation p-value is never 0 (Phipson and Smyth, SAGMB 2010).
        ps.append((1 + sum(size >= own * (1 - TIE) for size in sizes)) / (1 + len(sizes)))
        counts.append(len(sizes))
    return max(ps), (counts[0], counts[1])
