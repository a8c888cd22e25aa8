"""Whether changed bytes are found: the benchmark on a small log, and how it counts."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from benchmarks import tamper
from benchmarks._tamper_places import COLUMNS, Outcome, Sandbox, flipped
from benchmarks._tampered import judge
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.store import TABLES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    return tamper.make(tmp_path_factory.mktemp("tamper"), decisions=3)


def test_every_column_of_every_table_is_changed_and_each_has_its_causes():
    assert set(COLUMNS) == {(table.name, column.name) for table in TABLES.sorted_tables for column in table.columns}
    assert frozenset().union(*COLUMNS.values()) <= set(CAUSES)


def test_one_byte_is_another():
    rng = random.Random(0)
    for at in range(5):
        found = flipped(b"hello", at, rng)
        assert [a != b for a, b in zip(found, b"hello", strict=True)] == [i == at for i in range(5)]


@pytest.mark.parametrize(("table", "column"), list(COLUMNS))
def test_a_byte_of_a_column_is_found_with_the_right_cause(made, table: str, column: str):
    sandbox, rng = made[0], random.Random(3)
    found = None
    for _ in range(20):
        found = found or sandbox.column(table, column, rng)
    assert found is not None
    assert found.right, found
    assert sandbox.path.read_bytes() == sandbox.sound


def test_bytes_of_the_file_are_found_or_without_effect(made):
    sandbox, rng = made[0], random.Random(4)
    found = [sandbox.raw(rng) for _ in range(12)]
    assert all(outcome.right for outcome in found if outcome.effect), found
    assert {outcome.effect for outcome in found} == {True, False}
    assert not [outcome for outcome in found if not outcome.effect and outcome.causes]


def test_what_the_log_hands_out_is_found_changed(made):
    _, stored, _ = made
    rng = random.Random(5)
    for change in (stored.proof, stored.bundled, stored.certified):
        found = [change(rng) for _ in range(15)]
        assert all(outcome.right for outcome in found), found


def test_a_change_that_is_not_found_is_told_as_missed(made, monkeypatch: pytest.MonkeyPatch):
    sandbox = made[0]
    monkeypatch.setattr(Sandbox, "judge", lambda self: judge_of_nothing())
    outcome = sandbox.column("entries", "action", random.Random(1))
    assert (outcome.causes, outcome.right) == ((), False)
    told = tamper.summarise([outcome])
    assert (told["changes"], told["detected"], told["right_cause"]) == (1, 0, 0)
    assert told["odd"][0]["what"].startswith("action of ")


def judge_of_nothing():
    from benchmarks._tampered import Judgement

    return Judgement(None, ())


def test_a_log_that_does_not_open_is_verified_all_the_same(made, tmp_path: Path):
    sandbox = made[0]
    with sqlite3.connect(sandbox.path) as connection:
        connection.execute("UPDATE entries SET leaf = zeroblob(32) WHERE number = 2")
        connection.execute("UPDATE meta SET value = 'other' WHERE name = 'format'")
    connection.close()
    found = judge(sandbox.home)
    sandbox.restore()
    assert found.opening is not None
    assert found.opening.cause == "format"
    assert "tree" in found.causes
    assert judge(sandbox.home).causes == ()


def test_counts_by_place():
    rows = [
        Outcome("a", "byte 1", ("digest",), right=True),
        Outcome("a", "byte 2", ("json", "digest"), right=False, refused=True),
        Outcome("b", "byte 3", (), right=False, effect=False),
    ]
    told = tamper.summarise(rows)
    assert told["places"]["a"] == {
        "changes": 2,
        "without_effect": 0,
        "detected": 2,
        "right_cause": 1,
        "refused_to_open": 1,
        "causes": {"digest": 1, "json": 1},
    }
    assert (told["changes"], told["without_effect"], told["detected"], told["right_cause"]) == (3, 1, 2, 1)
    assert [odd["what"] for odd in told["odd"]] == ["byte 2"]


def test_a_whole_run(capsys):
    tamper.main(["--changes", "10", "--decisions", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["changes"]) == (tamper.FORMAT, 10)
    assert told["detected"] == told["right_cause"] == 10 - told["without_effect"]


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys):
    rows = [Outcome("proofs", "byte 1", ("tree",), right=True), Outcome("proofs", "byte 2", (), right=False)]
    monkeypatch.setattr(tamper, "measure", lambda *rest, **named: rows)
    tamper.main([])
    out = capsys.readouterr().out
    assert "1 of 2 found, 1 with the right cause." in out
    assert "odd: proofs, byte 2: nothing" in out


def test_a_run_that_is_refused(capsys):
    for arguments in (["--changes", "0"], ["--decisions", "1"]):
        with pytest.raises(SystemExit) as error:
            tamper.main(arguments)
        assert error.value.code == 2
        assert "give at least 1 change, and 3 decisions" in capsys.readouterr().err
