"""The rank test and the verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from veridical.verifier.account import CheckedClaim, Effect, status_of
from veridical.verifier.agreement import AgreementTest
from veridical.verifier.claims import Claim
from veridical.verifier.judge import Criteria, Trial, judge, rank_test
from veridical.verifier.stability import Stability


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


def claim(predicted: float, *effects: float, name: str = "c1", **more) -> CheckedClaim:
    each = tuple(Effect(f"operator{i}", e, np.zeros(2), 1.0) for i, e in enumerate(effects))
    measured = float(np.mean(effects))
    return CheckedClaim(
        Claim(name, "text", (3,), predicted), each, measured, status_of(measured, predicted, 0.1), **more
    )


CLAIMS = (claim(-2.0, -2.2, -1.8), claim(-1.0, -1.0, -0.5, name="c2"))
GOOD = Trial(
    claims=CLAIMS,
    moved=2.2,
    test=AgreementTest(0.92, 100, 2, 0.02),
    ranks=(rank_test("operator0", -2.2, [0.0] * 9), rank_test("operator1", -1.8, [0.0] * 8 + [-3.0])),
    overtaken=0.05,
    stability=Stability((-2.0, -1.9), 0.1, 0.01),
    agreement=0.92,
)


def but(**changes) -> Trial:
    return replace(GOOD, **changes)


def first(*args: float, **more) -> dict:
    return {"claims": (claim(*args, **more), CLAIMS[1])}


@pytest.mark.parametrize(
    ("trial", "verdict", "cause", "reason"),
    [
        (
            GOOD,
            "supported",
            "holds",
            r"agree with what was measured \(92 %, 2 claims\).*p = 0.020.*−2.00 nats, −2.00 p",
        ),
        (but(blocked="it broke"), "inconclusive", "unmeasurable", "^It could not be measured: it broke.$"),
        (but(claims=()), "inconclusive", "no-claim", "^Nothing speaks for the decision"),
        (but(moved=0.0), "inconclusive", "nothing-moves", "^No edit changes the score"),
        (but(**first(-2, -2, -0.01)), "inconclusive", "operators-disagree", r"operator0: −2.00 nats; operator1: −0.01"),
        (but(**first(-2, -2, 1)), "inconclusive", "operators-disagree", r"operator1: \+1.00 nats"),
        (but(**first(-2, -0.05, 3)), "unsupported", "not-confirmed", "as counts, 0.1 nats .*−2.00 predicted"),
        (
            but(agreement=0.49),
            "unsupported",
            "inaccurate",
            r"agree to 49 % over 2 claims, 50 % is asked for; of claim 2",
        ),
        (but(agreement=-0.3), "unsupported", "inaccurate", "agree to 0 %"),
        (but(**first(-2, -2, -2, p=0.03)), "unsupported", "off-record", r"conformal p = 0.030"),
        (
            but(test=AgreementTest(0.92, 19, 1, 1 / 19)),
            "inconclusive",
            "too-small",
            r"smallest possible p 0.053, level",
        ),
        (but(test=None), "inconclusive", "too-small", "No control edit was measured"),
        (but(test=AgreementTest(0.92, 100, 6, 0.06)), "unsupported", "unspecific", "p = 0.060 over 100 ways"),
        (but(overtaken=0.3), "unsupported", "overtaken", "30 % of the first claim's control edits .* 25 % may"),
        (but(stability=Stability((-2.0, 1.9), 0.1, 0.01)), "inconclusive", "unstable", "cannot be told from noise"),
        (but(**first(-2, -2, -2, novelty=(0.01, 0.004))), "inconclusive", "off-data", "off the data.*p = 0.010, op"),
    ],
)
def test_the_verdict(trial: Trial, verdict: str, cause: str, reason: str):
    found = judge(trial)
    assert (found.verdict, found.cause) == (verdict, cause)
    told = found.reasons[0].replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(reason, told), told


def test_the_limits_belong_to_what_passes():
    for trial in (
        but(agreement=0.5),
        but(overtaken=0.25),
        but(test=AgreementTest(0.92, 20, 1, 0.05)),
        but(**first(-2, -0.1, -2)),
        but(**first(-2, -2, -2, p=0.051)),
        but(**first(-2, -2, -2, novelty=(0.001, 0.02))),
        but(stability=None),
    ):
        assert judge(trial).verdict == "supported"


def test_the_criteria_are_those_asked_for():
    assert judge(GOOD, Criteria(alpha=0.01)).cause == "unspecific"
    assert judge(GOOD, Criteria(alpha=0.009)).cause == "too-small"
    assert judge(GOOD, Criteria(least=1.9)).cause == "operators-disagree"
    assert judge(GOOD, Criteria(agreement=0.95)).cause == "inaccurate"
    assert judge(GOOD, Criteria(overtaken=0.0)).cause == "overtaken"
    assert judge(but(overtaken=1.0), Criteria(overtaken=1.0)).verdict == "supported"


ORDER: list[tuple[str, dict]] = [
    ("unmeasurable", {"blocked": "broken"}),
    ("nothing-moves", {"moved": 0.0}),
    ("inaccurate", {"agreement": 0.1}),
    ("too-small", {"test": AgreementTest(0.9, 3, 3, 1.0)}),
    ("overtaken", {"overtaken": 0.9}),
    ("unstable", {"stability": Stability((1.0,), 3.0, 0.01)}),
]


@pytest.mark.parametrize("at", range(len(ORDER)))
def test_the_first_question_that_is_not_passed_decides(at: int):
    changes: dict = {}
    for _, change in ORDER[at:]:
        changes |= change
    assert judge(but(**changes)).cause == ORDER[at][0]


def test_further_reasons_give_the_figures_that_did_not_decide():
    told = judge(GOOD).reasons[1:]
    assert told == (
        "First claim: operator0: −2.20 nats; operator1: −1.80 nats.",
        "Among its controls: operator0: p = 0.10 of 9; operator1: p = 0.20 of 9.",
        "Under noise its effect is −1.95 nats on average; noise alone changes the score by 0.10 nats.",
    )
    assert judge(but(blocked="x", ranks=(), stability=None)).reasons == ("It could not be measured: x.",)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_was_measured_there_is_a_verdict_with_a_reason(seed: int):
    rng = np.random.default_rng(seed)
    some = tuple(
        claim(-float(rng.exponential(3)), *rng.normal(-1, 2, 2), p=float(rng.random()) if rng.random() < 0.5 else None)
        for _ in range(rng.integers(0, 4))
    )
    assignments = int(rng.integers(1, 60))
    as_good = int(rng.integers(1, assignments + 1))
    trial = Trial(
        some,
        float(rng.exponential(1)),
        AgreementTest(0.5, assignments, as_good, as_good / assignments) if rng.random() < 0.7 else None,
        (),
        float(rng.random()),
        Stability(tuple(rng.normal(-1, 1, 3)), float(rng.random()), 0.01) if rng.random() < 0.5 else None,
        "",
        float(rng.uniform(-1, 1)),
    )
    found = judge(trial)
    assert found.verdict in ("supported", "unsupported", "inconclusive")
    assert found.reasons[0]
    assert found.cause
    assert (found.cause == "holds") == (found.verdict == "supported")
