from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.agent.log.kept import causes, copy, keep, place
from veridical.agent.audit.contents import Contents
from veridical.agent.log import holds
from veridical.agent.log.log import Log
from veridical.agent.log.retention import LEAST_DAYS, Rule, due, read_rules, retain
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verify import verify_log
from veridical.errors import InputError

SIGNALS = Rule("signals", 30, "30 days")
EVIDENCE = Rule("evidence", 366, "1 year")


@pytest.fixture
def log(tmp_path):
    """Entries 1 and 3 are about one subject, 2 about another; 1 by night, 2 and 3 by day."""
    with Log.open(copy(tmp_path)) as found:
        yield found


def after(days):
    return datetime.now(UTC) + timedelta(days=days)


def blobs(log, number):
    said = log.entry(number).statement.predicate
    return {said["manifest"], *said["blobs"], *said["sealed"]}


@pytest.fixture
def rules(tmp_path):
    def read(text):
        path = tmp_path / "rules.toml"
        path.write_text(text, encoding="utf-8")
        return read_rules(path)

    return read


def test_rules_of_a_file(rules):
    first, second, third = rules(
        '[[rule]]\nkeep = "30 days"\nwhat = "signals"\n'
        '[[rule]]\nkeep = "10 years"\nwhat = "evidence"\nverdict = "supported"\nlabel = { scenario = "night" }\n'
        '[[rule]]\nkeep = "2 weeks"\nwhat = "evidence"\nshorter = "a test bench"\naction = "STOP"\nsystem = "toy"\n'
    )
    assert first == Rule("signals", 30, "30 days")
    assert (second.keep, second.labels) == (3660, {"scenario": "night"})
    assert second.text() == "evidence kept 10 years where verdict supported, scenario night"
    told = "evidence kept 2 weeks where action STOP, system toy; less than six months, for a test bench"
    assert third.text() == told


@pytest.mark.parametrize(
    ("keep", "days"), [("1 hour", 1 / 24), ("1 day", 1), ("2 weeks", 14), ("1 month", 31), ("0 days", 0)]
)
def test_spans(rules, keep, days):
    assert rules(f'[[rule]]\nkeep = "{keep}"\nwhat = "signals"\n')[0].keep == days


@pytest.mark.parametrize("keep", ["6 months", "184 days", "27 weeks", "1 year"])
def test_six_months_are_enough(rules, keep):
    assert rules(f'[[rule]]\nkeep = "{keep}"\nwhat = "evidence"\nshorter = "none"')[0].keep >= LEAST_DAYS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rule]", "rules.toml is not TOML"),
        ("", r"rules.toml: it holds nothing; one or more \[\[rule\]\] are wanted"),
        ("rule = 3", "one or more"),
        ("[[rule]]\n[more]", r"it holds \['more', 'rule'\]"),
        ("rule = [3]", "rule 1: it has 3, not"),
        ('[[rule]]\nwhat = "signals"\nkeeps = "1 day"', r"rule 1: it has \['keeps'\]; a rule has action, keep, label,"),
        ('[[rule]]\nkeep = "1 day"', "rule 1: what is None; say signals or evidence"),
        ('[[rule]]\nwhat = ["signals"]\nkeep = "1 day"', r"what is \['signals'\]; say signals or evidence"),
        ('[[rule]]\nwhat = "signals"', "keep is None; say it like '30 days' or '10 years'"),
        ('[[rule]]\nwhat = "signals"\nkeep = "1 fortnight"', "keep is '1 fortnight'"),
        ('[[rule]]\nwhat = "signals"\nkeep = "-1 days"', "keep is '-1 days'"),
        ('[[rule]]\nwhat = "signals"\nkeep = 30', "keep is 30"),
        ('[[rule]]\nwhat = "signals"\nkeep = "1 day"\nlabel = "night"', "label is 'night'; write it like label = {"),
        ('[[rule]]\nwhat = "signals"\nkeep = "1 day"\nlabel = { n = 3 }', "label is {'n': 3}"),
        ('[[rule]]\nwhat = "signals"\nkeep = "1 day"\naction = 3', "action is 3, not a text"),
        ('[[rule]]\nwhat = "evidence"\nkeep = "1 day"\nshorter = 3', "shorter is 3, not a text"),
        ('[[rule]]\nwhat = "evidence"\nkeep = "183 days"', "evidence kept 183 days is less than six months"),
        ('[[rule]]\nwhat = "evidence"\nkeep = "5 months"\nshorter = " "', "or say why not in shorter"),
    ],
)
def test_rules_that_cannot_be_kept(rules, text, told):
    with pytest.raises(InputError, match=told) as caught:
        rules(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_rules(tmp_path / "rules.toml")
    (tmp_path / "rules.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not TOML"):
        read_rules(tmp_path / "rules.toml")


def test_what_is_due_changes_nothing(log):
    before = log.size()
    assert [one.records for one in due(log, [SIGNALS, EVIDENCE])] == [(), ()]
    signals, evidence = due(log, [SIGNALS, EVIDENCE], after(40))
    assert signals.records == (1, 2, 3)
    assert len(signals.subjects) == 2
    assert (evidence.records, evidence.blobs) == ((), ())
    evidence = due(log, [EVIDENCE], after(400))[0]
    assert evidence.records == (1, 2, 3)
    assert set(evidence.blobs) == blobs(log, 1) | blobs(log, 2) | blobs(log, 3)
    assert log.size() == before
    assert verify_log(log, contents=Contents(deep=False)).dropped == 0


def test_more_years_than_there_are(log):
    assert due(log, [Rule("signals", 99_999 * 366.0, "99999 years")])[0].records == ()


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"action": "GO"}, (2,)),
        ({"verdict": "supported"}, (1, 2, 3)),
        ({"system": "signal"}, (1, 2, 3)),
        ({"system": "another"}, ()),
        ({"labels": {"scenario": "day"}}, (2, 3)),
        ({"labels": {"scenario": "day"}, "action": "STOP"}, (3,)),
    ],
)
def test_what_a_rule_is_about(log, rule, found):
    assert due(log, [Rule("evidence", 366, "1 year", **rule)], after(400))[0].records == found


def test_a_subject_of_whom_a_record_is_kept_keeps_its_key(log):
    rule = Rule("signals", 30, "30 days", labels={"scenario": "day"})
    found = due(log, [rule], after(40))[0]
    assert found.records == (2,)  # the third is about the subject of the first, which is kept
    assert found.subjects == (log.subjects.named("order 2"),)


def test_signals_are_dropped(log):
    entries = retain(log, due(log, [SIGNALS], after(40)), "the custodian")
    assert len(entries) == 2
    said = log.entry(entries[0]).statement.predicate
    assert (said["rule"], said["who"], said["dropped"]) == ("signals kept 30 days", "the custodian", [])
    assert said["subject"] in {log.entry(number).statement.predicate["subject"] for number in (1, 2)}
    assert len(log.subjects) == 0
    found = verify_log(log, contents=Contents(deep=False))
    assert found.ok
    assert (found.opened, found.sealed, found.dropped) == (0, 6, 0)
    assert due(log, [SIGNALS], after(40))[0].records == ()


def test_evidence_is_dropped_and_what_others_share_is_not(log):
    rule = Rule("evidence", 366, "1 year", labels={"scenario": "night"})
    shared = blobs(log, 1) & blobs(log, 2)
    assert shared
    entries = retain(log, due(log, [rule], after(400)), "the custodian")
    said = log.entry(entries[0]).statement.predicate
    assert set(said["dropped"]) == blobs(log, 1) - shared
    assert said["records"] == 1
    assert all(log.blobs.has(digest) for digest in blobs(log, 2) | blobs(log, 3))
    assert not any(log.blobs.has(digest) for digest in said["dropped"])
    found = verify_log(log, contents=Contents(deep=False))
    assert found.ok
    assert found.dropped == len(said["dropped"])
    assert due(log, [rule], after(400))[0].blobs == ()


def test_what_a_newer_record_shares_by_now_stays(log):
    found = due(log, [EVIDENCE], after(400))
    shared = blobs(log, 1) & blobs(log, 2)
    keep(log, 9)
    retain(log, found, "the custodian")
    assert all(log.blobs.has(digest) for digest in shared)
    assert verify_log(log, contents=Contents(deep=False)).ok


def test_an_interrupted_one_is_completed(log, monkeypatch):
    found = due(log, [EVIDENCE], after(400))
    with monkeypatch.context() as patch:
        patch.setattr(type(log.blobs), "drop", lambda blobs, digest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retain(log, found, "the custodian")
    assert verify_log(log, contents=Contents(deep=False)).ok
    again = due(log, [EVIDENCE], after(400))
    assert again == found
    retain(log, again, "the custodian")
    assert list(log.blobs) == []
    assert verify_log(log, contents=Contents(deep=False)).ok


@pytest.mark.parametrize("rule", [SIGNALS, EVIDENCE])
def test_what_is_held_stays(log, rule):
    holds.place(log, "counsel", "case 12/26", records=[log.entry(1).statement.id])
    found = due(log, [rule], after(400))[0]
    assert found.held == (1,)
    retain(log, [found], "the custodian")
    assert all(log.blobs.has(digest) for digest in blobs(log, 1))
    assert log.subjects.named("order 1") is not None
    assert verify_log(log, contents=Contents(deep=False)).ok


def test_nobody(log):
    with pytest.raises(InputError, match="retention needs somebody who answers for it; say who"):
        retain(log, due(log, [EVIDENCE], after(400)), " ")
    assert log.size() == 4


def test_what_nobody_says_was_dropped_is_found(log):
    gone = next(iter(blobs(log, 1) - blobs(log, 2)))
    place(log, gone).unlink()
    found = verify_log(log, contents=Contents(deep=False))
    assert causes(found) == [("missing", 1)]
    log.append(new_statement("retention", {"rule": "made up", "who": "me", "dropped": [gone]}, log.about()))
    found = verify_log(log, contents=Contents(deep=False))
    assert found.ok  # who holds the key can say so: it stands in the log
    assert found.dropped == 1
