"""Control edits: like the claim in everything but the explanation's say.

Peers have the claim's number of units in the same frames, are grown together like the claim, and match its edit energy
where such edits are found. They are drawn from the whole signal, the claim's own place included, so that an explanation
that knows nothing is one draw among equals; only those that are the claim over again, but for a third of its units at
the most, are left out, or a unit too many in a true claim would make it fail. Where too few peers match the claim's
energy, an edge detector might pass; so decoys join: edits elsewhere, of more or fewer units, that do match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..modalities.evidence import Segmentation

__all__ = ["Controls", "draw_controls"]


@dataclass(frozen=True)
class Controls:
    """Control edits and how well they match the claim.

    Attributes:
        edits: unit indices of each control, ascending; all different; peers first, then decoys.
        energies: energy of each control as a share of the claim's, from the unit energies.
        matched: how many lie within the tolerance.
        peers: how many are of the claim's own size.
    """

    edits: tuple[tuple[int, ...], ...]
    energies: tuple[float, ...]
    matched: int
    peers: int


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
        count: peers wanted.
        rng: seeded by commitment and salt; neither the system nor the explainer chooses it.
        tolerance: energies within this factor of the claim's match.

    Returns:
        At most ``count`` peers, those that match in energy first; fewer where the signal has fewer. If not all of them
        match, up to ``count // 4`` decoys of up to three times more or fewer units, from outside the claim: around
        a bright object the edits of the claim's energy are those that hold the object too, and would only measure the
        claim again. Decoys don't make up for missing peers, or a claim picked at random would be right too often.
    """
    wanted = float(energy[list(claim)].sum())
    frame = [-1 if unit.frame is None else unit.frame for unit in segmentation.units]
    quota, room = Counter(frame[u] for u in claim), Counter(frame)
    own = frozenset(claim)

    def ratio(edit: tuple[int, ...]) -> float:
        return float(energy[list(edit)].sum()) / max(wanted, 1e-12)

    def matches(edit: tuple[int, ...]) -> bool:
        return 1 / tolerance <= ratio(edit) <= tolerance

    drawn: dict[tuple[int, ...], bool] = {}
    for _ in range(10 * count):
        edit = _draw(segmentation, frame, quota, rng)
        # More than two thirds of the claim are the claim again.
        if 3 * len(own.intersection(edit)) <= 2 * len(own) and edit not in drawn:
            drawn[edit] = matches(edit)
        if sum(drawn.values()) >= count:
            break
    # Those that match first, otherwise as they were drawn: chance alone decides, and nobody can tell beforehand.
    peers = sorted(drawn, key=lambda edit: not drawn[edit])[:count]
    decoys: list[tuple[int, ...]] = []
    for _ in range(10 * count if not all(drawn[edit] for edit in peers) else 0):
        if len(decoys) >= count // 4:
            break
        scale = float(np.exp(rng.uniform(-np.log(3), np.log(3))))
        sized = Counter({f: int(np.clip(round(n * scale), 1, room[f])) for f, n in quota.items()})
        edit = _draw(segmentation, frame, sized, rng)
        if matches(edit) and own.isdisjoint(edit) and edit not in peers and edit not in decoys:
            decoys.append(edit)
    edits = (*peers, *decoys)
    matched = sum(matches(edit) for edit in edits)
    return Controls(edits, tuple(ratio(edit) for edit in edits), matched, len(peers))
