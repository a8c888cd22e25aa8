from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as peer
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey  # pyright: ignore[reportPrivateImportUsage]

from veridical.agent.log.dsse import (
    MAX_BYTES,
    PAYLOAD_TYPE,
    Envelope,
    Signer,
    check_public,
    check_signature,
    from_base64,
    key_id_of,
    pae,
    read_envelope,
    seal,
    to_base64,
)
from veridical.agent.log.keys import SigningKey
from veridical.agent.record.canonical import canonical_json
from veridical.errors import IntegrityError, RecordError

KEYS = [SigningKey.of(bytes([i]) * 32) for i in range(9)]
ONE = KEYS[0]

# RFC 8032, section 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
        "55141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
        "00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
        "027beceea1ec40a",
    ),
]


def _altered(content: bytes, **members) -> bytes:
    """An envelope with members put in or changed, canonical again."""
    return canonical_json(json.loads(content) | members)


def _refused(content: bytes, cause: str, words: str) -> None:
    with pytest.raises(IntegrityError, match=words) as error:
        read_envelope(content, "entry 7", 7)
    assert (error.value.cause, error.value.entry) == (cause, 7)
    assert str(error.value).startswith("entry 7")
    assert "\n" not in str(error.value)


def test_pae_is_that_of_the_protocols_text():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes_not_characters():
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(st.text(max_size=9), st.binary(max_size=9), st.text(max_size=9), st.binary(max_size=9))
def test_pae_tells_any_two_apart(kind, payload, other_kind, other):
    assert (pae(kind, payload) == pae(other_kind, other)) == ((kind, payload) == (other_kind, other))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_our_signer_signs_as_rfc_8032_does(seed, public, message, signature):
    signer = SigningKey.of(bytes.fromhex(seed))
    assert isinstance(signer, Signer)
    assert signer.public.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature


@given(st.binary(max_size=300), st.integers(1, 8))
def test_what_is_sealed_is_read_and_holds(payload, count):
    content = seal(payload, KEYS[:count])
    envelope = read_envelope(content, "it")
    assert (envelope.payload, envelope.payload_type) == (payload, PAYLOAD_TYPE)
    assert [name for name, _ in envelope.signatures] == [key.key_id for key in KEYS[:count]]
    for key in KEYS[:count]:
        check_signature(envelope, key.key_id, key.public, "it")


def test_one_payload_and_one_key_have_one_envelope():
    content = seal(b"{}", [ONE])
    assert content == seal(b"{}", [ONE])
    assert content.startswith(b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":')


@given(st.data())
def test_no_single_byte_can_be_changed(data):
    content = bytearray(seal(b'{"a":1}', [ONE]))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        check_signature(read_envelope(bytes(content), "it"), ONE.key_id, ONE.public, "it")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(content):
    with pytest.raises(IntegrityError):
        read_envelope(content, "it")


def test_the_peer_reads_and_verifies_ours():
    content = seal(b"payload", KEYS[:2])
    theirs = peer.Envelope.from_dict(json.loads(content))
    known: list[Key] = [SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.public.hex()}) for key in KEYS[:3]]
    assert theirs.payload == b"payload"
    assert theirs.pae() == pae(PAYLOAD_TYPE, b"payload")
    assert set(theirs.verify(known, 2)) == {key.key_id for key in KEYS[:2]}
    with pytest.raises(VerificationError):
        theirs.verify(known, 3)


def test_we_read_and_verify_the_peers():
    signer = CryptoSigner.generate_ed25519()
    public = bytes.fromhex(signer.public_key.keyval["public"])
    theirs = peer.Envelope(b"payload", PAYLOAD_TYPE, {})
    theirs.sign(signer)
    ours = read_envelope(canonical_json(theirs.to_dict()), "theirs")
    assert ours.payload == b"payload"
    check_signature(ours, signer.public_key.keyid, public, "theirs")
    with pytest.raises(IntegrityError, match="does not hold"):
        check_signature(ours, signer.public_key.keyid, ONE.public, "theirs")


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [
        ({"more": 1}, "format", "does not know: more; a newer veridical"),
        ({"payloadType": ""}, "json", "payloadType is ''"),
        ({"payloadType": 3}, "json", "payloadType is 3"),
        ({"payload": 3}, "json", "payload is 3, which is not standard base64"),
        ({"payload": "e30"}, "json", "payload is 'e30', which is not standard base64"),
        ({"payload": "e31="}, "json", "not standard base64"),
        ({"payload": "-_8="}, "json", "not standard base64"),
        ({"payload": "e3 0="}, "json", "not standard base64"),
        ({"payload": "e30=\n"}, "json", "not standard base64"),
        ({"payload": "é30="}, "json", "not standard base64"),
        ({"signatures": []}, "json", "has 0 signatures, and 1 to 8"),
        ({"signatures": {}}, "json", "has no list of signatures"),
        ({"signatures": [{"keyid": "a", "sig": ""}] * 9}, "json", "has 9 signatures"),
        ({"signatures": [{"keyid": "a", "sig": ""}] * 2}, "json", "two signatures by key 'a'"),
        ({"signatures": [{"sig": ""}]}, "json", "signature 0 is not a JSON object with keyid, sig"),
        ({"signatures": ["a"]}, "json", "signature 0 is not a JSON object"),
        ({"signatures": [{"keyid": "", "sig": ""}]}, "json", "keyid is ''"),
        ({"signatures": [{"keyid": "a" * 129, "sig": ""}]}, "json", "not the id of a key"),
        ({"signatures": [{"keyid": "a", "sig": "", "alg": "none"}]}, "format", "does not know: alg"),
    ],
)
def test_an_envelope_of_another_form_is_refused(change, cause, words):
    _refused(_altered(seal(b"{}", [ONE]), **change), cause, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not the JSON of a record"),
        (b"\xff", "not the JSON of a record"),
        (b"[]", "not a JSON object"),
        (b"{}", "not a JSON object with payload"),
        (b'{"payload":"","payload":""}', "'payload' stands twice"),
        (b"[" * 5000, "not the JSON"),
    ],
)
def test_malformed_json_is_refused(content, words):
    _refused(content, "json", words)


def test_json_that_is_not_canonical_is_refused():
    content = seal(b"{}", [ONE])
    _refused(content + b"\n", "json", "not canonical")
    _refused(content.replace(b'"e30="', b'"\\u00653' + b'0="'), "json", "not canonical")


def test_an_envelope_too_large_is_refused_both_ways():
    _refused(b" " * (MAX_BYTES + 1), "size", "8388609 bytes, and an envelope has 8388608 at most")
    for size in (MAX_BYTES + 1, MAX_BYTES * 3 // 4):  # the second is too large only in base64
        with pytest.raises(RecordError, match="keep large things in blobs"):
            seal(b" " * size, [ONE])


@pytest.mark.parametrize("signers", [[], [ONE, ONE], KEYS])
def test_signers_are_one_to_eight_and_each_once(signers):
    with pytest.raises(RecordError, match="1 to 8 signers, each once"):
        seal(b"{}", signers)


def test_a_signature_is_for_one_type_of_payload():
    envelope = read_envelope(seal(b"{}", [ONE]), "it")
    other = Envelope(envelope.payload, "text/plain", envelope.signatures)
    with pytest.raises(IntegrityError, match="its type or the signature was altered") as error:
        check_signature(other, ONE.key_id, ONE.public, "entry 3", 3)
    assert (error.value.cause, error.value.entry) == ("signature", 3)


def test_a_signature_of_another_length_does_not_hold():
    for sig in (b"", b"\0" * 63, b"\0" * 65):
        with pytest.raises(IntegrityError, match="does not hold"):
            check_signature(Envelope(b"", "t", ((ONE.key_id, sig),)), ONE.key_id, ONE.public, "it")


def test_a_second_form_of_one_signature_does_not_hold():
    # RFC 8032, section 5.1.7: S must be less than the group's order, or S + L would pass too.
    order = 2**252 + 27742317777372353535851937790883648493
    sig = ONE.sign(pae("t", b""))
    other = sig[:32] + (int.from_bytes(sig[32:], "little") + order).to_bytes(32, "little")
    with pytest.raises(IntegrityError, match="does not hold"):
        check_signature(Envelope(b"", "t", ((ONE.key_id, other),)), ONE.key_id, ONE.public, "it")


def test_a_key_that_did_not_sign_is_named():
    envelope = read_envelope(seal(b"{}", [ONE]), "it")
    with pytest.raises(IntegrityError, match=f"not signed by key {KEYS[1].key_id}") as error:
        check_signature(envelope, KEYS[1].key_id, KEYS[1].public, "it")
    assert error.value.cause == "signature"


def _weak() -> list[int]:
    """Affine y of the points whose order divides 8, from the curve -x² + y² = 1 + d x² y²."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    root = _root(1 + d, p)  # a point of order 8 doubles to y = 0: y² = -x², hence d y⁴ + 2 y² - 1 = 0
    squares = [(-1 + sign * root) * pow(d, -1, p) % p for sign in (1, -1)]
    roots = [y for square in squares if pow(square, (p - 1) // 2, p) == 1 for y in [_root(square, p)]]
    return [0, 1, p - 1, *roots, *(p - y for y in roots)]


def _root(a: int, p: int) -> int:
    x = pow(a, (p + 3) // 8, p)
    x = x if x * x % p == a % p else x * pow(2, (p - 1) // 4, p) % p
    assert x * x % p == a % p
    return x


def test_keys_of_small_order_are_refused():
    ordinates = _weak()
    assert len(set(ordinates)) == 5
    for y in [*ordinates, 2**255 - 19, 2**255 - 18, 2**255 - 1]:  # the last three are encoded longer than they need be
        for sign in (0, 1 << 255):
            with pytest.raises(IntegrityError, match="weak Ed25519 key") as error:
                check_public((y + sign).to_bytes(32, "little"), "key k")
            assert error.value.cause == "key"


def test_a_key_of_another_length_is_refused():
    with pytest.raises(IntegrityError, match="has 31 bytes, and an Ed25519 public key has 32"):
        check_public(b"\0" * 31, "key k")


@given(st.binary(min_size=32, max_size=32))
def test_a_drawn_key_is_sound(seed):
    check_public(SigningKey.of(seed).public, "it")


def test_key_id_is_the_digest_of_the_raw_key():
    # SHA-256 of 32 zero bytes is 66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925.
    assert key_id_of(bytes(32)) == "ed25519:66687aadf862bd776c8fc18b8e9f8e20"


@given(st.binary(max_size=40))
def test_base64_goes_both_ways(content):
    assert from_base64(to_base64(content), "it") == content
    assert base64.b64decode(to_base64(content)) == content
