"""Judging: the rank test, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..modalities.wording import nats

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
    """Rank the claim's effect among the controls'.

    Exact for exchangeable draws (Phipson and Smyth, "Permutation P-values should never be zero", SAGMB 2010,
    section 3); a tie counts against the claim.

    >>> rank_test("blur", -2.0, [-1.0, 0.1, -3.0]).p
    0.5
    """
    as_low = sum(control <= effect for control in controls)
    return RankTest(operator, effect, tuple(controls), (1 + as_low) / (len(controls) + 1))


def judge(tests: Sequence[RankTest], alpha: float, least: float, wanted: int, peers: int) -> Verdict:
    """Come to a verdict.

    *Supported* needs, under every operator, a fall of the score by at least ``least`` nats and p <= alpha;
    *unsupported* is a claim that fails under every operator; *inconclusive* is one on which the operators disagree, or
    that could not be tested.

    Args:
        tests: one per operator.
        alpha: level of the test.
        least: smallest effect that counts, nats.
        wanted: controls of the claim's size asked for.
        peers: controls of the claim's size that there were.
    """
    if not tests:
        return Verdict("inconclusive", ("Nothing speaks for the decision, so there is no claim to test.",))
    if 1 / (peers + 1) > alpha:
        exist = "edits exist" if peers != 1 else "edit exists"
        compared = f"only {peers} comparable {exist}" if peers else "no other exists"
        return Verdict(
            "inconclusive",
            (
                "The input is too small for the test, which compares the first claim's edit with others of the same "
                f"size: {compared}, {wanted} were wanted (smallest possible p {1 / (peers + 1):.2f}, level "
                f"{alpha:g}).",
            ),
        )
    moved = max(abs(e) for test in tests for e in (test.effect, *test.controls))
    if moved < 1e-6:
        return Verdict(
            "inconclusive", ("No edit changes the score: there is nothing to tell a true account from a false one.",)
        )
    passed = [test for test in tests if test.p <= alpha and test.effect <= -least]
    figures = "; ".join(
        f"{t.operator}: {nats(t.effect)} nats, p = {t.p:.2f} against {len(t.controls)} controls" for t in tests
    )
    edit = "Editing the first claim's evidence"
    if len(passed) == len(tests):
        return Verdict("supported", (f"{edit} lowers the score more than every comparable edit tried ({figures}).",))
    if passed:
        return Verdict("inconclusive", (f"The operators disagree ({figures}).",))
    if all(t.effect > -least for t in tests):
        why = f"does not lower the score by as much as counts, {least:g} nats"
    else:
        why = "lowers the score no more than comparable edits do"
    return Verdict("unsupported", (f"{edit} {why} ({figures}).",))
