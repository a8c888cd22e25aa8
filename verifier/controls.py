"""Control edits: like the claim in everything but the explanation's say.

Peers have the claim's number of units in the same frames, are grown together like the claim, and are nearest to it in
edit energy. They are drawn from the whole signal, the claim's own place included, so that an explanation that knows
nothing is one draw among equals. Where too few of them match the claim's energy, an edge detector might pass; so decoys
join: edits elsewhere, of more or fewer units, that do match.
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
        edits: unit indices of each control, ascending; all different, none the claim itself; peers first, then decoys.
        energies: energy of each control as a share of the claim's, from the unit energies.
        matched: how many lie within the tolerance.
        peers: how many are of the claim's own size.
    """

    edits: tuple[tuple[int, ...], ...]
    energies: tuple[float, ...]
    matched: int
    peers: int


def _group(segmentation: Segmentation, unit: int) -> int:
    frame = segmentation.units[unit].frame
    return -1 if frame is None else frame


def _draw(
    segmentation: Segmentation, quota: Counter[int], members: dict[int, list[int]], rng: np.random.Generator
) -> tuple[int, ...]:
    """Grow one random connected edit that fills the quota of each frame."""
    left = Counter(quota)
    taken: set[int] = set()
    frontier: list[int] = []
    while left.total():
        open_groups = [g for g in sorted(left) if left[g] > 0]
        frontier = [u for u in frontier if u not in taken and left[_group(segmentation, u)] > 0]
        if frontier:
            unit = frontier[rng.integers(len(frontier))]
        else:
            free = [u for u in members[open_groups[rng.integers(len(open_groups))]] if u not in taken]
            unit = free[rng.integers(len(free))]
        taken.add(unit)
        left[_group(segmentation, unit)] -= 1
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
        At most ``count`` peers, of all drawn those nearest in energy; fewer where the signal has fewer. If not all of
        them match, up to ``count // 4`` decoys of up to three times more or fewer units, from outside the claim: around
        a bright object the edits of the claim's energy are those that hold the object too, and would only measure the
        claim again. Decoys don't make up for missing peers, or a claim picked at random would be right too often.
    """
    wanted = float(energy[list(claim)].sum())
    quota = Counter(_group(segmentation, u) for u in claim)
    members: dict[int, list[int]] = {}
    for unit in range(len(segmentation)):
        members.setdefault(_group(segmentation, unit), []).append(unit)
    own = tuple(sorted(set(claim)))

    def ratio(edit: tuple[int, ...]) -> float:
        return float(energy[list(edit)].sum()) / max(wanted, 1e-12)

    def matches(edit: tuple[int, ...]) -> bool:
        return 1 / tolerance <= ratio(edit) <= tolerance

    drawn: dict[tuple[int, ...], bool] = {}
    for _ in range(10 * count):
        edit = _draw(segmentation, quota, members, rng)
        if edit != own and edit not in drawn:
            drawn[edit] = matches(edit)
        if sum(drawn.values()) >= count:
            break
    near = sorted(drawn, key=lambda edit: (not drawn[edit], abs(np.log(max(ratio(edit), 1e-12)))))
    peers = near[:count]
    decoys: list[tuple[int, ...]] = []
    for _ in range(10 * count if not all(drawn[edit] for edit in peers) else 0):
        if len(decoys) >= count // 4:
            break
        scale = float(np.exp(rng.uniform(-np.log(3), np.log(3))))
        sized = Counter({g: int(np.clip(round(n * scale), 1, len(members[g]))) for g, n in quota.items()})
        edit = _draw(segmentation, sized, members, rng)
        if matches(edit) and set(own).isdisjoint(edit) and edit not in peers and edit not in decoys:
            decoys.append(edit)
    edits = (*peers, *decoys)
    matched = sum(matches(edit) for edit in edits)
    return Controls(edits, tuple(ratio(edit) for edit in edits), matched, len(peers))
