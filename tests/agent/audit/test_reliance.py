from __future__ import annotations

import json

import pytest

from tests.agent.audit.period_sample import decision, ground, grouped
from veridical.agent.audit.decided import read_decisions
from veridical.agent.audit.reliance import NONE, reliance
from veridical.errors import InputError


def test_a_planted_difference_is_found_and_nothing_else():
    found = [d for d in reliance(read_decisions(grouped(300, 1, planted=0.4)), "street").differences if d.found]
    assert {d.name for d in found} == {"thing 0 (seen)"}
    assert {frozenset((d.first, d.second)) for d in found} == {frozenset("ab"), frozenset("bc")}
    assert all((d.difference > 0) == (d.first == "b") for d in found)
    assert all(d.p <= d.adjusted <= d.holm for d in found)


def test_where_groups_are_alike_findings_are_seldom():
    sets = 40
    held = [reliance(read_decisions(grouped(90, 100 + seed)), "street") for seed in range(sets)]
    assert sum(any(d.found for d in told.differences) for told in held) <= 6  # P(more | 5 %) = 0.003


def test_small_groups_are_shown_and_not_tested():
    made = [decision(i, labels={"street": "a" if i < 12 else "b"}, reliance=[ground("cat", 0.5)]) for i in range(20)]
    told = reliance(read_decisions(made), "street")
    assert told.untested == ("b",)
    assert told.differences == ()
    assert [(r.group, r.rests.count, r.interval) for r in told.rows] == [("a", 12, None), ("b", 8, None)]
    assert any("fewer than 10 decisions: b" in note for note in told.notes)
    assert any("Nothing was compared" in note for note in told.notes)


def test_shares_are_means_over_the_group_and_rare_things_are_not_tested():
    made = [decision(i, labels={"g": "xy"[i % 2]}, reliance=[ground("cat", 0.4)] * (i % 4 == 0)) for i in range(40)]
    made[1]["reliance"] = [ground("owl", 0.1)]
    told = reliance(read_decisions(made), "g")
    cat = {row.group: row for row in told.rows if row.name == "cat (seen)"}
    assert cat["x"].share == pytest.approx(0.2)
    low, high = cat["x"].interval or (0, 0)
    assert 0.1 < low < 0.2 < high < 0.3
    assert cat["y"].share == 0
    assert {d.name for d in told.differences} == {"cat (seen)"}
    assert any("1 further thing" in note for note in told.notes)
    json.dumps(told.to_dict(), allow_nan=False)


def test_two_runs_are_the_same_and_many_groups_are_tested_against_the_rest():
    made = [decision(i, labels={"g": f"g{i % 10}"}, reliance=[ground("cat", 0.3)] * (i % 3 == 0)) for i in range(120)]
    first, second = (reliance(read_decisions(made), "g") for _ in range(2))
    assert first == second
    assert len(first.differences) == 10
    assert {d.second for d in first.differences} == {"all others"}


def test_what_has_no_account_or_no_label_is_kept_apart():
    made = [decision(0, labels={"g": "a"}), decision(1, verdict=None, labels={"g": "a"}), decision(2)]
    assert dict(reliance(read_decisions(made), "g").groups) == {NONE: 1, "a": 1}
    assert dict(reliance(read_decisions(made)).groups) == {"all": 2}
    with pytest.raises(InputError, match="no decision has the label 'street'; labels there are: g"):
        reliance(read_decisions(made), "street")
    with pytest.raises(InputError, match="alpha 0"):
        reliance([], alpha=0.0)
