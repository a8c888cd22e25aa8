"""Claims: which units an explanation says the decision rests on, and what editing them should do."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..modalities.evidence import Segmentation

__all__ = ["Claim", "ClaimSettings", "grow", "propose"]


@dataclass(frozen=True)
class ClaimSettings:
    """How units are gathered into claims.

    Attributes:
        threshold: a unit joins while it contributes at least this share of the claim's strongest unit.
        largest: largest share of a sense's units in one claim.
        most: number of claims at the most.
        least: a claim contributes at least this share of the first claim.

    Raises:
        InputError: a number out of range.
    """

    threshold: float = 0.3
    largest: float = 0.25
    most: int = 5
    least: float = 0.1

    def __post_init__(self) -> None:
        shares = 0 < self.threshold <= 1 and 0 < self.largest <= 1 and 0 <= self.least <= 1
        if not (shares and self.most >= 1):
            raise InputError(f"claims: {self}; threshold, largest and least are shares (0..1), most is at least 1")


@dataclass(frozen=True)
class Claim:
    """Editing these units changes the score by ``predicted`` nats (negative: the decision loses support).

    Attributes:
        name: ``c1``, ``c2`` ..., the strongest first.
        modality: the sense.
        units: unit indices, ascending.
        predicted: minus the sum of the units' contributions, nats.
    """

    name: str
    modality: str
    units: tuple[int, ...]
    predicted: float


def _twins(segmentation: Segmentation, value: Float[np.ndarray, " units"]) -> Sequence[int]:
    """Return the strongest unit of each frame.

    They are taken to show the same thing, which may have moved far between frames.
    """
    best: dict[int, int] = {}
    for unit in segmentation.units:
        if unit.frame is not None and (unit.frame not in best or value[unit.index] > value[best[unit.frame]]):
            best[unit.frame] = unit.index
    return sorted(best.values())


def grow(
    segmentation: Segmentation, value: Float[np.ndarray, " units"], free: Iterable[int], settings: ClaimSettings
) -> tuple[int, ...]:
    """Gather units around the strongest free one: always the strongest neighbour next, while it is strong enough.

    Neighbours touch in space or in time; the strongest units of all frames count as neighbours too.

    Returns:
        Unit indices, ascending; none if no free unit speaks for the decision.
    """
    remaining = set(free)
    if not remaining:
        return ()
    seed = max(remaining, key=lambda i: (value[i], -i))
    if value[seed] <= 0:
        return ()
    twins = _twins(segmentation, np.where([i in remaining for i in range(len(segmentation))], value, -np.inf))
    frontier, taken = [(-value[seed], seed)], set()
    limit = max(1, int(settings.largest * len(segmentation)))
    while frontier and len(taken) < limit:
        strength, unit = heapq.heappop(frontier)
        if unit in taken:
            continue
        if -strength < settings.threshold * value[seed]:
            break
        taken.add(unit)
        near = (*segmentation.neighbours[unit], *(twins if unit in twins else ()))
        for other in near:
            if other in remaining and other not in taken:
                heapq.heappush(frontier, (-value[other], other))
    return tuple(sorted(taken))


def _check(modality: str, segmentation: Segmentation, values: Mapping[str, Float[np.ndarray, " units"]]) -> None:
    if modality not in values:
        raise InputError(f"explanation: no contributions for {modality}; it has {', '.join(values) or 'none at all'}")
    if values[modality].shape != (len(segmentation),):
        raise InputError(
            f"explanation: contributions of shape {values[modality].shape} for {len(segmentation)} units of "
            f"{modality}; give one to each unit"
        )
    bad = np.flatnonzero(~np.isfinite(values[modality]))
    if len(bad):
        raise InputError(f"explanation: the contribution of {modality} unit {bad[0]} is not finite; mend the method")


def propose(
    segmentations: Mapping[str, Segmentation],
    values: Mapping[str, Float[np.ndarray, " units"]],
    settings: ClaimSettings | None = None,
) -> tuple[Claim, ...]:
    """Turn contributions of evidence units into claims, the strongest first.

    Args:
        segmentations: evidence units by sense.
        values: contribution of each unit by sense, nats.
        settings: how units are gathered.

    Returns:
        Disjoint claims, each within one sense; none where nothing speaks for the decision.

    Raises:
        InputError: contributions of a sense are missing, too few or too many, or not finite.
    """
    settings = settings or ClaimSettings()
    found: list[tuple[float, str, tuple[int, ...]]] = []
    for m, segmentation in segmentations.items():
        _check(m, segmentation, values)
        free = set(range(len(segmentation)))
        for _ in range(settings.most):
            units = grow(segmentation, values[m], free, settings)
            if not units:
                break
            free -= set(units)
            found.append((float(values[m][list(units)].sum()), m, units))
    found.sort(key=lambda claim: -claim[0])
    kept = [f for f in found if f[0] >= settings.least * found[0][0]][: settings.most]
    return tuple(Claim(f"c{i + 1}", m, units, -total) for i, (total, m, units) in enumerate(kept))
