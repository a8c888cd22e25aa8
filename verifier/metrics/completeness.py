"""Completeness: do contributions sum to what they should explain?"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import InputError
from .result import Result

__all__ = ["Completeness", "completeness"]


@dataclass(frozen=True)
class Completeness(Result):
    """The gap in the score's unit, and as a share of the score's difference; None where that is zero."""

    share: float | None = field(default=None, kw_only=True)
    share_reason: str = field(default="", kw_only=True)


def completeness(total: float, score: float, baseline_score: float) -> Completeness:
    """Return |sum of the contributions - (f(x) - f(x₀))|; 0 is complete.

    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, proposition 1. A map of nonsense
    can be complete: this tests the arithmetic, not the account.

    Args:
        total: sum of the contributions over all senses.
        score: f(x).
        baseline_score: f(x₀).

    Raises:
        InputError: a number that is not finite.
    """
    if not all(abs(v) < float("inf") for v in (total, score, baseline_score)):
        raise InputError(f"completeness: sum {total}, scores {score} and {baseline_score}; all must be finite")
    difference = score - baseline_score
    gap = abs(total - difference)
    told = "sum of the contributions against the score's difference from the baseline"
    if difference == 0:
        return Completeness("completeness-gap", gap, told, share_reason="input and baseline have the same score")
    return Completeness("completeness-gap", gap, told, share=gap / abs(difference))
