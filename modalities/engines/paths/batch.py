"""Attributions of a batch: one result for each row, and what the baselines of a batch may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ....errors import InputError
from ...scorer import Inputs

__all__ = ["Attributed", "by_row", "figures", "fitting"]


@dataclass(frozen=True)
class Attributed:
    """Attributions of a batch, each row on its own.

    Attributes:
        contributions: by sense, shaped like the inputs, in the target's unit, float32 or float64.
        multipliers: what times (input - baseline) is the contributions; None where an input has several baselines.
        scores: the target's number at the inputs.
        baseline_scores: the same at the baselines; their mean where an input has several.
        gaps: completeness gaps, |sum of a row's contributions - (score - baseline score)|.
        evaluations: gradients computed for each row.
        map_changes: estimates of each map's relative error, L1; NaN where there is none. Of a refined path see
            `quadrature`; of draws from two halves of them, which errs on the safe side.
        within: whether the tolerance was met.
    """

    contributions: Mapping[str, Tensor]
    multipliers: Mapping[str, Tensor] | None
    scores: Float[Tensor, " batch"]
    baseline_scores: Float[Tensor, " batch"]
    gaps: Float[Tensor, " batch"]
    evaluations: Int[Tensor, " batch"]
    map_changes: Float[Tensor, " batch"]
    within: Bool[Tensor, " batch"]

    @property
    def differences(self) -> Float[Tensor, " batch"]:
        """Scores at the inputs less scores at the baselines."""
        return self.scores - self.baseline_scores


def fitting(inputs: Inputs, baselines: Inputs, counts: tuple[int, ...] | None = None) -> dict[str, Tensor]:
    """Return the baselines of all senses, after holding them against the inputs.

    Args:
        inputs: batches by sense.
        baselines: baselines by sense, one row's shape (or sizes of 1) behind the first axis; on any device and of any
            type, they come back on the inputs' and of their type.
        counts: how many there may be; by default any number from 1 on, the same for all senses.

    Raises:
        InputError: a sense without a baseline, or baselines of another shape or number.
    """
    missing = [m for m in inputs if m not in baselines]
    if missing:
        raise InputError(f"baselines: none for {', '.join(missing)}; give one for each sense of the inputs")
    found = {}
    for m, x in inputs.items():
        base = baselines[m]
        fits = base.ndim == x.ndim and all(b in (1, n) for b, n in zip(base.shape[1:], x.shape[1:], strict=True))
        if not fits or (counts and len(base) not in counts):
            wanted = " or ".join(str(n) for n in dict.fromkeys(counts)) if counts else "count"
            raise InputError(
                f"baselines: {m} of shape {tuple(base.shape)} for inputs of {tuple(x.shape)}; "
                f"({wanted}, {', '.join(map(str, x.shape[1:]))}) is wanted"
            )
        found[m] = base.detach().to(x).expand(len(base), *x.shape[1:])
    numbers = {m: len(base) for m, base in found.items()}
    if counts is None and (len(set(numbers.values())) > 1 or 0 in numbers.values()):
        raise InputError(f"baselines: {numbers}; the same number for all senses is wanted, at least 1")
    return found


def figures(values: Iterable[float]) -> Float[Tensor, " rows"]:
    """Return numbers as a float64 tensor on the CPU."""
    return torch.tensor(list(values), dtype=torch.float64)


def by_row(maps: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
    """Return the sum over all senses and elements of each row, float64 on the CPU."""
    return sum((x.flatten(1).sum(1, dtype=torch.float64).cpu() for x in maps.values()), torch.zeros(()).double())
