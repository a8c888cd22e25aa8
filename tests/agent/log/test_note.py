"""Checkpoints: published notes and a public log's own checkpoint, round trips, and everything that may be altered."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.told import told
from veridical.agent.log import note
from veridical.agent.log.merkle import EMPTY
from veridical.agent.log.note import (
    MAX_NOTE,
    Checkpoint,
    NoteKey,
    check_checkpoint,
    check_cosignature,
    cosign,
    read_checkpoint,
    sign_checkpoint,
)
from veridical.errors import ContractError, InputError, IntegrityError

VECTORS = json.loads((Path(__file__).parent / "vectors_note.json").read_text("utf-8"))
REAL = VECTORS["checkpoint"]
ORIGIN, WITNESS = "example.org/log", "witness.example.org"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
LOG = NoteKey(ORIGIN, LOG_KEY.public_key().public_bytes_raw())
WITNESSED = NoteKey(WITNESS, WITNESS_KEY.public_key().public_bytes_raw(), "witness")
HEAD = Checkpoint(ORIGIN, 7, bytes(range(32)))
SEEN = 1_790_000_000


def signed(checkpoint: Checkpoint = HEAD) -> str:
    return sign_checkpoint(checkpoint, ORIGIN, LOG_KEY.sign, LOG.public)


def cosigned(text: str | None = None, when: int = SEEN) -> str:
    return cosign(signed() if text is None else text, WITNESS, WITNESS_KEY.sign, WITNESSED.public, when)


def line(name: str, key_id: bytes, content: bytes) -> str:
    return f"— {name} {base64.b64encode(key_id + content).decode()}\n"


@pytest.mark.parametrize("case", VECTORS["signed_note"], ids=lambda case: case["vkey"].split("+")[0])
def test_published_signatures_hold_and_altered_ones_do_not(case):
    key, message = NoteKey.read(case["vkey"]), case["text"].encode()
    name, content = note._read_signature(case["line"])
    assert (name, content[:4]) == (key.name, key.key_id)
    note._check_signature(message, content[4:], key)
    assert told(note._check_signature, message + b"\n", content[4:], key) == "signature"
    if "seed" in case:  # Ed25519 is deterministic: the published signature is made again
        private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(case["seed"]))
        assert line(key.name, key.key_id, private.sign(message)) == f"{case['line']}\n"


def test_the_checkpoint_of_a_public_log_holds_and_so_do_its_witnesses():
    """A log and four witnesses that others run: their texts are read as ours are."""
    found = check_checkpoint(REAL["text"], NoteKey.read(REAL["log"]))
    assert (found.origin, found.size) == ("arche2025h1.staging.ct.transparency.dev", 1432088532)
    assert read_checkpoint(REAL["text"]).text() == REAL["text"]
    for vkey in REAL["witnesses"]:
        assert check_cosignature(REAL["text"], NoteKey.read(vkey)) == REAL["seen"]
    altered = REAL["text"].replace("1432088532", "1432088533")
    assert told(check_checkpoint, altered, NoteKey.read(REAL["log"])) == "signature"
    for vkey in REAL["witnesses"]:
        assert told(check_cosignature, altered, NoteKey.read(vkey)) == "signature"


def test_the_text_is_that_of_the_specification():
    root = base64.b64encode(bytes(range(32))).decode()
    signature = LOG_KEY.sign(f"{ORIGIN}\n7\n{root}\n".encode())
    assert signed() == f"{ORIGIN}\n7\n{root}\n\n{line(ORIGIN, LOG.key_id, signature)}"
    message = f"cosignature/v1\ntime {SEEN}\n{ORIGIN}\n7\n{root}\n".encode()
    stamped = SEEN.to_bytes(8, "big") + WITNESS_KEY.sign(message)
    assert cosigned() == signed() + line(WITNESS, WITNESSED.key_id, stamped)


lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(lines, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_every_checkpoint_is_read_back(origin, size, root, extensions):
    head = Checkpoint(origin, size, root, tuple(extensions))
    text = cosigned(signed(head))
    assert read_checkpoint(text).checkpoint == head
    assert read_checkpoint(text).text() == text
    assert check_checkpoint(text, LOG, origin) == head
    assert check_cosignature(text, WITNESSED) == SEEN


@given(st.integers(0, 2**63 - 1))
def test_every_time_is_read_back(when):
    assert check_cosignature(cosigned(when=when), WITNESSED) == when


def test_the_empty_tree_has_one_root():
    head = Checkpoint(ORIGIN, 0, EMPTY)
    assert check_checkpoint(signed(head), LOG) == head
    text = signed(head).replace(base64.b64encode(EMPTY).decode(), base64.b64encode(bytes(32)).decode())
    assert told(read_checkpoint, text) == "checkpoint"


def test_every_changed_byte_is_told():
    """Each byte of a checkpoint, changed in its bits: the log's part of it, and for the witness all but the log's."""
    text = cosigned().encode()
    start = len(signed().encode())
    causes = set()
    for place in range(len(text)):
        for bit in range(8):
            changed = bytearray(text)
            changed[place] ^= 1 << bit
            try:
                altered = changed.decode()
            except UnicodeDecodeError:
                continue
            found = told(check_checkpoint, altered, LOG), told(check_cosignature, altered, WITNESSED)
            assert found[0 if place < start else 1] is not None, (place, bit)
            causes.update(found)
    assert causes == {None, "checkpoint", "key", "signature"}


@given(st.text(), st.integers(0, 300), st.integers(0, 300))
def test_any_text_is_read_back_or_refused(text, start, end):
    whole = cosigned()
    for altered in (text, whole[:start] + text + whole[end:], whole + text):
        for read in (read_checkpoint, lambda x: check_checkpoint(x, LOG), lambda x: check_cosignature(x, WITNESSED)):
            assert told(read, altered) in {None, "checkpoint", "key", "signature"}
        if told(read_checkpoint, altered) is None:
            assert read_checkpoint(altered).text() == altered


BODY, SIGNATURE = signed().split("\n\n")
ROOT = BODY.split("\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        BODY,
        f"{BODY}\n",
        f"{BODY}\n\n",
        signed()[:-1],
        f"\n{signed()}",
        signed() + "\n",
        signed() + "more\n",
        signed().replace("\n", "\r\n"),
        signed().replace("—", "-"),
        signed().replace("— ", "—"),
        signed().replace("7", "07"),
        signed().replace("\n7\n", "\n-7\n"),
        signed().replace("\n7\n", "\n7 \n"),
        signed().replace("\n7\n", f"\n{2**63}\n"),
        signed().replace("\n7\n", "\n\n"),
        signed().replace("\n7\n", "\n7\n\n"),
        signed().replace(ROOT, ROOT[:-1]),
        signed().replace(ROOT, ROOT[:-2] + "9="),
        signed().replace(ROOT, base64.b64encode(bytes(33)).decode()),
        signed().replace(ORIGIN, ""),
        signed().replace("example", "exam\x00ple"),
        signed().replace("example", "exam\udc80ple"),
        signed().replace(f"— {ORIGIN}", "— a+b"),
        signed().replace(f"— {ORIGIN}", "— a b"),
        signed().replace(f"— {ORIGIN}", "— "),
        f"{BODY}\n\n— {ORIGIN} \n",
        f"{BODY}\n\n— {ORIGIN} AAAAAA==\n",
        f"{BODY}\n\n{SIGNATURE[:-1]} \n",
        f"a\n7\n\n{SIGNATURE}",
    ],
)
def test_malformed_texts_are_refused(text):
    assert told(read_checkpoint, text) == "checkpoint"


def test_texts_beyond_bounds_are_refused():
    long = Checkpoint(ORIGIN, 7, bytes(32), ("x" * MAX_NOTE,))
    assert told(read_checkpoint, signed(long)) == "size"
    assert told(read_checkpoint, signed(Checkpoint(ORIGIN, 7, bytes(32), ("é" * (MAX_NOTE // 2),)))) == "size"
    most = signed() + "".join(line(f"w{i}", b"iiii", bytes(64)) for i in range(63))
    assert told(check_checkpoint, most, LOG) is None
    assert told(read_checkpoint, most + line("w64", b"iiii", bytes(64))) == "size"
    with pytest.raises(IntegrityError, match="has 65 signatures, more than 64"):
        cosigned(most)


def test_signatures_of_unknown_keys_are_passed_over():
    """As signed-note asks: also those that share the name or the key id with the known one."""
    same_id, same_name = line("other.example", LOG.key_id, bytes(64)), line(ORIGIN, b"iiii", bytes(64))
    assert check_checkpoint(f"{BODY}\n\n{same_id}{same_name}{SIGNATURE}", LOG) == HEAD
    for others in (same_id, same_name, cosigned().removeprefix(signed())):
        with pytest.raises(IntegrityError, match=r"is not signed by key example\.org/log with the id") as caught:
            check_checkpoint(f"{BODY}\n\n{others}", LOG)
        assert caught.value.cause == "key"
    assert told(check_cosignature, signed(), WITNESSED) == "key"


def test_one_key_signs_once():
    with pytest.raises(IntegrityError, match=r"key example\.org/log stands under it 2 times") as caught:
        check_checkpoint(signed() + SIGNATURE, LOG)
    assert caught.value.cause == "checkpoint"
    again = cosigned() + cosigned(when=SEEN + 1).removeprefix(signed())
    assert told(check_cosignature, again, WITNESSED) == "checkpoint"
    assert told(check_checkpoint, again, LOG) is None


def test_cosigning_again_replaces_the_older_time():
    text = cosigned(cosigned(), SEEN + 5)
    assert text == cosigned(when=SEEN + 5)
    assert check_cosignature(text, WITNESSED) == SEEN + 5


def test_signatures_are_bound_to_what_they_sign():
    """A log's signature is no cosignature, even of the same name and key, and the time is signed."""
    both = NoteKey(ORIGIN, LOG.public, "witness")
    assert told(check_cosignature, signed(), both) == "key"
    forged = f"{BODY}\n\n{line(ORIGIN, both.key_id, SEEN.to_bytes(8, 'big') + LOG_KEY.sign(HEAD.body()))}"
    assert told(check_cosignature, forged, both) == "signature"
    name, content = read_checkpoint(cosigned()).signatures[1]
    later = f"{signed()}{line(name, content[:4], (SEEN + 1).to_bytes(8, 'big') + content[12:])}"
    assert told(check_cosignature, later, WITNESSED) == "signature"
    short = f"{signed()}{line(name, content[:4], content[4:9])}"
    assert told(check_cosignature, short, WITNESSED) == "signature"


def test_a_time_beyond_what_the_specification_allows_is_refused():
    when = 2**63
    message = b"cosignature/v1\ntime %d\n" % when + HEAD.body()
    text = signed() + line(WITNESS, WITNESSED.key_id, when.to_bytes(8, "big") + WITNESS_KEY.sign(message))
    with pytest.raises(IntegrityError, match="gives the time 9223372036854775808 s, beyond"):
        check_cosignature(text, WITNESSED)


def test_another_log_under_the_same_key_is_told():
    text = signed(Checkpoint("other.example/log", 7, bytes(32)))
    with pytest.raises(IntegrityError, match=r"is of log 'other\.example/log', not of 'example\.org/log'") as caught:
        check_checkpoint(text, LOG)
    assert caught.value.cause == "checkpoint"
    assert check_checkpoint(text, LOG, "other.example/log").origin == "other.example/log"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Checkpoint("", 1, bytes(32)), InputError, "'' cannot be a line of a checkpoint"),
        (lambda: Checkpoint("a", 1, bytes(32), ("b\n",)), InputError, "cannot be a line of a checkpoint"),
        (lambda: Checkpoint("a", -1, bytes(32)), InputError, "a checkpoint of -1 entries cannot be"),
        (lambda: Checkpoint("a", 2**63, bytes(32)), InputError, "entries cannot be; sizes go from 0 to"),
        (lambda: Checkpoint("a", 1, bytes(31)), InputError, "has 31 bytes, not 32"),
        (lambda: Checkpoint("a", 0, bytes(32)), InputError, "not that of the empty tree"),
        (lambda: sign_checkpoint(HEAD, "a b", LOG_KEY.sign, LOG.public), InputError, "cannot name a key"),
        (lambda: sign_checkpoint(HEAD, "a", lambda _: b"short", LOG.public), ContractError, "the signer gave 5 bytes"),
        (lambda: cosigned(when=-1), InputError, "a cosignature at -1 s cannot be"),
        (lambda: cosigned(when=2**63), InputError, "a cosignature at 9223372036854775808 s cannot be"),
        (lambda: check_checkpoint(signed(), WITNESSED), InputError, "is a witness's, where a log's is wanted"),
        (lambda: check_cosignature(cosigned(), LOG), InputError, "is a log's, where a witness's is wanted"),
    ],
)
def test_mistakes_of_callers_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
