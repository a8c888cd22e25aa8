from __future__ import annotations

import pytest

from tests.agent.log.made import check_whole, decision
from veridical.agent.log.log import Log
from veridical.agent.log.note import check_checkpoint
from veridical.errors import IntegrityError, RecordError


def test_a_new_key_signs_from_its_rotation_on(made):
    first = made.note_key
    receipt = made.rotate("every year")
    assert made.note_key != first
    assert check_checkpoint(receipt.checkpoint, made.note_key).size == 13
    assert made.append(decision(made)).number == 13
    old, new = (row["key_id"] for row in made.trust().keys())  # noqa: SIM118  # no mapping
    assert {name for name, _ in made.entry(12).sealed.signatures} == {old, new}
    assert [name for name, _ in made.entry(13).sealed.signatures] == [new]
    assert made.keys.current().key_id == new
    assert check_checkpoint(made.checkpoint(12), first).size == 12
    check_whole(made)


def test_a_rotation_that_was_cut_off_goes_on(log, monkeypatch):
    """The new key is in the log, and `current` still says the old one."""
    monkeypatch.setattr(type(log.keys), "use", lambda self, key_id: None)
    log.rotate("test")
    with Log.open(log.home) as again:
        assert again.append(decision(again)).number == 2
        check_whole(again)


def test_a_revoked_key_signs_no_more(made):
    old = made.keys.current()
    made.revoke(old.key_id, "lost")
    assert [entry.statement.predicate["act"] for entry in made.entries(12)] == ["rotated", "revoked"]
    with pytest.raises(IntegrityError, match="revoked") as found:
        made.append(decision(made), [old])
    assert found.value.cause == "revoked"
    made.append(decision(made))
    assert len(check_whole(made)) == 15
    with pytest.raises(RecordError, match="key ed25519:00 is none of this log's; its keys: ed25519:"):
        made.revoke("ed25519:00", "x")


def test_a_foreign_key_signs_nothing(made):
    with pytest.raises(IntegrityError, match="which this log has not brought in") as found:
        made.append(decision(made), [made.keys.make()])
    assert found.value.cause == "key"
    made.append(decision(made))
    assert len(check_whole(made)) == 13


def test_a_home_without_the_key_cannot_append(made, tmp_path, url):
    made.close()
    for key in (tmp_path / "made" / "keys").glob("*.pem"):
        key.unlink()
    with Log.open(tmp_path / "made", url) as log:
        assert log.size() == 12
        with pytest.raises(RecordError, match=r"signed by key ed25519:.*, which this home cannot use: no key"):
            log.append(decision(log))
