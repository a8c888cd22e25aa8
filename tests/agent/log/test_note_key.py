"""Keys of notes: those that are published are read and written back, altered ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.told import told
from veridical.agent.log.note_key import NoteKey
from veridical.errors import InputError, IntegrityError

VECTORS = json.loads((Path(__file__).parent / "vectors_note.json").read_text("utf-8"))
LOGS = [*(case["vkey"] for case in VECTORS["signed_note"]), *VECTORS["good_keys"], VECTORS["checkpoint"]["log"]]
PETER = VECTORS["signed_note"][1]["vkey"]


@pytest.mark.parametrize("vkey", LOGS)
def test_published_keys_of_logs(vkey):
    key = NoteKey.read(vkey)
    assert (key.vkey(), key.kind, key.name) == (vkey, "log", vkey.split("+")[0])
    assert key.key_id.hex() == vkey.split("+")[1]


@pytest.mark.parametrize("vkey", VECTORS["checkpoint"]["witnesses"])
def test_published_keys_of_witnesses(vkey):
    key = NoteKey.read(vkey)
    assert (key.vkey(), key.kind) == (vkey, "witness")


@pytest.mark.parametrize("vkey", VECTORS["bad_keys"])
def test_published_bad_keys(vkey):
    assert told(NoteKey.read, vkey) in {"key", "algorithm"}


def test_every_piece_and_every_change_of_a_key_is_refused():
    """As Go's tests of sumdb/note have it, and every other character besides."""
    pieces = [PETER[i:j] for i in range(len(PETER)) for j in range(i + 1, len(PETER) + 1) if j - i < len(PETER)]
    changed = [PETER[:i] + chr(ord(PETER[i]) ^ bit) + PETER[i + 1 :] for i in range(len(PETER)) for bit in (1, 2, 32)]
    for vkey in ["", *pieces, *changed, f"{PETER}\n", f" {PETER}", PETER.replace("c74f20a3", "C74F20A3")]:
        assert told(NoteKey.read, vkey) in {"key", "algorithm"}


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for vkey in (text, text + PETER[12:], PETER[:22] + text):
        assert told(NoteKey.read, vkey) in {None, "key", "algorithm"}
        if told(NoteKey.read, vkey) is None:
            assert NoteKey.read(vkey).vkey() == vkey


def test_one_public_key_has_two_ids():
    log, witness = NoteKey("a", bytes(32)), NoteKey("a", bytes(32), "witness")
    assert log.key_id != witness.key_id
    assert NoteKey.read(witness.vkey()) == witness


def test_another_algorithm_is_named():
    with pytest.raises(IntegrityError, match="'PeterNeumann' is of signature type 101; Ed25519 alone") as caught:
        NoteKey.read(VECTORS["bad_keys"][1])
    assert caught.value.cause == "algorithm"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "\udc80"])
def test_a_name_that_no_key_may_have(name):
    with pytest.raises(InputError, match="cannot name a key"):
        NoteKey(name, bytes(32))


def test_a_key_of_another_length():
    with pytest.raises(InputError, match="key a has 31 bytes; an Ed25519 public key has 32"):
        NoteKey("a", bytes(31))
