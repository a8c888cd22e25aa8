from __future__ import annotations

import sqlite3
import threading

import pytest

from tests.agent.log.made import check_whole, decision
from veridical.agent.log.log import Log
from veridical.agent.log.merkle import EMPTY
from veridical.agent.log.note import Checkpoint, sign_checkpoint
from veridical.errors import IntegrityError, RecordError


@pytest.fixture
def four(home):
    """Home of a log of four entries, closed."""
    with Log.open(home) as log:
        for _ in range(3):
            log.append(decision(log))
    return home


def edit(home, *commands):
    database = sqlite3.connect(home / "log.sqlite")
    with database:
        for command in commands:
            database.execute(*([command] if isinstance(command, str) else command))
    database.close()


def refused(home, cause, told):
    for read_only in (True, False):
        with pytest.raises(IntegrityError, match=told) as found:
            Log.open(home, read_only=read_only)
        assert found.value.cause == cause


def test_many_threads_make_one_log(tmp_path):
    def work():
        with Log.open(tmp_path / "home") as log:
            origins.append(log.origin)
            log.append(decision(log))

    origins: list[str] = []
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(origins) == 5
    assert len(set(origins)) == 1
    with Log.open(tmp_path / "home") as log:
        assert len(check_whole(log)) == 6


def test_an_older_note_is_remembered_rightly(four):
    with Log.open(four) as log:
        note = log.checkpoint(2)
    (four / "checkpoint").write_text(note)
    Log.open(four).close()


@pytest.mark.parametrize("content", [b"", b"\0" * 300])
def test_a_memory_lost_with_the_power_is_no_alarm(four, content):
    (four / "checkpoint").write_bytes(content)
    with Log.open(four) as log:
        log.append(decision(log))
        assert (four / "checkpoint").read_text() == log.checkpoint()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x", b"x" * 100_000])
def test_a_memory_that_is_no_note(four, content):
    (four / "checkpoint").write_bytes(content)
    refused(four, "checkpoint", r"checkpoint(: | is no checkpoint).*altered")


def test_a_memory_of_another_root(four):
    with Log.open(four) as log:
        signer = log.keys.current()
        note = sign_checkpoint(Checkpoint(log.origin, 3, bytes(32)), log.origin, signer.sign, signer.public)
    (four / "checkpoint").write_text(note)
    refused(four, "fork", r"the first 3 entries of .*log\.sqlite are not those that .*checkpoint remembers")


def test_a_memory_whose_signature_does_not_hold(four):
    note = (four / "checkpoint").read_text()
    with Log.open(four) as log:
        signer = log.keys.current()
        for size, root in ((3, bytes(32)), (9, bytes(32))):
            other = sign_checkpoint(Checkpoint(log.origin, size, root), log.origin, lambda _: bytes(64), signer.public)
            (four / "checkpoint").write_text(other)
            refused(four, "signature", "checkpoint: ")
    (four / "checkpoint").write_text(note)
    Log.open(four).close()


def test_a_memory_of_another_log(four, tmp_path):
    with Log.open(tmp_path / "other") as other:
        (four / "checkpoint").write_text(other.checkpoint())
    refused(
        four, "checkpoint", r"is of the log veridical\.local/.*, and this one is .*; give each log a home of its own"
    )


def test_a_memory_signed_by_a_stranger(four):
    """A note of the right tree that another key has signed: nobody of this log has said it."""
    with Log.open(four) as log:
        stranger, root = log.keys.make(), log.checkpoint().splitlines()[2]
    lines = (four / "checkpoint").read_text().splitlines()
    assert lines[2] == root
    import base64

    checkpoint = Checkpoint(lines[0], 4, base64.b64decode(root))
    (four / "checkpoint").write_text(sign_checkpoint(checkpoint, lines[0], stranger.sign, stranger.public))
    refused(four, "key", "checkpoint: ")


def test_entries_without_a_tree_head(four):
    edit(four, "DELETE FROM checkpoints WHERE size = 4")
    (four / "checkpoint").unlink()
    refused(four, "checkpoint", "the last entries of .* have no checkpoint")
    edit(four, "DELETE FROM checkpoints")
    refused(four, "checkpoint", "the last entries of .* have no checkpoint")


def test_last_entries_dropped(four):
    edit(four, "DELETE FROM entries WHERE number > 1")
    refused(four, "rollback", "has 2 entries, and a checkpoint of 4; its last ones were dropped")
    edit(four, "DELETE FROM entries")
    refused(four, "rollback", "has 0 entries, and a checkpoint of 4")


def test_a_tree_head_of_another_tree(four):
    edit(four, "UPDATE nodes SET hash = zeroblob(32) WHERE level = 2")
    refused(four, "tree", "the newest checkpoint of .* is not that of its tree")
    edit(four, "DELETE FROM nodes")
    refused(four, "tree", "the tree's hash at level 2, position 0 is absent")


def test_a_tree_head_that_is_not_signed(four):
    with Log.open(four) as log:
        note = log.checkpoint()
    edit(four, ("UPDATE checkpoints SET note = ? WHERE size = 4", (note.replace("\n4\n", "\n3\n"),)))
    refused(four, "signature", "the newest checkpoint of .*: ")
    edit(four, "UPDATE checkpoints SET note = 'x' WHERE size = 4")
    refused(four, "checkpoint", "the newest checkpoint of .*: ")


def test_a_newer_form(four):
    edit(four, "UPDATE meta SET value = 'veridical.log/2' WHERE name = 'format'")
    refused(
        four,
        "format",
        r"holds a log of the form 'veridical\.log/2', and this version reads 'veridical\.log/1'; a newer",
    )


def test_no_origin(four):
    edit(four, "DELETE FROM meta WHERE name = 'origin'")
    refused(four, "database", "does not say which log it holds")


def test_a_log_without_its_keys_entry(four):
    edit(four, "UPDATE entries SET kind = 'note' WHERE number = 0")
    refused(four, "order", "the log has no entry that opens it")


@pytest.mark.parametrize(
    "command",
    [
        "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM facets; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (x)",
    ],
)
def test_a_schema_that_would_act_by_itself(four, command):
    edit(four, command)
    refused(four, "database", r"holds the (trigger|view|table) '(t|v|more)', which is none of a log's")


def test_a_table_that_is_gone(four):
    edit(four, "DROP TABLE nodes")
    refused(four, "database", "is damaged, or no log of veridical: no such table: nodes")


@pytest.mark.parametrize(
    "command",
    [
        "UPDATE entries SET envelope = 7 WHERE number = 0",
        "UPDATE checkpoints SET note = x'00' WHERE size = 4",
        "UPDATE entries SET leaf = 'x' WHERE number = 0",
        "UPDATE meta SET value = x'ff'",
        "UPDATE meta SET value = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_column_of_another_type(four, command):
    edit(four, command)
    with pytest.raises(IntegrityError), Log.open(four) as log:
        list(log.stored())


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "log.sqlite").write_bytes(b"no database" * 1000)
    refused(tmp_path, "database", r"log\.sqlite is damaged, or no log of veridical: file is not a database")


def test_a_damaged_page(four):
    content = bytearray((four / "log.sqlite").read_bytes())
    content[4096:8192] = b"\x55" * 4096
    (four / "log.sqlite").write_bytes(content)
    refused(four, "database", "is damaged")


def test_an_empty_file_becomes_a_log(tmp_path):
    (tmp_path / "log.sqlite").touch()
    with pytest.raises(RecordError, match="holds no log"):
        Log.open(tmp_path, read_only=True)
    with Log.open(tmp_path) as log:
        assert log.size() == 1


def test_a_second_log_in_a_home(four, postgres_url):
    with pytest.raises(IntegrityError, match=r"holds no log, and .* remembers one; .* give a new log a home"):
        Log.open(four, postgres_url)


def test_another_machine_reads_without_a_memory(tmp_path, postgres_url):
    with Log.open(tmp_path / "one", postgres_url) as one, Log.open(tmp_path / "two", postgres_url) as two:
        assert one.origin == two.origin
        one.append(decision(one))
        with pytest.raises(RecordError, match="append where that key is, or bring it here"):
            two.append(decision(two))
        (tmp_path / "two" / "keys").mkdir(mode=0o700)
        for key in (tmp_path / "one" / "keys").glob("*.pem"):
            key.rename(tmp_path / "two" / "keys" / key.name)
        assert two.append(decision(two)).number == 2


def test_the_empty_tree_is_remembered_rightly(four):
    with Log.open(four) as log:
        signer = log.keys.current()
        note = sign_checkpoint(Checkpoint(log.origin, 0, EMPTY), log.origin, signer.sign, signer.public)
    (four / "checkpoint").write_text(note)
    Log.open(four).close()
