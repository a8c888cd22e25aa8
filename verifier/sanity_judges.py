"""The judges of the sanity checks: does a map depend on what was learned, and on what was asked?

What each check tests, and when it fails:

**parameter-randomisation** (Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018). The layers' weights are
drawn anew, cumulatively from the top, in a few stages (`veridical.verifier.metrics.randomisation`), and the sizes of
the map's elements are compared with those before by Spearman's correlation, in each sense. It fails where the mean over
the stages is above a limit: halfway from what the map shares with those of fully randomised systems (the mean over some
draws, for architecture and input give any map a likeness that owes nothing to learning) to 1, no change at all; and
never above √½, where half of the ranks' variance has stayed.

**label-swap**. The map of the action decided on is compared, signs and all, with the maps of other actions, and the
least alike of those is taken. The null distribution: maps of the *same* action, at inputs with noise that hardly shows
(and other seeds, for methods that draw). It fails unless the other action's map differs more than all but a share
``level`` of the null: p = (1 + #{null ≤ swapped}) / (draws + 1). Of two actions the score is the log-odds, one's being
minus the other's, so that a map without signs cannot tell them apart: not applicable. Of more it is the logit.

**input-independence** (the edge detector). In each sense and over its evidence units (the map's mean in a unit, with
its sign: even in an exact map, w·x of a linear system, the sizes are mostly the input's), the map is compared by
Spearman's correlation with the mean of the ranks in the maps of several fully randomised systems: what they agree on is
drawn from input and architecture, by whatever weights. It fails where that correlation is above √½ (more than half of
the ranks' variance needs no learned weights), and above what permuted units give in all but a share ``level`` of
permutations. Told beside it: the correlation with the input's own edge energy, of this map and of the randomised
systems' maps, and the partial correlation with the latter, given the edges: what is left when the edges are taken out.
Edges alone do not decide, for a system may rightly look where they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from ..errors import InputError
from ..modalities.engines.ranks import rank_correlation
from ..modalities.wording import number

__all__ = [
    "FEWEST",
    "HALF",
    "INPUTS",
    "RANDOMISATION",
    "SWAP",
    "SanityCheck",
    "SanitySettings",
    "judge_inputs",
    "judge_randomisation",
    "judge_swap",
    "partial_correlation",
]

RANDOMISATION, SWAP, INPUTS = "parameter-randomisation", "label-swap", "input-independence"
"""Names of the checks."""

HALF = math.sqrt(0.5)
"""Rank correlation at which half of the variance of ranks is shared."""

FEWEST = 8
"""Elements, or evidence units, without which ranks tell nothing: below it, two thirds come of chance alone."""

Verdict = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class SanitySettings:
    """How much is spent, and how strict the checks are.

    Attributes:
        stages: stages of the cascade at most.
        draws: fully randomised systems.
        noisy: noisy inputs, the null of the label swap.
        noise: standard deviation of that noise as a share of the input's root mean square (40 dB below it; in a
            picture about what rounding to 8 bits does).
        others: other actions compared, at most: the runner-up, those evenly between, the last.
        permutations: of evidence units.
        level: share of a null distribution that may lie beyond.
        seed: of all that is drawn.

    Raises:
        InputError: too few draws to reach the level, or a number out of range.
    """

    stages: int = 8
    draws: int = 3
    noisy: int = 19
    noise: float = 0.01
    others: int = 3
    permutations: int = 999
    level: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            min(self.stages, self.draws, self.others) < 1
            or not 0 < self.noise < 1
            or not 0 < self.level < 1
            or self.seed < 0
        ):
            raise InputError(
                f"sanity: {self}; stages, draws and others from 1, noise and level between 0 and 1, a seed from 0"
            )
        fewest = math.ceil(1 / self.level - 1e-9) - 1
        if min(self.noisy, self.permutations) < fewest:
            raise InputError(
                f"sanity: {self.noisy} noisy inputs and {self.permutations} permutations; a level of {self.level} "
                f"cannot be reached with less than {fewest}"
            )


@dataclass(frozen=True)
class SanityCheck:
    """What one check found.

    Attributes:
        name: ``"parameter-randomisation"``, ``"label-swap"`` or ``"input-independence"``.
        verdict: ``"passed"``, ``"failed"`` or ``"not applicable"``.
        reason: one sentence, with figures.
        figures: plain JSON values.
    """

    name: str
    verdict: Verdict
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def judge_randomisation(stages: Mapping[str, Sequence[float]], unrelated: Mapping[str, Sequence[float]]) -> SanityCheck:
    """Judge the cascade.

    Args:
        stages: by sense, the similarity to the map before at each stage.
        unrelated: by sense, the similarity to the maps of fully randomised systems.
    """
    name = RANDOMISATION
    means = {m: float(np.mean(v)) for m, v in stages.items() if v and unrelated.get(m)}
    if not means:
        return SanityCheck(name, "not applicable", "no randomised system gave a map that could be compared")
    limits = {m: min((1 + float(np.mean(unrelated[m]))) / 2, HALF) for m in means}
    figures = {
        "similarity": means,
        "limit": limits,
        "stages": {m: list(map(float, stages[m])) for m in means},
        "unrelated": {m: list(map(float, unrelated[m])) for m in means},
    }
    bad = [m for m in means if means[m] > limits[m]]
    told = _listed({m: f"{number(means[m], 2)} in {m} (limit {number(limits[m], 2)})" for m in bad or means})
    if bad:
        why = f"the map stays when the weights are drawn anew from the top: rank correlation {told}"
        return SanityCheck(name, "failed", why, figures)
    why = f"the map changes when the weights are drawn anew from the top: rank correlation {told}"
    return SanityCheck(name, "passed", why, figures)


def judge_swap(
    decided: str, swapped: Mapping[str, float], null: Sequence[float], settings: SanitySettings
) -> SanityCheck:
    """Judge the label swap.

    Args:
        decided: the action decided on.
        swapped: similarity of its map to that of each other action.
        null: similarity of its map to that at each noisy input.
        settings: the level and the noise, as they were.
    """
    name = SWAP
    if not swapped:
        return SanityCheck(name, "not applicable", f"no other action than {decided} has a map that ranks anything")
    if (len(null) + 1) * settings.level < 1 - 1e-9:
        why = f"{len(null)} of the noisy inputs gave maps, too few for a level of {settings.level}"
        return SanityCheck(name, "not applicable", why)
    other = min(swapped, key=lambda action: swapped[action])
    p = (1 + sum(value <= swapped[other] for value in null)) / (len(null) + 1)
    figures = {"swapped": dict(swapped), "null": list(null), "p": p, "noise": settings.noise}
    spread = f"{number(min(null), 2)} to {number(max(null), 2)} in {len(null)} draws; p = {p:.2f}"
    alike, noise = f"rank correlation {number(swapped[other], 2)}", f"{settings.noise:.0%} of noise makes it ({spread})"
    if p <= settings.level:
        why = f"the map of {other} differs from that of {decided} ({alike}) more than {noise}"
        return SanityCheck(name, "passed", why, figures)
    why = f"no other action's map differs from that of {decided} (least alike: {other}, {alike}) more than {noise}"
    return SanityCheck(name, "failed", why, figures)


def judge_inputs(
    maps: Mapping[str, Float[np.ndarray, " units"]],
    randomised: Sequence[Mapping[str, Float[np.ndarray, " units"]]],
    edges: Mapping[str, Float[np.ndarray, " units"]],
    settings: SanitySettings,
) -> SanityCheck:
    """Judge what of the map needs no learned weights.

    Args:
        maps: by sense, the map's mean in each evidence unit.
        randomised: the same of fully randomised systems.
        edges: by sense, the input's mean edge energy in each unit.
        settings: level, permutations and seed.
    """
    name = INPUTS
    rng = np.random.default_rng(settings.seed)
    found = {}
    for m, values in maps.items():
        theirs = [r[m] for r in randomised if m in r]
        if len(values) >= FEWEST and theirs and values.min() < values.max():
            found[m] = _known(values, theirs, edges[m], rng, settings.permutations)
    if not found:
        why = f"no sense has a map on {FEWEST} evidence units or more that ranks them, of this system and randomised"
        return SanityCheck(name, "not applicable", why)
    bad = [m for m, f in found.items() if f["shared"] > HALF and f["p"] <= settings.level]
    told = _listed(
        {m: f"{number(found[m]['shared'], 2)} in {m}{_edges(found[m]) if bad else ''}" for m in bad or found}
    )
    if bad:
        why = "most of the map is drawn without the learned weights: rank correlation with the maps of randomised "
        return SanityCheck(name, "failed", f"{why}systems {told} (limit {HALF:.2f})", found)
    why = f"randomised systems draw other maps: rank correlation with theirs {told} (limit {HALF:.2f})"
    return SanityCheck(name, "passed", why, found)


def partial_correlation(ab: float, ac: float, bc: float) -> float | None:
    """Return the correlation of a and b given c, from the three of pairs; None where c determines a or b.

    >>> partial_correlation(0.5, 0.0, 0.0)
    0.5
    """
    rest = (1 - ac**2) * (1 - bc**2)
    return (ab - ac * bc) / math.sqrt(rest) if rest > 1e-9 else None


def _known(
    values: Float[np.ndarray, " units"],
    theirs: Sequence[Float[np.ndarray, " units"]],
    edges: Float[np.ndarray, " units"],
    rng: np.random.Generator,
    permutations: int,
) -> dict[str, Any]:
    """The figures of one sense; ``shared`` is 0 where the randomised maps rank nothing."""
    usual = np.mean([rankdata(v) for v in theirs], axis=0)
    shared, own, common = (rank_correlation(a, b) for a, b in ((values, usual), (values, edges), (usual, edges)))
    null = [rank_correlation(rng.permutation(values), usual) or 0.0 for _ in range(permutations)]
    partial = None if shared is None or own is None or common is None else partial_correlation(shared, own, common)
    return {
        "shared": shared or 0.0,
        "p": (1 + sum(v >= (shared or 0.0) for v in null)) / (permutations + 1),
        "edges": own,
        "edges_randomised": [rank_correlation(v, edges) for v in theirs],
        "partial": partial,
        "units": len(values),
    }


def _edges(figures: Mapping[str, Any]) -> str:
    """In a few words: the correlations with the edges."""
    theirs = [v for v in figures["edges_randomised"] if v is not None]
    if figures["edges"] is None or not theirs:
        return ""
    partial = figures["partial"]
    rest = "" if partial is None else f"; {number(partial, 2)} without what the edges explain"
    return f" (with the input's edges {number(figures['edges'], 2)}, theirs {number(float(np.mean(theirs)), 2)}{rest})"


def _listed(told: Mapping[str, str]) -> str:
    *most, last = told.values()
    return f"{', '.join(most)} and {last}" if most else last
