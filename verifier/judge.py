"""Judging: the rank test, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RankTest", "Verdict", "judge", "rank_test"]


@dataclass(frozen=True)
class RankTest:
    """One operator's test of the first claim (null A of the design: is it better than chance?).

    Attributes:
        operator: infill operator.
        effect: measured effect of the claim, nats.
        controls: measured effects of the control edits, nats.
        p: (1 + number of controls that lower the score at least as much) / (controls + 1).
    """

    operator: str
    effect: float
    controls: tuple[float, ...]
    p: float


@dataclass(frozen=True)
class Verdict:
    """*supported*, *unsupported* or *inconclusive*, with the reasons in words."""

    verdict: str
    reasons: tuple[str, ...]


def rank_test(operator: str, effect: float, controls: Sequence[float]) -> RankTest:
    """Rank the claim's effect among the controls'. Exact for exchangeable draws (Phipson and Smyth, SAGMB 2010, section 3).

    >>> rank_test("blur", -2.0, [-1.0, 0.1, -3.0]).p
    0.5
    """
    as_low = sum(control <= effect for control in controls)
    return RankTest(operator, effect, tuple(controls), (1 + as_low) / (len(controls) + 1))


def judge(tests: Sequence[RankTest], alpha: float, least: float, wanted: int) -> Verdict:
    """Come to a verdict.

    *Supported* needs, under every operator, a fall of the score by at least ``least`` nats and p <= alpha; *unsupported* is a claim that fails
    under every operator; *inconclusive* is one on which the operators disagree, or that could not be tested.

    Args:
        tests: one per operator.
        alpha: level of the test.
        least: smallest effect that counts, nats.
        wanted: controls asked for.
    """
    if not tests:
        return Verdict("inconclusive", ("Nothing speaks for the decision more than for any other, so there is no claim to test.",))
    had = min(len(test.controls) for test in tests)
    if 1 / (had + 1) > alpha:
        return Verdict(
            "inconclusive",
            (f"Only {had} comparable control edits exist ({wanted} wanted), so the smallest possible p is {1 / (had + 1):.2f}; the level is {alpha:g}.",),
        )
    moved = max(abs(e) for test in tests for e in (test.effect, *test.controls))
    if moved < 1e-6:
        return Verdict("inconclusive", ("No edit changes the score: there is nothing to tell a true account from a false one.",))
    passed = [test for test in tests if test.p <= alpha and test.effect <= -least]
    figures = "; ".join(f"{t.operator}: {t.effect:+.2f} nat, p = {t.p:.2f} against {len(t.controls)} controls" for t in tests)
    if len(passed) == len(tests):
        return Verdict("supported", (f"Editing the first claim's evidence lowers the score more than every comparable edit ({figures}).",))
    if passed:
        return Verdict("inconclusive", (f"The operators disagree ({figures}).",))
    why = "does not lower the score" if all(t.effect > -least for t in tests) else "lowers the score no more than comparable edits elsewhere do"
    return Verdict("unsupported", (f"Editing the first claim's evidence {why} ({figures}).",))
