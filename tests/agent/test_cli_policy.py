"""The command `veridical policy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.toys import EYES, Toy, sees_red
from veridical.agent import systems
from veridical.agent.cli_policy import policy
from veridical.agent.loop.policy import Explaining, Oversight, Policy, Rule
from veridical.agent.loop.policy_file import policy_schema, read_policy
from veridical.agent.loop.policy_words import told
from veridical.errors import InputError

EXAMPLE = Path(__file__).parents[2] / "docs" / "policy-example.toml"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(policy, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_policy_is_told_in_words():
    said = run("check", str(EXAMPLE))
    assert said.startswith(f"courier on the pavement, version 1\n{read_policy(EXAMPLE).digest}\n")
    assert "Its actions are not checked: no --system." in said
    assert (
        "Rule 1: where an account is unsupported twice in the last 3 findings, slow: PROCEED becomes SLOW, and other "
        "choices stand, until 3 findings in a row without it. People are told: “Accounts of late decisions did not "
        "hold”." in said
    )
    assert "Rule 2: where a decision rests on a forbidden reason, stop: STOP is done, whatever was chosen" in said
    assert "Fail-safe: after 60 s without an outcome, slow: " in said
    assert "Of all decisions 5 % are explained without any cause." in said


def test_the_whole_policy_is_printed_as_json():
    said = json.loads(run("check", str(EXAMPLE), "--json"))
    found = read_policy(EXAMPLE)
    assert said == {**found.context(), "system": None, "policy": found.to_dict(), "told": list(told(found))}


def test_the_actions_are_checked_against_a_system(monkeypatch, tmp_path):
    monkeypatch.setattr(systems, "load_system", lambda name: Toy(sees_red, EYES))
    with pytest.raises(InputError, match="is no action of this"):
        run("check", str(EXAMPLE), "--system", "toy")
    own = tmp_path / "own.toml"
    own.write_text('format = "veridical.policy/1"\nname = "x"\nversion = "1"\noversight.stop = "STOP"\n', "utf-8")
    assert "Its actions are checked against toy's." in run("check", str(own), "--system", "toy")


def test_a_broken_file_is_an_error_of_one_line(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text('format = "veridical.policy/1"\nname = "x"\nversion = "1"\nexplain.mood = "off"\n', "utf-8")
    with pytest.raises(InputError, match=r"broken.toml', line 4: \[explain\] mood: 'off' .*did you mean 'mode'"):
        run("check", str(broken))


def test_the_schema_is_printed():
    assert json.loads(run("schema")) == policy_schema()


def test_every_mode_and_guard_has_its_words():
    arms = {"slow": {"GO": "STOP"}, "stop": "STOP", "fallback": "STOP"}
    policies = [
        Policy(),
        Policy(explain=Explaining("inline", deadline_ms=250.0)),
        Policy(explain=Explaining("off")),
        Policy(explain=Explaining("triggered", sample=0.25, restarts=0)),
        Policy(oversight=Oversight((Rule("sensor", "hand over", release=2),), stale_s=2.5, fault_do="none", **arms)),
    ]
    said = ["\n".join(told(each)) for each in policies]
    assert "There are no rules" in said[0]
    assert "answered within 250 ms" in said[1]
    assert said[2].splitlines() == [
        "No decision is explained.",
        "There are no rules: nothing that is found changes what is done.",
    ]
    assert "25 %" in said[3]
    assert "is not started again" in said[3]
    assert "after 2.5 s without an outcome, hand over: STOP is done" in said[4]
    assert "dead for good changes nothing" in said[4]
