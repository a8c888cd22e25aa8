"""Integrated gradients on tensors, and integrated and expected gradients as methods.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017), section 3; several baselines as in
Erion et al. (2021), see `veridical.modalities.engines.paths.expected`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ....errors import InputError
from ...path import ON_THE_PATH, ROUNDING, integrate_row, precise
from ...scorer import Inputs, Scorer, rows
from ..chunk import Layout
from ..ranks import rank_correlation
from ..task import Contributions, Task, Term
from .batch import Attributed, figures, fitting
from .expected import Draws, drawn, mean_score
from .quadrature import Integral, Pace, Rule

__all__ = ["ExpectedGradients", "IntegratedGradients", "baseline_sets", "integrated_gradients", "straight"]

SAME = 0.01
"""Two baselines are one where they lie nearer to each other than this share of the way to the input."""


def straight(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(u^1.5, 1.5 u^0.5)``: the pace of all senses where the path is to be a straight line.

    The integral along a straight line is the same at every pace; this one has its points closer near the baseline,
    where scores move most.
    """
    return u**1.5, 1.5 * u**0.5


def integrated_gradients(
    scorer: Scorer,
    inputs: Inputs,
    baselines: Inputs,
    rule: Rule | None = None,
    layout: Layout | None = None,
    paces: Mapping[str, Pace] | None = None,
) -> Attributed:
    """Attribute each row of a batch by integrated gradients.

    Every row has its own target (where the scorer's has one action per row), baseline and refinement, and does not
    depend on the rows beside it. The points of a row's path are computed ``layout.chunk`` at a time, so memory for
    activations grows neither with their number nor with the batch. A second call gives the same bits.

    Args:
        scorer: system and question.
        inputs: batches by sense, any strides; integers only where input and baseline are equal.
        baselines: what absence is, (1, ...) for all rows or (batch, ...).
        rule: how far the quadrature goes; by default to a gap of 1 % of the difference, 257 points at most.
        layout: points at once and their layout; by default found by measurement, once per model.
        paces: how each sense goes along the path; by default all together on a straight line (`straight`).

    Raises:
        InputError: baselines that do not fit, integer inputs to be attributed.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.

    Example:
        >>> found = integrated_gradients(scorer, {"x": batch}, {"x": torch.zeros_like(batch[:1])})  # doctest: +SKIP
        >>> found.contributions["x"].shape == batch.shape, bool(found.within.all())                 # doctest: +SKIP
    """
    count, rule = rows(inputs), rule or Rule()
    given = {m: x.expand_as(inputs[m]) for m, x in fitting(inputs, baselines, (1, count)).items()}
    paces = paces or dict.fromkeys(inputs, straight)
    multipliers = {m: torch.zeros_like(x, dtype=precise(x)) for m, x in inputs.items()}
    found: list[Integral] = []
    with scorer.held():
        for i in range(count):
            row, base = ({m: x[i : i + 1] for m, x in each.items()} for each in (inputs, given))
            integral, _ = integrate_row(scorer.at(i), row, base, paces, rule, layout)
            for m, part in integral.multipliers.items():
                multipliers[m][i] = part[0]
            found.append(replace(integral, multipliers={}, coarser=None))
    return Attributed(
        contributions={m: part * (inputs[m] - given[m]) for m, part in multipliers.items()},
        multipliers=multipliers,
        scores=figures(one.ends[1] for one in found),
        baseline_scores=figures(one.ends[0] for one in found),
        gaps=figures(one.gap for one in found),
        evaluations=torch.tensor([one.evaluations for one in found], dtype=torch.int64),
        map_changes=figures(math.nan if one.map_change is None else one.map_change for one in found),
        within=torch.tensor([one.within for one in found], dtype=torch.bool),
    )


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated gradients along one joint path, from what absence is to the input.

    Another baseline is had with ``dataclasses.replace(prepared, baseline=...)``.

    Attributes:
        tolerance: completeness gap that is good enough, as a share of the score's difference.
        first: intervals of the first level.
        most: intervals at most; the gradients computed are one more.
        map_tolerance: relative change of the map at its last refinement that is wanted as well; None asks for none.
            It goes as one over the number of points, and was about 1.6 times the true error on EfficientNet-Lite0.
        straight: let all senses go at one pace, along the straight line of the literature, and not each on its own
            schedule (`Modality.schedule`). It makes no difference with a single sense.
        layout: points at once and their layout; by default found by measurement, once per model.

    Raises:
        InputError: a number out of range.
    """

    name: ClassVar[str] = "integrated-gradients"
    additive: ClassVar[bool] = True

    tolerance: float = 0.01
    first: int = 16
    most: int = 256
    map_tolerance: float | None = None
    straight: bool = False
    layout: Layout | None = None

    def __post_init__(self) -> None:
        Rule(self.first, self.most, self.tolerance, 0.0, self.map_tolerance)

    def run(self, task: Task) -> Contributions:
        """Attribute; stability compares the map with that from a half to a quarter of the points.

        Raises:
            InputError: integer inputs.
            ContractError: the system breaks the contract.
        """
        rule = Rule(self.first, self.most, self.tolerance, _rounding(task), self.map_tolerance)
        paces = _paces(task, self.straight)
        integral, layout = integrate_row(
            task.scorer, task.inputs, task.baselines, paces, rule, self.layout, task.progress
        )
        term = Term(integral.multipliers, task.baselines)
        coarser = None if integral.coarser is None else _shown(task, [Term(integral.coarser, task.baselines)])
        facts = {
            "evaluations": integral.evaluations,
            "within": integral.within,
            "difference": integral.difference,
            "map_change": integral.map_change,
            "chunk": layout.chunk,
            "channels_last": layout.channels_last,
        }
        return Contributions(
            (term,),
            gap=integral.gap,
            facts=facts,
            notes=() if integral.within else (_missed(integral, rule),),
            stability=None if coarser is None else rank_correlation(coarser, _shown(task, [term])),
        )


@dataclass(frozen=True)
class ExpectedGradients:
    """Expected gradients: integrated gradients, averaged over what absence is in several ways (`baseline_sets`).

    Attributes:
        rule: ``"draws"`` draws a baseline and a point of its path at a time (Erion et al. 2021); ``"paths"`` integrates
            along the path from each baseline in turn, to the tolerance, and draws nothing.
        samples: draws (``"draws"`` only).
        tolerance: completeness gap that is good enough, as a share of the score's mean difference.
        most: intervals at most of each path (``"paths"`` only).
        straight: let all senses go at one pace; see `IntegratedGradients`.
        layout: points at once and their layout; by default found by measurement, once per model.

    Raises:
        InputError: an unknown rule, or a number out of range.
    """

    name: ClassVar[str] = "expected-gradients"
    additive: ClassVar[bool] = True

    rule: Literal["draws", "paths"] = "draws"
    samples: int = 128
    tolerance: float = 0.05
    most: int = 64
    straight: bool = False
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if self.rule not in ("draws", "paths"):
            raise InputError(f"expected gradients: rule {self.rule!r}; one of draws, paths is wanted")
        Draws(self.samples, 0, self.tolerance)
        Rule(16, self.most, self.tolerance)

    def run(self, task: Task) -> Contributions:
        """Attribute; one term for each baseline. Stability compares two halves of the draws.

        Raises:
            InputError: integer inputs.
            ContractError: the system breaks the contract.
        """
        names, sets = baseline_sets(task)
        with task.scorer.held():
            answer = self._draw(task, sets) if self.rule == "draws" else self._integrate(task, sets)
        return replace(answer, facts={**answer.facts, "baselines": names})

    def _draw(self, task: Task, sets: Mapping[str, Tensor]) -> Contributions:
        draws = Draws(self.samples, task.seed, self.tolerance)
        scorer = Scorer(task.scorer.system, task.scorer.target.row(0), ON_THE_PATH)
        inputs, count = task.inputs, rows(sets)
        sums = [[_zeros(inputs) for _ in range(count)] for _ in range(2)]  # by half, by baseline
        spent = [0, 0]
        for draw in drawn(scorer, inputs, sets, draws, _paces(task, self.straight), self.layout):
            spent[draw.half] += 1
            for m, gradient in draw.gradients.items():
                sums[draw.half][draw.which][m] += gradient
            task.progress((draw.index + 1) / draws.samples)
        task.progress(1.0)
        bases = [{m: x[j : j + 1] for m, x in sets.items()} for j in range(count)]
        terms = [
            Term({m: (a[m] + b[m]) * (count / draws.samples) for m in inputs}, base)
            for a, b, base in zip(*sums, bases, strict=True)
        ]
        halves = [
            _shown(task, [Term({m: g * (count / n) for m, g in half[j].items()}, bases[j]) for j in range(count)])
            for half, n in zip(sums, spent, strict=True)
            if n
        ]
        difference = float(scorer.value(inputs)[0]) - mean_score(scorer, sets, self.layout)
        stability = rank_correlation(*halves) if len(halves) == 2 else None
        return self._answer(task, terms, difference, sum(spent), stability)

    def _integrate(self, task: Task, sets: Mapping[str, Tensor]) -> Contributions:
        rule = Rule(most=self.most, tolerance=self.tolerance, rounding=_rounding(task))
        paces, count = _paces(task, self.straight), rows(sets)
        terms, coarse, found = [], [], []
        for j in range(count):
            base = {m: x[j : j + 1] for m, x in sets.items()}
            integral, _ = integrate_row(
                task.scorer, task.inputs, base, paces, rule, self.layout, lambda s, j=j: task.progress((j + s) / count)
            )
            terms.append(Term(integral.multipliers, base))
            coarse.append(Term(integral.coarser or integral.multipliers, base))
            found.append((integral.difference, integral.evaluations))
        stability = rank_correlation(_shown(task, coarse), _shown(task, terms))
        difference = sum(d for d, _ in found) / count
        return self._answer(task, terms, difference, sum(n for _, n in found), stability)

    def _answer(
        self, task: Task, terms: Sequence[Term], difference: float, evaluations: int, stability: float | None
    ) -> Contributions:
        contribution = sum(_contribution(task, term) for term in terms) / len(terms)
        gap = abs(contribution - difference)
        within = gap <= max(self.tolerance * abs(difference), _rounding(task))
        told = () if within else (_told(gap, difference, self.tolerance, evaluations),)
        facts = {"evaluations": evaluations, "within": within, "difference": difference}
        return Contributions(tuple(terms), gap=gap, facts=facts, notes=told, stability=stability)


def baseline_sets(task: Task) -> tuple[dict[str, list[str]], dict[str, Tensor]]:
    """Return several baselines of each sense: the prepared one, and all evidence units removed by each infill operator.

    That is what absence looks like in each of the sense's own ways, and needs no data set. Left out are operators that
    lead to a baseline that is there already (within 1 % of the way), and in texts those that make padding of words, for
    a path that starts at padding starts with a jump. Senses with fewer ways than others repeat theirs in turn.

    Returns:
        names of the ways by sense (``"prepared"`` and operators), and baselines (count, ...) by sense.
    """
    ways = {m: _ways(task, m) for m in task.prepared}
    count = max(len(w) for w in ways.values())
    stacked = {m: torch.cat([list(w.values())[j % len(w)] for j in range(count)]) for m, w in ways.items()}
    return {m: list(w) for m, w in ways.items()}, stacked


def _ways(task: Task, sense: str) -> dict[str, Tensor]:
    prepared, segmentation = task.prepared[sense], task.segmentations[sense]
    x, found = prepared.tensor, {"prepared": prepared.baseline}
    if len(segmentation) == 0:
        return found
    for operator in task.senses[sense].operators:
        base = task.senses[sense].infill(prepared, [range(len(segmentation))], operator, segmentation).to(x)
        padding = x.ndim == 3 and bool(((base == 0).all(2) & (x != 0).any(2)).any())
        near = any(float((base - known).norm()) <= SAME * float((x - known).norm()) for known in found.values())
        if not padding and not near:
            found[operator] = base
    return found


def _paces(task: Task, line: bool) -> dict[str, Pace]:
    return {m: straight if line else sense.schedule for m, sense in task.senses.items()}


def _rounding(task: Task) -> float:
    return ROUNDING if task.scorer.target.unit == "nat" else 0.0


def _zeros(inputs: Inputs) -> dict[str, Tensor]:
    return {m: torch.zeros_like(x, dtype=precise(x)) for m, x in inputs.items()}


def _contribution(task: Task, term: Term) -> float:
    parts = [term.multipliers[m] * (x - term.baselines[m]) for m, x in task.inputs.items()]
    return sum(float(part.sum(dtype=torch.float64)) for part in parts)


def _shown(task: Task, terms: Sequence[Term]) -> np.ndarray:
    """Return the contributions on the raw axes of the evidence units, the mean over terms, all senses in one row."""
    found: list[Any] = []
    for m, sense in task.senses.items():
        each = [sense.attribute(replace(task.prepared[m], baseline=t.baselines[m]), t.multipliers[m]) for t in terms]
        found.append(np.mean([views["units"][2].ravel() for views in each], axis=0))
    return np.concatenate(found)


def _missed(integral: Integral, rule: Rule) -> str:
    if integral.gap > max(rule.tolerance * abs(integral.difference), rule.rounding) or rule.map_tolerance is None:
        return _told(integral.gap, integral.difference, rule.tolerance, integral.evaluations)
    changed = "an unknown share" if integral.map_change is None else f"{100 * integral.map_change:.0f}\u00a0%"
    return (
        f"the map still changed by {changed} as it was last refined, more than the "
        f"{100 * rule.map_tolerance:g}\u00a0% asked for, after {integral.evaluations} gradients"
    )


def _told(gap: float, difference: float, tolerance: float, evaluations: int) -> str:
    share = 100 * gap / max(abs(difference), 1e-9)
    return (
        f"the contributions miss the score's difference by {gap:.2g} ({share:.0f}\u00a0%), more than the "
        f"{100 * tolerance:g}\u00a0% asked for, after {evaluations} gradients"
    )
