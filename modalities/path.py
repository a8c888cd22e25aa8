"""Integrated gradients along one joint path over all senses.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017), section 3: along any path from a
baseline to the input the contributions of all elements sum to the difference of the score (completeness). Here every
sense runs along the same path parameter u in 0..1, each on its own schedule g, so the contributions of pixels, samples
and words stand in one unit, nats. The schedules do not change the total. They do change the shares: what senses do
together is shared out among them by their pace relative to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .contract import Prepared, System
from .engines.chunk import Layout, find_layout
from .engines.paths.quadrature import Integral, Pace, Rule, integrate
from .scorer import Inputs, Scorer, Slopes
from .target import Target

__all__ = [
    "ON_THE_PATH",
    "ROUNDING",
    "JointPath",
    "PathSettings",
    "between",
    "gradient_times_change",
    "integrate_path",
    "integrate_row",
    "moving",
    "precise",
]

ROUNDING = 1e-4
"""Nats: a completeness gap as small as this is rounding (scores are float32), whatever the score's difference."""

ON_THE_PATH = "on the path from the baseline to the input"
"""What the inputs are, for messages."""


@dataclass(frozen=True)
class PathSettings:
    """How far the quadrature goes.

    Attributes:
        first: intervals of the first level, rounded up to a multiple of eight where there are more than eight.
        last: intervals at most; the path points evaluated are one more. They are added where the integrand moves.
        tolerance: completeness gap that is good enough, as a share of the score's difference.
        map_tolerance: change of the map at its last refinements that is wanted as well, relative, L1 over all elements;
            None asks for none. With the gap alone a path may stop at 17 points, its sum right by luck and its parts a
            quarter wrong (seen on Courier).
        chunk: path points evaluated at once (memory grows with this, not with the number of points); by default what a
            short measurement finds fastest, once per model (`veridical.modalities.engines.chunk`).

    Raises:
        InputError: a number out of range.
    """

    first: int = 16
    last: int = 64
    tolerance: float = 0.05
    chunk: int | None = None
    map_tolerance: float | None = 0.2

    def __post_init__(self) -> None:
        tolerances = self.tolerance, 0.0 if self.map_tolerance is None else self.map_tolerance
        if not (min(self.first, self.last, 1 if self.chunk is None else self.chunk) >= 1 and min(tolerances) >= 0):
            raise InputError(f"path: {self}; first, last and chunk are at least 1, tolerances at least 0")


@dataclass(frozen=True)
class JointPath:
    """What integrating along the path gave.

    Attributes:
        gradients: for each sense the path integral of g'(u) ds/dx, shape of its prepared tensor; times
            (tensor - baseline) it is the contributions.
        score: decision score at the input, nats.
        baseline_score: decision score at the baseline, nats.
        baseline_logits: scores of all actions at the baseline.
        contribution: sum of all contributions, nats.
        nodes: path points evaluated.
        within: whether every tolerance asked for was met.
        map_change: an estimate of the map's relative error, L1, from how much it changed as it was last refined; None
            where it was not. The gap is a single number, and can be small by luck.
        layout: rows evaluated at once, and how they lay in memory.
    """

    gradients: Mapping[str, Tensor]
    score: float
    baseline_score: float
    baseline_logits: Float[Tensor, " actions"]
    contribution: float
    nodes: int
    within: bool
    map_change: float | None = None
    layout: Layout = field(default_factory=Layout)

    @property
    def difference(self) -> float:
        """Score at the input minus score at the baseline, nats."""
        return self.score - self.baseline_score

    @property
    def gap(self) -> float:
        """Completeness gap: |sum of contributions - difference|, nats."""
        return abs(self.contribution - self.difference)


def moving(inputs: Inputs, baselines: Inputs) -> list[str]:
    """Return the senses whose input is not its baseline: no other has contributions.

    Several baselines of one row, (count, ...), are compared each.
    """
    return [m for m, x in inputs.items() if bool((x != baselines[m]).any())]


def between(x: Tensor, baseline: Tensor, share: Float[Tensor, " points"]) -> Tensor:
    """Return points between a baseline and an input, ``baseline + share * (x - baseline)``, shape (points, ...).

    At share 1 it is the very input, not its rounding. There may be one baseline for each point.
    """
    g = share.to(x.device, x.dtype).view(-1, *[1] * (x.ndim - 1))
    return torch.where(g == 1, x, baseline + g * (x - baseline))


def integrate_row(
    scorer: Scorer,
    inputs: Inputs,
    baselines: Inputs,
    paces: Mapping[str, Pace],
    rule: Rule,
    layout: Layout | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Integral, Layout]:
    """Integrate the gradient of one row's number from the baselines to the inputs.

    Senses whose input is its baseline stand still: they get zeros, and no gradient is computed for them.

    Args:
        scorer: system and question.
        inputs: one row by sense, each (1, ...).
        baselines: what absence is, shaped like the inputs.
        paces: how each sense goes along the path.
        rule: how far the quadrature goes.
        layout: rows at once, and their layout; by default found by measurement.
        progress: called with the share of the budget that is spent.

    Raises:
        InputError: integer inputs that are not their baseline.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.
    """
    scorer = Scorer(scorer.system, scorer.target.row(0), ON_THE_PATH)
    wrt = moving(inputs, baselines)
    still = {m: torch.zeros_like(x, dtype=precise(x)) for m, x in inputs.items() if m not in wrt}
    with scorer.held():
        if not wrt:
            with torch.no_grad():
                logits = scorer.logits(inputs).expand(2, -1)
            score = float(scorer.target(logits)[0])
            progress(1.0)
            return Integral(still, None, (score, score), logits, 0.0, 1, 0.0, True), layout or Layout()
        layout = layout or find_layout(scorer, inputs, wrt)

        def evaluate(u: Float[Tensor, " points"]) -> Slopes:
            points = {m: inputs[m].expand(len(u), *inputs[m].shape[1:]) for m in still}
            points |= {m: between(inputs[m], baselines[m], paces[m](u)[0]) for m in wrt}
            return scorer.gradient(layout.arrange(points), wrt)

        change = layout.arrange({m: (inputs[m] - baselines[m]).to(precise(inputs[m])) for m in wrt})
        integral = integrate(evaluate, change, {m: paces[m] for m in wrt}, rule, layout.chunk, progress)
    coarser = None if integral.coarser is None else {m: (still | {**integral.coarser})[m] for m in inputs}
    found = {m: (still | {**integral.multipliers})[m].contiguous() for m in inputs}
    return replace(integral, multipliers=found, coarser=coarser), layout


def integrate_path(
    system: System,
    prepared: Mapping[str, Prepared],
    action: int,
    settings: PathSettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> JointPath:
    """Integrate the gradient of an action's decision score from the baselines to the inputs.

    An adaptive, nested trapezoid rule (`engines.paths.quadrature`): a refinement computes only its new points, where
    the integrand moves. Memory does not grow with the number of points. Each sense's weights are scaled so that a
    linear score is integrated exactly.

    Raises:
        ContractError: scores of a wrong shape, or a gradient that does not arrive or is not finite.
    """
    settings = settings or PathSettings()
    inputs, baselines = {m: p.tensor for m, p in prepared.items()}, {m: p.baseline for m, p in prepared.items()}
    paces = {m: system.modalities[m].schedule for m in prepared}
    rule = Rule(settings.first, settings.last, settings.tolerance, ROUNDING, settings.map_tolerance)
    layout = None if settings.chunk is None else Layout(settings.chunk)
    found, layout = integrate_row(Scorer(system, Target(action)), inputs, baselines, paces, rule, layout, progress)
    return JointPath(
        gradients=found.multipliers,
        score=found.ends[1],
        baseline_score=found.ends[0],
        baseline_logits=found.logits[0],
        contribution=found.contribution,
        nodes=found.evaluations,
        within=found.within,
        map_change=found.map_change,
        layout=layout,
    )


def gradient_times_change(system: System, prepared: Mapping[str, Prepared], action: int) -> dict[str, Tensor]:
    """Return the gradient of the decision score at the input, shaped like each sense's tensor, nats per unit of it.

    The cheapest account: one forward, one backward pass. As `integrate_path`'s gradients it becomes contributions where
    a modality's ``attribute`` multiplies it by the change (tensor - baseline); a sense without a change gets zeros.

    Raises:
        ContractError: a gradient does not arrive or is not finite.
    """
    inputs = {m: p.tensor for m, p in prepared.items()}
    wrt = moving(inputs, {m: p.baseline for m, p in prepared.items()})
    gradients = {m: torch.zeros_like(x) for m, x in inputs.items()}
    return gradients | {**Scorer(system, Target(action)).gradient(inputs, wrt).values} if wrt else gradients


def precise(x: Tensor) -> torch.dtype:
    """Return the type that sums over many gradients are kept in: float32, or float64 where the input has it."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32
