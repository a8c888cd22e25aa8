"""Attacks on what is signed: forged and revoked keys, weaker algorithms, JSON of two meanings, hostile records."""

from __future__ import annotations

import json
import pickle
import zlib
from pathlib import Path
from unittest.mock import ANY

import pytest

from benchmarks._tampered import judge
from tests.agent.log.attacks import (
    STRANGER,
    append,
    edited,
    envelope,
    finds,
    fresh,
    place,
    put_blob,
    put_envelope,
    replaced_record,
    rewrite_last,
    said,
    signed,
    statement_of,
    thief,
)
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.dsse import to_base64
from veridical.agent.log.keys import KeyFolder, key_member
from veridical.agent.record.canonical import canonical_json

RAN: list[str] = []
"""What a pickle would have done."""


def test_a_verdict_changed_in_the_payload(attacked: Path):
    payload = said(attacked, 4)
    payload["predicate"]["verdict"] = "unsupported"
    put_envelope(
        attacked, 4, edited(envelope(attacked, 4), lambda e: e.update(payload=to_base64(canonical_json(payload))))
    )
    finds(attacked, "signature", 4)


def test_a_weaker_algorithm_in_the_key_id(attacked: Path):
    def weaken(document: dict) -> None:
        document["signatures"][0]["keyid"] = document["signatures"][0]["keyid"].replace("ed25519", "md5-rsa")

    put_envelope(attacked, 4, edited(envelope(attacked, 4), weaken))
    finds(attacked, "algorithm", 4)


def test_another_payload_type(attacked: Path):
    put_envelope(attacked, 4, edited(envelope(attacked, 4), lambda e: e.update(payloadType="text/plain")))
    finds(attacked, "format", 4)


def test_another_digest_algorithm_in_a_statement(attacked: Path):
    payload = said(attacked, 10)
    payload["subject"][0]["digest"] = {"md5": "0" * 32}
    append(attacked, signed(canonical_json(payload), thief(attacked)), thief(attacked))
    finds(attacked, "algorithm", 11)


def test_a_strangers_key(attacked: Path):
    finds(attacked, "key", append(attacked, signed(statement_of(text="all is well"), STRANGER)))


def test_a_strangers_key_under_the_name_of_ours(attacked: Path):
    number = append(attacked, signed(statement_of(text="all is well"), STRANGER, ids=[thief(attacked).key_id]))
    finds(attacked, "signature", number)


def test_a_key_that_calls_itself_by_anothers_id(attacked: Path):
    key = {"key_id": thief(attacked).key_id, "public": to_base64(STRANGER.public)}
    payload = statement_of("keys", act="added", key=key, replaced=None, reason="spare")
    finds(attacked, "key", append(attacked, signed(payload, thief(attacked)), thief(attacked)))


def test_a_stranger_brings_his_own_key_in(attacked: Path):
    payload = statement_of("keys", act="added", key=key_member(STRANGER.public), replaced=None, reason="spare")
    finds(attacked, "key", append(attacked, signed(payload, STRANGER)))


def test_a_revoked_key(attacked: Path):
    old = KeyFolder(attacked / "keys").find(json.loads(envelope(attacked, 0))["signatures"][0]["keyid"])
    finds(attacked, "revoked", append(attacked, signed(statement_of(text="signed yesterday"), old)))


@pytest.mark.parametrize("kept", [0, 1])
def test_one_signature_of_a_rotation_stripped(attacked: Path, kept: int):
    put_envelope(attacked, 6, edited(envelope(attacked, 6), lambda e: e.update(signatures=[e["signatures"][kept]])))
    finds(attacked, "key", 6)


def test_a_decision_of_another_log(attacked: Path, other_log: Path):
    finds(attacked, "key", append(attacked, envelope(other_log, 1)))


def test_an_erasure_claimed_by_a_stranger(attacked: Path):
    """A blob that is gone stays missing, whatever anybody else says of it."""
    gone = said(attacked, 4)["predicate"]["manifest"]
    place(attacked, gone).unlink()
    claim = statement_of("retention", rule="signals after 30 days", who="op-1", dropped=[gone], records=1)
    append(attacked, signed(claim, STRANGER))
    found = finds(attacked, "missing", 4)
    assert ("key", 11) in [(problem.cause, problem.entry) for problem in found.problems]


def test_an_erasure_of_what_is_held(attacked: Path):
    subject = said(attacked, 3)["predicate"]["subject"]
    hold = statement_of("hold", act="placed", who="court", reason="case 7", subjects=[subject], records=[])
    append(attacked, signed(hold, thief(attacked)), thief(attacked))
    order = statement_of("erasure", act="ordered", subject=subject, records=1, who="op-1", reason="asked")
    finds(attacked, "content", append(attacked, signed(order, thief(attacked)), thief(attacked)))


@pytest.mark.parametrize(
    ("kind", "said_of_it"),
    [
        ("hold", {"act": "placed", "subjects": 7, "records": [[]]}),
        ("hold", {"act": "lifted", "hold": {}}),
        ("retention", {"dropped": 7}),
        ("erasure", {"subject": ["s"]}),
        ("decision", {"manifest": 7}),
        ("decision", {"manifest": "sha256:" + "0" * 64, "blobs": [[]], "sealed": None}),
        ("map", {"manifest": None}),
        ("operator", {"act": []}),
        ("time", {"token": 7}),
        ("witness", {"checkpoint": 7}),
    ],
)
def test_what_is_signed_and_makes_no_sense_is_told_in_words(attacked: Path, kind: str, said_of_it: dict):
    append(attacked, signed(statement_of(kind, **said_of_it), thief(attacked)), thief(attacked))
    for problem in judge(attacked).problems:
        assert (problem.cause in CAUSES, problem.entry) == (True, 11)


def test_an_act_on_a_record_that_is_not_there(attacked: Path):
    payload = statement_of("operator", about=fresh(), act="accepted", who="op-1", reason="", action=None)
    finds(attacked, "missing", append(attacked, signed(payload, thief(attacked)), thief(attacked)))


def test_an_entry_dated_back(attacked: Path):
    payload = statement_of(time="2020-01-01T00:00:00.000000+00:00", text="long ago")
    finds(attacked, "time", append(attacked, signed(payload, thief(attacked)), thief(attacked)))


def test_a_key_twice_in_a_payload(attacked: Path):
    payload = canonical_json(said(attacked, 10)).replace(b'"verdict":', b'"verdict":"unsupported","verdict":', 1)
    append(attacked, signed(payload, thief(attacked)), thief(attacked))
    finds(attacked, "json", 11)


def test_an_envelope_that_is_not_canonical(attacked: Path):
    put_envelope(attacked, 4, json.dumps(json.loads(envelope(attacked, 4)), indent=1).encode())
    finds(attacked, "json", 4)


def test_a_key_twice_in_an_envelope(attacked: Path):
    put_envelope(attacked, 4, envelope(attacked, 4).replace(b'{"payload"', b'{"payload":"e30=","payload"', 1))
    finds(attacked, "json", 4)


def test_a_key_twice_in_a_manifest(attacked: Path):
    manifest = place(attacked, said(attacked, 10)["predicate"]["manifest"]).read_bytes()
    twice = manifest.replace(b'{"arrays"', b'{"trigger":"low margin","arrays"', 1)
    rewrite_last(attacked, replaced_record(attacked, 10, lambda manifest: None, twice))
    finds(attacked, "json", 10)


def test_a_manifest_of_a_newer_format(attacked: Path):
    rewrite_last(attacked, replaced_record(attacked, 10, lambda manifest: manifest.update(format="veridical.record/3")))
    finds(attacked, "format", 10)


def test_a_packed_array_that_is_a_bomb(attacked: Path):
    bomb = zlib.compress(bytes(64 << 20), 9)

    def swell(manifest: dict) -> None:
        entry = manifest["arrays"]["text.saliency"]
        entry.update(blob=put_blob(attacked, bomb), bytes=len(bomb), packed="zlib")

    rewrite_last(attacked, replaced_record(attacked, 10, swell))
    finds(attacked, "size", 10)


@pytest.mark.parametrize("length", [4097, 1 << 20, (1 << 64) - 1])
def test_a_header_of_safetensors_that_is_too_long(attacked: Path, length: int):
    content = length.to_bytes(8, "little") + b"{}" + b" " * 4095

    def swell(manifest: dict) -> None:
        manifest["arrays"]["text.saliency"].update(blob=put_blob(attacked, content), bytes=len(content))

    rewrite_last(attacked, replaced_record(attacked, 10, swell))
    finds(attacked, "format", 10)


class Evil:
    """Whoever unpickles it runs its code."""

    def __reduce__(self) -> tuple:
        return RAN.append, ("here",)


def test_a_pickle_in_the_place_of_an_array_is_never_run(attacked: Path):
    content = pickle.dumps(Evil())
    path = place(attacked, said(attacked, 4)["predicate"]["blobs"][0])
    path.write_bytes(content)
    found = finds(attacked, "digest", ANY)
    assert path.name in found.told
    assert RAN == []


def test_a_pickle_that_is_signed_for_is_never_run(attacked: Path):
    content = pickle.dumps(Evil())

    def poison(manifest: dict) -> None:
        manifest["arrays"]["text.saliency"].update(blob=put_blob(attacked, content), bytes=len(content))

    rewrite_last(attacked, replaced_record(attacked, 10, poison))
    finds(attacked, "format", 10)
    assert RAN == []
