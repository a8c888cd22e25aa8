from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.agent.log.kept import causes, copy, keep, place, sql
from tests.agent.log.told import told
from veridical.agent.audit.contents import Contents
from veridical.agent.log.bundle import read_bundle, verify_bundle, write_bundle
from veridical.agent.log.bundle_file import INDEX, pack_bundle
from veridical.agent.log.erasure import erase
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey
from veridical.agent.log.retention import Rule, due, retain
from veridical.agent.log.statement import new_statement
from veridical.agent.record.canonical import canonical_json, digest_of, read_json
from veridical.errors import RecordError


@pytest.fixture
def log(tmp_path):
    with Log.open(copy(tmp_path)) as found:
        yield found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.zip"


def repacked(path, edit):
    """The bundle written again with other files, its index made to fit."""
    bundle = read_bundle(path)
    index, files = read_json(canonical_json(dict(bundle.index)), "it"), dict(bundle.files)
    edit(index, files)
    index["files"] = {name: {"digest": digest_of(held), "bytes": len(held)} for name, held in files.items()}
    path.write_bytes(pack_bundle({INDEX: canonical_json(index), **files}))


def sound(path, key=None):
    found = verify_bundle(path, key, Contents(deep=False))
    assert found.ok, found.problems
    return found


def test_one_decision(log, path):
    assert write_bundle(log, [2], path) == [0, 2]
    found = sound(path, log.note_key)
    assert (found.entries, found.size, found.kinds) == (2, 4, {"opened": 1, "decision": 1})
    assert (found.blobs, found.opened, found.sealed) == (8, 0, 2)
    assert found.root == verify_bundle(path).root
    assert found.key == log.note_key.vkey()


def test_what_is_needed_to_judge_it_goes_along(log, path):
    log.rotate("yearly")
    about = {"about": log.entry(2).statement.id, "act": "contested", "who": "me", "reason": "why"}
    log.append(new_statement("operator", about, [("record", log.entry(2).digest)]))
    other = {**about, "about": log.entry(3).statement.id}
    log.append(new_statement("operator", other, [("record", log.entry(3).digest)]))
    log.revoke(str(log.trust().keys()[0]["key_id"]), "retired")
    assert write_bundle(log, [2], path) == [0, 2, 4, 5, 7]
    for key in (log.note_key, NoteKey(log.origin, log.trust().signing_at(1)), None):
        assert sound(path, key).keys == log.trust().keys()


def test_signals_are_laid_open_on_request_alone(log, path, tmp_path):
    write_bundle(log, [1, 2], path, signals=True)
    assert sound(path).opened == 4
    erase(log, log.subjects.named("order 1"), "me", "why")
    write_bundle(log, [1, 2], tmp_path / "after.zip", signals=True)
    assert sound(tmp_path / "after.zip").opened == 2


def test_what_was_dropped_is_said(log, path):
    rule = Rule("evidence", 366, "1 year", labels={"scenario": "night"})
    retain(log, due(log, [rule], datetime.now(UTC) + timedelta(days=400)), "me")
    assert write_bundle(log, [1], path) == [0, 1, 4]
    found = sound(path)
    assert found.dropped == len(read_bundle(path).index["dropped"]) > 0


def test_what_is_gone_without_a_word_is_not_bundled(log, path):
    place(log, log.entry(1).statement.predicate["manifest"]).unlink()
    assert told(write_bundle, log, [1], path) == "missing"
    assert not path.exists()


def test_where_it_cannot_be_written(log, path, tmp_path):
    path.touch()
    with pytest.raises(RecordError, match=r"it\.zip is there already; name another file"):
        write_bundle(log, [1], path)
    with pytest.raises(RecordError, match=r"cannot be written: .*; name another file, or free space"):
        write_bundle(log, [1], path / "deeper.zip")
    with pytest.raises(RecordError, match="no entry '9' in the log of 4"):
        write_bundle(log, [9], tmp_path / "other.zip")


def test_a_file_that_is_no_bundle(path, tmp_path):
    path.write_bytes(b"nothing")
    assert causes(verify_bundle(path)) == [("digest", None)]
    with pytest.raises(RecordError, match="cannot be read"):
        verify_bundle(tmp_path / "none.zip")


def test_the_key_of_another(log, path):
    write_bundle(log, [1], path)
    stranger = SigningKey.of(bytes([7]) * 32).public
    assert causes(verify_bundle(path, NoteKey(log.origin, stranger))) == [("key", None)]
    assert causes(verify_bundle(path, NoteKey("another.log", log.note_key.public))) == [("key", None)]
    repacked(path, lambda index, files: index.update(key=NoteKey(log.origin, stranger).vkey()))
    assert causes(verify_bundle(path)) == [("key", None)]  # the bundle's own word is checked as well


def test_a_key_that_was_revoked_from_earlier_on(log, path):
    old = log.keys.current()
    log.rotate("yearly")
    log.append(new_statement("note", {}, log.about()), [old])
    log.revoke(old.key_id, "it was copied", from_entry=5)
    write_bundle(log, [5], path)
    assert causes(verify_bundle(path)) == [("revoked", 5)]


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda i, f: i.update(size=9), [("checkpoint", None)]),
        (lambda i, f: i.update(origin="another.log"), [("key", 0)]),
        (lambda i, f: f.update({"proofs/1.tlog-proof": f["proofs/2.tlog-proof"]}), [("order", 1)]),
        (lambda i, f: f.update({"proofs/1.tlog-proof": b"\xff"}), [("tree", 1)]),
        (lambda i, f: f.update({"entries/1.json": f["entries/2.json"]}), [("order", 2), ("tree", 1)]),
        (lambda i, f: f.update({"blobs/" + digest_of(b"x")[7:]: b"x"}), [("digest", None)]),
        (lambda i, f: f.update({"opened/" + digest_of(b"x")[7:]: b"x"}), [("digest", None)]),
        (lambda i, f: f.update({n: c + b"x" for n, c in f.items() if n[:7] == "opened/"}), [("digest", None)] * 4),
    ],
)
def test_what_does_not_belong_together(log, path, edit, found):
    write_bundle(log, [1, 2], path, signals=True)
    sound(path)
    repacked(path, edit)
    seen = causes(verify_bundle(path))
    assert set(found) <= set(seen)
    assert len(seen) >= len(found)


def test_proofs_under_two_checkpoints(log, path, tmp_path):
    write_bundle(log, [1, 2], path)
    keep(log, 9)
    write_bundle(log, [1, 2], tmp_path / "later.zip")
    later = read_bundle(tmp_path / "later.zip").files["proofs/2.tlog-proof"]
    repacked(path, lambda index, files: files.update({"proofs/2.tlog-proof": later}))
    assert ("checkpoint", None) in causes(verify_bundle(path))


def test_a_blob_taken_out_and_told_as_dropped(log, path):
    write_bundle(log, [1], path)

    def take(index, files):
        name = next(name for name in files if name.startswith("blobs/"))
        del files[name]
        index["dropped"] = [f"sha256:{name[6:]}"]

    repacked(path, take)
    assert causes(verify_bundle(path, contents=Contents(deep=False))) == [("missing", 1)]


def test_a_log_of_which_entries_are_gone_is_not_bundled(log, path):
    sql(log.home, "DELETE FROM entries WHERE number = 2")
    with pytest.raises(RecordError, match="no entry '2'"):
        write_bundle(log, [1, 2], path)
