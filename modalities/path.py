"""Integrated gradients along one joint path over all senses.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017), section 3: along any path from a
baseline to the input the contributions of all elements sum to the difference of the score (completeness). Here every
sense runs along the same path parameter u in 0..1, each on its own schedule g, so the contributions of pixels, samples
and words stand in one unit, nats. The schedules do not change the total. They do change the shares: what senses do
together is shared out among them by their pace relative to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from .contract import Modality, Prepared, System
from .scorer import logits_of
from .target import decision_score

__all__ = ["JointPath", "PathSettings", "gradient_times_change", "integrate_path"]

ROUNDING = 1e-4
"""Nats: a completeness gap as small as this is rounding (scores are float32), whatever the score's difference."""


@dataclass(frozen=True)
class PathSettings:
    """How far the quadrature goes.

    Attributes:
        first: intervals of the first level.
        last: intervals of the last level; each level has twice those of the one before.
        tolerance: completeness gap that is good enough, as a share of the score's difference.
        chunk: path points evaluated at once (memory grows with this, not with the number of points).

    Raises:
        InputError: a number out of range.
    """

    first: int = 16
    last: int = 64
    tolerance: float = 0.05
    chunk: int = 3

    def __post_init__(self) -> None:
        if not (self.first >= 1 and self.last >= 1 and self.chunk >= 1 and self.tolerance >= 0):
            raise InputError(f"path: {self}; first, last and chunk are at least 1, tolerance at least 0")


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
        within: whether the gap is within the tolerance asked for.
    """

    gradients: Mapping[str, Tensor]
    score: float
    baseline_score: float
    baseline_logits: Float[Tensor, " actions"]
    contribution: float
    nodes: int
    within: bool

    @property
    def difference(self) -> float:
        """Score at the input minus score at the baseline, nats."""
        return self.score - self.baseline_score

    @property
    def gap(self) -> float:
        """Completeness gap: |sum of contributions - difference|, nats."""
        return abs(self.contribution - self.difference)


def _gradient_at(
    system: System, prepared: Mapping[str, Prepared], senses: Mapping[str, Modality], action: int, u: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return, at path points ``u``, g'(u) ds/dx of each sense, the scores and the logits."""
    inputs, slopes = {}, {}
    for m, p in prepared.items():
        g, slopes[m] = (v.view(-1, *[1] * (p.tensor.ndim - 1)) for v in senses[m].schedule(u.to(p.tensor.device)))
        # At the end of the path the input itself, not its rounding.
        point = torch.where(g == 1, p.tensor, p.baseline + g * (p.tensor - p.baseline))
        inputs[m] = point.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = logits_of(system, inputs, len(u), "on the path from the baseline to the input")
        if not logits.requires_grad:
            raise ContractError(
                "system: no gradient reaches any input; a no_grad block, a detach or a cast to integers stands in the "
                "way"
            )
        score = decision_score(logits, action)
        found = torch.autograd.grad(score.sum(), list(inputs.values()), allow_unused=True)
    weighted: dict[str, Tensor] = {}
    for m, gradient in zip(inputs, found, strict=True):
        if gradient is None:
            # Where input and baseline are one (an empty text), there is nothing that a gradient could weigh.
            if not torch.equal(prepared[m].tensor, prepared[m].baseline):
                raise ContractError(
                    f"system: no gradient arrives at {m}; is the input ignored, detached, rounded or cast to integers? "
                    "Leave out of the system's modalities what it ignores"
                )
            gradient = torch.zeros_like(inputs[m])
        weighted[m] = slopes[m] * gradient
        if not weighted[m].isfinite().all():
            raise ContractError(
                f"system: the gradient of {m} is not finite on the path from the baseline to the input; look for a "
                "square root or a logarithm at zero"
            )
    return weighted, score.detach(), logits.detach()


def integrate_path(
    system: System,
    prepared: Mapping[str, Prepared],
    action: int,
    settings: PathSettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> JointPath:
    """Integrate the gradient of an action's decision score from the baselines to the inputs.

    The trapezoid rule on nested, evenly spaced points: a finer level computes only its new points. Each level also
    gives Simpson's rule (Richardson extrapolation of two trapezoid sums) at no cost; of the two the one with the
    smaller gap is returned, since kinks (ReLU) spoil the extrapolation on some paths. Memory does not grow with the
    number of points: two sums are kept.

    Raises:
        ContractError: scores of a wrong shape, or a gradient that does not arrive or is not finite.
    """
    settings = settings or PathSettings()
    senses = {m: system.modalities[m] for m in prepared}
    change = {m: (p.tensor - p.baseline).double() for m, p in prepared.items()}

    def total(gradients: Mapping[str, Tensor]) -> float:
        return sum(float((g.double() * change[m]).sum()) for m, g in gradients.items())

    def summed(points: Tensor, weights: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        out: dict[str, Tensor] = {}
        scores, logits = [], []
        for k in range(0, len(points), settings.chunk):
            gradients, score, z = _gradient_at(system, prepared, senses, action, points[k : k + settings.chunk])
            for m, g in gradients.items():
                part = torch.einsum("n,n...->...", weights[k : k + settings.chunk].to(g), g)[None]
                out[m] = out[m] + part if m in out else part
            scores.append(score)
            logits.append(z)
            progress(min(1.0, (done + k + settings.chunk) / (settings.first + 1)))
        return out, torch.cat(scores), torch.cat(logits)

    intervals, done = settings.first, 0
    ends = torch.ones(intervals + 1)
    ends[0] = ends[-1] = 0.5
    sums, scores, logits = summed(torch.linspace(0, 1, intervals + 1), ends)
    difference = float(scores[-1]) - float(scores[0])
    best = {m: s / intervals for m, s in sums.items()}
    done = intervals + 1
    while True:
        gap = abs(total(best) - difference)
        within = gap <= max(settings.tolerance * abs(difference), ROUNDING)
        if within or 2 * intervals > settings.last:
            break
        coarse = {m: s / intervals for m, s in sums.items()}
        fresh = (torch.arange(intervals) + 0.5) / intervals
        more, _, _ = summed(fresh, torch.ones(intervals))
        sums = {m: sums[m] + more[m] for m in sums}
        done += intervals
        intervals *= 2
        fine = {m: s / intervals for m, s in sums.items()}
        simpson = {m: (4 * fine[m] - coarse[m]) / 3 for m in sums}
        best = min(best, fine, simpson, key=lambda g: abs(total(g) - difference))
    return JointPath(best, float(scores[-1]), float(scores[0]), logits[0], total(best), done, within)


def gradient_times_change(system: System, prepared: Mapping[str, Prepared], action: int) -> dict[str, Tensor]:
    """Return the gradient of the decision score at the input, shaped like each sense's tensor, nats per unit of it.

    The cheapest account: one forward, one backward pass. As `integrate_path`'s gradients it becomes contributions where
    a modality's ``attribute`` multiplies it by the change (tensor - baseline).

    Raises:
        ContractError: a gradient does not arrive or is not finite.
    """
    senses = {m: system.modalities[m] for m in prepared}
    gradients, _, _ = _gradient_at(system, prepared, senses, action, torch.ones(1))
    # The schedule's slope belongs to the path; at the input alone the plain gradient is wanted.
    slopes = {m: float(senses[m].schedule(torch.ones(1))[1]) for m in prepared}
    return {m: g / slopes[m] for m, g in gradients.items()}
