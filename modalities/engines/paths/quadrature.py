"""An adaptive, nested quadrature of gradients along a path, in memory that does not grow with the points.

The integrand of an integrated gradient has one value for each input element, and is piecewise constant with thousands
of kinks where the system is a ReLU network: rules of high order gain nothing there, the error goes as one over the
number of points, and all that pays is to put the points where the integrand moves. Keeping the gradients of all points
for that would take memory without bound. So the path is cut into a few segments. Each keeps one running sum, and is
refined by halving its intervals: a trapezoid rule that evaluates its new midpoints alone.

Two figures tell how good the result is. The completeness gap is exact, for the score's own values are known: but it
is one number, and can be small by luck. The change of the map at the last halvings tells of the map itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from ....errors import InputError
from ...scorer import Slopes
from ..chunk import even

__all__ = ["SEGMENTS", "Integral", "Pace", "Rule", "integrate"]

SEGMENTS = 8
"""Segments of the path, each refined on its own. Twice as many maps of the inputs' size are kept, and three more."""

ROUND = 8
"""New points at least in a round of refinement, if the budget allows: they can be evaluated together."""

ULPS = 16
"""Gaps are passed over that are this many units in the last place of the scores."""

Pace = Callable[[Tensor], tuple[Tensor, Tensor]]
"""How far a sense has come at path parameter u in 0..1, g(u), and the derivative g'(u)."""


@dataclass(frozen=True)
class Rule:
    """How far the quadrature goes.

    Attributes:
        first: intervals of the first level, rounded up so that all segments have as many.
        most: intervals at most, over all segments; the points evaluated are one more. A first level above it is
            still evaluated.
        tolerance: completeness gap that is good enough, as a share of the score's difference.
        rounding: completeness gap that is good enough whatever the difference, in the score's unit. What rounding of
            the scores themselves makes is passed over in any case.
        map_tolerance: relative change of the map (see `Integral`) that is wanted as well; None asks for none.

    Raises:
        InputError: a number out of range.
    """

    first: int = 16
    most: int = 256
    tolerance: float = 0.01
    rounding: float = 0.0
    map_tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.first < 1 or self.most < 1:
            raise InputError(f"quadrature: first {self.first}, most {self.most} intervals; at least 1 is wanted")
        least = (self.tolerance, self.rounding, 0.0 if self.map_tolerance is None else self.map_tolerance)
        if not all(t >= 0 for t in least):
            raise InputError(f"quadrature: {self}; tolerances are numbers of at least 0")


@dataclass(frozen=True)
class Integral:
    """What the quadrature gave.

    Attributes:
        multipliers: for each sense the integral of g'(u) ds/dx, shaped like its change, float32 or float64.
        coarser: the same from a half to a quarter of the points; None where there were not enough for two levels.
        ends: scores at the start and the end of the path.
        logits: all scores there.
        contribution: sum over all senses of multipliers times change.
        evaluations: points evaluated.
        map_change: an estimate of the map's relative error, L1: what the last halving of each segment changed, segments
            added as independent errors, over the sum of the contributions' sizes; None before any halving.
        within: whether every tolerance asked for was met.
    """

    multipliers: Mapping[str, Tensor]
    coarser: Mapping[str, Tensor] | None
    ends: tuple[float, float]
    logits: Float[Tensor, "2 actions"]
    contribution: float
    evaluations: int
    map_change: float | None
    within: bool

    @property
    def difference(self) -> float:
        """Score at the end less score at the start."""
        return self.ends[1] - self.ends[0]

    @property
    def gap(self) -> float:
        """Completeness gap: |sum of contributions - difference|."""
        return abs(self.contribution - self.difference)


def integrate(
    evaluate: Callable[[Float[Tensor, " points"]], Slopes],
    change: Mapping[str, Tensor],
    paces: Mapping[str, Pace],
    rule: Rule,
    chunk: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Integral:
    """Integrate the gradients of all senses along one path.

    The trapezoid rule in each of `SEGMENTS` equal pieces of 0..1. In each piece the weights of a sense are scaled to
    add up to what its pace gains there, so that a linear score is integrated exactly whatever the pace. Rounds of
    halvings follow, the segments with the largest (relative change of the map at the last halving + 3 relative gaps of
    the segment's own score difference) per interval first, until the tolerances are met or the budget is spent.

    Which points are evaluated does not depend on ``chunk``. Kept in memory: 2 `SEGMENTS` + 3 maps of the inputs' size,
    in float32 (float64 where gradients are), and one chunk's gradients.

    Args:
        evaluate: gradients (points, ...) of the senses in ``change``, scores and logits at path points (float64, on
            the CPU), at most ``chunk`` at a time; 0 gives the baseline and 1 the input.
        change: end less start of the path of each sense, shape (1, ...); the senses that move.
        paces: how each of them goes along the path.
        rule: how far to go.
        chunk: points at once.
        progress: called with the share of the budget that is spent, and with 1 at the end.

    Raises:
        What ``evaluate`` raises.

    Example:
        >>> straight = lambda u: (u, torch.ones_like(u))
        >>> def square(u): x = u[:, None]; return Slopes({"x": 2 * x}, x[:, 0] ** 2, x)
        >>> integrate(square, {"x": torch.ones(1, 1)}, {"x": straight}, Rule(first=2), 4).multipliers["x"]
        tensor([[1.]], dtype=torch.float64)
    """
    return _Quadrature(evaluate, change, paces, rule, chunk, progress).run()


@dataclass
class _Segment:
    """One piece of the path."""

    index: int
    start: float
    stop: float
    intervals: int
    inner: dict[str, Tensor] = field(default_factory=dict)  # sum of g' ds/dx over the points inside
    weights: dict[str, float] = field(default_factory=dict)  # sum of g' there
    change: float = math.inf  # what the last halving changed, L1; inf before there was one
    gap: float = 0.0  # |difference of the score - sum of contributions|, of this piece

    def inside(self) -> list[float]:
        """Points between its ends."""
        step = (self.stop - self.start) / self.intervals
        return [self.start + i * step for i in range(1, self.intervals)]

    def midpoints(self) -> list[float]:
        """Points that halving the intervals adds."""
        step = (self.stop - self.start) / self.intervals
        return [self.start + (i + 0.5) * step for i in range(self.intervals)]


@dataclass(frozen=True)
class _Point:
    gradients: dict[str, Tensor]  # views into a chunk's
    slopes: dict[str, float]
    score: float
    logits: Tensor


class _Quadrature:
    """One integral under way."""

    def __init__(
        self,
        evaluate: Callable[[Tensor], Slopes],
        change: Mapping[str, Tensor],
        paces: Mapping[str, Pace],
        rule: Rule,
        chunk: int,
        progress: Callable[[float], None],
    ) -> None:
        self.evaluate, self.change, self.paces, self.rule = evaluate, change, paces, rule
        self.chunk, self.progress = chunk, progress
        count = min(SEGMENTS, rule.first)
        self.each = -(-rule.first // count)
        self.steps = [k / count for k in range(count + 1)]
        self.segments = [_Segment(k, *ends, self.each) for k, ends in enumerate(pairwise(self.steps))]
        ends = torch.tensor(self.steps, dtype=torch.float64)
        gained = {m: pace(ends)[0].double().diff().tolist() for m, pace in paces.items()}
        self.gained: dict[str, list[float]] = gained
        self.edges: list[_Point] = []
        self.evaluations = 0

    def run(self) -> Integral:
        # An even number of intervals is reached by a halving, which tells how much the map still changes.
        halve = self.each % 2 == 0
        self.open(self.each // 2 if halve else self.each)
        snapshots = [(self.evaluations, self.whole())]
        if halve:
            self.refine(self.segments)
        while True:
            maps = self.whole()
            integral, size = self.measured(maps)
            if self.evaluations >= 2 * snapshots[-1][0] - 1:
                snapshots = [*snapshots[-1:], (self.evaluations, maps)]
            chosen = [] if integral.within else self.choose(integral, size)
            if not chosen:
                break
            self.refine(chosen)
        self.progress(1.0)
        early = [maps for spent, maps in snapshots if 2 * spent - 1 <= self.evaluations]
        return replace(integral, coarser=early[-1] if early else None)

    def points(self, at: list[float]) -> Iterator[_Point]:
        """Evaluate points in chunks."""
        for start, stop in even(len(at), self.chunk):
            u = torch.tensor(at[start:stop], dtype=torch.float64)
            slopes = {m: pace(u)[1].tolist() for m, pace in self.paces.items()}
            found = self.evaluate(u)
            scores = found.scores.tolist()
            self.evaluations += len(u)
            for i, score in enumerate(scores):
                gradients = {m: found.values[m][i : i + 1] for m in self.change}
                yield _Point(gradients, {m: slopes[m][i] for m in self.change}, score, found.logits[i])
            self.progress(min(1.0, self.evaluations / (self.rule.most + 1)))

    def open(self, intervals: int) -> None:
        """Evaluate the edges of all segments, and what lies inside them at so many intervals each."""
        for segment in self.segments:
            segment.intervals = intervals
        at = [u for s in self.segments for u in (s.start, *s.inside())] + [self.steps[-1]]
        for i, point in enumerate(self.points(at)):
            if i % intervals:
                _add(self.segments[i // intervals], point)
            else:
                kept = {m: _precise(g).clone() for m, g in point.gradients.items()}  # not the chunk it is a part of
                self.edges.append(_Point(kept, point.slopes, point.score, point.logits.clone()))
        for segment in self.segments:
            self.settle(segment)

    def refine(self, chosen: list[_Segment]) -> None:
        """Halve the intervals of some segments."""
        fresh = self.points([u for s in chosen for u in s.midpoints()])
        for segment in chosen:
            before = self.assemble(segment)
            for point in islice(fresh, segment.intervals):
                _add(segment, point)
            segment.intervals *= 2
            self.settle(segment, before)
        for _ in fresh:  # run it to its end
            pass

    def assemble(self, segment: _Segment) -> dict[str, Tensor]:
        """Return a segment's part of the multipliers."""
        maps = {}
        for m in self.change:
            first, last = self.edges[segment.index], self.edges[segment.index + 1]
            halves = first.slopes[m] / 2, last.slopes[m] / 2
            weight = sum(halves) + segment.weights.get(m, 0.0)
            scale = self.gained[m][segment.index] / weight if weight else 0.0
            part = first.gradients[m] * (scale * halves[0])
            part.add_(last.gradients[m], alpha=scale * halves[1])
            if m in segment.inner:
                part.add_(segment.inner[m], alpha=scale)
            maps[m] = part
        return maps

    def settle(self, segment: _Segment, before: Mapping[str, Tensor] | None = None) -> None:
        """Note the figures of a segment after its points were evaluated."""
        maps = self.assemble(segment)
        moved = self.edges[segment.index + 1].score - self.edges[segment.index].score
        segment.gap = abs(moved - sum(float(_sum(maps[m] * c)) for m, c in self.change.items()))
        if before is not None:
            segment.change = sum(float(_sum(((maps[m] - before[m]) * c).abs_())) for m, c in self.change.items())

    def whole(self) -> dict[str, Tensor]:
        """Return the multipliers over the whole path."""
        total = self.assemble(self.segments[0])
        for segment in self.segments[1:]:
            for m, part in self.assemble(segment).items():
                total[m] += part
        return total

    def measured(self, maps: dict[str, Tensor]) -> tuple[Integral, float]:
        """Return what there is so far, and the sum of the contributions' sizes."""
        parts = [maps[m] * c for m, c in self.change.items()]
        contribution = sum(float(_sum(part)) for part in parts)
        size = sum(float(_sum(part.abs_())) for part in parts)
        ends = self.edges[0].score, self.edges[-1].score
        gap, rule = abs(contribution - (ends[1] - ends[0])), self.rule
        logits = torch.stack((self.edges[0].logits, self.edges[-1].logits))
        changes = math.hypot(*(s.change for s in self.segments))
        map_change = None if math.isinf(changes) else changes / size if size else 0.0
        rounding = ULPS * torch.finfo(logits.dtype).eps * max(abs(ends[0]), abs(ends[1]))
        within = gap <= max(rule.tolerance * abs(ends[1] - ends[0]), rule.rounding, rounding)
        if rule.map_tolerance is not None:
            within = within and map_change is not None and map_change <= rule.map_tolerance
        return Integral(maps, None, ends, logits, contribution, self.evaluations, map_change, within), size

    def choose(self, integral: Integral, size: float) -> list[_Segment]:
        """Return the segments to refine next; none where the budget is spent."""
        difference = max(abs(integral.difference), self.rule.rounding, 1e-12)

        def urgency(segment: _Segment) -> float:
            moving = segment.change / size if size else 0.0
            return (moving + 3 * segment.gap / difference) / segment.intervals

        left = self.rule.most + 1 - self.evaluations
        chosen: list[_Segment] = []
        for segment in sorted(self.segments, key=urgency, reverse=True):
            spent = sum(s.intervals for s in chosen)
            if spent < ROUND and spent + segment.intervals <= left:
                chosen.append(segment)
        return sorted(chosen, key=lambda s: s.index)


def _precise(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _sum(x: Tensor) -> Tensor:
    return x.sum(dtype=torch.float64)


def _add(segment: _Segment, point: _Point) -> None:
    """Add a point inside a segment to its sums."""
    for m, gradient in point.gradients.items():
        if m in segment.inner:
            segment.inner[m].add_(_precise(gradient), alpha=point.slopes[m])
        else:
            segment.inner[m] = _precise(gradient) * point.slopes[m]
        segment.weights[m] = segment.weights.get(m, 0.0) + point.slopes[m]
