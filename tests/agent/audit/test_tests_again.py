"""The second computation comes to what the first came to, and says where a record does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.audit.content_sample import changed, checked, faults, made
from veridical.agent.audit.tests_again import agreed, placed
from veridical.verifier.agreement import agreement, agreement_test
from veridical.verifier.bounds import hoeffding

NATS = st.floats(-10, 10).map(lambda x: round(x, 2))
CLAIMS = st.lists(st.tuples(NATS, NATS, st.lists(NATS, max_size=3)), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(CLAIMS)
def test_agreement_and_its_test_are_those_of_the_verifier(claims: list[tuple[float, float, list[float]]]):
    predicted, measured = [c[0] for c in claims], [c[1] for c in claims]
    others = [np.array(c[2], np.float64) for c in claims]
    first = agreement_test(np.array(predicted), np.array(measured), others)
    assert agreed(predicted, measured) == pytest.approx(agreement(np.array(predicted), np.array(measured)), abs=1e-12)
    found = placed(predicted, measured, [c[2] for c in claims])
    if any(p or m for p, m in zip(predicted, measured, strict=True)):
        assert found == (first.assignments, first.as_good)


def test_too_many_ways_are_not_gone_through():
    assert placed([1.0] * 8, [1.0] * 8, [[0.0] * 20] * 8) is None


def test_p_of_the_first_claim_among_its_controls():
    tests = made("climbed")[0]["verdict"]["tests"]
    assert tests
    assert "p of the test under" in faults("climbed", ("verdict/tests/0/p", tests[0]["p"] + 0.1))["tests"]


def test_a_control_that_is_the_claim_again_is_found():
    own = made("climbed")[0]["claims"][0]["units"]
    told = faults("climbed", ("verdict/tests/0/controls/0/units", own))["tests"]
    assert "is not like the claim" in told


def test_an_effect_that_its_probabilities_do_not_give_is_found():
    told = faults("simple", ("senses/text/0/effect", 3.0))
    assert "the effect of sense text under" in told["effects"]


def test_an_operator_that_was_not_committed_to_is_found():
    assert "the operators of" in faults("simple", ("claims/0/effects/0/operator", "magic"))["effects"]


@pytest.mark.parametrize("key", ["measured", "status", "predicted_flip", "flips", "flips_to", "rank"])
def test_each_figure_of_a_claim_follows(key: str):
    before = made("climbed")[0]["claims"][0][key]
    value = not before if isinstance(before, bool) else before + 1 if isinstance(before, int | float) else "x"
    assert key in faults("climbed", (f"claims/0/{key}", value))["claims"]


def test_a_prediction_is_minus_the_sum_of_its_units():
    told = faults("climbed", ("verdict/attempts/0/claims/0/predicted", -0.5))
    assert "the prediction of c1 of attempt 1" in told["claims"]


def test_the_interval_of_sufficiency_is_hoeffdings():
    told = made("climbed")[0]["verdict"]["sufficiency"]
    share = hoeffding(round(told["value"] * told["count"]), told["count"], told["level"])
    assert (told["low"], told["high"]) == (share.low, share.high)
    assert "sufficiency.high" in faults("climbed", ("verdict/sufficiency/high", 1.01))["necessity and sufficiency"]


def test_an_action_that_goes_against_the_effect_is_found():
    need = changed("climbed")["verdict"]["necessity"]
    flipped = [not flip for flip in need["flips"]]
    assert "necessity" in faults("climbed", ("verdict/necessity/flips", flipped))["necessity and sufficiency"]


def test_what_was_not_measured_is_skipped():
    assert checked("tests", "simple").ok
