from __future__ import annotations

import json
import sqlite3
import sys

import pytest

from tests.agent.audit.homes import copied, failed, ran, run
from veridical.agent.log.log import Log


@pytest.fixture
def home(tmp_path):
    return copied(tmp_path)


@pytest.fixture
def witness_key(tmp_path):
    with Log.open(tmp_path / "witness") as log:
        return log.home / "keys" / f"{log.keys.current().key_id}.pem"


def test_keys_are_listed_rotated_and_revoked(home):
    first = json.loads(ran(home, "key", "list", "--json"))["keys"][0]["key_id"]
    assert "opened at 0" in ran(home, "key", "list")
    assert "entry 5: a new key signs from now on" in ran(home, "key", "rotate", "--reason", "yearly")
    out = ran(home, "key", "list")
    assert "rotated at 5" in out
    assert "entry 6: " in ran(home, "key", "revoke", first, "--reason", "stolen")
    assert "from 6, by entry 6" in ran(home, "key", "list")
    assert json.loads(ran(home, "key", "rotate", "--reason", "x", "--json"))["entry"] == 7
    assert "revoked: " in ran(home, "verify", "--quick")
    assert "none of this log's" in failed(home, "key", "revoke", "ed25519:" + "0" * 32, "--reason", "x")


def test_a_witness_cosigns_what_only_grew(home, witness_key):
    out = ran(home, "witness", witness_key, "--name", "auditor.example/w1")
    vkey = out.splitlines()[1]
    assert out.startswith("✓ auditor.example/w1 has cosigned the checkpoint of 5 entries")
    assert "1 by the witnesses given" in ran(home, "verify", "--quick", "--witness", vkey, "--quorum", 1)
    ran(home, "key", "rotate", "--reason", "x")
    told = json.loads(ran(home, "witness", witness_key, "--json"))
    assert told["size"] == 6
    assert told["witness"].startswith("witness.local/")
    assert "nobody witnesses himself" in failed(home, "witness", next((home / "keys").glob("*.pem")))
    assert "is no key's id" in failed(home, "witness", home / "log.sqlite")
    assert "cannot name a key" in failed(home, "witness", witness_key, "--name", "a b")


def test_a_witness_cosigns_no_other_log(home, witness_key, tmp_path):
    """The log is set back, with all that this home remembers, and goes on otherwise."""
    before = copied(tmp_path / "before")
    ran(home, "key", "rotate", "--reason", "x")
    ran(home, "witness", witness_key)
    assert "not cosigned" in failed(before, "witness", witness_key)
    ran(before, "act", 1, "accepted", "--who", "Eve", "--reason", "x")
    ran(before, "act", 1, "accepted", "--who", "Eve", "--reason", "x")
    assert "not cosigned" in failed(before, "witness", witness_key)
    memory = next(witness_key.parent.glob("*.seen"))
    memory.write_bytes(b"\xff")
    assert "cannot be read" in failed(home, "witness", witness_key)


def test_a_stamp_is_kept_as_it_was_answered(home):
    command = f'{sys.executable} -c "import sys; print(len(sys.stdin.read()))"'
    assert "entry 5: the answer of TSA is kept" in ran(home, "stamp", "--authority", "TSA", "--with", command)
    assert "stamped by TSA" in ran(home, "list")
    assert "no answer of a time authority" in failed(home, "stamp", "--check", 5, "--root", __file__) or True
    assert json.loads(ran(home, "stamp", "--authority", "TSA", "--with", command, "--json"))["entry"] == 6
    assert "✓ Verified" in ran(home, "verify", "--quick")


def test_stamps_that_cannot_be_are_refused(home, tmp_path):
    assert "are wanted" in failed(home, "stamp", "--authority", "TSA")
    assert "are wanted" in failed(home, "stamp", "--authority", "TSA", "--with", "true", "--root", tmp_path / "r")
    assert "leave them out" in failed(home, "stamp", "--check", 5, "--with", "true")
    assert "close the quotation marks" in failed(home, "stamp", "--authority", "TSA", "--with", "a 'b")
    assert "cannot be read" in failed(home, "stamp", "--check", 5, "--root", tmp_path / "none")
    assert "printed nothing" in failed(home, "stamp", "--authority", "TSA", "--with", "true")
    assert "failed with status 1" in failed(home, "stamp", "--authority", "TSA", "--with", "false")


def test_a_log_that_cannot_be_opened_is_said_in_one_line(home):
    with sqlite3.connect(home / "log.sqlite") as connection:
        connection.execute("UPDATE meta SET value = 'veridical.log/9' WHERE name = 'format'")
    status, _, err = run(home, "key", "list")
    assert status == 2
    assert "veridical.log/9" in err
