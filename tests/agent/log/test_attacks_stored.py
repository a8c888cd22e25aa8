"""Attacks on what is stored: blobs, the columns and hashes beside the entries, checkpoints."""

from __future__ import annotations

import base64
from pathlib import Path
from unittest.mock import ANY

import pytest

from benchmarks._tampered import judge
from tests.agent.log.attacks import (
    STRANGER,
    append,
    finds,
    fresh,
    place,
    rewrite_last,
    said,
    signed,
    sql,
    thief,
)
from veridical.agent.log.dsse import to_base64
from veridical.agent.log.log import Log
from veridical.agent.log.merkle import EMPTY
from veridical.agent.log.note import Checkpoint, NoteKey, cosign, sign_checkpoint
from veridical.agent.log.verified import Expected
from veridical.agent.record.canonical import canonical_json


def test_two_blobs_change_places(attacked: Path):
    first, second = said(attacked, 1)["predicate"]["blobs"][:2]
    one, other = place(attacked, first).read_bytes(), place(attacked, second).read_bytes()
    place(attacked, first).write_bytes(other)
    place(attacked, second).write_bytes(one)
    finds(attacked, "digest", 1)


def test_two_manifests_change_places(attacked: Path):
    first, second = (said(attacked, n)["predicate"]["manifest"] for n in (2, 3))
    one, other = place(attacked, first).read_bytes(), place(attacked, second).read_bytes()
    place(attacked, first).write_bytes(other)
    place(attacked, second).write_bytes(one)
    finds(attacked, "digest", 2)


def test_an_entry_names_anothers_manifest(attacked: Path):
    """Only who has the key can make it; the entry then says other than the record that it names."""
    payload = said(attacked, 10)
    payload["predicate"]["manifest"] = said(attacked, 8)["predicate"]["manifest"]
    rewrite_last(attacked, signed(canonical_json(payload), thief(attacked)))
    finds(attacked, "content", 10)


@pytest.mark.parametrize("which", ["manifest", "blobs", "sealed"])
@pytest.mark.parametrize("at", [0, 50, -1])
def test_one_bit_of_a_blob_turned(attacked: Path, which: str, at: int):
    named = said(attacked, 4)["predicate"][which]
    path = place(attacked, named if isinstance(named, str) else named[-1])
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    found = finds(attacked, "digest", ANY)
    assert path.name in found.told


def test_a_blob_deleted(attacked: Path):
    place(attacked, said(attacked, 7)["predicate"]["manifest"]).unlink()
    finds(attacked, "missing", 7)


def test_a_blob_cut_short_or_longer(attacked: Path):
    path = place(attacked, said(attacked, 7)["predicate"]["manifest"])
    path.write_bytes(path.read_bytes() + b"\n")
    finds(attacked, "digest", 7)
    path.write_bytes(b"")
    finds(attacked, "digest", 7)


def test_a_link_in_the_place_of_a_blob(attacked: Path, tmp_path: Path):
    path = place(attacked, said(attacked, 7)["predicate"]["manifest"])
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    finds(attacked, "path", 7)


def test_a_digest_that_leads_outside(attacked: Path):
    payload = said(attacked, 10)
    payload["predicate"]["blobs"] = ["sha256:../../keys/current"]
    append(
        attacked,
        signed(canonical_json(payload | {"predicate": payload["predicate"] | {"id": fresh()}}), thief(attacked)),
    )
    finds(attacked, "path", 11)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "PROCEED"),
        ("verdict", "unsupported"),
        ("time", "2026-01-01T00:00:00.000000+00:00"),
        ("about", None),
        ("system", "other"),
        ("subject", "s-" + "0" * 32),
        ("kind", "note"),
        ("id", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_a_column_says_other_than_its_entry(attacked: Path, column: str, value: str | None):
    number = 5 if column == "about" else 4
    sql(attacked, f"UPDATE entries SET {column} = ? WHERE number = ?", value, number)  # noqa: S608
    found = finds(attacked, "index", number)
    assert found.opening is None
    assert column in found.told


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE facets SET value = 'nobody' WHERE number = 5 AND name = 'who'",
        "UPDATE facets SET name = 'act' WHERE number = 5 AND name = 'who'",
        "INSERT INTO facets(number, position, name, value) VALUES (5, 9, 'label:group', 'A')",
        "DELETE FROM facets WHERE number = 5 AND position = 0",
        "UPDATE facets SET amount = 1.0 WHERE number = 5 AND position = 0",
        "UPDATE facets SET position = 7 WHERE number = 5 AND position = 0",
    ],
)
def test_a_facet_says_other_than_its_entry(attacked: Path, query: str):
    sql(attacked, query)
    finds(attacked, "index", 5)


def test_a_facet_of_no_entry(attacked: Path):
    sql(attacked, "INSERT INTO facets(number, position, name, value) VALUES (99, 0, 'who', 'op-1')")
    finds(attacked, "index")


@pytest.mark.parametrize(("level", "position"), [(1, 0), (1, 4), (2, 1), (3, 0)])
def test_a_hash_of_the_tree_changed(attacked: Path, level: int, position: int):
    sql(attacked, "UPDATE nodes SET hash = ? WHERE level = ? AND position = ?", bytes(32), level, position)
    finds(attacked, "tree", ((position + 1) << level) - 1)


def test_a_hash_of_a_leaf_changed(attacked: Path):
    sql(attacked, "UPDATE entries SET leaf = ? WHERE number = 4", EMPTY)
    finds(attacked, "tree", 4)


def test_an_envelope_that_is_text(attacked: Path):
    sql(attacked, "UPDATE entries SET envelope = CAST(envelope AS TEXT) WHERE number = 4")
    finds(attacked, "database", 4)


def test_a_trigger_that_would_act_by_itself(attacked: Path):
    sql(attacked, "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM facets; END")
    found = judge(attacked)
    assert "database" in found.causes


def test_the_file_of_the_database_cut_short(attacked: Path):
    content = (attacked / "log.sqlite").read_bytes()
    (attacked / "log.sqlite").write_bytes(content[: len(content) // 2])
    assert "database" in judge(attacked).causes
    (attacked / "log.sqlite").write_bytes(b"")
    assert judge(attacked).first is not None


def test_a_log_of_a_newer_version(attacked: Path):
    sql(attacked, "UPDATE meta SET value = 'veridical.log/2' WHERE name = 'format'")
    finds(attacked, "format")


def test_a_predicate_of_a_newer_version(attacked: Path):
    payload = said(attacked, 10) | {"predicateType": "urn:veridical:decision:2"}
    append(attacked, signed(canonical_json(payload), thief(attacked)), thief(attacked))
    finds(attacked, "format", 11)


def test_a_critical_member_that_is_unknown(attacked: Path):
    payload = said(attacked, 10)
    payload["predicate"].update(id=fresh(), critical=["hologram"], hologram=1)
    append(attacked, signed(canonical_json(payload), thief(attacked)), thief(attacked))
    finds(attacked, "format", 11)


def test_another_origin(attacked: Path):
    sql(attacked, "UPDATE meta SET value = 'veridical.local/ffffffff' WHERE name = 'origin'")
    finds(attacked, "index", 0)


def edit_note(home: Path, size: int, old: str, new: str) -> None:
    note = sql(home, "SELECT note FROM checkpoints WHERE size = ?", size)[0][0]
    assert old in note
    sql(home, "UPDATE checkpoints SET note = ? WHERE size = ?", note.replace(old, new, 1), size)


def test_the_size_in_a_checkpoint_changed(attacked: Path):
    edit_note(attacked, 8, "\n8\n", "\n7\n")
    finds(attacked, "signature")


def test_the_root_in_a_checkpoint_changed(attacked: Path):
    root = sql(attacked, "SELECT note FROM checkpoints WHERE size = 8")[0][0].split("\n")[2]
    edit_note(attacked, 8, root, to_base64(EMPTY))
    finds(attacked, "signature")


def test_a_checkpoint_in_the_place_of_another(attacked: Path):
    note = sql(attacked, "SELECT note FROM checkpoints WHERE size = 7")[0][0]
    sql(attacked, "UPDATE checkpoints SET note = ? WHERE size = 8", note)
    finds(attacked, "checkpoint")


def test_a_checkpoint_of_another_tree_by_our_key(attacked: Path):
    key = thief(attacked)
    origin = sql(attacked, "SELECT value FROM meta WHERE name = 'origin'")[0][0]
    note = sign_checkpoint(Checkpoint(origin, 8, bytes(32)), origin, key.sign, key.public)
    sql(attacked, "UPDATE checkpoints SET note = ? WHERE size = 8", note)
    finds(attacked, "checkpoint")


def test_a_checkpoint_of_another_log(attacked: Path, other_log: Path):
    note = sql(other_log, "SELECT note FROM checkpoints WHERE size = 8")[0][0]
    sql(attacked, "UPDATE checkpoints SET note = ? WHERE size = 8", note)
    finds(attacked, "key")
    key = thief(attacked)
    note = sign_checkpoint(
        Checkpoint("veridical.local/other", 8, bytes(32)), "veridical.local/other", key.sign, key.public
    )
    sql(attacked, "UPDATE checkpoints SET note = ? WHERE size = 8", note)
    assert finds(attacked, "key").causes == ("key",)


def test_all_checkpoints_deleted(attacked: Path):
    sql(attacked, "DELETE FROM checkpoints")
    found = finds(attacked, "checkpoint", 0)
    assert found.opening is not None


def test_the_last_checkpoint_deleted(attacked: Path):
    sql(attacked, "DELETE FROM checkpoints WHERE size = 11")
    finds(attacked, "checkpoint", 10)


def test_this_machines_memory_altered(attacked: Path):
    text = (attacked / "checkpoint").read_text()
    (attacked / "checkpoint").write_text(text.replace("\n11\n", "\n10\n", 1))
    found = judge(attacked)
    assert found.causes in {("signature",), ("signature", "fork"), ("fork", "signature")}


def test_a_cosignature_by_nobody(attacked: Path):
    witness = NoteKey("witness.example/w", STRANGER.public, "witness")
    with Log.open(attacked) as log:
        note = cosign(log.checkpoint(), witness.name, STRANGER.sign, STRANGER.public, 1_800_000_000)
        log.keep_witnessed(11, witness.name, note)
    expected = Expected(witnesses=(witness,), quorum=1)
    assert judge(attacked, expected).problems == ()
    head, _, line = note.rstrip("\n").rpartition(" ")
    content = bytearray(base64.b64decode(line))
    content[-1] ^= 1
    sql(attacked, "UPDATE witnessed SET note = ?", f"{head} {to_base64(bytes(content))}\n")
    finds(attacked, "signature", None, expected)
    sql(attacked, "UPDATE witnessed SET note = ?, name = 'witness.example/other'", note)
    finds(attacked, "index", None, Expected(witnesses=(witness,)))
