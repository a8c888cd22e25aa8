from __future__ import annotations

import pytest

from tests.agent.log.kept import causes, copy, first, keep, sql
from veridical.agent.log.dsse import seal
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.merkle import leaf_hash
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verify import verify_log

STRANGER = SigningKey.of(bytes([7]) * 32)


@pytest.fixture
def home(tmp_path):
    return copy(tmp_path)


@pytest.fixture
def log(home):
    with Log.open(home) as found:
        yield found


def test_what_holds_is_counted(log):
    keep(log, 5, "order 3")
    log.append(new_statement("note", {"text": "a remark"}, log.about()))
    found = verify_log(log)
    assert found.ok
    assert found.kinds == {"opened": 1, "decision": 4, "note": 1}
    assert found.entries == found.size == 6
    assert [row["act"] for row in found.keys] == ["opened"]


@pytest.mark.parametrize("entries", [1, 2, 3, 4, 5, 8, 9, 13])
def test_trees_of_every_form(tmp_path, entries):
    with Log.open(tmp_path / "other") as log:
        log.append_all([new_statement("note", {}, log.about()) for _ in range(entries - 1)])
        found = verify_log(log)
    assert found.ok
    assert found.size == entries


@pytest.mark.parametrize(
    ("query", "cause", "entry", "told"),
    [
        ("DELETE FROM entries WHERE number = 2", "missing", 2, "entry 2 is absent from the log"),
        ("DELETE FROM entries WHERE number IN (1, 2)", "missing", 1, "entries 1 to 2 are absent from the log"),
        ("UPDATE entries SET number = -1 WHERE number = 1", "order", 0, "the row there has the number -1"),
        ("UPDATE entries SET envelope = 'text' WHERE number = 2", "database", 2, "its envelope is a str, not bytes"),
        ("UPDATE entries SET envelope = x'7b7d' WHERE number = 2", "json", 2, "is not a JSON object with payload"),
        ("UPDATE entries SET leaf = zeroblob(32) WHERE number = 2", "tree", 2, "the stored hash of its leaf"),
        ("UPDATE entries SET action = 'GO' WHERE number = 1", "index", 1, "column action says 'GO', the entry 'STOP'"),
        ("UPDATE entries SET subject = NULL WHERE number = 1", "index", 1, "column subject says None"),
        ("UPDATE facets SET value = 'day' WHERE number = 1 AND position = 0", "index", 1, "'label:scenario', 'day'"),
        ("UPDATE facets SET amount = 1 WHERE number = 1 AND position = 0", "index", 1, "can be found by"),
        ("DELETE FROM facets WHERE number = 1", "index", 1, "can be found by is not what it says"),
        ("INSERT INTO facets VALUES (77, 0, 'a', 'b', NULL)", "index", None, "1 facets are of no entry of the log"),
        ("UPDATE nodes SET hash = zeroblob(32) WHERE level = 2", "tree", 3, "hash of entries 0 to 3 is not that"),
        ("DELETE FROM nodes WHERE level = 1 AND position = 1", "tree", 3, "hash of entries 2 to 3 is not that"),
        ("INSERT INTO nodes VALUES (5, 9, zeroblob(32))", "tree", None, "4 hashes of subtrees are stored, 3 belong"),
        ("UPDATE meta SET value = 'veridical.log/2' WHERE name = 'format'", "format", None, "this version reads"),
        ("INSERT INTO meta VALUES ('note', 'x')", "index", None, "not format and origin"),
        ("UPDATE meta SET value = 'elsewhere' WHERE name = 'origin'", "index", 0, "the log calls itself 'elsewhere'"),
    ],
)
def test_a_database_that_says_other_than_its_entries(home, log, query, cause, entry, told):
    sql(home, query)
    found = verify_log(log)
    assert (cause, entry) in causes(found)
    assert any(told in problem.told for problem in found.problems)
    assert all("\n" not in problem.told for problem in found.problems)


def test_two_entries_that_changed_places(home, log):
    first, second = (sql(home, "SELECT * FROM entries WHERE number = ?", number)[0] for number in (2, 3))
    sql(home, "DELETE FROM entries WHERE number IN (2, 3)")
    for number, row in ((2, second), (3, first)):
        sql(home, "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", number, *row[1:])
    found = verify_log(log)
    assert ("order", 2) in causes(found)
    assert any("entries changed places" in note for note in found.notes)


def append(log, envelope, statement):
    """Put a row in without the log's leave."""
    number = log.size()
    sql(
        log.home,
        "INSERT INTO entries (number, id, kind, time, leaf, envelope) VALUES (?, ?, ?, ?, ?, ?)",
        number,
        statement.id,
        statement.kind,
        statement.time,
        leaf_hash(envelope),
        envelope,
    )


def test_an_entry_by_a_stranger(log):
    statement = new_statement("note", {}, log.about())
    append(log, seal(statement.payload(), [STRANGER]), statement)
    found = verify_log(log)
    assert ("key", 4) in causes(found)
    assert ("checkpoint", 4) in causes(found)


def test_an_entry_that_stands_twice(log):
    entry = log.entry(3)
    sql(
        log.home,
        "INSERT INTO entries SELECT 4, 'x' || id, kind, time, about, action, verdict, system, subject, leaf, envelope "
        "FROM entries WHERE number = 3",
    )
    found = verify_log(log)
    assert ("order", 4) in causes(found)
    assert f"entry 4 stands twice, it is entry {entry.number} once more" in [p.told for p in found.problems]


def test_a_clock_that_went_back_must_say_so(log):
    late = new_statement("note", {}, log.about(), time="2001-01-01T00:00:00.000000+00:00")
    log.append(late)
    found = verify_log(log)
    assert found.ok
    assert found.notes[0].startswith("Entry 4: its clock had gone backwards by ")
    silent = new_statement("note", {}, log.about(), time="2000-01-01T00:00:00.000000+00:00")
    append(log, seal(silent.payload(), [log.keys.current()]), silent)
    assert ("time", 5) in causes(verify_log(log))


def test_what_is_about_a_record_that_is_not_there(log):
    gone = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    log.append(new_statement("operator", {"about": gone, "act": "contested", "who": "me", "reason": "r"}, log.about()))
    found = verify_log(log)
    assert causes(found) == [("missing", 4)]
    assert f"about record {gone}, which is not in the log" in first(found).told


def test_a_revocation_that_reaches_back(log):
    old = log.keys.current()
    log.rotate("yearly")
    log.append(new_statement("note", {}, log.about()), [old])  # a key that was replaced still stands
    assert verify_log(log).ok
    log.revoke(old.key_id, "it was copied", from_entry=5)
    found = verify_log(log)
    assert causes(found) == [("revoked", 5)]
    assert "of which a later entry says that it no longer counted" in first(found).told


def test_no_more_problems_are_told_than_can_be_read(log):
    log.append_all([new_statement("note", {}, log.about()) for _ in range(220)])
    sql(log.home, "UPDATE entries SET kind = 'hold' WHERE number > 3")
    found = verify_log(log)
    assert len(found.problems) == 200
    assert "20 further problems are not told." in found.notes
    assert first(found).entry == 4
