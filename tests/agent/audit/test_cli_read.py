from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.agent.audit.homes import copied, failed, ran, run, shared
from veridical.agent.audit.reading import read_decision
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.agent.record.canonical import canonical_json


def test_the_newest_entries_are_listed_first():
    out = ran(shared(), "list")
    lines = out.splitlines()
    assert "5 entries" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["4", "3", "2", "1", "0"]
    assert "overridden by Ann: the road was" in lines[2]
    assert "group=A, lane==1" in lines[3]
    assert "✓ supported" in lines[3]


def test_a_list_is_limited_and_filtered():
    out = ran(shared(), "list", "--limit", 2)
    assert "3 more: --limit 0 lists all" in out
    assert ran(shared(), "list", "--kind", "operator").count("\n") == 3
    assert "Nothing of kind hold is in it." in ran(shared(), "list", "--kind", "hold")
    told = json.loads(ran(shared(), "list", "--json", "--limit", 0))
    assert (told["entries"], [row["number"] for row in told["rows"]]) == (5, [4, 3, 2, 1, 0])


def test_a_missing_log_and_an_unknown_kind_are_said_in_words(tmp_path):
    assert "no log at" in failed(tmp_path / "none", "list")
    assert not (tmp_path / "none").exists()
    assert "there are opened, decision, map" in failed(shared(), "list", "--kind", "decisions")


def test_an_entry_that_cannot_be_read_is_listed_as_that(tmp_path):
    home = copied(tmp_path)
    with sqlite3.connect(home / "log.sqlite") as connection:
        connection.execute("UPDATE entries SET envelope = x'00' WHERE number = 3")
    out = ran(home, "list")
    assert "cannot be read" in out
    assert out.count("\n") == 7


def test_a_decision_is_shown_whole():
    out = ran(shared(), "show", 2)
    for part in (
        "Entry 2  decision  of 5 in veridical.local/",
        "✓ its signature, and its place in the tree of 5",
        "group=B",
        "(order 4711)",
        "Verdict  ✓ SUPPORTED",
        "Concepts, in nats",
        "entry 4",
        "Ann overrode the decision; in its place: GO. Reason: the road was free",
        "Sealed for the subject, and opened with the key in this home: quoted words",
    ):
        assert part in out, part
    assert "Stored at a loss" not in out
    assert "Stored at a loss" in ran(shared(), "show", 3)
    assert "The log names nobody" in ran(shared(), "show", 1)


def test_an_entry_is_found_by_number_and_by_the_beginning_of_its_id():
    with Log.open(shared(), read_only=True) as log:
        id = log.entry(4).statement.id
    out = ran(shared(), "show", id[:8])
    assert out == ran(shared(), "show", "4") == ran(shared(), "show", id)
    assert "(entry 2)" in out
    assert "the road was free" in out
    for wrong in ("77", "nothing", "-1", "0" * 40):
        assert "in the log of 5; give a number below 5" in failed(shared(), "show", "--", wrong)


def test_without_the_key_words_stay_sealed(tmp_path):
    home = copied(tmp_path)
    for path in (home / "subjects").glob("s-*.json"):
        path.unlink()
    out = ran(home, "show", 1)
    assert "Sealed for the subject, whose key is not in this home" in out
    assert "sealed, and its subject's key is not in this home" in failed(
        home, "show", 1, "--save-array", "vision.frames", tmp_path / "a.npy"
    )


def test_an_entry_as_json_holds_everything():
    told = json.loads(ran(shared(), "show", 2, "--json"))
    assert told["kind"] == "decision"
    assert told["predicate"]["labels"] == {"group": "B"}
    assert told["result"]["decision"]["action"] == told["predicate"]["action"]
    assert told["acts"][0]["who"] == "Ann"
    assert {row["state"] for row in told["arrays"]} == {"open", "opened"}
    assert json.loads(ran(shared(), "show", 0, "--json"))["kind"] == "opened"


def test_arrays_are_listed_and_saved(tmp_path):
    out = ran(shared(), "show", 3, "--arrays")
    assert "vision.frames" in out
    assert "int8, off by" in out
    ran(shared(), "show", 2, "--save-array", "vision.saliency", tmp_path / "a.npy")
    saved = np.load(tmp_path / "a.npy", allow_pickle=False)
    with Log.open(shared(), read_only=True) as log:
        assert np.array_equal(saved, read_decision(log, 2).arrays(["vision.saliency"])["vision.saliency"])
    ran(shared(), "show", 2, "--save-array", "vision.frames", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"
    assert "the record has" in failed(shared(), "show", 2, "--save-array", "nothing", tmp_path / "b.npy")
    assert ".npy (numbers)" in failed(shared(), "show", 2, "--save-array", "vision.frames", tmp_path / "b.jpg")
    assert "no folder" in failed(shared(), "show", 2, "--save-array", "vision.frames", tmp_path / "no" / "b.npy")
    assert "name a decision" in failed(shared(), "show", 4, "--arrays")


def test_the_report_is_drawn_from_the_log(tmp_path):
    ran(shared(), "show", 1, "--report", tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ([], ["3", "2", "1"]),
        (["--label", "group=A"], ["3", "1"]),
        (["--label", "group=A", "--label", "lane==1"], ["3"]),
        (["--concept", "animal"], ["3", "2"]),
        (["--subject", "order 4711"], ["3", "2"]),
        (["--operator", "Ann"], ["2"]),
        (["--act", "overridden", "--kind", "any"], ["4", "2"]),
        (["--act", "accepted"], []),
        (["--until", "2020-01-01"], []),
        (["--since", "2020-01-01", "--limit", "1"], ["3"]),
        (["--offset", "1", "--limit", "1"], ["2"]),
        (["--text", "free", "--kind", "any"], []),
        (["--kind", "operator"], ["4"]),
    ],
)
def test_decisions_are_found(asked, numbers):
    rows = json.loads(ran(shared(), "query", *asked, "--json"))["rows"]
    assert [str(row["number"]) for row in rows] == numbers
    if not numbers:
        assert "Nothing in the log meets this." in ran(shared(), "query", *asked)


def test_decisions_are_counted():
    told = json.loads(ran(shared(), "query", "--count-by", "action,label:group", "--json"))
    assert told["found"] == 3
    assert sum(row["count"] for row in told["counts"]) == 3
    assert {row["label:group"] for row in told["counts"]} == {"A", "B"}
    out = ran(shared(), "query", "--count-by", "concept,month,cause,policy")
    assert "animal" in out
    assert "(none)" in out
    assert "label:NAME" in failed(shared(), "query", "--count-by", "mood")
    assert "stands twice" in failed(shared(), "query", "--count-by", "action,action")


def test_csv_runs_nothing_in_a_spreadsheet(tmp_path):
    home = copied(tmp_path)
    with Log.open(home) as log:
        entry = log.entry(1)
        said = {"about": entry.statement.id, "act": "annotated", "who": "=cmd", "reason": "x", "action": "=1+1"}
        log.append(new_statement("operator", said, log.about()))
    rows = list(csv.DictReader(io.StringIO(ran(home, "query", "--kind", "operator", "--csv"))))
    assert rows[0]["action"] == "'=1+1"
    assert "one form" in failed(home, "query", "--csv", "--json")


def test_options_that_cannot_be_asked_are_said():
    assert "no moment" in failed(shared(), "query", "--since", "yesterday")
    assert "write NAME=VALUE" in failed(shared(), "query", "--label", "x")
    assert "knows no subject" in failed(shared(), "query", "--subject", "nobody")


def test_two_decisions_are_compared():
    out = ran(shared(), "diff", 2, 3)
    assert out.startswith("A  entry 2")
    assert "Both decided" in out
    told = json.loads(ran(shared(), "diff", 1, 2, "--json"))
    assert told["entries"] == {"a": 1, "b": 2}
    assert "is no decision, but of kind 'operator'" in failed(shared(), "diff", 1, 4)


def test_what_a_record_holds_moves_no_cursor_and_colours_nothing(tmp_path):
    home = copied(tmp_path)
    with Log.open(home) as log:
        said = {
            "about": None,
            "act": "annotated",
            "who": "\x1b[31mEve\u202e",
            "reason": "[red]x[/red]\r\n",
            "action": None,
        }
        log.append(new_statement("operator", said, log.about()))
    for command in (["list"], ["show", "5"], ["query", "--kind", "any"]):
        out = ran(home, *command)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "[red]" in out


@pytest.mark.parametrize("change", [{"verdict": 7}, {"claims": [1], "attribution": {}}])
def test_a_record_of_another_form_is_said_in_one_line(tmp_path, change):
    home = copied(tmp_path)
    with Log.open(home) as log:
        decision = read_decision(log, 2)
        held = decision.held()
        manifest = {**held, "result": {**held["result"], **change}, "sealed": None}
        digest = log.blobs.put(canonical_json(manifest))
        said = {k: v for k, v in decision.predicate.items() if k not in ("id", "time")} | {"manifest": digest}
        log.append(new_statement("decision", said, log.about()))
    assert "veridical audit verify" in (told := failed_after(home, "show", 5)), told
    assert "cannot be" in failed_after(home, "show", 5, "--report", tmp_path / "r.html")
    if "verdict" in change:
        assert run(home, "verify")[0] == 1
        failed(home, "report", 5, "--letter")
        failed(home, "diff", 2, 5)


def failed_after(home, *arguments):
    """Run a command that fails after it printed something; returns its one line."""
    status, _, err = run(home, *arguments)
    assert status == 2
    assert err.count("\n") == 1
    return err


def test_no_command_that_reads_loads_torch(tmp_path):
    code = (
        "import sys; from veridical.agent import cli; sys.argv = ['veridical', 'audit', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    environment = {**os.environ, "VERIDICAL_HOME": str(shared())}

    def loaded(*arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return done.stdout.splitlines()[-1]

    assert loaded("show", "2", "--report", str(tmp_path / "r.html")) == "0 []"
    assert loaded("verify") == "0 []"


def test_a_list_loads_neither_rich_nor_numpy():
    code = (
        "import sys; from veridical.agent import cli; sys.argv = ['veridical', 'audit', 'list']\n"
        "try: cli.main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'numpy', 'rich', 'jinja2') if m in sys.modules])"
    )
    environment = {**os.environ, "VERIDICAL_HOME": str(shared())}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_group_says_what_there_is():
    status, out, _ = run(None, "--help")
    assert status == 0
    for (
        name
    ) in "list show query diff verify prove export report act erase hold retain key witness stamp import".split():
        assert f"\n  {name} " in out
