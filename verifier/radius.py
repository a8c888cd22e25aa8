"""The radius of validity: up to which strength of an edit a prediction of its effect holds.

A local account is true near the input, and an edit may lead far from it. So the edit is made in part, ``x + t d`` with
t from 1/16 to 1, and the largest strength up to which prediction and measurement agree is told, for each order.
Predictions come first: `radii` takes them as they were committed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64

from ..errors import ContractError, InputError
from ..modalities.engines.blackbox.coalitions import DRIFT
from ..modalities.path import between
from ..modalities.scorer import Inputs, Scorer, rows
from .predictions import Basis, Prediction, differences

__all__ = ["STRENGTHS", "Radius", "RadiusSettings", "measure_strengths", "radii", "valid_to"]

STRENGTHS = tuple(2.0 ** (k / 2 - 4) for k in range(9))
"""Shares of an edit that are made by default: 1/16 to 1, each sqrt(2) times the one before."""


@dataclass(frozen=True)
class RadiusSettings:
    """What is tried, and what passes for agreement.

    Attributes:
        strengths: shares of the edit, ascending, more than 0 and at most 1.
        least: tolerance in the target's unit; 0.1 nats is the smallest effect that counts in a verdict.
        share: tolerance as a share of the largest effect measured at any strength, for an effect that comes and goes
            is small at full strength. The larger of the two tolerances holds.

    Raises:
        InputError: a number out of range.
    """

    strengths: tuple[float, ...] = STRENGTHS
    least: float = 0.1
    share: float = 0.25

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.strengths), self.strengths, strict=False))
        if not (self.strengths and rising and self.strengths[-1] <= 1):
            raise InputError(
                f"radius: strengths {self.strengths}; give ascending shares, more than 0 and at most 1, such as "
                "(0.25, 0.5, 1.0)"
            )
        if not (0 <= self.least < math.inf and 0 <= self.share < math.inf and self.least + self.share > 0):
            raise InputError(
                f"radius: least {self.least}, share {self.share}; tolerances are finite, not negative, and not both 0"
            )


@dataclass(frozen=True)
class Radius:
    """How far the predictions of one edit hold.

    Attributes:
        strengths: shares of the edit that were made.
        measured: their effects, in the target's unit.
        predicted: effects promised, by order: ``first``, ``second``, ``three-point`` and, where there is an account,
            ``path``.
        tolerance: error that passes for agreement.
        radius: by order, the largest strength tried up to which every error stays within the tolerance; 0 where the
            first fails. The true radius lies between it and the next strength.
        telling: whether any effect is larger than the tolerance. If not, every radius of a prediction of nothing is 1,
            and tells nothing.
    """

    strengths: Float64[np.ndarray, " strengths"]
    measured: Float64[np.ndarray, " strengths"]
    predicted: Mapping[str, Float64[np.ndarray, " strengths"]]
    tolerance: float
    radius: Mapping[str, float]
    telling: bool

    @property
    def gain(self) -> float:
        """Radius at second order less that at first: what curvature adds; negative where it misleads."""
        return self.radius["second"] - self.radius["first"]


def valid_to(
    strengths: Float[np.ndarray, " strengths"], errors: Float[np.ndarray, " strengths"], tolerance: float
) -> float:
    """Return the last strength before the first error beyond the tolerance; 0 where the first is.

    >>> valid_to(np.array([0.25, 0.5, 1.0]), np.array([0.0, 0.3, 0.1]), 0.2)
    0.25
    """
    beyond = np.flatnonzero(np.abs(errors) > tolerance)
    end = int(beyond[0]) if len(beyond) else len(strengths)
    return float(strengths[end - 1]) if end else 0.0


def measure_strengths(
    scorer: Scorer, inputs: Inputs, edited: Inputs, strengths: Sequence[float] = STRENGTHS
) -> Float64[np.ndarray, " strengths"]:
    """Return the measured effects of one edit made in part, in one batch that holds the input itself too.

    At strength 1 stands the very edit, not its rounding.

    Args:
        scorer: the system and the question.
        inputs: batches of one by sense.
        edited: one edited input, a batch of one, of each sense that is edited.
        strengths: shares of the edit.

    Raises:
        InputError: an edit that does not fit the inputs, or more than one.
        ContractError: a score is not finite, or the input scores otherwise among its edits than alone.
    """
    change = differences(inputs, edited)
    if rows(change) != 1:
        raise InputError(f"radius: {rows(change)} edits; one at a time is measured, in one batch of strengths")
    shares = torch.tensor((0.0, *strengths), dtype=torch.float64)
    batch = {
        m: between(edited[m].detach().to(x), x, shares) if m in edited else x.expand(len(shares), *x.shape[1:])
        for m, x in inputs.items()
    }
    asked = Scorer(scorer.system, scorer.target, "under an edit of some strength")
    with torch.no_grad(), scorer.held():
        alone = float(scorer(inputs)[0])
        scores = asked(batch).double().cpu().numpy()
    if abs(scores[0] - alone) > DRIFT[0] + DRIFT[1] * abs(alone):
        raise ContractError(
            f"system: the same input scores {alone:.3f} alone and {scores[0]:.3f} among its edits; call eval() "
            "(dropout, batch norm), keep no state between calls, keep members of a batch apart; check_system finds "
            "which"
        )
    return scores[1:] - scores[0]


def radii(
    basis: Basis, edited: Inputs, predictions: Sequence[Prediction], settings: RadiusSettings | None = None
) -> tuple[Radius, ...]:
    """Measure each edit at every strength, and hold its prediction against that.

    Args:
        basis: what the predictions rest on.
        edited: edited inputs by sense, (edits, ...); several senses are edited jointly.
        predictions: one for each edit, made before; see `veridical.verifier.predictions.predict`.
        settings: strengths and tolerances.

    Raises:
        InputError: edits that do not fit, or another number of predictions.
        ContractError: as `measure_strengths`.

    Example:
        >>> basis = Basis.of(Scorer(system, Target(2)), inputs)             # doctest: +SKIP
        >>> radii(basis, edited, predict(basis, edited))[0].radius          # doctest: +SKIP
        {'first': 0.25, 'second': 0.5, 'three-point': 0.5}
    """
    settings = settings or RadiusSettings()
    count = rows(differences(basis.inputs, edited))
    if len(predictions) != count:
        raise InputError(f"radius: {len(predictions)} predictions for {count} edits; give one for each")
    strengths, found = np.array(settings.strengths), []
    for row, prediction in enumerate(predictions):
        one = {m: x[row : row + 1] for m, x in edited.items()}
        measured = measure_strengths(basis.scorer, basis.inputs, one, settings.strengths)
        largest = float(np.abs(measured).max())
        tolerance = max(settings.least, settings.share * largest)
        promised = prediction.at(strengths)
        radius = {order: valid_to(strengths, effect - measured, tolerance) for order, effect in promised.items()}
        found.append(Radius(strengths, measured, promised, tolerance, radius, largest > tolerance))
    return tuple(found)
