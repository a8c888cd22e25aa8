"""Integrated gradients along one joint path over all senses.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017), section 3: along any path from a baseline to the input the
contributions of all elements sum to the difference of the score (completeness). Here every sense runs along the same path parameter u in 0..1,
each on its own schedule g (a reparametrisation that changes no sum), so the contributions of pixels, samples and words stand in one unit, nats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError
from .contract import Modality, Prepared, System

__all__ = ["JointPath", "PathSettings", "decision_score", "gradient_times_change", "integrate_path"]


@dataclass(frozen=True)
class PathSettings:
    """How far the quadrature goes.

    Attributes:
        first: intervals of the first level, a power of two.
        last: intervals of the last level.
        tolerance: completeness gap that is good enough, as a share of the score's difference.
        chunk: path points evaluated at once (memory grows with this, not with the number of points).
    """

    first: int = 16
    last: int = 64
    tolerance: float = 0.02
    chunk: int = 3


@dataclass(frozen=True)
class JointPath:
    """What integrating along the path gave.

    Attributes:
        gradients: for each sense the path integral of g'(u) ds/dx, shape of its prepared tensor; times (tensor - baseline) it is the contributions.
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


def decision_score(logits: Float[Tensor, "batch actions"], action: int) -> Float[Tensor, " batch"]:
    """Return the log-odds of one action against the rest, ``z_c - logsumexp(z_others)``, in nats.

    >>> float(decision_score(torch.tensor([[0.0, 0.0]]), 0))
    0.0
    """
    others = torch.cat((logits[:, :action], logits[:, action + 1 :]), 1)
    return logits[:, action] - others.logsumexp(1)


def _gradient_at(
    system: System, prepared: Mapping[str, Prepared], senses: Mapping[str, Modality], action: int, u: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return, at path points ``u``, g'(u) ds/dx of each sense, the scores and the logits."""
    inputs, slopes = {}, {}
    for m, p in prepared.items():
        g, slopes[m] = (v.view(-1, *[1] * (p.tensor.ndim - 1)) for v in senses[m].schedule(u))
        # At the end of the path the input itself, not its rounding.
        point = torch.where(g == 1, p.tensor, p.baseline + g * (p.tensor - p.baseline))
        inputs[m] = point.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = system(inputs)
        score = decision_score(logits, action)
        gradients = torch.autograd.grad(score.sum(), list(inputs.values()), allow_unused=True)
    missing = [m for m, gradient in zip(inputs, gradients, strict=True) if gradient is None]
    if missing:
        raise ContractError(f"system: no gradient arrives at {', '.join(missing)}; is its input detached, rounded or ignored?")
    weighted = {m: slopes[m] * gradient for m, gradient in zip(inputs, gradients, strict=True) if gradient is not None}
    bad = [m for m, gradient in weighted.items() if not gradient.isfinite().all()]
    if bad or not score.isfinite().all():
        raise ContractError(f"system: {'gradient of ' + ', '.join(bad) if bad else 'score'} is not finite on the path from the baseline to the input")
    return weighted, score.detach(), logits.detach()


def integrate_path(
    system: System,
    prepared: Mapping[str, Prepared],
    action: int,
    settings: PathSettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> JointPath:
    """Integrate the gradient of an action's decision score from the baselines to the inputs.

    The trapezoid rule on nested, evenly spaced points: a finer level computes only its new points. Each level also gives Simpson's rule (Richardson
    extrapolation of two trapezoid sums) at no cost; of the two the one with the smaller gap is returned, since kinks (ReLU) spoil the
    extrapolation on some paths. Memory does not grow with the number of points: two sums are kept.

    Raises:
        ContractError: a gradient does not arrive or is not finite.
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
                part = torch.einsum("n,n...->...", weights[k : k + settings.chunk], g)[None]
                out[m] = out[m] + part if m in out else part
            scores.append(score)
            logits.append(z)
            progress(min(1.0, (done + k + settings.chunk) / (settings.first + 1)))
        return out, torch.cat(scores), torch.cat(logits)

    intervals, done = settings.first, 0
    ends = torch.ones(intervals + 1)
    ends[0] = ends[-1] = 0.5
    sums, scores, logits = summed(torch.linspace(0, 1, intervals + 1), ends)
    difference = float(scores[-1] - scores[0])
    best = {m: s / intervals for m, s in sums.items()}
    done = intervals + 1
    while True:
        gap = abs(total(best) - difference)
        within = gap <= settings.tolerance * max(abs(difference), 1e-6)
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
    """Return the gradient of the decision score at the input, for each sense (the cheapest account: one forward, one backward pass)."""
    senses = {m: system.modalities[m] for m in prepared}
    gradients, _, _ = _gradient_at(system, prepared, senses, action, torch.ones(1))
    # The schedule's slope belongs to the path; at the input alone the plain gradient is wanted.
    slopes = {m: float(senses[m].schedule(torch.ones(1))[1]) for m in prepared}
    return {m: g / slopes[m] for m, g in gradients.items()}
