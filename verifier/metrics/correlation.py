"""Faithfulness correlation: do the contributions of what is removed tell how far the score drops?

Source: Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020, def. 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ...errors import InputError
from .removal import Removal, checked_map
from .result import Result

__all__ = ["Correlation", "CorrelationSettings", "draw_subsets", "faithfulness_correlation", "pearson"]


@dataclass(frozen=True)
class Correlation(Result):
    """A correlation, and the pairs that it is one of.

    Attributes:
        sums: sum of the contributions of each subset.
        drops: f(x) - f(x without the subset).
    """

    sums: Float[np.ndarray, " samples"] = field(default_factory=lambda: np.zeros(0), kw_only=True)
    drops: Float[np.ndarray, " samples"] = field(default_factory=lambda: np.zeros(0), kw_only=True)


@dataclass(frozen=True)
class CorrelationSettings:
    """How faithfulness correlation is measured.

    Attributes:
        samples: random subsets.
        share: size of each, as a share of the elements; at least one, and never all.
        seed: of the subsets.

    Raises:
        InputError: fewer than two subsets, or a share that is not between 0 and 1.
    """

    samples: int = 100
    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2 or not 0 < self.share < 1:
            raise InputError(
                f"faithfulness correlation: {self.samples} subsets, share {self.share}; at least 2, and between 0 and 1"
            )


def draw_subsets(elements: int, share: float, samples: int, seed: int) -> Bool[np.ndarray, "samples elements"]:
    """Return random subsets of one size, each as likely as any other; a subset may be drawn again.

    The size is the share of at least two elements, rounded; at least one and never all.
    """
    size = min(max(1, round(share * elements)), elements - 1)
    rng = np.random.default_rng(seed)
    order = rng.random((samples, elements)).argsort(1)
    subsets = np.zeros((samples, elements), bool)
    np.put_along_axis(subsets, order[:, :size], True, 1)
    return subsets


def pearson(a: Float[np.ndarray, " samples"], b: Float[np.ndarray, " samples"]) -> float | None:
    """Return Pearson's correlation; None where either does not vary beyond rounding."""
    x, y = a - a.mean(), b - b.mean()
    sizes = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    # What a mean of equal numbers leaves of them is rounding, and correlates with anything.
    for size, values in zip(sizes, (a, b), strict=True):
        if size <= 1e-12 * max(float(np.linalg.norm(values)), np.finfo(np.float64).tiny):
            return None
    return float(np.clip(x @ y / (sizes[0] * sizes[1]), -1.0, 1.0))


def faithfulness_correlation(
    removal: Removal, values: Float[np.ndarray, "..."] | Tensor, settings: CorrelationSettings | None = None
) -> Correlation:
    """Return Pearson's correlation of a subset's contributions with the drop of the score without it; higher is better.

    Over random subsets S of one size: the sum of the map over S against f(x) - f(x without S). 1 for a linear score
    and its contributions.

    Args:
        removal: what the system scores without certain elements.
        values: one contribution for each element.
        settings: number and size of the subsets.

    Raises:
        InputError: not one finite value for each element.

    Example:
        >>> x, w = torch.ones(1, 4), torch.tensor([1.0, 2.0, 3.0, 4.0])
        >>> removal = Elements(lambda x: x @ w, x, torch.zeros(1, 4))          # doctest: +SKIP
        >>> faithfulness_correlation(removal, w.numpy()).value                 # doctest: +SKIP
        1.0
    """
    s = settings or CorrelationSettings()
    each = checked_map(values, removal.shape)
    told = f"Pearson; {removal.name}, {s.samples} random subsets of {s.share:.0%}"
    if len(each) < 2:
        return Correlation("faithfulness-correlation", None, told, reason="fewer than two elements to remove")
    removed = draw_subsets(len(each), s.share, s.samples, s.seed)
    told = f"Pearson; {removal.name}, {s.samples} random subsets of {int(removed[0].sum())} of {len(each)}"
    scores = removal(np.concatenate([np.zeros((1, len(each)), bool), removed]))
    sums, drops = removed @ each, scores[0] - scores[1:]
    value = pearson(sums, drops)
    reason = "" if value is not None else _why(sums, drops)
    return Correlation("faithfulness-correlation", value, told, reason=reason, sums=sums, drops=drops)


def _why(sums: Float[np.ndarray, " samples"], drops: Float[np.ndarray, " samples"]) -> str:
    if not drops.any():
        return "no subset changes the score"
    if pearson(drops, drops) is None:
        return "every subset changes the score by the same"
    return "the map gives every subset the same sum"
