"""Attacks on a log: entries dropped, moved, repeated and put in, and another history signed by the same key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks._tampered import judge
from tests.agent.log.attacks import (
    COLUMNS,
    STRANGER,
    all_envelopes,
    append,
    edited,
    envelope,
    finds,
    rewrite,
    said,
    signed,
    sql,
    statement_of,
    thief,
)
from veridical.agent.log.dsse import to_base64
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verified import Expected
from veridical.agent.record.canonical import canonical_json


def test_the_log_that_nobody_touched_holds(attacked: Path, pinned: Expected):
    found = judge(attacked, pinned)
    assert (found.opening, found.problems) == (None, ())
    assert judge(attacked).causes == ()


def test_an_entry_dropped_from_the_middle(attacked: Path):
    sql(attacked, "DELETE FROM entries WHERE number = 3")
    sql(attacked, "DELETE FROM facets WHERE number = 3")
    finds(attacked, "missing", 3)


def test_an_entry_dropped_and_the_rest_moved_up(attacked: Path):
    rewrite(attacked, [e for i, e in enumerate(all_envelopes(attacked)) if i != 3])
    found = finds(attacked, "rollback", 10)
    assert "checkpoint" in found.causes


def drop_the_last(home: Path, size: int) -> None:
    rewrite(home, all_envelopes(home)[:size])
    sql(home, "DELETE FROM checkpoints WHERE size > ?", size)


def test_the_last_entries_dropped_with_their_checkpoints(attacked: Path):
    drop_the_last(attacked, 8)
    found = finds(attacked, "rollback", 8)
    assert found.opening is not None
    assert found.opening.cause == "rollback"


def test_the_last_entries_dropped_and_this_machines_memory_with_them(attacked: Path, pinned: Expected):
    drop_the_last(attacked, 8)
    note = sql(attacked, "SELECT note FROM checkpoints WHERE size = 8")[0][0]
    (attacked / "checkpoint").write_text(note)
    assert judge(attacked).first is None  # it is the log as it was: nothing in it can tell
    finds(attacked, "rollback", 8, pinned)


def test_an_older_copy_of_the_database_put_back(attacked: Path):
    held = (attacked / "log.sqlite").read_bytes()
    with Log.open(attacked) as log:
        log.append(new_statement("note", {"text": "braked late"}, log.about()))
    (attacked / "log.sqlite").write_bytes(held)
    for ending in ("-wal", "-shm"):
        (attacked / f"log.sqlite{ending}").unlink(missing_ok=True)
    finds(attacked, "rollback", 11)


def test_two_entries_change_places(attacked: Path):
    envelopes = all_envelopes(attacked)
    names = COLUMNS[1:]
    rows = {n: sql(attacked, f"SELECT {', '.join(names)} FROM entries WHERE number = ?", n)[0] for n in (3, 4)}  # noqa: S608
    sql(attacked, "UPDATE entries SET id = 'x' WHERE number = 4")
    for number, other in ((3, 4), (4, 3)):
        sql(attacked, f"UPDATE entries SET {' = ?, '.join(names)} = ? WHERE number = ?", *rows[other], number)  # noqa: S608
    assert all_envelopes(attacked)[3:5] == [envelopes[4], envelopes[3]]
    finds(attacked, "order", 3)


def test_two_entries_change_places_with_all_their_hashes(attacked: Path):
    envelopes = all_envelopes(attacked)
    envelopes[3], envelopes[4] = envelopes[4], envelopes[3]
    rewrite(attacked, envelopes)
    found = judge(attacked)
    assert found.first is not None
    assert "checkpoint" in found.causes


def test_an_entry_replayed_under_a_new_number(attacked: Path):
    number = append(attacked, envelope(attacked, 10))
    found = finds(attacked, "order", number)
    assert "checkpoint" in found.causes


def test_an_entry_replayed_under_a_new_tree_head(attacked: Path):
    """Even who has the key cannot count one decision twice."""
    finds(attacked, "order", append(attacked, envelope(attacked, 10), thief(attacked)))


def test_an_entry_put_in_unsigned(attacked: Path):
    content = edited(signed(statement_of(), STRANGER), lambda e: e.update(signatures=[]))
    finds(attacked, "json", append(attacked, content))


def test_an_entry_put_in_with_a_signature_of_nothing(attacked: Path):
    def forge(document: dict) -> None:
        document["signatures"][0].update(keyid=thief(attacked).key_id, sig=to_base64(bytes(64)))

    finds(attacked, "signature", append(attacked, edited(signed(statement_of(), STRANGER), forge)))


def test_an_entry_before_the_first(attacked: Path):
    sql(attacked, "UPDATE entries SET number = -1 WHERE number = 10")
    finds(attacked, "order", 0)


def another_history(home: Path) -> list[bytes]:
    """All entries but the last decision, of which the verdict is another one, signed with the stolen key."""
    payload = said(home, 10)
    payload["predicate"]["verdict"] = "unsupported"
    return [*all_envelopes(home)[:10], signed(canonical_json(payload), thief(home))]


def test_the_same_key_signs_another_history(attacked: Path):
    rewrite(attacked, another_history(attacked), thief(attacked))
    found = judge(attacked)
    assert found.opening is not None
    assert found.opening.cause == "fork"
    assert "fork" in found.causes


def test_the_same_key_signs_another_history_and_this_machine_forgets(attacked: Path, pinned: Expected):
    rewrite(attacked, another_history(attacked), thief(attacked), remember=True)
    sql(attacked, "UPDATE checkpoints SET size = size")
    assert "fork" in judge(attacked, pinned).causes
    assert "fork" not in judge(attacked).causes


def test_another_log_in_the_place_of_this_one(attacked: Path, other_log: Path, pinned: Expected):
    shutil.copy(other_log / "log.sqlite", attacked / "log.sqlite")
    found = judge(attacked)
    assert found.opening is not None
    assert found.opening.cause == "checkpoint"
    assert {"key", "checkpoint"} & set(found.causes)
    shutil.copy(other_log / "checkpoint", attacked / "checkpoint")
    assert "key" in judge(attacked, pinned).causes


def test_the_log_deleted_and_begun_anew(attacked: Path):
    (attacked / "log.sqlite").unlink()
    with pytest.raises(Exception, match="remembers one; it was deleted"):
        Log.open(attacked)
