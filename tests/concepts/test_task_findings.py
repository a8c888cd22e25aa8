"""What checks come to: beside the verdict, and over many decisions."""

from __future__ import annotations

import json

import pytest

from veridical.concepts.task_findings import FINDINGS, OUTCOMES, Finding, TaskCheck, affects_verdict, summarise
from veridical.errors import InputError
from veridical.verifier.bounds import wilson

WRONG_REASON = Finding("wrong-reason", "fault", "The decision rests on what it must not.")
FORBIDDEN = Finding("forbidden", "fault", "STOP rests on the patch.", ("patch",), ("vision#1",), 0.5, -2.0, 0.01)
TRACE = Finding("trace", "noted", "STOP rests a little on the patch.")
WRONG = Finding("wrong-decision", "fault", "The task asks for YIELD, and STOP was decided.")


def check(outcome: str, *findings: Finding, action: str = "STOP", coverage: float | None = 1.0, digest: str = "d"):
    return TaskCheck("crossing", digest, action, None, outcome, coverage, (), findings, ("Told.",))


def test_a_true_account_of_a_wrong_reason_stays_supported():
    found = affects_verdict(check(OUTCOMES[1], WRONG_REASON, FORBIDDEN), "supported")
    assert found == ("supported; not as the task asks", "STOP rests on the patch.")


@pytest.mark.parametrize("verdict", ["unsupported", "inconclusive"])
def test_an_account_that_is_not_supported_convicts_nobody(verdict):
    assert affects_verdict(check(OUTCOMES[1], WRONG_REASON, FORBIDDEN), verdict) is None


@pytest.mark.parametrize("verdict", ["supported", "unsupported", "inconclusive"])
def test_a_wrong_decision_is_told_beside_any_verdict(verdict):
    found = affects_verdict(check(OUTCOMES[1], WRONG, FORBIDDEN), verdict)
    assert found == (f"{verdict}; not as the task asks", WRONG.text)


@pytest.mark.parametrize(("outcome", "findings"), [(OUTCOMES[0], (TRACE,)), (OUTCOMES[2], (FORBIDDEN,))])
def test_where_the_task_is_met_or_undecided_nothing_is_added(outcome, findings):
    assert affects_verdict(check(outcome, *findings), "supported") is None


def test_an_unknown_verdict_is_refused():
    with pytest.raises(InputError, match="no verdict 'true'; there are supported, unsupported, inconclusive"):
        affects_verdict(check(OUTCOMES[0]), "true")


def test_many_checks_are_counted():
    checks = [
        *[check(OUTCOMES[0])] * 6,
        check(OUTCOMES[0], TRACE, coverage=0.5),
        check(OUTCOMES[1], WRONG_REASON, FORBIDDEN, FORBIDDEN, coverage=0.5, action="YIELD"),
        check(OUTCOMES[1], WRONG, coverage=None, action="YIELD"),
        check(OUTCOMES[2], coverage=None),
    ]
    found = summarise(checks)
    assert (found["task"], found["digest"], found["decisions"]) == ("crossing", "d", 10)
    assert [found["outcomes"][outcome]["decisions"] for outcome in OUTCOMES] == [7, 2, 1]
    assert found["outcomes"][OUTCOMES[0]]["share"] == wilson(7, 10).to_list()
    assert found["as_asked_where_decided"] == wilson(7, 9).to_list()
    assert list(found["findings"]) == list(FINDINGS)
    assert found["findings"]["forbidden"] == {"decisions": 1, "faults": 1, "share": wilson(1, 10).to_list()}
    assert found["findings"]["trace"]["faults"] == 0
    assert found["mean_coverage"] == pytest.approx(7 / 8)
    assert list(found["by_action"]) == ["STOP", "YIELD"]
    assert found["by_action"]["YIELD"]["outcomes"][OUTCOMES[1]]["decisions"] == 2
    assert found["by_action"]["YIELD"]["mean_coverage"] == 0.5
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_is_undecided_alone_has_no_share():
    found = summarise([check(OUTCOMES[2], coverage=None)])
    assert (found["as_asked_where_decided"], found["mean_coverage"]) == (None, None)


def test_no_checks_and_checks_of_different_tasks_are_refused():
    with pytest.raises(InputError, match="task checks: none given"):
        summarise([])
    with pytest.raises(InputError, match=r"of different tasks \('crossing'\); summarise those of each"):
        summarise([check(OUTCOMES[0]), check(OUTCOMES[0], digest="e")])
