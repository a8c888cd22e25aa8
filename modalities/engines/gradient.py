"""The gradient of the score at the input, and the gradient times the input.

The gradient: Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks" (2014), section 3. Times the input:
Shrikumar et al., "Not Just a Black Box" (2016), section 2.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..scorer import Inputs, Scorer, Slopes, rows
from .chunk import Layout, stream
from .task import Contributions, Sensitivities, Task, Term

__all__ = ["AT_ONCE", "Gradient", "GradientTimesInput", "gradients"]

AT_ONCE = Layout(8)
"""Rows evaluated at once where nothing else is said: memory grows with this, not with the batch."""


def gradients(scorer: Scorer, inputs: Inputs, wrt: Collection[str] | None = None, layout: Layout = AT_ONCE) -> Slopes:
    """Return the gradient of each row's score with respect to that row's inputs, some rows at a time.

    Args:
        scorer: the system and the question; its target may name one action for each row.
        inputs: batches by sense, floating point.
        wrt: senses of which the gradient is wanted; by default all.
        layout: rows evaluated at once.

    Raises:
        InputError: integer inputs, an unknown sense, or batches that do not fit one another or the target.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.

    Example:
        >>> gradients(Scorer(system, Target((2, 0))), two_rows).values["vision"].shape      # doctest: +SKIP
    """
    count = rows(inputs)
    if count == 0:
        return scorer.gradient(inputs, wrt)

    def batch(start: int, stop: int) -> dict[str, Tensor]:
        return {m: x[start:stop] for m, x in inputs.items()}

    with scorer.held():
        found = list(stream(scorer, batch, count, layout, wrt))
    values = {m: torch.cat([s.values[m] for s in found]) for m in found[0].values}
    return Slopes(values, torch.cat([s.scores for s in found]), torch.cat([s.logits for s in found]))


@dataclass(frozen=True)
class Gradient:
    """How fast the score changes with each input element, at the input alone."""

    name: ClassVar[str] = "gradient"
    additive: ClassVar[bool] = False

    def run(self, task: Task) -> Sensitivities:
        """Take one forward and one backward pass.

        Raises:
            InputError: integer inputs (token ids), which have no gradient.
            ContractError: the system breaks the contract.
        """
        return Sensitivities(gradients(task.scorer, task.inputs).values, facts={"evaluations": 1})


@dataclass(frozen=True)
class GradientTimesInput:
    """The gradient times the input: contributions to first order, against an input of zeros.

    They sum to the score's difference where the score is linear, or of degree one (a ReLU network without biases); in
    general no sum is promised, hence no completeness gap is given.
    """

    name: ClassVar[str] = "gradient-times-input"
    additive: ClassVar[bool] = True

    def run(self, task: Task) -> Contributions:
        """Take one forward and one backward pass.

        Raises:
            InputError: integer inputs (token ids), which have no gradient.
            ContractError: the system breaks the contract.
        """
        found = gradients(task.scorer, task.inputs).values
        zeros = {m: torch.zeros_like(x) for m, x in task.inputs.items()}
        return Contributions((Term(found, zeros),), facts={"evaluations": 1})
