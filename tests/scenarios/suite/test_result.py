from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.scenarios.suite.result import KINDS, STATUSES, About, Checked, Exhibits, Result, Seen, status_of


def about(known_failure: str | None = None) -> About:
    return About("A dog", "Dogs matter.", "right-reason", ("dog",), "toy", known_failure, "a.scenario.yaml", "sha256:0")


def result(status: str = "passed", **more) -> Result:
    checked = (
        Checked("action", True, "STOP", "STOP (99 %)", {"action": "STOP"}),
        Checked("latency_ms.decision", True, "within 10 ms", "3 ms", {"ms": 3.0}, "latency"),
    )
    seen = Seen("as written", {"thing.0.size": 0.5}, (), "STOP", {"STOP": 0.9, "GO": 0.1}, 2.2, 2.2)
    return Result(about(), status, checked, (seen,), 1.5, **more)


@given(st.lists(st.sampled_from([True, False, None]), max_size=6), st.sampled_from([None, "a reason"]))
def test_a_status_is_strict(outcomes: list[bool | None], known: str | None):
    checked = [Checked("action", held, "", "") for held in outcomes]
    status = status_of(checked, known)
    assert status in STATUSES
    passed = all(held is True for held in outcomes)
    if known is None:
        assert status == ("passed" if passed else "failed")
    else:
        assert status == ("unexpectedly passed" if passed else "known failure")


def test_a_misspelt_action_does_not_hide_behind_a_known_failure():
    asked = Checked("actions", False, "the system knows STOPP", "it has no action 'STOPP'", {}, "run")
    assert status_of([asked], "it does not see dogs") == "error"
    assert status_of([Checked("action", True, "", ""), asked], None) == "error"


def test_what_is_not_settled_is_among_the_failures():
    doubt = Checked("rely_on[0]", None, "rests on it", "not settled", {}, "reason")
    found = Result(about(), "failed", (doubt, Checked("action", True, "STOP", "STOP")), (), 0.0)
    assert found.failures == (doubt,)


@pytest.mark.parametrize("status", STATUSES)
def test_a_run_is_good_with_what_passed_and_what_fails_as_it_is_known_to(status: str):
    assert result(status).good is (status in ("passed", "known failure"))


def test_a_result_is_plain_json_and_comes_back():
    told = result(notes=("a note",), claims=({"id": "c1", "predicted": -1.0},)).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert Result.from_dict(told).to_dict() == told


def test_figures_that_are_not_finite_are_null():
    checked = Checked("probability[0]", False, "", "", {"probability": math.nan, "bounds": (0.0, math.inf)})
    assert checked.to_dict()["figures"] == {"probability": None, "bounds": [0.0, None]}


def test_canonical_form_leaves_out_what_differs_from_run_to_run():
    first = result()
    second = Result(**{**vars(result()), "seconds": 99.0, "report": "elsewhere.html"})
    assert first.canonical() == second.canonical()
    assert b"latency" not in first.canonical()
    assert first.canonical() != result("failed").canonical()


def test_exhibits_are_no_part_of_the_plain_data():
    shown = result(exhibits=Exhibits(frames=(np.zeros((2, 2, 3), np.uint8),)))
    assert "exhibits" not in shown.to_dict()
    assert shown == result()


def test_the_kinds_begin_with_checklists():
    assert KINDS[:3] == ("minimum functionality", "invariance", "direction")
