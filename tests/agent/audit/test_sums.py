"""What must add up adds up, and what does not is found with both figures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.audit.content_sample import checked, faults, made


@pytest.mark.parametrize("what", ["decision", "contributions", "ranking", "times"])
@pytest.mark.parametrize("name", ["climbed", "simple"])
def test_a_real_record_adds_up(what: str, name: str):
    assert checked(what, name).ok


@pytest.mark.parametrize(
    ("path", "value", "what", "told"),
    [
        ("decision/probabilities/STOP", 0.1, "decision", "decision.probabilities.STOP is 0.1 in the record"),
        ("decision/target", "GO against the rest", "decision", "decision.target"),
        ("attribution/sum", 90.0, "contributions", "attribution.sum is 90"),
        ("attribution/shares/text", 90.0, "contributions", "attribution.shares.text"),
        ("attribution/baseline_score", 3.5, "contributions", "attribution.difference"),
        ("attribution/gap_share", 0.7, "contributions", "attribution.gap_share is 0.7"),
        ("attribution/within_tolerance", False, "contributions", "attribution.within_tolerance is False"),
        ("attribution/baseline_action", "JUMP", "contributions", "is no action of the system"),
        ("attribution/method", "guess", "contributions", "attribution.method"),
        ("attribution/diagnostics/text/saturated", True, "contributions", "diagnostics.text.saturated"),
        ("ranking/3/rank", 3, "ranking", "the ranks"),
        ("timing/x_forward", 2.0, "times", "timing.x_forward is 2"),
        ("timing/passes/forward", 2, "times", "timing.passes.forward"),
        ("timing/passes/backward", 0, "times", "timing.passes.backward"),
        ("timing/attribution_ms", -3.0, "times", "does not lie between 0 and inf"),
        ("verdict/passes", 1, "times", "verdict.passes"),
        ("created", "yesterday", "times", "it is malformed"),
    ],
)
def test_what_does_not_add_up_is_found(path: str, value: Any, what: str, told: str):
    assert told in faults("simple", (path, value))[what]


def test_two_units_in_the_wrong_order_are_found():
    ranking = made("simple")[0]["ranking"]
    told = faults("simple", ("ranking/0/contribution", ranking[-1]["contribution"] - 1))["ranking"]
    assert "the units of ranks 1 and 2 are not in order" in told
    assert "a unit stands twice" in faults("simple", ("ranking/1", ranking[0] | {"rank": 2}))["ranking"]
