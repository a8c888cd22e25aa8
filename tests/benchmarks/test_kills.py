"""The benchmark of kills: it loses nothing, and would notice if something were lost."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from types import SimpleNamespace

import pytest

from benchmarks import _killed, kills
from benchmarks._logged import plain
from benchmarks.postgres import Server, binaries
from veridical.agent.log.log import Log
from veridical.agent.log.note import read_checkpoint
from veridical.errors import InputError, IntegrityError


@pytest.fixture
def run(tmp_path):
    """A log with three acknowledged notes, as writers would have left it."""
    lines = tmp_path / "lines"
    lines.mkdir()
    handle = os.open(lines / "writer-0", os.O_WRONLY | os.O_CREAT)
    with Log.open(tmp_path / "home") as log:
        for turn in range(3):
            _killed._line(handle, _killed._receipt(log.append(plain(log, turn))))
        seen = [log.checkpoint()]
    os.close(handle)
    return SimpleNamespace(home=tmp_path / "home", url=None, lines=lines, seen=seen, killed=Counter())


def test_killed_writers_lose_nothing_that_was_acknowledged():
    found = kills.measure(kills=4, writers=2, seed=1)
    assert found["kills"] == {"writers": 4}
    assert found["acknowledged"] > 0
    assert found["lost"] == found["twice"] == found["other_tree_head"] == 0
    assert found["verified"], found["problems"]
    assert found["unacknowledged"] <= 4  # each writer is killed with one append under way at the most
    assert found["entries"] == 1 + found["acknowledged"] + found["unacknowledged"]
    assert found["wrong"] == []
    assert json.loads(json.dumps(found)) == found


@pytest.mark.skipif(binaries() is None and os.environ.get("CI") != "true", reason="no PostgreSQL")
def test_a_killed_server_loses_nothing_that_was_acknowledged():
    with Server() as server:
        found = kills.measure(kills=1, server_kills=1, writers=1, seed=1, server=server)
        assert server.starts == 2
    assert sum(count for name, count in found["kills"].items() if name.startswith("server")) == 1
    assert found["lost"] == found["twice"] == 0
    assert found["verified"], found["problems"]
    assert found["acknowledged_again_s"] >= found["server_up_again_s"] > 0


def test_what_was_acknowledged_and_is_there_counts_as_such(run):
    found = kills._judge(run)
    assert (found["acknowledged"], found["lost"], found["unacknowledged"], found["entries"]) == (3, 0, 0, 4)
    assert found["heads_consistent"] == 1


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("9 {leaf} {size} {root}", "lost"),  # no entry has this number
        ("2 {other} {size} {root}", "lost"),  # another entry stands there
        ("2 {leaf} {size} {other}", "other_tree_head"),
        ("2 {leaf} 9 {root}", "other_tree_head"),
        ("3 {leaf} {size} {root}", "twice"),
    ],
)
def test_a_receipt_that_does_not_hold_is_noticed(run, line, counted):
    with Log.open(run.home, read_only=True) as log:
        leaves = [row.leaf.hex() for row in log.stored()]
        head = read_checkpoint(log.checkpoint()).checkpoint
    number = int(line.split()[0])
    leaf = leaves[number] if number < len(leaves) else leaves[1]
    text = line.format(leaf=leaf, other="0" * 64, size=head.size, root=head.root.hex())
    (run.lines / "writer-1").write_text(text + "\n")
    assert kills._judge(run)[counted] == 1


def test_an_entry_that_nobody_acknowledged_and_blobs_of_none_are_counted(run):
    with Log.open(run.home) as log:
        log.append(plain(log, 3))
        log.blobs.put(b"of no entry")
    (run.home / "blobs" / "00").mkdir()
    (run.home / "blobs" / "00" / ".0.part").touch()
    found = kills._judge(run)
    assert (found["unacknowledged"], found["orphans"], found["parts"]) == (1, 1, 1)


def test_a_tree_head_of_another_log_is_an_error(run, tmp_path):
    with Log.open(tmp_path / "other") as other:
        for turn in range(2):
            other.append(plain(other, turn))
        run.seen.append(other.checkpoint())
    with pytest.raises(IntegrityError) as caught:
        kills._judge(run)
    assert caught.value.cause == "tree"


def test_refusals_and_errors_that_must_not_occur_are_told_apart(run):
    (run.lines / "writer-1").write_text("? no server at postgresql://u@h/d\n! fork: another log\n")
    told = _killed.read_told(run.lines)
    assert (len(told.acknowledged), told.refused, told.wrong) == (
        3,
        ["no server at postgresql://u@h/d"],
        ["fork: another log"],
    )
    found = kills._judge(run)
    assert found["refusals"] == {"no server at …": 1}
    assert found["wrong"] == ["fork: another log"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"kills": 3, "writers": 4}, r"^kills: 3 kills of 4 writers; at least one of each writer is wanted$"),
        ({"kills": 3, "writers": 0}, r"^kills: 3 kills of 0 writers"),
        ({"server_kills": 1}, r"^kills: 1 kills of a server; SQLite has none, name PostgreSQL$"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked, told):
    with pytest.raises(InputError, match=told):
        kills.measure(**asked)


def test_the_table_and_the_exit_status_tell_what_was_lost(monkeypatch, capsys, run):
    found = {"database": "SQLite", "seconds": 1.0, **kills._judge(run), "lost": 2}
    monkeypatch.setattr(kills, "measure", lambda *_, **__: found)
    with pytest.raises(SystemExit) as caught:
        kills.main(["--only", "sqlite"])
    assert caught.value.code == 1
    row = next(row for row in capsys.readouterr().out.splitlines() if "lost or altered" in row)
    assert " 2 " in row


def test_a_server_is_named_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("VERIDICAL_POSTGRESQL", str(tmp_path))
    assert binaries() is None
    with pytest.raises(InputError, match=r"no PostgreSQL under .*: apt-get install postgresql, or set"):
        Server()
    (tmp_path / "initdb").touch()
    assert binaries() == tmp_path


def test_decisions_are_drawn_by_their_number():
    first, again = _killed.small(5), _killed.small(5)
    assert first[0] == again[0]
    assert {name: array.tolist() for name, array in first[1].items()} == {
        name: array.tolist() for name, array in again[1].items()
    }
    assert _killed.small(random.Random(3).randrange(6, 99))[0] != first[0]
