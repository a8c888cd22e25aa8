from __future__ import annotations

import json
import re

import pytest

from tests.agent.audit.period_sample import act, decision, ground, grouped
from veridical.agent.audit.period import period_report
from veridical.errors import InputError, RecordError

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\u202e\x1b[31m"


@pytest.fixture(scope="module")
def report():
    made = grouped(120, 3, planted=0.6)
    acts = [act("d00003", "overridden"), act("d00004", "accepted"), act("gone", "stopped")]
    return period_report(made, acts, "2026-10-01", "2026-11-01", by="street", forbidden=["thing 0", "unicorn"])


def test_it_holds_what_was_counted_and_goes_into_json(report):
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["format"] == "veridical.period/1"
    assert told["decisions"] == 120
    assert told["acts_elsewhere"] == 1
    assert told["oversight"][0]["changed"]["count"] == 1
    assert sum(r["count"] for r in told["verdicts"]) == 120
    assert any(d["found"] for d in told["reliance"]["differences"])
    assert told["forbidden"][1]["ids"] == []


def test_the_text_says_it_all_in_lines_that_fit(report):
    text = report.text(100)
    assert "120 decisions were logged" in text
    assert "“thing 0”" in text
    assert "“unicorn”: in none of 120 decisions" in text
    assert max(map(len, text.splitlines())) <= 100
    with pytest.raises(InputError, match="60 at least"):
        report.text(20)


def test_the_page_has_every_section_and_neither_hosts_nor_scripts(report):
    html = report.html()
    for heading in ("Is the account", "rest on, by action", "What people did", "must not rest on", "Reliance by group"):
        assert heading in html
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(|style=", html)
    assert html.count("<svg") == html.count('role="img" aria-label=')
    assert "style-src 'sha256-" in html


def test_only_the_period_counts():
    made = [decision(n) for n in range(48)]
    assert period_report(made, since="2026-10-01T06:00:00Z", until="2026-10-01T08:00:00+00:00").decisions == 2
    assert period_report(made, since="2026-10-02").first == "2026-10-02T00:00:00+00:00"
    with pytest.raises(InputError, match="not after it begins"):
        period_report(made, since="2026-10-02", until="2026-10-02")
    with pytest.raises(InputError, match="no decision has the label"):
        period_report(made, by="street")


def test_an_empty_period_is_said_in_words():
    report = period_report([decision()], since="2027-01-01", by="street", forbidden=["cat"])
    assert "No decision was logged in this period (from 1 January 2027 at 00:00 UTC on)" in report.text()
    assert "There is nothing to report" in report.html()
    json.dumps(report.to_dict(), allow_nan=False)


def test_one_decision_without_an_account_makes_a_report():
    report = period_report([decision(verdict=None, cause=None, shares={}, policy=None)], forbidden=["cat"])
    assert "1 decision was logged" in report.text()
    assert "no decision has an account, so this is not known" in report.html()
    assert "Not tested: 0 and 1 decisions" in report.text()


def test_what_a_log_holds_cannot_write_the_page_or_the_screen():
    evil = decision(
        action=EVIL,
        cause=EVIL,
        verdict="unsupported",
        labels={EVIL: EVIL},
        system={"name": EVIL, "digest": EVIL},
        policy={"name": EVIL},
        reliance=[ground(EVIL, 0.5)],
        id=EVIL,
    )
    report = period_report([evil], [act(EVIL, EVIL)], by=EVIL, forbidden=[EVIL])
    assert "<script" not in report.html()
    assert "<img" not in report.html()
    for text in (report.html(), report.text()):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_broken_predicate_is_refused_by_name():
    with pytest.raises(RecordError, match="decision d00007: 'action' is 5"):
        period_report([decision(7, action=5)])
