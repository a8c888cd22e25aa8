"""Interactions: what two pieces of evidence do together that neither does alone, measured and predicted.

The interaction of evidence a and b is the second difference of four scores: as it is, without a, without b, without
both, ``I = s - s(-a) - s(-b) + s(-ab)``, nats. It is positive where each needs the other (without one of them the other
does nothing more), negative where each stands in for the other, and 0 where their effects add up.

Its prediction is the mixed block of the Hessian, ``d_a' H d_b``, with d the change that taking away makes: exact for a
score of second order. For large edits it is averaged over all strengths of both edits (the path form,
``integral of d_a' H(x - u d_a - v d_b) d_b du dv``). One of the two integrals is a difference of gradients, so that
gradients along the edit of b are enough: with a there, less with a gone. For evidence of different senses that *is* I,
by the fundamental theorem of calculus: it tests the quadrature, and is no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ..errors import InputError
from ..modalities.contract import SplitSystem
from ..modalities.engines.curvature.hessian import hessian_vector
from ..modalities.scorer import Scorer
from ..modalities.target import Target
from .measure import Edit, Laboratory, Operators
from .tail import Head

__all__ = ["Evidence", "Foretold", "Interaction", "foretell", "joined", "measure_interactions"]

ROWS = 16
"""Points of a path that are evaluated at once."""


@dataclass(frozen=True)
class Evidence:
    """Evidence units of one sense that are edited together.

    Attributes:
        sense: the sense.
        units: unit indices, ascending.
    """

    sense: str
    units: tuple[int, ...]

    def edit(self) -> Edit:
        """Return the edit that takes the evidence away."""
        return {self.sense: self.units}


@dataclass(frozen=True)
class Interaction:
    """What two pieces of evidence do together.

    Attributes:
        a: one piece.
        b: the other; they share no unit.
        effects: effect of taking away a, b, and both: a row for each set of operators, nats.
    """

    a: Evidence
    b: Evidence
    effects: tuple[tuple[float, float, float], ...]

    @property
    def each(self) -> tuple[float, ...]:
        """The interaction under each set of operators, nats."""
        return tuple(both - a - b for a, b, both in self.effects)

    @property
    def measured(self) -> float:
        """The interaction, mean over the sets of operators, nats."""
        return float(np.mean(self.each))

    @property
    def kind(self) -> str:
        """``synergy`` (each needs the other) or ``redundancy`` (each stands in for the other)."""
        return "synergy" if self.measured > 0 else "redundancy"

    @property
    def share(self) -> float:
        """Size of the interaction as a share of the largest of the three effects; 0 where none of them moves."""
        largest = float(np.abs(np.mean(self.effects, axis=0)).max())
        return abs(self.measured) / largest if largest > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        sides = {name: {"sense": e.sense, "units": list(e.units)} for name, e in (("a", self.a), ("b", self.b))}
        told = {"measured": self.measured, "range": [min(self.each), max(self.each)], "kind": self.kind}
        return {**sides, **told, "effects": np.mean(self.effects, axis=0).tolist(), "share": self.share}


def joined(a: Evidence, b: Evidence) -> Edit:
    """Return the edit that takes both away.

    Raises:
        InputError: they share a unit.
    """
    if a.sense != b.sense:
        return {a.sense: a.units, b.sense: b.units}
    shared = sorted(set(a.units) & set(b.units))
    if shared:
        raise InputError(f"interactions: both pieces hold {a.sense} unit {shared[0]}; give pieces that share none")
    return {a.sense: tuple(sorted((*a.units, *b.units)))}


def measure_interactions(
    laboratory: Laboratory, pairs: Sequence[tuple[Evidence, Evidence]], operators: Sequence[Operators]
) -> tuple[Interaction, ...]:
    """Measure pairs of evidence, within a sense or across senses; single edits are made once, whatever their pairs.

    Args:
        laboratory: the system before the observation.
        pairs: pieces of evidence that share no unit.
        operators: sets of infill operators, one for each sense that is edited; at least one set.

    Raises:
        InputError: a pair shares a unit, an unknown unit or operator, or no operators.
        ContractError: the system cannot be measured.
    """
    if not operators:
        raise InputError("interactions: no infill operators; give at least one set")
    for chosen in operators:
        _check(laboratory, pairs, chosen)
    edits = [edit for a, b in pairs for edit in (a.edit(), b.edit(), joined(a, b))]
    rows = [laboratory.measure(edits, chosen).effect.double().view(-1, 3).tolist() for chosen in operators]
    return tuple(
        Interaction(a, b, tuple((float(x), float(y), float(z)) for x, y, z in (row[k] for row in rows)))
        for k, (a, b) in enumerate(pairs)
    )


@dataclass(frozen=True)
class Foretold:
    """An interaction as curvature has it, nats.

    Attributes:
        local: mixed block of the Hessian at the input; what can be said beforehand.
        path: the same averaged over all strengths of both edits; for evidence of different senses a quadrature of what
            is measured.
        error: how much the path form changes where twice as many points are taken.
    """

    local: float
    path: float
    error: float


def foretell(
    laboratory: Laboratory, pairs: Sequence[tuple[Evidence, Evidence]], operators: Operators, nodes: int = 64
) -> tuple[Foretold, ...]:
    """Foretell interactions from second derivatives, under one set of operators.

    Of a system that can be split, changes and derivatives are those of its features; what an encoder itself bends
    between two pieces of the same sense is then not in the figures.

    Args:
        laboratory: the system before the observation.
        pairs: pieces of evidence.
        operators: infill operator of each sense that is edited.
        nodes: points along the edit of b, for the path form; twice as many are taken beside.

    Raises:
        InputError: an unknown unit or operator, or fewer than one node.
        ContractError: a layer has no second derivative, or one is not finite.
    """
    if nodes < 1:
        raise InputError(f"interactions: {nodes} nodes; give at least 1")
    _check(laboratory, pairs, operators)
    split = isinstance(laboratory.system, SplitSystem)
    head = Head(laboratory.system) if isinstance(laboratory.system, SplitSystem) else None
    scorer = Scorer(head or laboratory.system, Target(laboratory.action))
    here = {m: p.tensor for m, p in laboratory.prepared.items()}
    changes = _changes(laboratory, [e for pair in pairs for e in pair], operators, head)
    here = head.encode(here) if split and head is not None else here
    found = []
    for a, b in pairs:
        one, other = (a, changes[a]), (b, changes[b])
        coarse, fine = (_path(scorer, here, one, other, count) for count in (nodes, 2 * nodes))
        found.append(Foretold(_block(scorer, here, one, other), fine, abs(fine - coarse)))
    return tuple(found)


def _check(laboratory: Laboratory, pairs: Sequence[tuple[Evidence, Evidence]], operators: Operators) -> None:
    for piece in dict.fromkeys(e for pair in pairs for e in pair):
        if piece.sense not in laboratory.prepared or piece.sense not in operators:
            what = "signal" if piece.sense not in laboratory.prepared else "infill operator"
            raise InputError(f"interactions: evidence of {piece.sense!r}, of which there is no {what}; give one")


def _changes(
    laboratory: Laboratory, pieces: Sequence[Evidence], operators: Operators, head: Head | None
) -> dict[Evidence, Tensor]:
    """Return what taking away each piece changes, ``x - x(-a)``, in features where there is a head; (1, ...)."""
    found: dict[Evidence, Tensor] = {}
    for m, prepared in laboratory.prepared.items():
        mine = [e for e in dict.fromkeys(pieces) if e.sense == m]
        if not mine:
            continue
        edits = [list(e.units) for e in mine]
        segmentation = laboratory.segmentations[m]
        edited = laboratory.system.modalities[m].infill(prepared, edits, operators[m], segmentation)
        rows = torch.cat((prepared.tensor, edited))
        rows = rows if head is None else head.encode({m: rows})[m]
        found |= {e: rows[:1] - rows[k + 1 : k + 2] for k, e in enumerate(mine)}
    return found


_Change = tuple[Evidence, Tensor]
"""A piece, and what taking it away changes."""


def _block(scorer: Scorer, here: Mapping[str, Tensor], one: _Change, other: _Change) -> float:
    """Return ``d_a' H d_b`` at the input."""
    (a, change_a), (b, change_b) = one, other
    curved = hessian_vector(scorer, here, {b.sense: change_b})
    return float((curved[a.sense].double() * change_a.double()).sum())


def _path(scorer: Scorer, here: Mapping[str, Tensor], one: _Change, other: _Change, nodes: int) -> float:
    """Return the gradient along b, integrated over the strengths of its edit, with a there less with a gone."""
    (a, change_a), (b, change_b) = one, other
    at, weight = _composite(nodes)
    total = 0.0
    for strengths, share in zip(at.split(ROWS), weight.split(ROWS), strict=True):
        x = here[b.sense]
        v = strengths.to(x).view(-1, *[1] * (x.ndim - 1))
        for sign, gone in ((1.0, 0.0), (-1.0, 1.0)):
            point = dict(here)
            point[a.sense] = point[a.sense] - gone * change_a
            point[b.sense] = point[b.sense] - v * change_b
            point = {m: y.expand(len(strengths), *y.shape[1:]) for m, y in point.items()}
            slope = scorer.gradient(point, [b.sense]).values[b.sense]
            along = (slope.double() * change_b.double()).flatten(1).sum(1)
            total += sign * float((along * share.to(along)).sum())
    return total


def _composite(nodes: int) -> tuple[Float64[Tensor, " nodes"], Float64[Tensor, " nodes"]]:
    """Points and weights from 0 to 1: Gauss-Legendre of up to four points in equal intervals."""
    each = min(nodes, 4)
    at, weight = np.polynomial.legendre.leggauss(each)
    parts = -(-nodes // each)
    starts = np.arange(parts)[:, None]
    return (
        torch.from_numpy(((starts + (at + 1) / 2) / parts).ravel()),
        torch.from_numpy(np.tile(weight / 2 / parts, parts)),
    )
