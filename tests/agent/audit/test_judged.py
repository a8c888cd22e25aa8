"""The causes that are left open hold the one that the judge came to, and where all is told no other."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.audit.content_sample import faults, made
from veridical.agent.audit.judged import open_causes
from veridical.verifier.account import CheckedClaim, Effect, status_of
from veridical.verifier.agreement import agreement, agreement_test
from veridical.verifier.claims import Claim
from veridical.verifier.judge import Criteria, Trial, judge
from veridical.verifier.stability import Stability

NATS = st.floats(-3, 3).map(lambda x: round(x, 2))
ASKED = {"alpha": 0.05, "least": 0.1, "agreement": 0.5, "overtaken": 0.25}


NOVELTY = st.sampled_from([(), (0.005, 0.01), (0.005, 0.4)])
EFFECTS = st.lists(NATS, min_size=2, max_size=2)
CLAIM = st.tuples(
    EFFECTS, NATS | st.none(), NOVELTY, st.sampled_from([None, 0.01, 0.6]), st.lists(NATS, min_size=1, max_size=6)
)
STEADY = st.sampled_from([None, ((-1.0, -2.0), 0.5), ((-1.0, 1.0), 0.5)])
"""A claim: effects, prediction (none: as measured), novelty, p of the miss, effects of its controls."""


def trial_of(
    each: list[Any], drawn: bool, steady: tuple[tuple[float, ...], float] | None
) -> tuple[Trial, dict[str, Any], dict[str, Any]]:
    """A trial, the attempt that tells of it, and the result where it stands."""
    claims, told, controls = list[CheckedClaim](), list[dict[str, Any]](), list[dict[str, Any]]()
    for i, (effects, foretold, novelty, miss, others) in enumerate(each):
        mean = float(np.mean(effects))
        claim = Claim(f"c{i + 1}", "vision", (i,), mean if foretold is None else foretold)
        parts = tuple(Effect(f"o{k}", e, np.zeros(2), 1.0) for k, e in enumerate(effects))
        status = status_of(mean, claim.predicted, 0.1)
        claims.append(CheckedClaim(claim, parts, mean, status, None, miss, novelty=novelty))
        told.append({"effects": [{"effect": e} for e in effects], "miss_p": miss, "off_data_p": list(novelty)})
        controls.append({"claim": claim.name, "controls": [{"effect": e} for e in others]})
    predicted, measured = (np.array(x) for x in ([c.claim.predicted for c in claims], [c.measured for c in claims]))
    test = agreement_test(predicted, measured, [np.array(c[4]) for c in each]) if drawn else None
    trial = Trial(
        claims=tuple(claims),
        moved=max(abs(e) for one in each for e in (*one[0], *(one[4] if drawn else ()))),
        test=test,
        overtaken=float(np.mean(np.array(each[0][4]) < measured[0] - 1e-9)) if drawn else 0.0,
        stability=None if steady is None else Stability(*steady, 0.01),
        agreement=agreement(predicted, measured),
    )
    attempt = {
        "claims": [{"name": c.claim.name, "predicted": c.claim.predicted} for c in claims],
        "measured": measured.tolist(),
        "controls": controls if drawn else [],
        "p": test.p if test else None,
        "committed": {"parameters": {"criteria": ASKED}, "reference": {"calibration": "sha256:…"}},
    }
    stability = None if steady is None else {"effects": list(steady[0]), "noise": steady[1]}
    return trial, attempt, {"claims": told, "verdict": {"stability": stability}}


@settings(max_examples=60, deadline=None)
@given(st.lists(CLAIM, min_size=1, max_size=3), st.booleans(), STEADY)
def test_the_judges_cause_is_left_open(each: list[Any], drawn: bool, steady: Any):
    trial, attempt, result = trial_of(each, drawn, steady)
    cause = judge(trial, Criteria(**ASKED)).cause
    assert cause in open_causes(attempt)
    known = open_causes(attempt, result)
    assert cause in known
    if "nothing-moves" not in known:  # whether taking away all there is moves the score is not recorded
        same = {"too-small", "untested"} if cause in ("too-small", "untested") and not drawn else {cause}
        assert known <= same | {"inaccurate"}


def test_nothing_claimed_is_no_claim():
    attempt = {"claims": [], "measured": [], "committed": {"parameters": {"criteria": ASKED}}}
    assert open_causes(attempt) == {"no-claim"}


def test_a_verdict_that_its_cause_does_not_make_is_found():
    told = faults("unsupported", ("verdict/verdict", "supported"))["verdict"]
    assert "'inaccurate' makes no 'supported'" in told


def test_a_ladder_that_stopped_for_another_reason_is_found():
    assert "the ladder stopped for 'supported'" in faults("unsupported", ("verdict/stopped", "supported"))["verdict"]


def test_a_supported_attempt_ends_the_ladder():
    told = faults("climbed", ("verdict/attempts/0/verdict", "supported"), ("verdict/attempts/0/cause", "holds"))
    assert "attempt 1: its cause is 'holds'" in told["verdict"]


def test_a_critique_follows_from_its_figures():
    own = made("unsupported")[0]["verdict"]["attempts"][0]["critique"]
    assert own is not None
    place = "verdict/attempts/0/critique"
    for key, value in (("claim", "c9"), ("units", [0]), ("found", [{"modality": "text", "units": [1]}])):
        assert "the critique of attempt 1" in faults("unsupported", (f"{place}/{key}", value))["critiques"]
    assert "measured" in faults("unsupported", (f"{place}/figures/measured", 3.0))["critiques"]
