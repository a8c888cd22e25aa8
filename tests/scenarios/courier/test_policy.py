"""The written policy, against a second writing of it."""

from __future__ import annotations

import itertools

import pytest

from veridical.scenarios.courier.policy import ACTIONS, RULES, decide

KINDS = ("siren", "bell", "call", "animal", "vehicle", "obstacle", "stop-sign", "halt", "tame")
EVERY = [frozenset(some) for n in range(len(KINDS) + 1) for some in itertools.combinations(KINDS, n)]


def asked(c: frozenset[str]) -> str:
    """The policy once more, as a person would tell it."""
    if "siren" in c:
        return "YIELD"
    if c & {"halt", "stop-sign"}:
        return "STOP"
    if "animal" in c:
        return "SLOW" if "tame" in c else "STOP"
    if "vehicle" in c:
        return "YIELD"
    return "SLOW" if c & {"bell", "call", "obstacle"} else "PROCEED"


def test_every_combination_of_causes_gets_the_action_that_the_policy_tells():
    assert len(EVERY) == 512
    assert {c: decide(c).action for c in EVERY} == {c: asked(c) for c in EVERY}


def test_a_siren_overrides_everything():
    assert {decide(c | {"siren"}).name for c in EVERY} == {"siren"}


def test_tame_changes_what_an_animal_in_the_way_means_and_nothing_else():
    changed = {c for c in EVERY if "tame" not in c and decide(c | {"tame"}) is not decide(c)}
    assert changed == {c for c in EVERY if decide(c).name == "animal"}
    assert (decide({"animal"}).action, decide({"animal", "tame"}).action) == ("STOP", "SLOW")


def test_kinds_that_no_rule_names_change_nothing():
    assert all(decide(c | {"noise", "talk", "tree", "sign"}) is decide(c) for c in EVERY)


def test_the_last_rule_always_applies():
    assert RULES[-1].causes == frozenset()
    assert decide(()) is decide(["talk"]) is RULES[-1]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_is_reached_by_its_own_causes(rule):
    assert decide(rule.causes) is rule
    assert rule.action in ACTIONS


def test_names_differ_and_every_action_is_asked_for():
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.action for rule in RULES} == set(ACTIONS)


def test_a_rule_speaks_of_the_causes_that_the_test_knows():
    assert frozenset().union(*(rule.causes for rule in RULES)) == set(KINDS)
