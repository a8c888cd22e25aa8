"""The rank test and the verdict."""

from __future__ import annotations

import re
from itertools import permutations

import numpy as np
import pytest

from veridical.verifier.judge import RankTest, judge, rank_test


def test_p_is_exactly_uniform_where_claim_and_controls_are_exchangeable():
    """Each of k + 1 different effects is the claim's equally often: p takes each of 1/(k+1) ... 1 equally often."""
    orders = list(permutations([-3.0, -1.0, 0.5, 2.0]))
    found = sorted(rank_test("blur", effect, rest).p for effect, *rest in orders)
    assert found == sorted([0.25, 0.5, 0.75, 1.0] * 6)
    for alpha in (0.25, 0.5, 0.75):
        assert np.mean(np.array(found) <= alpha) == alpha


def test_a_tie_counts_against_the_claim():
    assert rank_test("blur", -1.0, [-1.0, -1.0, 0.0]).p == 0.75
    assert rank_test("blur", -1.0, []).p == 1.0


def result(*effects: float, controls: list[float] | None = None) -> tuple[RankTest, ...]:
    rest = [-0.2] * 19 if controls is None else controls
    return tuple(rank_test(f"operator{i}", e, rest) for i, e in enumerate(effects))


@pytest.mark.parametrize(
    ("tests", "verdict", "reason"),
    [
        (
            result(-2, -1),
            "supported",
            r"more than every comparable edit tried \(operator0: −2.00 nats, p = 0.05 against 19",
        ),
        (result(-2, -0.1), "inconclusive", "operators disagree"),
        (result(-0.05, 3), "unsupported", "does not lower the score by as much as counts, 0.1 nats"),
        (result(-0.15, -0.12), "unsupported", r"lowers the score no more than comparable edits do \("),
        (result(-2, -2, controls=[-0.2] * 18 + [-3]), "unsupported", "p = 0.10 against 19 controls"),
        (result(0, 0, controls=[0.0] * 19), "inconclusive", "No edit changes the score"),
        ((), "inconclusive", "Nothing speaks for the decision"),
    ],
)
def test_the_verdict(tests: tuple[RankTest, ...], verdict: str, reason: str):
    found = judge(tests, 0.05, 0.1, 19, 19)
    assert found.verdict == verdict
    assert re.search(reason, found.reasons[0])


@pytest.mark.parametrize(
    ("peers", "reason"),
    [
        (12, "only 12 comparable edits exist, 19 were wanted (smallest possible p 0.08, level 0.05)"),
        (1, "only 1 comparable edit exists, 19 were wanted (smallest possible p 0.50, level 0.05)"),
        (0, "no other exists, 19 were wanted (smallest possible p 1.00, level 0.05)"),
    ],
)
def test_too_few_controls_settle_nothing_however_strong_the_effect(peers: int, reason: str):
    found = judge(result(-9, -9, controls=[0.0] * 23), 0.05, 0.1, 19, peers)
    assert found.verdict == "inconclusive"
    assert reason in found.reasons[0]
    assert "too small for the test" in found.reasons[0]


def test_nineteen_peers_are_enough_and_eighteen_are_not():
    assert judge(result(-1, -1), 0.05, 0.1, 19, 19).verdict == "supported"
    assert judge(result(-1, -1), 0.05, 0.1, 19, 18).verdict == "inconclusive"
