from __future__ import annotations

import json

import pytest

from tests.agent.audit.homes import ORDER, copied, failed, ran, shared
from veridical.agent.log.log import Log


@pytest.fixture
def home(tmp_path):
    return copied(tmp_path)


def test_an_operators_act_is_an_entry_about_the_decision(home):
    out = ran(home, "act", 1, "overridden", "--who", "Bob", "--reason", "no", "--action", "GO")
    assert out == "entry 5: Bob overrode the decision of entry 1\n"
    told = json.loads(ran(home, "act", 1, "accepted", "--who", "Bob", "--reason", "yes", "--json"))
    with Log.open(home, read_only=True) as log:
        entry = log.entry(told["entry"])
        assert told["about"] == entry.statement.predicate["about"] == log.entry(1).statement.id
        assert entry.statement.subjects[0][1] == log.entry(1).digest
    assert "✓ Verified" in ran(home, "verify", "--quick")


def test_acts_that_cannot_be_are_refused(home):
    by = ("--who", "Bob", "--reason", "x")
    assert "goes with overridden" in failed(home, "act", 1, "accepted", *by, "--action", "GO")
    assert "is no decision" in failed(home, "act", 4, "accepted", *by)
    assert "printable" in failed(home, "act", 1, "accepted", "--who", " ", "--reason", "x")
    assert "printable" in failed(home, "act", 1, "accepted", "--who", "Bob", "--reason", "a\nb")
    assert "Invalid value" in failed(home, "act", 1, "praised", *by)
    with Log.open(home, read_only=True) as log:
        assert log.size() == 5


def test_nothing_that_writes_begins_a_log(tmp_path):
    assert "no log at" in failed(tmp_path / "none", "act", 1, "accepted", "--who", "Bob", "--reason", "x")
    assert not (tmp_path / "none").exists()


def test_a_subject_is_erased_and_the_log_stays_whole(home, tmp_path):
    key, paper = tmp_path / "key", tmp_path / "erased.json"
    ran(home, "export", "--key", key)
    by = ("--who", "Dan", "--reason", "asked")
    assert "share one key" in failed(home, "erase", "--record", 2, *by)
    out = ran(home, "erase", "--subject", ORDER, *by, "--certificate", paper)
    assert "can be read by nobody any more" in out
    assert "2 records" in out
    assert "✓ s-" in ran(None, "erase", "--check", paper, "--key", key)
    assert json.loads(ran(None, "erase", "--check", paper, "--key", key, "--json"))["after"] == 7
    shown = ran(home, "show", 2)
    assert "Erased, as entry 6 says: quoted words" in shown
    assert "is erased" in failed(home, "show", 2, "--save-array", "vision.frames", tmp_path / "f.npy")
    assert "still sealed" in ran(home, "verify")
    assert "knows no subject" in failed(home, "erase", "--subject", ORDER, *by)


def test_one_record_is_erased_alone(home):
    out = ran(home, "erase", "--record", 1, "--who", "Dan", "--reason", "asked")
    assert "1 record can" in out
    assert "--certificate FILE.json would have kept" in out


def test_an_erasure_says_who_whom_and_why(home, tmp_path):
    assert "one of the two" in failed(home, "erase", "--who", "Dan", "--reason", "x")
    assert "are wanted" in failed(home, "erase", "--subject", ORDER)
    by = ("--who", "Dan", "--reason", "x")
    assert "no folder" in failed(home, "erase", "--subject", ORDER, *by, "--certificate", tmp_path / "no" / "c.json")
    assert "has no arrays" not in failed(home, "erase", "--record", 4, *by)
    with Log.open(home, read_only=True) as log:
        assert log.size() == 5


def test_a_certificate_of_something_else_is_refused(home, tmp_path):
    key, paper = tmp_path / "key", tmp_path / "c.json"
    ran(home, "export", "--key", key)
    for content in ("[]", "{}", "no json", '{"format": "veridical.erasure/1"}'):
        paper.write_text(content, encoding="utf-8")
        failed(None, "erase", "--check", paper, "--key", key)
    assert "--key is wanted" in failed(None, "erase", "--check", paper)


def test_a_hold_stands_in_the_way_until_it_is_lifted(home):
    by = ("--who", "court", "--reason", "case 7")
    assert "entry 5: the hold stands" in ran(home, "hold", "place", "--subject", ORDER, "--record", 1, *by)
    assert "placed s-" in ran(home, "hold", "list")
    assert json.loads(ran(home, "hold", "list", "--json"))[0]["entry"] == 5
    assert "is held by #5" in failed(home, "erase", "--subject", ORDER, *by)
    assert "is held by #5" in failed(home, "erase", "--record", 1, *by)
    assert "is lifted" in ran(home, "hold", "lift", 5, *by)
    assert ran(home, "hold", "list") == "No hold stands.\n"
    assert "does not stand" in failed(home, "hold", "lift", 5, *by)
    assert json.loads(ran(home, "hold", "place", "--everything", *by, "--json"))["entry"] == 7
    assert "placed everything, by court" in ran(home, "hold", "list")
    assert json.loads(ran(home, "hold", "lift", 7, *by, "--json"))["lifted"] == 7
    assert "nothing is named" in failed(home, "hold", "place", *by)


def test_rules_are_carried_out_or_only_told(home, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nwhat = "signals"\nkeep = "0 days"\n', encoding="utf-8")
    told = json.loads(ran(home, "retain", rules, "--who", "Eva", "--dry-run", "--json"))
    assert (told["due"][0]["records"], told["entries"]) == ([1, 2, 3], [])
    assert "Nothing was changed" in ran(home, "retain", rules, "--who", "Eva", "--dry-run")
    assert "Done; entries 5 to 6 say so." in ran(home, "retain", rules, "--who", "Eva")
    assert "Nothing was due." in ran(home, "retain", rules, "--who", "Eva")
    assert "Erased, as entry" in ran(home, "show", 2)
    rules.write_text('[[rule]]\nwhat = "evidence"\nkeep = "0 days"\nshorter = "a trial"\n', encoding="utf-8")
    assert "Done: entry 7." in ran(home, "retain", rules, "--who", "Eva")
    shown = ran(home, "show", 2)
    assert "The evidence was dropped, as entry 7 says (retention)." in shown
    assert "Ann overrode" in shown
    assert "The evidence was dropped" in ran(home, "show", 2, "--arrays")
    assert json.loads(ran(home, "show", 2, "--json"))["result"] is None
    assert "the evidence was dropped" in failed(home, "report", 2, "--letter")
    assert "dropped" in ran(home, "verify")
    assert "cannot be read" in failed(home, "retain", tmp_path / "none.toml", "--who", "Eva")


def test_the_shared_home_was_not_written_to():
    with Log.open(shared(), read_only=True) as log:
        assert log.size() == 5
