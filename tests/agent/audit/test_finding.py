"""The sheet takes down what differs, by how much, and what could not be seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.audit.content_sample import made
from veridical.agent.audit.finding import Case, Sheet, odds


@settings(max_examples=30)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=5))
def test_odds_are_those_of_the_softmax(logits: list[float]):
    top = max(logits)
    whole = sum(math.exp(z - top) for z in logits)
    probabilities = {str(i): math.exp(z - top) / whole for i, z in enumerate(logits)}
    rest = math.log(sum(math.exp(z) for z in logits[1:]))
    assert odds(probabilities, "0") == pytest.approx(logits[0] - rest, abs=1e-6)


def test_odds_of_certainty_are_infinite():
    assert odds({"a": 1.0, "b": 0.0}, "a") == math.inf
    assert odds({"a": 0.0, "b": 1.0}, "a") == -math.inf


def test_figures_within_the_tolerance_hold():
    sheet = Sheet()
    sheet.near("x", 1.0 + 1e-10, 1.0)
    sheet.near("y", 1000.001, 1000.0, 1e-5)
    sheet.between("z", 1, 0, 1)
    assert sheet.finding("w").told == "3 comparisons hold"


@pytest.mark.parametrize("odd", [True, None, "1", [1], 1e308 * 10, 10**400])
def test_what_is_no_number_is_a_fault(odd: object):
    sheet = Sheet()
    sheet.near("x", odd, 1.0)
    assert not sheet.finding("w").ok


def test_true_is_not_one():
    sheet = Sheet()
    sheet.same("x", True, 1)
    assert sheet.finding("w").told == "x is True in the record, it comes to 1"


def test_structures_are_compared_number_by_number():
    sheet = Sheet()
    sheet.close("x", {"a": [1.0, 2.0], "b": "no"}, {"a": [1.0, 2.5], "b": "no"})
    assert sheet.faults == ["x.a[1] is 2 in the record, it comes to 2.5"]
    sheet = Sheet()
    sheet.close("x", {"a": 1}, {"b": 1})
    assert sheet.faults == ["names in x is ['a'] in the record, it comes to ['b']"]


def test_many_faults_are_told_shortly_and_what_is_skipped_beside_them():
    sheet = Sheet()
    for number in range(5):
        sheet.holds(False, f"fault {number}")
    sheet.skip("the maps")
    assert sheet.finding("w").told == "fault 0; fault 1; fault 2; and 2 more; not checked: the maps"


def test_nothing_seen_is_skipped_and_no_fault():
    found = Sheet().finding("w")
    assert (found.ok, found.skipped) == (True, True)
    assert found.told == "not checked: the record tells nothing of it"


def test_a_case_reads_the_loss_of_an_array():
    manifest = {"arrays": {"a": {"coding": {"kind": "int8", "loss": {"max": 0.1}}}, "b": {"coding": {"kind": "exact"}}}}
    case = Case(made("simple")[0], {}, manifest)
    assert (case.exact("a"), case.exact("b"), case.exact("c")) == (False, True, True)
    assert not case.cut
    assert Case(made("simple")[0]).cut
