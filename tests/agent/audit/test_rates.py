from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tests.agent.audit.period_sample import act, decision, ground
from veridical.agent.audit.decided import read_acts, read_decisions
from veridical.agent.audit.rates import (
    action_rates,
    cause_rates,
    label_rates,
    oversight,
    rate,
    reasons_by_action,
    verdict_rates,
)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_has_wilsons_interval(counts):
    found = rate("it", *counts)
    theirs = binomtest(*counts).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert (found.share, found.count) == (counts[0] / counts[1], counts[0])


def test_of_none_there_is_no_share():
    assert rate("it", 0, 0).to_dict() == {"name": "it", "count": 0, "of": 0, "share": None, "low": None, "high": None}


def test_verdicts_and_causes_are_counted_and_add_up():
    rows = (
        [("supported", "holds")] * 3
        + [("unsupported", "inaccurate")] * 2
        + [("inconclusive", "unstable"), (None, None)]
    )
    held = read_decisions([decision(i, verdict=v, cause=c) for i, (v, c) in enumerate(rows)])
    assert [(r.name, r.count) for r in verdict_rates(held)] == [
        ("supported", 3),
        ("unsupported", 2),
        ("inconclusive", 1),
        ("no account", 1),
    ]
    assert [(r.name, r.count, r.of) for r in cause_rates(held)] == [("inaccurate", 2, 3), ("unstable", 1, 3)]


def test_reasons_are_of_decisions_with_an_account_and_only_what_speaks_for_them():
    made = [decision(i, reliance=[ground("animal", 0.2 + 0.1 * i), ground("road", 0.4, sign=1)]) for i in range(3)]
    made += [decision(3), decision(4, verdict=None), decision(5, action="SLOW")]
    told = reasons_by_action(read_decisions(made))
    (animal,) = told["STOP"]
    assert (animal.rate.name, animal.rate.count, animal.rate.of) == ("animal (seen)", 3, 4)
    assert animal.share == pytest.approx(0.3)
    assert told["SLOW"] == []


def test_each_decision_is_overridden_once_however_often_people_act():
    held = read_decisions([decision(i, action="STOP" if i < 3 else "SLOW") for i in range(5)])
    acts = [
        act("d00000", "accepted"),
        act("d00000", "overridden"),
        act("d00000", "overridden"),
        act("d00001", "accepted"),
    ]
    everything, stop, slow = oversight(held, read_acts([*acts, act("elsewhere", "stopped")]))
    assert (everything.action, everything.decisions, everything.changed.count) == ("", 5, 1)
    assert (stop.action, stop.acts) == ("STOP", {"accepted": 2, "overridden": 1})
    assert (stop.changed.count, stop.changed.of) == (1, 3)
    assert (stop.changed_of_reviewed.count, stop.changed_of_reviewed.of) == (1, 2)
    assert slow.changed_of_reviewed.share is None


def test_labels_are_counted_among_those_that_bear_them():
    held = read_decisions([decision(0, labels={"street": "a", "rain": True}), decision(1, labels={"street": "b"})])
    told = label_rates(held)
    assert [(r.name, r.count, r.of) for r in told["rain"]] == [("yes", 1, 1)]
    assert [r.of for r in told["street"]] == [2, 2]
    assert [r.name for r in action_rates(held)] == ["STOP"]
