"""Instances: where in a decision's features each concept is, one connected place after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np
from jaxtyping import Float
from scipy.ndimage import label

from .bank import ConceptBank

__all__ = ["Instance", "find_instances"]

_OWN = 0.25
"""A row belongs to a concept's place where it has this share of the concept's largest strength here."""
_GAP = 2
"""Rows of a sequence that are at most so far apart belong to one place."""


@dataclass(frozen=True)
class Instance:
    """One concept at one connected set of rows.

    Attributes:
        sense: the sense.
        concept: index of the concept in the sense's bank.
        index: 1 for the strongest place of this concept, 2 for the next.
        rows: rows of the features, ascending.
        strength: largest strength in them, nats.
        total: sum of the strengths, nats.
    """

    sense: str
    concept: int
    index: int
    rows: tuple[int, ...]
    strength: float
    total: float

    @property
    def id(self) -> str:
        """Name of the instance in a graph, e.g. ``vision#3.1``."""
        return f"{self.sense}#{self.concept}.{self.index}"


def find_instances(
    bank: ConceptBank, strengths: Float[np.ndarray, "rows concepts"], grid: Sequence[int], merged: Sequence[int] = ()
) -> tuple[Instance, ...]:
    """Return the places of all concepts that are present, those with the largest sums first.

    Cells of a picture that touch, corners and neighbouring frames included, are one place; so are rows of a sequence
    (windows, tokens) at most two apart.

    Args:
        bank: says from which strength on a concept is present.
        strengths: of each concept in each row.
        grid: shape of the rows' places.
        merged: concepts (an operator merged or vetoed them) that are passed over.
    """
    found: list[Instance] = []
    pictures = len(grid) >= 2
    for k in range(len(bank)):
        column = strengths[:, k]
        most = column.max(initial=0.0)
        if k in merged or most <= 0 or most < bank.threshold[k]:
            continue
        active = column >= _OWN * most
        places = _parts(active.reshape(tuple(grid)), pictures)
        parts = []
        for rows in places:
            rows = rows[active[rows]]
            parts.append((float(column[rows].sum()), float(column[rows].max()), tuple(int(r) for r in rows)))
        parts.sort(key=lambda part: (-part[0], part[2]))
        found += [
            Instance(bank.sense, k, i, rows, strength, total) for i, (total, strength, rows) in enumerate(parts, 1)
        ]
    return tuple(sorted(found, key=lambda each: (-each.total, each.id)))


def _parts(active: np.ndarray, pictures: bool) -> list[np.ndarray]:
    """Return the rows of each connected part."""
    if not pictures and prod(active.shape) > 1:
        at = np.flatnonzero(active)
        return np.split(at, np.flatnonzero(np.diff(at) > _GAP) + 1)
    labels, count = cast("tuple[np.ndarray, int]", label(active, structure=np.ones((3,) * active.ndim)))
    return [np.flatnonzero(labels.ravel() == i) for i in range(1, count + 1)]
