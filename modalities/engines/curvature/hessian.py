"""Second order: how the gradient itself changes along a direction, and what that promises of a step.

The Hessian H of the target is taken jointly over all senses, with the blocks between them: what a siren does to the
weight of a picture stands there. It is never formed; products with it are exact (reverse over reverse), or a quadratic
form comes of three forward passes. A batch's rows are independent. Where the gradient changes most: `eigen`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from ....errors import ContractError, InputError
from ...scorer import Inputs, Scorer, arrived, check_floating, leaf, recurrent_backward, rows
from .surrogate import eager_attention, frozen_convolutions

__all__ = [
    "NOISE",
    "STEP",
    "Expansion",
    "QuadraticForm",
    "SecondOrderPoint",
    "exact_quadratic_form",
    "expand",
    "hessian_vector",
    "quadratic_form",
    "second_derivatives",
    "second_order",
]

STEP = 0.125
"""Share of the direction that is stepped to either side.

The error of three passes is about ``4 NOISE |z| / h^2 + h^2 |s''''| / 12``; where s'''' along the direction is as large
as the scores z, it is least at ``h = (48 NOISE)^(1/4)``, 0.08 in float32. A power of two scales without rounding.
"""

NOISE = 8 * torch.finfo(torch.float32).eps
"""What a pass in float32 is taken to lose, as a share of the largest score, or of 1 where that is less.

Measured against float64: 8 units in the last place on EfficientNet-Lite0, 3 on MiniLM.
"""

_SEARCHED = tuple(2.0**-k for k in range(9))

Product = Callable[[Inputs], dict[str, Tensor]]


@dataclass(frozen=True)
class SecondOrderPoint:
    """The target at some inputs.

    Attributes:
        gradient: by sense, detached.
        scores: its value by row.
        product: gives H times a direction by sense; serves as long as the context that gave it.
    """

    gradient: dict[str, Tensor]
    scores: Float[Tensor, " batch"]
    product: Product


@contextmanager
def second_derivatives(scorer: Scorer, inputs: Inputs) -> Iterator[SecondOrderPoint]:
    """Differentiate once, and keep the graph: as many products as wanted at one point.

    Inside, the system is held still and fused attention is computed in plain products.

    Raises:
        InputError: as `hessian_vector`.
        ContractError: as `hessian_vector`.
    """
    check_floating(inputs, list(inputs))
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        scorer.held(),
        recurrent_backward(scorer.system, inputs),
        eager_attention(),
        frozen_convolutions(),
    ):
        leaves = {m: leaf(x) for m, x in inputs.items()}
        score = scorer(leaves)
        if not score.requires_grad:
            raise ContractError(
                "system: no gradient reaches any input, so there is no curvature; a no_grad block, a detach or a cast "
                "to integers stands in the way"
            )
        found = _differentiate(score.sum(), leaves, create_graph=True)
        slopes = {m: (g, arrived(m, g, leaves[m])) for m, g in zip(leaves, found, strict=True)}

        def product(direction: Inputs) -> dict[str, Tensor]:
            parts = [(g * direction[m]).sum() for m, (g, _) in slopes.items() if g is not None and g.requires_grad]
            if not parts:  # a linear score: its gradient is a constant
                return {m: torch.zeros_like(x) for m, x in leaves.items()}
            again = _differentiate(torch.stack(parts).sum(), leaves, retain_graph=True)
            curved = {m: torch.zeros_like(leaves[m]) if h is None else h for m, h in zip(leaves, again, strict=True)}
            for m, h in curved.items():
                if not h.isfinite().all():
                    raise ContractError(
                        f"system: the second derivative at {m} is not finite; look for a square root, a norm or a "
                        "power at zero"
                    )
            return {m: h.detach() for m, h in curved.items()}

        yield SecondOrderPoint({m: g for m, (_, g) in slopes.items()}, score.detach(), product)


def _differentiate(
    total: Float[Tensor, ""], leaves: Inputs, *, create_graph: bool = False, retain_graph: bool | None = None
) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(
            total, list(leaves.values()), create_graph=create_graph, retain_graph=retain_graph, allow_unused=True
        )
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        told = str(error).split("\n", 1)[0]
        raise ContractError(
            f"system: a layer has no second derivative ({told}); run it by another backend, or ask quadratic_form, "
            "which needs forward passes alone"
        ) from error


def _check_direction(inputs: Inputs, direction: Inputs) -> dict[str, Tensor]:
    """Return the direction on the inputs' device and in their precision; senses left out stay as they are."""
    for m, d in direction.items():
        if m not in inputs:
            raise InputError(f"curvature: a direction for {m!r}; the inputs are {', '.join(inputs)}")
        if d.shape != inputs[m].shape:
            raise InputError(
                f"curvature: the direction of {m} has shape {tuple(d.shape)}, its input {tuple(inputs[m].shape)}"
            )
        if not d.isfinite().all():
            raise InputError(f"curvature: the direction of {m} is not finite; give finite numbers")
    return {m: direction[m].detach().to(x) if m in direction else torch.zeros_like(x) for m, x in inputs.items()}


def _dot(a: Inputs, b: Inputs) -> Float64[Tensor, " batch"]:
    """Return the inner product of each row over all senses, summed in float64."""
    each = [(a[m].double() * b[m].double()).flatten(1).sum(1) for m in a]
    return torch.stack(each).sum(0)


def hessian_vector(scorer: Scorer, inputs: Inputs, direction: Inputs) -> dict[str, Tensor]:
    """Return H times a direction by sense, exactly, at the cost of 5 to 6 forward passes (MiniLM, EfficientNet-Lite0).

    Pearlmutter, "Fast Exact Multiplication by the Hessian" (Neural Computation 6, 1994); here by differentiating the
    gradient's product with the direction (reverse over reverse). Fused attention is computed in plain products.

    Args:
        scorer: the system and the question.
        inputs: batches by sense, floating point.
        direction: shaped like the inputs; senses left out are zero.

    Raises:
        InputError: integer inputs, or a direction that does not fit them.
        ContractError: the scores break the contract, a gradient does not arrive, a derivative is not finite, or a
            layer has no second one.
    """
    along = _check_direction(inputs, direction)
    if rows(inputs) == 0:
        return {m: torch.zeros_like(x) for m, x in inputs.items()}
    with second_derivatives(scorer, inputs) as point:
        return point.product(along)


def exact_quadratic_form(scorer: Scorer, inputs: Inputs, direction: Inputs) -> Float64[Tensor, " batch"]:
    """Return the curvature of each row along its direction, ``d^T H d``, by one `hessian_vector`.

    Raises:
        InputError: as `hessian_vector`.
        ContractError: as `hessian_vector`.
    """
    along = _check_direction(inputs, direction)
    return _dot(hessian_vector(scorer, inputs, along), along)


@dataclass(frozen=True)
class QuadraticForm:
    """Curvature along a direction, from forward passes alone.

    Attributes:
        values: ``d^T H d`` of each row, in the target's unit.
        errors: an estimate of how far it may be off: rounding, as `NOISE` has it; where the step was searched for,
            also what doubling or halving the step changed. No bound: a network that cancels large numbers loses more.
        steps: share of the direction that was stepped, by row.
        passes: forward passes spent.
    """

    values: Float64[Tensor, " batch"]
    errors: Float64[Tensor, " batch"]
    steps: Float64[Tensor, " batch"]
    passes: int


def quadratic_form(scorer: Scorer, inputs: Inputs, direction: Inputs, step: float | None = STEP) -> QuadraticForm:
    """Return ``d^T H d`` of each row by three forward passes: ``(s(x + h d) - 2 s(x) + s(x - h d)) / h^2``.

    The central difference; on a cubic it is exact but for rounding. Where the score bends within the step, as at a
    ReLU's kink, it is the mean curvature over the step, with weights that fall from its middle to its ends, and so it
    sees what the Hessian at the point does not.

    Args:
        scorer: the system and the question.
        inputs: batches by sense, in float32 or better.
        direction: shaped like the inputs, of the size that is of interest; senses left out are zero.
        step: h. None searches: h is halved from 1 on down to 1/256 (2 passes each), and each row takes the step that
            differs least from those beside it, rounding counted in.

    Raises:
        InputError: a direction that does not fit the inputs, or a step that is not positive and finite.
        ContractError: the scores break the contract.
    """
    if step is not None and not (math.isfinite(step) and step > 0):
        raise InputError(f"quadratic_form: step {step}; give a positive number, {STEP} say, or None to search")
    along = _check_direction(inputs, direction)
    with torch.no_grad(), scorer.held():

        def score(shift: float) -> tuple[Tensor, Tensor]:
            logits = scorer.logits({m: x + shift * along[m] for m, x in inputs.items()})
            share = NOISE if logits.dtype == torch.float32 else 8 * torch.finfo(logits.dtype).eps
            return scorer.target(logits).double(), share * logits.double().abs().amax(1).clamp_min(1)

        middle, lost = score(0.0)

        def second(h: float) -> tuple[Tensor, Tensor]:
            (above, lost_above), (below, lost_below) = score(h), score(-h)
            return (above - 2 * middle + below) / h**2, (lost_above + 2 * lost + lost_below) / h**2

        if step is not None:
            values, errors = second(step)
            return QuadraticForm(values, errors, torch.full_like(values, step), 3)
        found, rounding = (torch.stack(each) for each in zip(*map(second, _SEARCHED), strict=True))
        change = found.diff(dim=0).abs()
        # Judged by the step before and the step behind, for one of them may agree by accident.
        off = torch.maximum(change[:-1], change[1:]) + rounding[1:-1]
        best = off.argmin(0, keepdim=True)
        values, errors = found[1:-1].gather(0, best)[0], off.gather(0, best)[0]
        return QuadraticForm(values, errors, found.new_tensor(_SEARCHED[1:-1])[best[0]], 1 + 2 * len(_SEARCHED))


def second_order(
    gradient: Inputs, direction: Inputs, quadratic: Float[Tensor, " batch"] | None = None
) -> Float64[Tensor, " batch"]:
    """Predict the change of each row's score: ``g d + d^T H d / 2``, Taylor's series to second order.

    Args:
        gradient: of the target, by sense.
        direction: the change of the inputs; senses left out do not change.
        quadratic: ``d^T H d`` of each row; without it the prediction is of first order.
    """
    first = _dot({m: gradient[m] for m in direction}, direction)
    return first if quadratic is None else first + quadratic.double() / 2


@dataclass(frozen=True)
class Expansion:
    """What the derivatives at a point promise of a step, and what the gradient at its end says of them.

    Attributes:
        first: change predicted at first order, ``g d``, by row.
        quadratic: curvature along the step, ``d^T H d``.
        secant: ``d (g(x + d) - g(x))``: the curvature along the step, averaged over the step itself. It equals
            ``quadratic`` where the score is quadratic.
        moved: whether the gradient changes over the step, by more than a thousandth of its largest element.
        flat: rows of which H is exactly zero along the step although the gradient moves: all curvature is in kinks
            (ReLU), which H does not see. Use `soft_relu`.
    """

    first: Float64[Tensor, " batch"]
    quadratic: Float64[Tensor, " batch"]
    secant: Float64[Tensor, " batch"]
    moved: Bool[Tensor, " batch"]
    flat: Bool[Tensor, " batch"]

    @property
    def insufficient(self) -> Bool[Tensor, " batch"]:
        """Rows of which H says less than half of how the gradient changes over the step: flat, or secant is elsewhere.

        Of log-odds a ReLU network is not quite flat, for the other actions' sum curves; it is insufficient.
        """
        apart = (self.secant - self.quadratic).abs() > torch.maximum(self.secant.abs(), self.quadratic.abs()) / 2
        return self.flat | (self.moved & apart)

    @property
    def second(self) -> Float64[Tensor, " batch"]:
        """Change predicted at second order."""
        return self.first + self.quadratic / 2


def expand(scorer: Scorer, inputs: Inputs, direction: Inputs) -> Expansion:
    """Expand the target to second order along a step, and look whether its curvature can be trusted there.

    Raises:
        InputError: as `hessian_vector`.
        ContractError: as `hessian_vector`.
    """
    along = _check_direction(inputs, direction)
    with scorer.held():
        with second_derivatives(scorer, inputs) as point:
            curved = point.product(along)
        with eager_attention():
            end = scorer.gradient({m: x + along[m] for m, x in inputs.items()}).values
    change = {m: end[m] - g for m, g in point.gradient.items()}
    moved = _largest(change) > 1e-3 * _largest(point.gradient)
    flat = _largest(curved) == 0
    return Expansion(_dot(point.gradient, along), _dot(curved, along), _dot(change, along), moved, flat & moved)


def _largest(values: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
    return torch.stack([v.flatten(1).abs().amax(1).float() for v in values.values()]).amax(0)
