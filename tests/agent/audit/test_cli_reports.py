from __future__ import annotations

import json
import sqlite3

from tests.agent.audit.homes import ORDER, copied, failed, ran, shared


def test_the_letter_is_written_from_the_log(tmp_path):
    out = ran(shared(), "report", 2, "--letter", "--contact", "complaints@example.org")
    assert "Ann set the decision aside" in out
    assert "complaints@example.org" in out
    assert "entry 2 of the log" in out
    assert "under the" in out
    assert max(map(len, out.splitlines())) <= 78
    assert ran(shared(), "report", 2, "--letter", "--html", tmp_path / "l.html") == ""
    assert "<html" in (tmp_path / "l.html").read_text(encoding="utf-8")
    assert json.loads(ran(shared(), "report", 2, "--letter", "--json"))["sections"]


def test_a_letter_says_what_was_erased(tmp_path):
    home = copied(tmp_path)
    ran(home, "erase", "--subject", ORDER, "--who", "Dan", "--reason", "asked")
    out = " ".join(ran(home, "report", 2, "--letter").split())
    told = out.partition("Erased since, and not to be had again: ")[2].partition(". What was measured")[0]
    assert told == "the pictures, the sound and the words"


def test_no_letter_goes_out_of_an_entry_that_does_not_hold(tmp_path):
    home = copied(tmp_path)
    with sqlite3.connect(home / "log.sqlite") as connection:
        connection.execute("UPDATE entries SET leaf = zeroblob(32) WHERE number = 3")
    assert "no letter is written" in failed(home, "report", 2, "--letter")


def test_the_period_is_reported(tmp_path):
    out = ran(shared(), "report", "--period", "--by", "group", "--must-not", "animal")
    assert "3 decisions were logged" in out
    assert "WHAT DECISIONS MUST NOT REST ON" in out
    told = json.loads(ran(shared(), "report", "--period", "--since", "2020-01-01", "--until", "2020-02-01", "--json"))
    assert told["decisions"] == 0
    ran(shared(), "report", "--period", "--html", tmp_path / "p.html")
    assert "<html" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_one_report_is_asked_for_at_a_time():
    assert "say --letter with an entry, or --period" in failed(shared(), "report", 2)
    assert "say --letter with an entry, or --period" in failed(shared(), "report", 2, "--letter", "--period")
    assert "name the decision" in failed(shared(), "report", "--letter")
    assert "of no one entry" in failed(shared(), "report", 2, "--period")
    assert "--by goes with a period" in failed(shared(), "report", 2, "--letter", "--by", "group")
    assert "--contact goes with a letter" in failed(shared(), "report", "--period", "--contact", "x")
    assert "is no ISO 8601 time" in failed(shared(), "report", "--period", "--since", "May")
