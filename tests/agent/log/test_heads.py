from __future__ import annotations

import time

import pytest

from tests.agent.log.kept import causes, copy, first, sql
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import Checkpoint, NoteKey, cosign, read_checkpoint, sign_checkpoint
from veridical.agent.log.verify import Expected, verify_log

WITNESS, OTHER = SigningKey.of(bytes([8]) * 32), SigningKey.of(bytes([9]) * 32)
KEY = NoteKey("witness.example/w", WITNESS.public, "witness")


@pytest.fixture
def home(tmp_path):
    return copy(tmp_path)


@pytest.fixture
def log(home):
    with Log.open(home) as found:
        yield found


def cosigned(log, size=None, signer=WITNESS, name=KEY.name):
    note = cosign(log.checkpoint(size), name, signer.sign, signer.public, int(time.time()))
    log.keep_witnessed(read_checkpoint(note).checkpoint.size, name, note)
    return note


def head(log, size, root):
    signer = log.keys.current()
    return sign_checkpoint(Checkpoint(log.origin, size, root), log.origin, signer.sign, signer.public)


def root(log, size):
    return read_checkpoint(log.checkpoint(size)).checkpoint.root


def test_every_head_is_checked(log):
    found = verify_log(log)
    assert found.ok
    assert (found.checkpoints, found.size, found.root) == (4, 4, root(log, 4).hex())
    assert found.key == log.note_key.vkey()


def test_what_is_expected_and_holds(log):
    notes = [log.checkpoint(size) for size in (1, 3, 4)]
    assert verify_log(log, Expected(log.note_key, notes)).ok


@pytest.mark.parametrize(
    ("note", "cause", "told"),
    [
        (lambda log: head(log, 3, root(log, 2)), "fork", "the same key has signed another log"),
        (lambda log: head(log, 9, root(log, 4)), "rollback", "was signed over 9 entries, and 4 are there"),
        (lambda log: log.checkpoint().replace(log.origin, "another.log"), "key", "another.log"),
        (lambda log: log.checkpoint(3).replace("\n3\n", "\n2\n"), "signature", "does not hold"),
        (lambda log: "nonsense", "checkpoint", "malformed"),
    ],
)
def test_a_checkpoint_from_elsewhere_that_does_not_fit(log, note, cause, told):
    found = verify_log(log, Expected(checkpoints=[note(log)]))
    assert [problem.cause for problem in found.problems] == [cause]
    assert first(found).told.startswith("the checkpoint given (1)")
    assert told in first(found).told


@pytest.mark.parametrize(
    ("query", "cause", "told"),
    [
        (
            "UPDATE checkpoints SET note = 'nonsense' WHERE size = 2",
            "checkpoint",
            "size 2: the checkpoint is malformed",
        ),
        ("UPDATE checkpoints SET note = x'00' WHERE size = 2", "checkpoint", "size 2: it is a bytes, not text"),
        ("UPDATE checkpoints SET size = 7 WHERE size = 2", "checkpoint", "size 7 is one of size 2"),
        ("DELETE FROM checkpoints WHERE size = 4", "checkpoint", "entry 3 is under no signed checkpoint"),
        ("DELETE FROM checkpoints WHERE size > 2", "checkpoint", "entries 2 to 3 are under no signed checkpoint"),
    ],
)
def test_a_stored_checkpoint_that_is_not_right(home, log, query, cause, told):
    sql(home, query)
    found = verify_log(log)
    assert first(found).cause == cause
    assert told in first(found).told


def test_a_head_deleted_from_between_is_no_loss(home, log):
    sql(home, "DELETE FROM checkpoints WHERE size = 2")
    assert verify_log(log).ok


@pytest.mark.parametrize("text", [b"\xff\xfe", b"nonsense"])
def test_what_this_machine_remembers_is_checked(home, log, text):
    (home / "checkpoint").write_bytes(text)
    found = verify_log(log)
    assert [problem.cause for problem in found.problems] == ["checkpoint"]
    assert "the checkpoint that this machine has seen" in first(found).told


def test_a_machine_that_remembers_nothing_is_well(home, log):
    (home / "checkpoint").unlink()
    assert verify_log(log).ok


def test_the_key_expected(log):
    key = log.note_key
    found = verify_log(log, Expected(NoteKey(key.name, WITNESS.public)))
    assert causes(found) == [("key", None)]
    assert "the key given is none of this log's" in first(found).told
    found = verify_log(log, Expected(NoteKey("another.log", key.public)))
    assert causes(found) == [("key", None)]
    log.rotate("yearly")
    assert log.note_key != key
    assert verify_log(log, Expected(key)).ok
    assert verify_log(log, Expected(log.note_key)).ok
    log.revoke(str(log.trust().keys()[0]["key_id"]), "retired")
    found = verify_log(log, Expected(key))
    assert found.ok
    assert "The key given was revoked from entry 5 on." in found.notes


def test_witnesses_are_counted_by_key(log):
    cosigned(log, 2)
    cosigned(log)
    cosigned(log, name="witness.example/again")  # the same key under another name
    twin = NoteKey("witness.example/again", WITNESS.public, "witness")
    other = NoteKey("witness.example/o", OTHER.public, "witness")
    found = verify_log(log, Expected(witnesses=[KEY, twin, other], quorum=1))
    assert found.ok
    assert found.witnessed == 3
    found = verify_log(log, Expected(witnesses=[KEY, twin, other], quorum=2))
    assert causes(found) == [("checkpoint", None)]
    assert first(found).told == "1 of the witnesses given have cosigned one checkpoint; 2 are asked for"
    cosigned(log, signer=OTHER, name=other.name)
    assert verify_log(log, Expected(witnesses=[KEY, twin, other], quorum=2)).ok


def test_a_witness_that_is_not_known_is_said(log):
    cosigned(log)
    found = verify_log(log)
    assert found.ok
    assert found.witnessed == 0
    assert "the witness's key was not given" in found.notes[0]


def test_a_cosignature_that_does_not_hold(log):
    note = cosigned(log)
    log.keep_witnessed(4, KEY.name, note.replace(note[-20:-15], "AAAAA"))
    found = verify_log(log, Expected(witnesses=[KEY], quorum=1))
    assert [problem.cause for problem in found.problems] == ["signature", "checkpoint"]


def test_a_witness_that_has_seen_another_log(log):
    note = cosign(head(log, 3, root(log, 2)), KEY.name, WITNESS.sign, WITNESS.public, 1)
    log.keep_witnessed(3, KEY.name, note)
    found = verify_log(log, Expected(witnesses=[KEY]))
    assert [problem.cause for problem in found.problems] == ["fork"]
