"""Predictions: what a committed account promises of an edit, before the edit is put to the system.

A prediction rests on what was fixed before: the gradient at the input, curvature at the input, contributions of the
evidence units. No pass is made at the edit. Passes near the input are: the system is looked at up to `REACH` of the
way, for a three-point curvature and for what second order leaves out. Integrating the gradient along the edit itself
would be no prediction: it gives the effect by the fundamental theorem of calculus, whatever the explanation says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..errors import InputError
from ..modalities.engines.curvature.hessian import (
    STEP,
    Expansion,
    QuadraticForm,
    exact_quadratic_form,
    expand,
    quadratic_form,
    second_order,
)
from ..modalities.engines.curvature.surrogate import soft_relu
from ..modalities.scorer import Inputs, Scorer, rows

__all__ = ["REACH", "Basis", "Prediction", "Trust", "differences", "path_effects", "predict"]

REACH = STEP
"""Share of an edit up to which the system is looked at before the edit is made."""

_SMALL = 0.1
"""Curvature is not needed where all that bends is less than this share of the first order."""

Trust = Literal["first", "second", "insufficient"]
"""Which order bears the whole edit: ``first`` (nothing bends), ``second``, or neither: curvature insufficient."""


@dataclass(frozen=True)
class Basis:
    """What predictions rest on; all of it is fixed before any edit. Make it with `Basis.of`.

    Attributes:
        scorer: the system and the question.
        inputs: batches of one by sense.
        gradient: of the target, shaped like the inputs.
        score: the target's value at the inputs.
        contributions: of each evidence unit by sense, in the target's unit; empty where there is no such account.
        beta: sharpness of the SoftPlus that stands for ReLU in the curvature alone (see `soft_relu`); None leaves the
            network as it is. Gradient and passes are those of the network itself in any case.
        reach: share of an edit up to which the system is looked at.
    """

    scorer: Scorer
    inputs: Inputs
    gradient: Inputs
    score: float
    contributions: Mapping[str, Float[np.ndarray, " units"]] = field(default_factory=dict)
    beta: float | None = None
    reach: float = REACH

    def __post_init__(self) -> None:
        if rows(self.inputs) != 1:
            raise InputError(f"predictions: {rows(self.inputs)} rows; predict from one input at a time")
        if not 0 < self.reach <= 0.5:
            raise InputError(
                f"predictions: reach {self.reach}; give more than 0 and at most 0.5, for at 1 stands the edit itself"
            )
        for m, values in self.contributions.items():
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise InputError(f"predictions: the contribution of {m} unit {bad[0]} is not finite; mend the method")

    @classmethod
    def of(
        cls,
        scorer: Scorer,
        inputs: Inputs,
        contributions: Mapping[str, Float[np.ndarray, " units"]] | None = None,
        *,
        beta: float | None = None,
        reach: float = REACH,
    ) -> Basis:
        """Take the gradient at the inputs (one forward, one backward pass).

        Raises:
            InputError: more than one row, a reach out of range, or a contribution that is not finite.
            ContractError: the scores break the contract, or no gradient arrives.
        """
        slopes = scorer.gradient(inputs)
        given = {} if contributions is None else contributions
        return cls(scorer, inputs, slopes.values, float(slopes.scores[0]), given, beta, reach)


@dataclass(frozen=True)
class Prediction:
    """What is promised of one edit, in the target's unit.

    Attributes:
        first: ``g d``, the gradient at the input times the change.
        second: ``g d + d^T H d / 2`` with the exact product (of the SoftPlus surrogate, where the basis has a beta).
        three_point: the same with the curvature of three passes, at ``x - h d``, ``x`` and ``x + h d``, h the reach.
        path: minus the sum of the contributions of the units that the edit takes away; None without such an account.
        trusted: the order that bears the whole edit: ``first`` where nothing bends, as far as passes within the reach
            can tell, ``second``, or ``insufficient``: the curvature does not tell what the edit will do.
        within: largest share of the edit, at most 1, that curvature bears: there the next two terms of Taylor's
            series are together no larger than what second order adds to the first.
    """

    first: float
    second: float
    three_point: float
    path: float | None
    trusted: Trust
    within: float

    def at(self, strengths: Float[np.ndarray, " strengths"]) -> dict[str, Float64[np.ndarray, " strengths"]]:
        """Return the effects promised of shares of the edit, ``x + t d``, by order.

        Orders are ``first``, ``second``, ``three-point`` and, where there is an account, ``path`` (linear in t).

        >>> Prediction(2.0, 3.0, 3.0, None, "second", 1.0).at(np.array([0.5]))["second"]
        array([1.25])
        """
        t = np.asarray(strengths, np.float64)
        found = {"first": self.first * t}
        for order, whole in (("second", self.second), ("three-point", self.three_point)):
            found[order] = self.first * t + (whole - self.first) * t**2
        return found if self.path is None else {**found, "path": self.path * t}


def differences(inputs: Inputs, edited: Inputs) -> dict[str, Tensor]:
    """Return the changes that edits make, by edited sense, (edits, ...).

    Args:
        inputs: batches of one.
        edited: edited inputs by sense, (edits, ...); senses left out are not edited. Several are edited together, the
            first rows with the first rows.

    Raises:
        InputError: no edit, an unknown sense, a wrong shape, different numbers of edits, or a value not finite.
    """
    if not edited:
        raise InputError("predictions: no edited input; give one sense at least")
    for m, x in edited.items():
        if m not in inputs:
            raise InputError(f"predictions: an edit of {m!r}; the inputs are {', '.join(inputs)}")
        if x.shape[1:] != inputs[m].shape[1:]:
            raise InputError(
                f"predictions: edited {m} of shape {tuple(x.shape)} for an input of {tuple(inputs[m].shape)}; "
                "give (edits, ...) of the input's own axes"
            )
        if not x.isfinite().all():
            raise InputError(f"predictions: edited {m} is not finite; mend the infill operator")
    rows(edited)
    return {m: x.detach().to(inputs[m]) - inputs[m].detach() for m, x in edited.items()}


def path_effects(
    contributions: Mapping[str, Float[np.ndarray, " units"]], units: Mapping[str, Sequence[Sequence[int]]]
) -> Float64[np.ndarray, " edits"]:
    """Return what an account promises of edits: minus the sum of the contributions of the units taken away.

    Args:
        contributions: of each unit by sense.
        units: units of each edit by sense; as many edits in each.

    Raises:
        InputError: a sense or a unit without a contribution, or different numbers of edits.
    """
    counts = {m: len(edits) for m, edits in units.items()}
    if len(set(counts.values())) != 1:
        raise InputError(f"predictions: units of one number of edits for all senses are wanted, got {counts or 'none'}")
    total = np.zeros(next(iter(counts.values())))
    for m, edits in units.items():
        if m not in contributions:
            raise InputError(f"predictions: no contributions for {m}; there are {', '.join(contributions) or 'none'}")
        values = contributions[m]
        for row, edit in enumerate(edits):
            outside = [u for u in edit if not 0 <= u < len(values)]
            if outside:
                raise InputError(f"predictions: {m} has no unit {outside[0]}; it has {len(values)}, counted from 0")
            total[row] -= float(np.sum(values[sorted(set(edit))], dtype=np.float64))
    return total


def _near(basis: Basis, change: Inputs) -> tuple[Expansion, QuadraticForm]:
    """Look at the system up to the reach, along each change.

    Returns:
        The expansion over the reach, scaled to the whole edit, its curvature that of the surrogate where there is one;
        and the curvature of three passes.
    """
    count, h = rows(change), basis.reach
    inputs = {m: x.expand(count, *x.shape[1:]) for m, x in basis.inputs.items()}
    small = {m: h * d for m, d in change.items()}
    found = expand(basis.scorer, inputs, small)
    found = replace(found, first=found.first / h, quadratic=found.quadratic / h**2, secant=found.secant / h**2)
    three = quadratic_form(basis.scorer, inputs, dict(change), h)
    if basis.beta is not None:
        with soft_relu(basis.beta):
            soft = exact_quadratic_form(basis.scorer, inputs, small) / h**2
        found = replace(found, quadratic=soft, flat=torch.zeros_like(found.flat))
    return found, three


def _within(added: float, cubic: float, quartic: float) -> float:
    """Return the largest t <= 1 with ``cubic t^3 + quartic t^4 <= added t^2``; all three are sizes, not negative."""
    if cubic + quartic <= added:
        return 1.0
    return 2 * added / (cubic + math.sqrt(cubic**2 + 4 * quartic * added))


def _judged(first: float, quadratic: float, cubic: float, quartic: float, blind: bool) -> tuple[Trust, float]:
    """Return which order bears a whole edit, from the terms of its series, and up to which share curvature does.

    ``cubic`` and ``quartic`` are sizes; ``blind`` says that H misses how the gradient changes within the reach.
    """
    added = abs(quadratic) / 2
    within = _within(added, cubic, quartic)
    if added + cubic + quartic <= _SMALL * abs(first):
        return "first", within
    return ("second" if within == 1 and not blind else "insufficient"), within


def predict(
    basis: Basis, edited: Inputs, units: Mapping[str, Sequence[Sequence[int]]] | None = None, *, chunk: int = 4
) -> tuple[Prediction, ...]:
    """Predict the effects of edits, none of which is put to the system.

    What second order leaves out is estimated within the reach h: the cubic term as ``(v - q) / 3h``, of v, the mean
    curvature over the reach (`Expansion.secant`), and q, that at the input; the quartic term as ``(p - q) / 2h^2``, of
    p, the three-point curvature, less its rounding. Both follow from Taylor's series along the edit. Of a surrogate
    they hold, besides, what parts it from the network. What begins beyond the reach (a kink, a mask) none of this can
    tell: measure the radius (`veridical.verifier.radius`).

    Args:
        basis: what was fixed before.
        edited: edited inputs by sense, (edits, ...); senses left out are not edited.
        units: evidence units that each edit takes away, by sense; with them the account's own prediction is given.
        chunk: edits at once. Each costs about 12 forward passes, or 18 with a surrogate.

    Returns:
        One prediction for each edit, in the target's unit.

    Raises:
        InputError: edits or units that do not fit the inputs or one another, or a chunk below 1.
        ContractError: the scores break the contract near the input, or a layer has no second derivative.
    """
    if chunk < 1:
        raise InputError(f"predictions: chunk {chunk}; at least 1 edit must be predicted at once")
    change = differences(basis.inputs, edited)
    count, path = rows(change), None
    if units is not None:
        path = path_effects(basis.contributions, units)
        if len(path) != count:
            raise InputError(f"predictions: units of {len(path)} edits for {count} edited inputs; give as many")
    first = second_order({m: basis.gradient[m] for m in change}, change)
    found: list[Prediction] = []
    for start in range(0, count, chunk):
        near, three = _near(basis, {m: d[start : start + chunk] for m, d in change.items()})
        cubic = (near.secant - near.quadratic).abs() / (3 * basis.reach)
        quartic = ((three.values - near.quadratic).abs() - three.errors).clamp_min(0) / (2 * basis.reach**2)
        blind = near.insufficient
        for k in range(len(three.values)):
            f, q = float(first[start + k]), float(near.quadratic[k])
            if near.moved[k]:
                trusted, within = _judged(f, q, float(cubic[k]), float(quartic[k]), bool(blind[k]))
            else:
                trusted, within = "first", 1.0
            account = None if path is None else float(path[start + k])
            found.append(Prediction(f, f + q / 2, f + float(three.values[k]) / 2, account, trusted, within))
    return tuple(found)
