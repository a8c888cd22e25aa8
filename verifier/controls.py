"""Control edits: like the claim in everything but the explanation's say.

Controls have the claim's number of units in the same frames, are grown together like the claim, and match its edit
energy where such edits are found. They are drawn from the whole signal, the claim's own place included, so that an
explanation that knows nothing is one draw among equals; only those that are the claim over again, but for a third of
its units at the most, are left out, or a unit too many in a true claim would make it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..modalities.evidence import Segmentation

__all__ = ["Controls", "allot", "draw_beside", "draw_controls"]


@dataclass(frozen=True)
class Controls:
    """Control edits and how well they match the claim.

    Attributes:
        edits: unit indices of each control, ascending; all different.
        energies: energy of each control as a share of the claim's, from the unit energies.
        matched: how many lie within the tolerance.
    """

    edits: tuple[tuple[int, ...], ...] = ()
    energies: tuple[float, ...] = ()
    matched: int = 0


def allot(count: int, claims: int) -> tuple[int, ...]:
    """Share out controls among claims: half of them, but at least as many as any other's, go to the first claim.

    >>> allot(20, 1), allot(20, 3)
    ((20,), (10, 5, 5))
    """
    if claims < 2:
        return (count,) * claims
    rest = max(1, count // 2 // (claims - 1))
    return (max(1, count - rest * (claims - 1)), *(rest,) * (claims - 1))


def _draw(
    segmentation: Segmentation, frame: Sequence[int], quota: Counter[int], rng: np.random.Generator
) -> tuple[int, ...]:
    """Grow one random connected edit that fills the quota of each frame; ``frame`` is that of each unit."""
    left = Counter(quota)
    taken: set[int] = set()
    frontier: list[int] = []
    while left.total():
        frontier = [u for u in frontier if u not in taken and left[frame[u]] > 0]
        if frontier:
            unit = frontier[rng.integers(len(frontier))]
        else:
            still = [f for f in sorted(left) if left[f] > 0]
            chosen = still[rng.integers(len(still))]
            free = [u for u, f in enumerate(frame) if f == chosen and u not in taken]
            unit = free[rng.integers(len(free))]
        taken.add(unit)
        left[frame[unit]] -= 1
        frontier.extend(segmentation.neighbours[unit])
    return tuple(sorted(taken))


def draw_controls(
    segmentation: Segmentation,
    energy: Float[np.ndarray, " units"],
    claim: Sequence[int],
    count: int,
    rng: np.random.Generator,
    tolerance: float = 1.3,
) -> Controls:
    """Draw control edits for a claim.

    Args:
        segmentation: evidence units of the claim's sense.
        energy: share of the whole signal's edit energy that each unit holds (squared norm, additive).
        claim: the claim's units.
        count: controls wanted.
        rng: seeded by commitment and salt; neither the system nor the explainer chooses it.
        tolerance: energies within this factor of the claim's match.

    Returns:
        At most ``count`` controls, those that match in energy first; fewer where the signal has fewer.
    """
    wanted = float(energy[list(claim)].sum())
    frame = [-1 if unit.frame is None else unit.frame for unit in segmentation.units]
    quota = Counter(frame[u] for u in claim)
    own = frozenset(claim)

    def ratio(edit: tuple[int, ...]) -> float:
        return float(energy[list(edit)].sum()) / max(wanted, 1e-12)

    drawn: dict[tuple[int, ...], bool] = {}
    for _ in range(10 * count):
        edit = _draw(segmentation, frame, quota, rng)
        # More than two thirds of the claim are the claim again.
        if 3 * len(own.intersection(edit)) <= 2 * len(own) and edit not in drawn:
            drawn[edit] = 1 / tolerance <= ratio(edit) <= tolerance
        if sum(drawn.values()) >= count:
            break
    # Those that match first, otherwise as they were drawn: chance alone decides, and nobody can tell beforehand.
    edits = tuple(sorted(drawn, key=lambda edit: not drawn[edit])[:count])
    return Controls(edits, tuple(ratio(edit) for edit in edits), sum(drawn[edit] for edit in edits))


def draw_beside(
    segmentation: Segmentation,
    energy: Float[np.ndarray, " units"],
    claim: Sequence[int],
    clear: Collection[int],
    count: int,
    rng: np.random.Generator,
) -> tuple[tuple[int, ...], ...]:
    """Draw edits like a claim that share no unit with what must be kept clear of.

    Where there are too few that are grown together (a clause among few words), scattered ones of the same size follow;
    where too few units are left for that size, all that can be left are smaller.

    Args:
        segmentation: evidence units of the claim's sense.
        energy: as in `draw_controls`.
        claim: the claim's units.
        clear: units that no edit may hold, the claim's own for example.
        count: edits wanted.
        rng: seeded by what neither the system nor the explainer chooses.

    Returns:
        At most ``count`` different edits, unit indices ascending; those grown together and of like energy first.
    """
    kept = set(clear)
    free = [u for u in range(len(segmentation)) if u not in kept]
    like = draw_controls(segmentation, energy, claim, 4 * count, rng).edits
    found = dict.fromkeys(edit for edit in like if not kept.intersection(edit))
    size = min(len(claim), len(free))
    for _ in range(10 * count):
        if size == 0 or len(found) >= count:
            break
        found[tuple(sorted(rng.choice(free, size, replace=False).tolist()))] = None
    return tuple(found)[:count]
