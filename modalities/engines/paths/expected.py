"""Expected gradients on tensors: integrated gradients, averaged over a distribution of baselines.

Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and expected gradients"
(Nature Machine Intelligence 2021), equation 3: estimated by drawing a baseline and a point of its path at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ....errors import InputError
from ...path import ON_THE_PATH, between, moving, precise
from ...scorer import Inputs, Scorer, rows
from ..chunk import Layout, even, find_layout, stream
from .batch import Attributed, by_row, figures, fitting
from .quadrature import Pace

__all__ = ["Draw", "Draws", "drawn", "expected_gradients", "level", "mean_score"]


def level(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(u, 1)``: the pace of draws, all of the same weight."""
    return u, torch.ones_like(u)


@dataclass(frozen=True)
class Draws:
    """How expected gradients are estimated.

    Attributes:
        samples: draws of a baseline and a point of its path, for each input. Every baseline is drawn as often as every
            other, give or take one, and the points are stratified: one in each of ``samples`` equal parts of 0..1.
        seed: what is drawn depends on nothing else; all rows of a batch share the draws.
        tolerance: completeness gap that is good enough, as a share of the difference; it is only reported.

    Raises:
        InputError: no samples, or a tolerance that is no number of at least 0.
    """

    samples: int = 200
    seed: int = 0
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        if self.samples < 1 or not self.tolerance >= 0:
            raise InputError(f"expected gradients: {self}; give at least 1 sample, and a tolerance of at least 0")

    def of(self, count: int) -> tuple[Float[Tensor, " samples"], Int[Tensor, " samples"]]:
        """Draw points in 0..1 (float64) and which of ``count`` baselines each belongs to."""
        generator = torch.Generator().manual_seed(self.seed)
        part = torch.rand(self.samples, generator=generator, dtype=torch.float64)
        turns = [torch.randperm(count, generator=generator) for _ in range(-(-self.samples // count))]
        return (torch.arange(self.samples) + part) / self.samples, torch.cat(turns)[: self.samples]


@dataclass(frozen=True)
class Draw:
    """One draw: its number, the baseline drawn, and by sense g'(u) ds/dx, (1, ...), of the senses that move.

    ``half`` tells to which of two halves of all draws it belongs; in each, all baselines are drawn about as often.
    """

    index: int
    which: int
    half: int
    gradients: Mapping[str, Tensor]


def expected_gradients(
    scorer: Scorer,
    inputs: Inputs,
    baselines: Inputs,
    draws: Draws | None = None,
    layout: Layout | None = None,
    paces: Mapping[str, Pace] | None = None,
) -> Attributed:
    """Attribute each row of a batch by expected gradients: integrated gradients, averaged over many baselines.

    ``mean over draws of g'(u) (x - b) ds/dx`` at ``b + g(u) (x - b)``, baseline b and u drawn at random (Erion et al.
    2021, equation 3, where g(u) is u). The gap is told against the mean score of *all* baselines. Memory grows with
    neither the draws nor the batch, but for the baselines that are given.

    Args:
        scorer: system and question.
        inputs: batches by sense.
        baselines: the distribution, (count, ...) by sense: the same number for all, drawn together.
        draws: how many, and the seed.
        layout: draws at once and their layout; by default found by measurement, once per model.
        paces: how each sense goes along the path; by default evenly.

    Raises:
        InputError: baselines that do not fit or differ in number, integer inputs to be attributed.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.

    Example:
        >>> expected_gradients(scorer, {"x": batch}, {"x": backgrounds}, Draws(500)).gaps  # doctest: +SKIP
    """
    count, draws = rows(inputs), draws or Draws()
    sets = fitting(inputs, baselines)
    paces = paces or dict.fromkeys(inputs, level)
    halves = [{m: torch.zeros_like(x, dtype=precise(x)) for m, x in inputs.items()} for _ in range(2)]
    ends: list[tuple[float, float]] = []
    spent = torch.zeros(count, dtype=torch.int64)
    with scorer.held():
        for i in range(count):
            row = {m: x[i : i + 1] for m, x in inputs.items()}
            asked = Scorer(scorer.system, scorer.target.row(i), ON_THE_PATH)
            for draw in drawn(asked, row, sets, draws, paces, layout):
                spent[i] += 1
                for m, gradient in draw.gradients.items():
                    halves[draw.half][m][i] += (gradient * (row[m] - sets[m][draw.which]))[0] / draws.samples
            ends.append((mean_score(asked, sets, layout), float(asked.value(row)[0])))
    total = {m: halves[0][m] + halves[1][m] for m in inputs}
    scores, before = figures(e[1] for e in ends), figures(e[0] for e in ends)
    gaps = (by_row(total) - (scores - before)).abs()
    apart = by_row({m: (halves[0][m] - halves[1][m]).abs() for m in inputs})
    return Attributed(
        contributions=total,
        multipliers=None,
        scores=scores,
        baseline_scores=before,
        gaps=gaps,
        evaluations=spent,
        map_changes=apart / by_row({m: x.abs() for m, x in total.items()}).clamp_min(1e-30),
        within=gaps <= (draws.tolerance * (scores - before).abs()),
    )


def drawn(
    scorer: Scorer,
    row: Inputs,
    sets: Inputs,
    draws: Draws,
    paces: Mapping[str, Pace],
    layout: Layout | None = None,
) -> Iterator[Draw]:
    """Give the draws for one row, one by one; a chunk of their gradients is in memory at a time.

    Args:
        scorer: system and question.
        row: one row by sense.
        sets: baselines, (count, ...) by sense.
        draws: how many, and the seed.
        paces: how each sense goes along the path.
        layout: draws at once and their layout; by default found by measurement.

    Raises:
        InputError, ContractError: as `Scorer.gradient` has it.
    """
    count = len(next(iter(sets.values())))
    u, which = draws.of(count)
    wrt = moving(row, sets)
    if not wrt:
        return
    layout = layout or find_layout(scorer, row, wrt)
    block = count if 2 * count <= draws.samples else 1

    def batch(start: int, stop: int) -> dict[str, Tensor]:
        points = {m: x.expand(stop - start, *x.shape[1:]) for m, x in row.items()}
        for m in wrt:
            base = sets[m][which[start:stop].to(row[m].device)]
            points[m] = between(row[m], base, paces[m](u[start:stop])[0])
        return points

    chunks = even(draws.samples, layout.chunk)
    for (start, stop), slopes in zip(chunks, stream(scorer, batch, draws.samples, layout, wrt), strict=True):
        rates = {m: paces[m](u[start:stop])[1].tolist() for m in wrt}
        for i in range(stop - start):
            gradients = {m: slopes.values[m][i : i + 1].to(precise(row[m])) * rates[m][i] for m in wrt}
            yield Draw(start + i, int(which[start + i]), (start + i) // block % 2, gradients)


def mean_score(scorer: Scorer, sets: Inputs, layout: Layout | None = None) -> float:
    """Return the mean of the target's number over baselines, computed in chunks."""
    chunks = even(rows(sets), (layout or Layout()).chunk)
    return sum(float(scorer.value({m: x[i:j] for m, x in sets.items()}).double().sum()) for i, j in chunks) / rows(sets)
