"""Attacks on a bundle: files put in, renamed, swapped, altered, packed; and proofs and certificates altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.log.attacks import (
    STRANGER,
    all_envelopes,
    append,
    envelope,
    repack,
    said,
    signed,
    statement_of,
    thief,
)
from veridical.agent.audit.contents import Contents
from veridical.agent.log.bundle import verify_bundle, write_bundle
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey
from veridical.agent.log.verified import Verification
from veridical.agent.record.canonical import canonical_json

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def sound(written: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("bundle") / "sound.zip"
    with Log.open(written, read_only=True) as log:
        write_bundle(log, [2, 10], path)
    return path.read_bytes()


@pytest.fixture
def bundle(sound: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(sound)
    return path


def verified(bundle: Path, key: NoteKey | None = None) -> Verification:
    return verify_bundle(bundle, key, Contents(deep=False))


def refused(bundle: Path, cause: str, key: NoteKey | None = None) -> str:
    found = verified(bundle, key)
    assert found.first is not None, "nothing is found"
    assert found.first.cause == cause, found.problems
    assert {problem.cause for problem in found.problems} <= set(CAUSES)
    return found.first.told


def entry_name(files: Files, number: int) -> str:
    return next(e["envelope"] for e in json.loads(files["bundle.json"])["entries"] if e["number"] == number)


def index_edit(edit: Callable[[dict], None]) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        index = json.loads(files["bundle.json"])
        edit(index)
        files["bundle.json"] = canonical_json(index)

    return change


def test_a_bundle_that_nobody_touched_holds(bundle: Path, pinned):
    found = verified(bundle, pinned.key)
    assert found.problems == []
    assert found.entries >= 5
    repack(bundle, lambda files: None)
    assert verified(bundle).problems == []


@pytest.mark.parametrize(
    "name", ["../../home/keys/current", "/etc/passwd", "blobs/../x", "entries/2.json/", "C:\\x", "blobs/" + "A" * 64]
)
def test_a_file_that_leads_outside(bundle: Path, tmp_path: Path, name: str):
    before = sorted(tmp_path.rglob("*"))
    repack(bundle, lambda files: files.update({name: b"root"}))
    refused(bundle, "path")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_a_bundle(bundle: Path):
    with_link: list[str] = []

    def link(files: Files) -> None:
        name = next(name for name in sorted(files) if name.startswith("blobs/"))
        with_link.append(name)
        files[name] = b"/etc/passwd"

    repack(bundle, link, links=with_link)
    refused(bundle, "path")


def test_a_bomb_in_a_bundle(bundle: Path):
    packed: list[str] = []

    def swell(files: Files) -> None:
        name = next(name for name in sorted(files) if name.startswith("blobs/"))
        packed.append(name)
        files[name] = bytes(64 << 20)

    repack(bundle, swell, packed=packed)
    assert bundle.stat().st_size < 1 << 20
    refused(bundle, "size")


def test_bytes_before_behind_and_between(bundle: Path, sound: bytes):
    for content in (b"\0" + sound, sound + b"\0", sound[:-1], sound[: len(sound) // 2], b"", b"PK"):
        bundle.write_bytes(content)
        assert not verified(bundle).ok
    bundle.write_bytes(sound.replace(b"PK\x03\x04", b"PK\x03\x04", 1))
    assert verified(bundle).ok


def test_a_key_twice_in_the_index(bundle: Path):
    def twice(files: Files) -> None:
        files["bundle.json"] = files["bundle.json"].replace(b'{"dropped"', b'{"dropped":[],"dropped"', 1)

    repack(bundle, twice, settle_index=False)
    refused(bundle, "json")


def test_an_index_that_is_not_canonical(bundle: Path):
    def spaced(files: Files) -> None:
        files["bundle.json"] = json.dumps(json.loads(files["bundle.json"])).encode()

    repack(bundle, spaced, settle_index=False)
    refused(bundle, "json")


def test_a_newer_bundle(bundle: Path):
    repack(bundle, index_edit(lambda index: index.update(format="veridical.bundle/2")))
    refused(bundle, "format")


def test_a_file_that_the_index_does_not_list(bundle: Path):
    repack(bundle, lambda files: files.update({"blobs/" + "0" * 64: b""}), settle_index=False)
    refused(bundle, "missing")


def test_a_blob_that_no_entry_names(bundle: Path):
    repack(bundle, lambda files: files.update({"blobs/" + "0" * 64: b"evidence"}))
    assert not verified(bundle).ok


def test_an_entry_that_the_index_does_not_tell(bundle: Path):
    def more(files: Files) -> None:
        files["entries/99.json"] = files[entry_name(files, 2)]
        files["proofs/99.tlog-proof"] = b""

    repack(bundle, more)
    assert not verified(bundle).ok


def test_an_entry_taken_out(bundle: Path):
    def cut(index: dict) -> None:
        index["entries"] = [e for e in index["entries"] if e["number"] != 5]

    def drop(files: Files) -> None:
        index_edit(cut)(files)
        del files["entries/5.json"], files["proofs/5.tlog-proof"]

    repack(bundle, drop)
    # What is in it holds: a bundle shows that its entries are in the log, not that it has all of them.
    assert verified(bundle).ok


def test_a_rotation_taken_out(bundle: Path):
    def drop(files: Files) -> None:
        index_edit(lambda i: i.update(entries=[e for e in i["entries"] if e["number"] != 6]))(files)
        del files["entries/6.json"], files["proofs/6.tlog-proof"]

    repack(bundle, drop)
    refused(bundle, "key")


def test_an_entry_told_under_anothers_name(bundle: Path):
    def swap(index: dict) -> None:
        two, ten = (e for e in index["entries"] if e["number"] in (2, 10))
        two["envelope"], ten["envelope"] = ten["envelope"], two["envelope"]

    repack(bundle, index_edit(swap))
    assert not verified(bundle).ok


def test_two_proofs_change_places(bundle: Path):
    def swap(files: Files) -> None:
        two, ten = "proofs/2.tlog-proof", "proofs/10.tlog-proof"
        files[two], files[ten] = files[ten], files[two]

    repack(bundle, swap)
    refused(bundle, "order")


def test_two_entries_change_places(bundle: Path):
    def swap(files: Files) -> None:
        files["entries/2.json"], files["entries/5.json"] = files["entries/5.json"], files["entries/2.json"]

    repack(bundle, swap)
    refused(bundle, "tree")


def test_another_entry_by_a_stranger(bundle: Path):
    forged = signed(statement_of(text="all is well"), STRANGER)
    repack(bundle, lambda files: files.update({"entries/5.json": forged}))
    refused(bundle, "key")


def test_another_entry_by_the_stolen_key(bundle: Path, written: Path):
    forged = signed(canonical_json(said(written, 10)), thief(written))
    assert forged == envelope(written, 10)  # Ed25519 signs the same bytes alike
    payload = said(written, 10)
    payload["predicate"]["remark"] = "added later"
    repack(bundle, lambda files: files.update({"entries/10.json": signed(canonical_json(payload), thief(written))}))
    refused(bundle, "tree")


def test_a_blob_altered_and_the_index_with_it(bundle: Path):
    def alter(files: Files) -> None:
        name = next(name for name in sorted(files) if name.startswith("blobs/"))
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    repack(bundle, alter)
    refused(bundle, "digest")


def test_a_blob_altered(bundle: Path):
    content = bundle.read_bytes()
    repack(bundle, lambda files: files.update({max(files): files[max(files)] + b"\n"}), settle_index=False)
    refused(bundle, "digest")
    assert bundle.read_bytes() != content


def test_a_blob_taken_out(bundle: Path, written: Path):
    gone = said(written, 10)["predicate"]["manifest"]

    def drop(files: Files) -> None:
        del files[f"blobs/{gone[7:]}"]
        index_edit(lambda index: index.update(dropped=[gone]))(files)

    repack(bundle, drop)
    refused(bundle, "missing")


def test_the_bundle_of_another_log(other_log: Path, tmp_path: Path, pinned):
    path = tmp_path / "other.zip"
    with Log.open(other_log, read_only=True) as log:
        write_bundle(log, [1], path)
    assert verified(path).ok
    assert refused(path, "key", pinned.key)


@pytest.mark.parametrize(
    ("member", "value"), [("origin", "veridical.local/x"), ("key", "x+00000000+AAAA"), ("size", 12)]
)
def test_a_member_of_the_index_altered(bundle: Path, member: str, value: object):
    repack(bundle, index_edit(lambda index: index.update({member: value})))
    assert not verified(bundle).ok


def test_a_later_entry_in_an_older_tree(attacked: Path, sound: bytes, bundle: Path):
    """What was signed after a checkpoint cannot be told under it."""
    append(attacked, signed(statement_of(text="later"), thief(attacked)), thief(attacked))
    later = all_envelopes(attacked)[11]

    def put(files: Files) -> None:
        files["entries/11.json"] = later
        files["proofs/11.tlog-proof"] = files["proofs/10.tlog-proof"].replace(b"index 10\n", b"index 11\n")
        told = {"number": 11, "envelope": "entries/11.json", "proof": "proofs/11.tlog-proof"}
        index_edit(lambda index: index["entries"].append(told))(files)

    repack(bundle, put)
    refused(bundle, "tree")
