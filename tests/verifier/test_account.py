"""Accounts: what an explanation says, in a form that can be tested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.verifier.test_claims import line
from veridical.errors import InputError
from veridical.verifier.account import state, status_of
from veridical.verifier.claims import ClaimSettings, propose

VALUES = arrays(np.float64, 12, elements=st.floats(-5, 5, width=16))


@given(VALUES)
@settings(deadline=None)
def test_what_is_claimed_is_what_the_contributions_predict(values: np.ndarray):
    account = state("a method", {"text": values}, {"text": line(12)})
    assert account.method == "a method"
    assert account.claims == propose({"text": line(12)}, {"text": values})
    for claim in account.claims:
        assert account.predict("text", claim.units) == claim.predicted < 0
    assert account.predict("text", range(12)) == pytest.approx(-values.sum())
    assert account.predict("text", ()) == 0.0


def test_how_claims_are_gathered_is_passed_on():
    values = {"text": np.array([1.0, 0.9, 0.8, 0.0])}
    one = state("m", values, {"text": line(4)}, ClaimSettings(largest=1.0))
    each = state("m", values, {"text": line(4)}, ClaimSettings(largest=0.25))
    assert [c.units for c in one.claims] == [(0, 1, 2)]
    assert [c.units for c in each.claims] == [(0,), (1,), (2,)]


def test_contributions_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"shape \(3,\) for 4 units of text"):
        state("m", {"text": np.ones(3)}, {"text": line(4)})


@pytest.mark.parametrize(
    ("measured", "predicted", "status"),
    [
        (-2.0, -1.0, "confirmed"),
        (2.0, 1.0, "confirmed"),
        (2.0, -1.0, "contradicted"),
        (-0.1, -1.0, "confirmed"),
        (-0.0999, -1.0, "negligible"),
        (0.0999, -1.0, "negligible"),
        (0.0, -9.0, "negligible"),
    ],
)
def test_a_claim_is_confirmed_contradicted_or_negligible(measured: float, predicted: float, status: str):
    assert status_of(measured, predicted, 0.1) == status
