"""Sufficiency and necessity: is the named evidence enough for the decision, and can the decision do without it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..fusion.measure import Edit, Laboratory, Operators
from .account import CheckedClaim
from .bounds import Share, hoeffding

__all__ = ["Necessity", "measure_necessity", "measure_sufficiency", "union"]


@dataclass(frozen=True)
class Necessity:
    """What taking out the evidence of all claims together does.

    Attributes:
        predicted: sum of the claims' predictions, nats: nobody measured this edit before.
        effects: change of the score, nats, one per operator.
        flips: whether the decision changes, one per operator.
        actions: index of the action then chosen, one per operator.
    """

    predicted: float
    effects: tuple[float, ...]
    flips: tuple[bool, ...]
    actions: tuple[int, ...] = ()


def union(claims: Sequence[CheckedClaim]) -> dict[str, tuple[int, ...]]:
    """Return the units of all claims by sense."""
    units: dict[str, set[int]] = {}
    for checked in claims:
        units.setdefault(checked.claim.modality, set()).update(checked.claim.units)
    return {m: tuple(sorted(found)) for m, found in units.items()}


def measure_necessity(
    laboratory: Laboratory, claims: Sequence[CheckedClaim], operators: Sequence[Operators]
) -> Necessity:
    """Take out the evidence of all claims together.

    Raises:
        ContractError: the system cannot be measured.
    """
    laboratory.score_all([union(claims)], operators)
    found = [laboratory.measure([union(claims)], each) for each in operators]
    return Necessity(
        predicted=float(sum(c.claim.predicted for c in claims)),
        effects=tuple(float(m.effect[0]) for m in found),
        flips=tuple(int(m.logits[0].argmax()) != laboratory.action for m in found),
        actions=tuple(int(m.logits[0].argmax()) for m in found),
    )


def measure_sufficiency(
    laboratory: Laboratory,
    claims: Sequence[CheckedClaim],
    operators: Operators,
    supersets: int,
    rng: np.random.Generator,
    level: float = 0.9,
) -> Share:
    """Return the share of random supersets of the claims' evidence that keep the decision, with Hoeffding's interval.

    A superset keeps every unit of the claims, and each other unit of any sense with probability one half; all else is
    taken out. (The probability that a random superset is a *sufficient reason*: Wäldchen et al., "The Computational
    Complexity of Understanding Binary Classifier Decisions", JAIR 2021, section 2.)

    Args:
        laboratory: the system before the observation.
        claims: the claims.
        operators: infill operator of each sense.
        supersets: how many are drawn.
        rng: seeded by commitment and salt.
        level: confidence of the interval.

    Raises:
        InputError: no supersets.
        ContractError: the system cannot be measured.
    """
    if supersets < 1:
        raise InputError(f"sufficiency: {supersets} supersets; at least 1 is wanted")
    kept = {m: set(units) for m, units in union(claims).items()}
    edits: list[Edit] = []
    for _ in range(supersets):
        edit = {}
        for m, segmentation in laboratory.segmentations.items():
            gone = rng.random(len(segmentation)) < 0.5
            edit[m] = tuple(int(u) for u in np.flatnonzero(gone) if int(u) not in kept.get(m, ()))
        edits.append(edit)
    logits = laboratory.measure(edits, operators).logits
    return hoeffding(int((logits.argmax(1) == laboratory.action).sum()), supersets, level)
