"""Control edits: like the claim in everything but the explanation's say.

Same sense, same number of units in the same number of frames, grown together like the claim, and about the same edit energy: with uniform controls an
edge detector would pass. They are drawn from the whole signal, the claim's own place included, so that an explanation that knows nothing
is one draw among equals and passes with probability alpha at most.
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
        edits: unit indices of each control, ascending; all different, none the claim itself.
        energies: energy of each control as a share of the claim's, from the unit energies.
        matched: how many lie within the tolerance.
    """

    edits: tuple[tuple[int, ...], ...]
    energies: tuple[float, ...]
    matched: int


def _group(segmentation: Segmentation, unit: int) -> int:
    frame = segmentation.units[unit].frame
    return -1 if frame is None else frame


def _draw(segmentation: Segmentation, quota: Counter[int], members: dict[int, list[int]], rng: np.random.Generator) -> tuple[int, ...]:
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
        count: controls wanted.
        rng: seeded by commitment and salt; neither the system nor the explainer chooses it.
        tolerance: energies within this factor of the claim's match. Where too few of the claim's own number of units do, controls of more
            or fewer units are drawn.

    Returns:
        At most ``count`` controls, the best matched of those drawn first; fewer where the signal has fewer such edits.
    """
    wanted = float(energy[list(claim)].sum())
    quota = Counter(_group(segmentation, u) for u in claim)
    members: dict[int, list[int]] = {}
    for unit in range(len(segmentation)):
        members.setdefault(_group(segmentation, unit), []).append(unit)
    ratios: dict[tuple[int, ...], float] = {}
    own = tuple(sorted(claim))
    matched: list[tuple[int, ...]] = []
    for attempt in range(40 * count):
        if len(matched) >= count:
            break
        # The claim's own size first; if energies do not match, sizes up to three times smaller or larger.
        scale = 1.0 if attempt < 10 * count else float(np.exp(rng.uniform(-np.log(3), np.log(3))))
        sized = Counter({g: int(np.clip(round(n * scale), 1, len(members[g]))) for g, n in quota.items()})
        edit = _draw(segmentation, sized, members, rng)
        if edit == own or edit in ratios:
            continue
        ratios[edit] = float(energy[list(edit)].sum()) / max(wanted, 1e-12)
        if 1 / tolerance <= ratios[edit] <= tolerance:
            matched.append(edit)
    rest = sorted((e for e in ratios if e not in set(matched)), key=lambda e: abs(np.log(max(ratios[e], 1e-12))))
    chosen = (matched + rest)[:count]
    return Controls(tuple(chosen), tuple(ratios[e] for e in chosen), min(len(matched), count))
