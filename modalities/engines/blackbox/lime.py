"""LIME: a linear model of the score in the presence of evidence units, fitted near the input.

Ribeiro, Singh and Guestrin, "'Why Should I Trust You?'" (KDD 2016), section 3. As in the authors' code, units come and
go with probability 1/2, and a sample weighs ``sqrt(exp(-d^2 / width^2))`` where d is the cosine distance between the
presence of its units and that of all, ``1 - sqrt(kept / units)``. The model is fitted in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ....errors import InputError
from ..ranks import rank_correlation
from ..task import Task, UnitValues
from .coalitions import (
    Game,
    Operators,
    all_coalitions,
    budget,
    check_settings,
    unit_players,
    unit_values,
)

__all__ = ["Lime", "LocalModel", "cosine_kernel", "fit_local"]


def cosine_kernel(present: Bool[np.ndarray, "samples units"], width: float) -> Float[np.ndarray, " samples"]:
    """Return the weight of each sample by its cosine distance from the input, 1 at the input."""
    count = max(present.shape[1], 1)
    kept = present.sum(1) if present.shape[1] else np.ones(len(present))
    distance = 1 - np.sqrt(kept / count)
    return np.exp(-((distance / width) ** 2) / 2)


@dataclass(frozen=True)
class LocalModel:
    """A linear model of the score.

    Attributes:
        coefficients: what the presence of each unit adds, in the scores' unit.
        intercept: what the model says where nothing is there.
        fidelity: weighted R² on the samples; None where the score does not vary.
        left_out: the same where each sample is predicted by the model fitted without it; None where that cannot be had.
    """

    coefficients: Float[np.ndarray, " units"]
    intercept: float
    fidelity: float | None
    left_out: float | None


def fit_local(
    present: Bool[np.ndarray, "samples units"],
    scores: Float[np.ndarray, " samples"],
    weights: Float[np.ndarray, " samples"],
    ridge: float = 0.0,
) -> LocalModel | None:
    """Fit weighted ridge regression; the intercept is not shrunk. None where samples do not determine it.

    It minimises ``sum w (s - b0 - b z)^2 + ridge |b|^2``. Predictions with a sample left out need no second fit: they
    follow from its leverage h, as ``residual / (1 - h)``.
    """
    share = weights / weights.sum()
    x, y = present - share @ present, scores - share @ scores
    gram = (x * weights[:, None]).T @ x + ridge * np.eye(x.shape[1])
    spectrum = np.linalg.eigvalsh(gram) if len(gram) else np.ones(1)
    if spectrum[0] <= 1e-10 * spectrum[-1]:
        return None
    inverse = np.linalg.inv(gram)
    coefficients = inverse @ ((x * weights[:, None]).T @ y)
    residual = y - x @ coefficients
    leverage = share + weights * np.einsum("si,ij,sj->s", x, inverse, x, optimize=True)
    total = float(weights @ y**2)
    fidelity = left_out = None
    if total > 1e-12 * weights.sum() * max(1.0, float(np.abs(scores).max())) ** 2:  # else the score varies by rounding
        fidelity = 1 - float(weights @ residual**2) / total
        if leverage.max() < 1 - 1e-6:
            left_out = 1 - float(weights @ (residual / (1 - leverage)) ** 2) / total
    return LocalModel(coefficients, float(share @ (scores - present @ coefficients)), fidelity, left_out)


@dataclass(frozen=True)
class Lime:
    """Coefficients of a linear model of the score in the presence of units.

    The model's fidelity stands in the facts, on its own samples and with each left out: how much of what the score does
    near the input the values can tell at all. Where units act together, one that does nothing can have a small
    coefficient all the same: LIME lacks that axiom of Shapley values. Where the coalitions that there are do not
    outnumber the samples asked for, each is taken once.

    Attributes:
        samples: how many samples; by default 1000, or four for each unit where those are more.
        width: width of the kernel, in cosine distance; the authors' code has 0.25.
        ridge: penalty on the coefficients. The authors' code has 1; here it is 0, so that coefficients keep the unit of
            the score.
        operator: infill operator, one name for all senses or one for each; by default each sense's first.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a setting out of range.
    """

    name: ClassVar[str] = "lime"
    additive: ClassVar[bool] = True

    samples: int | None = None
    width: float = 0.25
    ridge: float = 0.0
    operator: Operators = None
    chunk: int = 16

    def __post_init__(self) -> None:
        check_settings(self.name, self.operator, self.chunk, self.samples)
        if not (0.01 <= self.width < np.inf and 0 <= self.ridge < np.inf):
            raise InputError(
                f"lime: width {self.width}, ridge {self.ridge}; give a width of at least 0.01, a ridge ≥ 0"
            )

    def run(self, task: Task) -> UnitValues:
        """Attribute; one forward pass for each distinct sample, and two for the input.

        Raises:
            InputError: a sense has no such operator, or the samples do not determine the model.
            ContractError: the system breaks the contract.
        """
        game = Game(task, unit_players(task.segmentations), self.operator, self.chunk)
        units = len(game.players)
        samples = budget(self.samples, units)
        exact = 2**units <= samples
        if exact:
            present = all_coalitions(units)
        else:
            if samples < units + 2 and self.ridge == 0:
                raise InputError(f"lime: {samples} samples for {units} units; give at least {units + 2}, or a ridge")
            present = np.random.default_rng(task.seed).random((samples, units)) < 0.5
            present[0] = True  # the input itself, as in the authors' code
        weights = cosine_kernel(present, self.width)
        scores = game(present)
        model = fit_local(present, scores, weights, self.ridge)
        if model is None:
            raise InputError(
                f"lime: {samples} samples of width {self.width} do not determine {units} coefficients; give more "
                "samples, a wider kernel or a ridge"
            )
        facts = {
            "samples": len(present),
            "enumerated": exact,
            "intercept": model.intercept,
            "fidelity": model.fidelity,
            "fidelity_left_out": model.left_out,
        }
        values = unit_values(game.players, model.coefficients, task.segmentations)
        stability = None if exact else self._stability(present, scores, weights)
        return UnitValues(values, facts=game.facts() | facts, stability=stability)

    def _stability(
        self,
        present: Bool[np.ndarray, "samples units"],
        scores: Float[np.ndarray, " samples"],
        weights: Float[np.ndarray, " samples"],
    ) -> float | None:
        """Return the rank correlation of the models of every other sample; None where half do not determine one."""
        a, b = (fit_local(present[k::2], scores[k::2], weights[k::2], self.ridge) for k in (0, 1))
        return None if a is None or b is None else rank_correlation(a.coefficients, b.coefficients)
