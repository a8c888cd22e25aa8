"""Oversight policies: values, what cannot go together, actions, and what stands in a record."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.agent.loop import policy as module
from veridical.agent.loop.policy import (
    DEPTHS,
    FINDINGS,
    MODES,
    REACTIONS,
    TRIGGERS,
    Explaining,
    Oversight,
    Policy,
    Rule,
)
from veridical.agent.record.canonical import canonical_json, digest_of
from veridical.agent.record.context import Context
from veridical.errors import InputError

ACTIONS = ("PROCEED", "SLOW", "STOP", "YIELD")
ARMED = Oversight(slow={"PROCEED": "SLOW"}, fallback="YIELD", stop="STOP")


def test_the_default_explains_all_in_the_background_and_changes_nothing():
    policy = Policy()
    assert (policy.explain.mode, policy.explain.depth, policy.oversight.rules) == ("background", "measured", ())
    assert policy.check(ACTIONS) is policy


def test_the_digest_is_that_of_the_content_as_canonical_json():
    policy = Policy("p", "2", Explaining(triggers=("low margin",)), replace(ARMED, rules=(Rule("fault", "slow"),)))
    assert policy.digest == digest_of(canonical_json(policy.to_dict()))
    assert policy.context() == {"name": "p", "version": "2", "digest": policy.digest}
    assert Context(policy=policy.context()).frame({})["policy"] == policy.context()


def test_each_change_of_content_changes_the_digest():
    policies = [
        Policy(),
        Policy(version="2"),
        Policy(explain=Explaining(queue=9)),
        Policy(oversight=ARMED),
        Policy(oversight=replace(ARMED, slow={"PROCEED": "STOP"})),
        Policy(oversight=replace(ARMED, rules=(Rule("fault", "slow"),))),
        Policy(oversight=replace(ARMED, rules=(Rule("fault", "slow", release=2),))),
    ]
    assert len({policy.digest for policy in policies}) == len(policies)


def test_a_policy_is_frozen_and_keeps_its_own_table():
    slow = {"PROCEED": "SLOW"}
    oversight = Oversight(slow=slow)
    slow["PROCEED"] = "YIELD"
    assert oversight.slow == {"PROCEED": "SLOW"}
    with pytest.raises(FrozenInstanceError):
        oversight.stop = "STOP"  # pyright: ignore[reportAttributeAccessIssue]
    assert hash(Policy()) == hash(Policy())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mode": "inlin"}, r"\[explain\] mode: 'inlin' is not known; .*did you mean 'inline'\?"),
        ({"mode": "inline"}, "mode: 'inline' needs a deadline; .*deadline_ms = 500"),
        ({"deadline_ms": 0.0}, r"deadline_ms: 0\.0 is out of range; write a number above 0 to 3600000"),
        ({"deadline_ms": math.nan}, "deadline_ms: nan is out of range"),
        ({"deadline_ms": math.inf}, "deadline_ms: inf is out of range"),
        ({"queue": 0}, "queue: 0 is out of range; write a number from 1 to 1000"),
        ({"queue": True}, "queue: True is no whole number"),
        ({"sample": 0.1}, "sample: 0.1 has no meaning in mode 'background': every decision is explained"),
        ({"sample": 0.1, "mode": "off"}, "sample: 0.1 has no meaning in mode 'off': no decision"),
        ({"sample": -0.1, "mode": "triggered"}, "sample: -0.1 is out of range"),
        ({"sample": math.nan, "mode": "triggered"}, "sample: nan is out of range"),
        ({"mode": "triggered"}, "leaves nothing that would call for an explanation"),
        ({"triggers": ("sampled",)}, "asks for 'sampled' with a sample of 0"),
        ({"triggers": ("low margn",)}, "holds 'low margn', which is not known; .*did you mean 'low margin'"),
        ({"triggers": ("request", "request")}, "holds 'request' twice; write it once"),
        ({"triggers": ("low margin",), "margin": 0.0}, "margin: 0.0 is never undercut"),
        (
            {"depth": "deep"},
            "depth: 'deep' is not known; write one of 'account', 'verdict', 'measured', 'ladder', 'full'",
        ),
        ({"worker": "proces"}, "worker: 'proces' is not known; .*did you mean 'process'"),
        ({"restarts": -1}, "restarts: -1 is out of range"),
    ],
)
def test_explaining_refuses_what_it_cannot_do(values, said):
    with pytest.raises(InputError, match=said):
        Explaining(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"when": "unsuported"}, "when: 'unsuported' is not known; .*did you mean 'unsupported'"),
        ({"do": "none"}, "do: 'none' is not known; write one of 'annotate', 'slow', 'hand over', 'stop'"),
        ({"of": 2, "least": 3}, "least: 3 is more than the last findings that are counted, of = 2"),
        ({"least": 0}, "least: 0 is out of range"),
        ({"release": 0}, "release: 0 is out of range; write a number from 1 to 10000"),
        ({"reason": "two\nlines"}, "reason: 'two.*lines' is no text"),
        ({"reason": "  "}, "reason: '  ' is no text"),
    ],
)
def test_a_rule_refuses_what_could_never_be(values, said):
    with pytest.raises(InputError, match=said):
        Rule(**{"when": "unsupported", "do": "annotate"} | values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rules": (Rule("fault", "slow"),)}, r"\[\[oversight.rules\]\] 1 do: 'slow' has no action .*PROCEED = 'SLOW'"),
        ({"rules": (Rule("fault", "hand over"),)}, "'hand over' has no action .*fallback = 'STOP'"),
        ({"rules": (Rule("fault", "stop"),)}, "'stop' has no action .*stop = 'STOP'"),
        ({"stale_s": 5.0}, r"\[oversight\] stale_do: 'hand over' has no action"),
        ({"fault_do": "stop"}, r"\[oversight\] fault_do: 'stop' has no action"),
        ({"fault_do": "panic"}, "fault_do: 'panic' is not known"),
        ({"stale_s": 0.0}, "stale_s: 0.0 is out of range"),
        ({"stale_s": -math.inf}, "stale_s: -inf is out of range"),
        ({"slow": {"GO": "GO"}}, r"\[oversight.slow\] GO: 'GO' is the action itself"),
        ({"slow": {"GO": " "}}, r"\[oversight.slow\] GO: ' ' is no action's name"),
        (
            {"rules": (Rule("fault", "annotate"), Rule("fault", "annotate", release=2))},
            r"\[\[oversight.rules\]\] 2 when: 'fault' is asked for by rule 1 in the same way",
        ),
    ],
)
def test_oversight_refuses_what_it_cannot_do(values, said):
    with pytest.raises(InputError, match=said):
        Oversight(**values)


def test_a_stale_reaction_needs_its_action_only_where_something_can_be_stale():
    assert Oversight(stale_do="stop").stale_s is None


def test_rules_about_one_finding_may_escalate():
    rules = (Rule("unsupported", "slow"), Rule("unsupported", "stop", of=5, least=3))
    assert Oversight(rules, slow={"GO": "STOP"}, stop="STOP").rules == rules


@pytest.mark.parametrize(
    ("when", "explain", "said"),
    [
        *((word, Explaining(mode="off"), "mode 'off'") for word in ("supported", "unsupported", "forbidden")),
        ("unsupported", Explaining(depth="account"), "at depth 'account' nothing is tested"),
        ("forbidden", Explaining(depth="account"), "at depth 'account' nothing is tested"),
        *((word, Explaining(), "nothing looks for it; put") for word in TRIGGERS[:4]),
        ("stale", Explaining(), "nothing counts as stale; write stale_s"),
    ],
)
def test_a_rule_that_could_never_fire_is_refused(when, explain, said):
    with pytest.raises(InputError, match=rf"\[\[oversight.rules\]\] 1 when: '{when}' can never be found: .*{said}"):
        Policy(explain=explain, oversight=Oversight((Rule(when, "annotate"),)))


def test_a_watch_over_what_never_comes_is_refused():
    with pytest.raises(InputError, match="stale_s: 5 would always run out"):
        Policy(explain=Explaining(mode="off"), oversight=Oversight(stale_s=5, stale_do="annotate"))


@pytest.mark.parametrize(
    ("oversight", "said"),
    [
        (Oversight(fallback="STPO"), r"\[oversight\] fallback: 'STPO' is no action .*did you mean 'STOP'\?"),
        (Oversight(stop="HALT"), r"\[oversight\] stop: 'HALT' is no action of this system; .* are PROCEED, SLOW"),
        (Oversight(slow={"GO": "SLOW"}), r"\[oversight.slow\] GO: 'GO' is no action"),
        (Oversight(slow={"PROCEED": "CREEP"}), r"\[oversight.slow\] PROCEED: 'CREEP' is no action"),
    ],
)
def test_actions_that_the_system_lacks_are_refused(oversight, said):
    with pytest.raises(InputError, match=said):
        Policy(oversight=oversight).check(ACTIONS)


def test_values_of_another_type_are_refused_in_words(unchecked):
    for wrong in ({"queue": "8"}, {"deadline_ms": "soon"}, {"triggers": "request"}, {"mode": 3}, {"mode": ["off"]}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Explaining(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="is no rule"):
        Oversight(({"when": "fault"},))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="the top level, version: 1 is no text"):
        Policy(version=1)  # pyright: ignore[reportArgumentType]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MODES), st.sampled_from(DEPTHS), st.sampled_from(REACTIONS[1:]), st.sampled_from(FINDINGS))
def test_a_policy_that_is_made_can_do_what_its_rules_say(mode, depth, do, when):
    explain = Explaining(mode=mode, depth=depth, deadline_ms=100.0, triggers=("low margin",))
    oversight = replace(ARMED, rules=(Rule(when, do),))
    looked_for = {"low margin", "fault", "sensor"}
    if mode != "off":
        looked_for |= {"inconclusive"} | (set() if depth == "account" else {"supported", "unsupported", "forbidden"})
    if when in looked_for:
        assert Policy(explain=explain, oversight=oversight).oversight.rules[0].do == do
    else:
        with pytest.raises(InputError, match="can never be found"):
            Policy(explain=explain, oversight=oversight)


def test_reading_a_policy_loads_nothing_heavy():
    code = (
        "import sys; from veridical.agent.loop import oversight, policy, policy_file, policy_words, triggers;"
        "from veridical.agent import cli_policy;"
        "policy_file.policy_schema(); policy_words.told(policy.Policy());"
        "print(sorted({'torch', 'numpy', 'pydantic', 'yaml', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_depths_are_those_of_the_settings():
    depths = pytest.importorskip("veridical.agent.depths")
    assert depths.DEPTHS == DEPTHS
    assert set(module.__all__) >= {"DEPTHS", "FINDINGS", "MODES", "REACTIONS", "TRIGGERS"}
