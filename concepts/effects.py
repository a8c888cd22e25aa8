"""Effects: what a concept does to the decision, measured on the network's tail.

*do(concept = 0)*: its strength goes from every row of its place; all else in the features, the residual included,
stays. *do(concept = typical)*: its strength there becomes the median of where it is present.

An effect has an *interval*: the same is done with the concepts that were found in resamples of the bank's observations,
and the interval is the range of all of these effects: how far the effect hangs on how the concept was found. (With R
resamples one more would lie outside it 2 times of R + 2, were they exchangeable.) And it has a *p-value*: the same rows
are changed by as much, in directions in which features differ naturally from place to place; p = (1 + number of these
that change the score at least as much) / (controls + 1), two-sided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .instances import Instance
from .project import Projection, Projector
from .tail import Shift, Tail

__all__ = ["Removal", "TailEffect", "interval_of", "joined", "removal", "residual_removal", "tested", "typical_shift"]


@dataclass(frozen=True)
class Removal:
    """Something to be taken out of the features.

    Attributes:
        shifts: what taking it out changes.
        replicas: the same with the directions of each resample.
        typical: what makes it typical; None where that means nothing.
    """

    shifts: tuple[Shift, ...]
    replicas: tuple[tuple[Shift, ...], ...] = ()
    typical: tuple[Shift, ...] | None = None


@dataclass(frozen=True)
class TailEffect:
    """What taking something out of the features did.

    Attributes:
        effect: change of the decision score, nats; negative where it spoke for the decision.
        logits: scores of all actions then.
        interval: range of the effect over the bank's resamples, nats; None where it was not tested.
        p: against natural directions of the same size; None likewise.
        controls: effects of these, nats.
        typical: effect and scores where it is made typical instead; None likewise.
    """

    effect: float
    logits: Float[np.ndarray, " actions"]
    interval: tuple[float, float] | None = None
    p: float | None = None
    controls: tuple[float, ...] = ()
    typical: tuple[float, Float[np.ndarray, " actions"]] | None = None

    def drawn(self, least: float, alpha: float) -> bool:
        """Whether the effect can be told from zero: large enough, not by chance, and its interval on one side."""
        if self.p is None or self.interval is None or abs(self.effect) < least or self.p > alpha:
            return False
        return self.interval[0] > 0 or self.interval[1] < 0


def _shift(projector: Projector, rows: tuple[int, ...], change: Float[Tensor, "rows dims"]) -> Shift:
    return Shift(projector.bank.sense, rows, change @ projector.back)


def removal(projector: Projector, projection: Projection, members: Sequence[Instance]) -> Removal:
    """Return the removal of instances of one sense, jointly."""
    rows = tuple(sorted({r for each in members for r in each.rows}))
    at = {r: i for i, r in enumerate(rows)}

    def changed(
        directions: Float[Tensor, "concepts dims"],
        strengths: Float[Tensor, "rows concepts"],
        level: float | None = None,
    ) -> Shift:
        change = torch.zeros(len(rows), directions.shape[1])
        for each in members:
            own = strengths[list(each.rows), each.concept]
            wanted = torch.zeros_like(own) if level is None else torch.full_like(own, level)
            change[[at[r] for r in each.rows]] += (wanted - own)[:, None] * directions[each.concept]
        return _shift(projector, rows, change)

    typical = None
    if len(members) == 1:
        level = float(projector.bank.typical[members[0].concept])
        typical = (changed(projector.directions, projection.strengths, level),)
    again = zip(projector.replicas, projection.replicas, strict=True)
    return Removal(
        (changed(projector.directions, projection.strengths),),
        tuple((changed(directions, strengths),) for directions, strengths in again),
        typical,
    )


def typical_shift(projector: Projector, projection: Projection, concept: int, rows: Sequence[int]) -> Shift:
    """Return the shift that gives a concept its typical strength in some rows."""
    rows = tuple(sorted(rows))
    lack = float(projector.bank.typical[concept]) - projection.strengths[list(rows), concept]
    return _shift(projector, rows, lack[:, None] * projector.directions[concept])


def residual_removal(projector: Projector, projection: Projection) -> Removal:
    """Return the removal of what no concept accounts for, from all rows."""
    rows = tuple(range(len(projection.residual)))
    return Removal((_shift(projector, rows, -projection.residual),))


def joined(removals: Sequence[Removal]) -> Removal:
    """Return the removal of several things of different senses at once."""
    most = min(len(each.replicas) for each in removals)
    return Removal(
        tuple(shift for each in removals for shift in each.shifts),
        tuple(tuple(shift for each in removals for shift in each.replicas[b]) for b in range(most)),
    )


def _controls(
    item: Removal, projectors: Mapping[str, Projector], count: int, rng: np.random.Generator
) -> list[tuple[Shift, ...]]:
    """Draw natural changes of the same rows, as large in each row as the removal's."""
    found = []
    drawn = {s.sense: rng.permutation(len(projectors[s.sense].bank.natural)) for s in item.shifts}
    # No direction counts twice: repeated, few of them would make a small p-value.
    for i in range(min([count, *map(len, drawn.values())])):
        shifts = []
        for shift in item.shifts:
            natural = torch.from_numpy(projectors[shift.sense].bank.natural)
            direction = natural[drawn[shift.sense][i]]
            shifts.append(replace(shift, change=shift.change.norm(dim=1, keepdim=True) * direction))
        found.append(tuple(shifts))
    return found


def tested(
    tail: Tail,
    removals: Sequence[Removal],
    first: Sequence[TailEffect],
    projectors: Mapping[str, Projector],
    controls: int,
    rng: np.random.Generator,
) -> list[TailEffect]:
    """Return effects with their interval, p-value and, where it means something, what the typical strength does.

    Args:
        tail: the system's tail.
        removals: what was taken out.
        first: what that did.
        projectors: banks by sense.
        controls: natural changes for each.
        rng: draws them.
    """
    edits: list[Sequence[Shift]] = []
    plan = []
    for item in removals:
        parts = (
            list(item.replicas),
            _controls(item, projectors, controls, rng),
            [item.typical] if item.typical else [],
        )
        plan.append([len(part) for part in parts])
        edits += [edit for part in parts for edit in part]
    outcome, at, found = tail.measure(edits), 0, []
    for told, (replicas, drawn, typical) in zip(first, plan, strict=True):
        again = outcome.effect[at : at + replicas]
        chance = outcome.effect[at + replicas : at + replicas + drawn]
        last = at + replicas + drawn
        at = last + typical
        as_far = int((np.abs(chance) >= abs(told.effect) - 1e-12).sum())
        found.append(
            replace(
                told,
                interval=interval_of(told.effect, again),
                p=(1 + as_far) / (drawn + 1),
                controls=tuple(float(x) for x in chance),
                typical=(float(outcome.effect[last]), outcome.logits[last]) if typical else None,
            )
        )
    return found


def interval_of(effect: float, again: Float[np.ndarray, " replicas"]) -> tuple[float, float]:
    """Return the range of an effect and of what it is with each resample's concepts."""
    return (min(effect, *again.tolist()), max(effect, *again.tolist())) if len(again) else (effect, effect)
