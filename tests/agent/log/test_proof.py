"""Proofs that stand alone: round trips, every step of their check, quorums, and altered texts."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.told import told
from veridical.agent.log.merkle import Frontier, inclusion_path, leaf_hash, tree_root
from veridical.agent.log.note import Checkpoint, NoteKey, cosign, sign_checkpoint
from veridical.agent.log.proof import MAX_EXTRA, MAX_PROOF, LogProof, check_proof, read_proof
from veridical.errors import InputError, IntegrityError

ORIGIN, SEEN = "example.org/log", 1_790_000_000
PRIVATE = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5)]
PUBLIC = [key.public_key().public_bytes_raw() for key in PRIVATE]
LOG = NoteKey(ORIGIN, PUBLIC[0])
WITNESSES = [NoteKey(f"w{number}.example", PUBLIC[number], "witness") for number in (1, 2, 3)]
LEAVES = [leaf_hash(b"%d" % number) for number in range(11)]
NODES: dict[tuple[int, int], bytes] = {}
_grown = Frontier()
for _leaf in LEAVES:
    NODES.update({(level, position): value for level, position, value in _grown.append(_leaf)})


def checkpoint(size: int = 11, witnesses: int = 0) -> str:
    head = Checkpoint(ORIGIN, size, tree_root(LEAVES[:size]))
    text = sign_checkpoint(head, ORIGIN, PRIVATE[0].sign, PUBLIC[0])
    for number in range(1, witnesses + 1):
        text = cosign(text, f"w{number}.example", PRIVATE[number].sign, PUBLIC[number], SEEN)
    return text


def proof(number: int = 5, size: int = 11, witnesses: int = 0, extra: bytes = b"") -> LogProof:
    path = inclusion_path(number, size, lambda level, position: NODES[level, position])
    return LogProof(number, tuple(path), checkpoint(size, witnesses), extra)


def test_the_text_is_that_of_the_specification():
    found = proof(extra=b"why")
    lines = found.text().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra d2h5", "index 5"]
    assert lines[3:7] == [base64.b64encode(value).decode() for value in found.path]
    assert lines[7] == ""
    assert "\n".join(lines[8:]) == checkpoint()


@given(st.data())
def test_every_proof_is_read_back_and_checks(data):
    size = data.draw(st.integers(1, len(LEAVES)))
    number = data.draw(st.integers(0, size - 1))
    found = proof(number, size, data.draw(st.integers(0, 3)), data.draw(st.binary(max_size=9)))
    assert read_proof(found.text()) == found
    assert check_proof(found, LEAVES[number], LOG).size == size
    other = data.draw(st.sampled_from([leaf for leaf in LEAVES if leaf != LEAVES[number]]))
    assert told(check_proof, found, other, LOG) == "tree"


def test_each_step_of_the_check_has_its_cause():
    found, leaf = proof(), LEAVES[5]
    assert told(check_proof, found, leaf, LOG) is None
    assert told(check_proof, found, leaf, NoteKey(ORIGIN, PUBLIC[1])) == "key"
    assert told(check_proof, replace(found, number=4), leaf, LOG) == "tree"
    assert told(check_proof, replace(found, number=11), leaf, LOG) == "tree"
    assert told(check_proof, replace(found, path=found.path[1:]), leaf, LOG) == "tree"
    assert told(check_proof, replace(found, checkpoint=checkpoint(10)), leaf, LOG) == "tree"
    assert (
        told(check_proof, replace(found, checkpoint=checkpoint().replace("\n11\n", "\n12\n")), leaf, LOG) == "signature"
    )
    assert told(check_proof, replace(found, checkpoint=""), leaf, LOG) == "checkpoint"
    assert told(check_proof, found, leaf[:31], LOG) == "tree"


def test_a_log_that_is_named_otherwise_is_told():
    text = sign_checkpoint(Checkpoint("b", 11, tree_root(LEAVES)), ORIGIN, PRIVATE[0].sign, PUBLIC[0])
    found = replace(proof(), checkpoint=text)
    assert told(check_proof, found, LEAVES[5], LOG) == "checkpoint"
    assert check_proof(found, LEAVES[5], LOG, origin="b").origin == "b"


@pytest.mark.parametrize("quorum", [0, 1, 2, 3])
@pytest.mark.parametrize("signed", [0, 1, 2, 3])
def test_a_quorum_is_met_or_not(signed, quorum):
    cause = told(check_proof, proof(witnesses=signed), LEAVES[5], LOG, WITNESSES, quorum)
    assert cause == (None if signed >= quorum else "key")


def test_who_is_missing_is_said():
    with pytest.raises(IntegrityError, match=r"2 witnesses must have signed the checkpoint, and w1\.example did"):
        check_proof(proof(witnesses=1), LEAVES[5], LOG, WITNESSES, 2)
    with pytest.raises(IntegrityError, match="1 witnesses must have signed the checkpoint, and none did"):
        check_proof(proof(), LEAVES[5], LOG, WITNESSES, 1)


def test_one_witness_under_two_names_is_one():
    text = cosign(checkpoint(11, 1), "alias.example", PRIVATE[1].sign, PUBLIC[1], SEEN)
    known = [WITNESSES[0], NoteKey("alias.example", PUBLIC[1], "witness"), WITNESSES[1]]
    found = replace(proof(), checkpoint=text)
    assert told(check_proof, found, LEAVES[5], LOG, known, 1) is None
    assert told(check_proof, found, LEAVES[5], LOG, known, 2) == "key"


def test_one_witness_twice_is_no_quorum():
    line = checkpoint(11, 1).removeprefix(checkpoint())
    found = replace(proof(), checkpoint=checkpoint() + line + line)
    assert told(check_proof, found, LEAVES[5], LOG, WITNESSES, 2) == "checkpoint"


def test_a_known_witness_that_does_not_hold_is_told_even_beyond_the_quorum():
    stale = checkpoint(10, 1).removeprefix(checkpoint(10))
    found = replace(proof(), checkpoint=checkpoint() + stale)
    assert told(check_proof, found, LEAVES[5], LOG) is None
    assert told(check_proof, found, LEAVES[5], LOG, WITNESSES) == "signature"


def test_every_changed_character_is_told():
    """Changed in any way, a proof says the same, or is refused: nothing but unchecked extra data is passed over."""
    found = proof(extra=b"why")
    text, causes = found.text(), set()
    for place in range(len(text)):
        for other in {chr(ord(text[place]) ^ 1), chr(ord(text[place]) ^ 4), chr(ord(text[place]) ^ 32), "A", "\n"}:
            altered = text[:place] + other + text[place + 1 :]
            if altered == text:
                continue
            cause = told(lambda changed: check_proof(read_proof(changed), LEAVES[5], LOG), altered)
            causes.add(cause)
            if cause is None:
                assert replace(read_proof(altered), extra=b"") == replace(found, extra=b"")
    assert causes == {None, "format", "tree", "checkpoint", "key", "signature"}


@given(st.text(), st.integers(0, 500), st.integers(0, 500))
def test_any_text_is_read_back_or_refused(text, start, end):
    whole = proof().text()
    for altered in (text, whole[:start] + text + whole[end:], whole + text):
        if told(read_proof, altered) is None:
            assert read_proof(altered).text() == altered


HEADER = "c2sp.org/tlog-proof@v1\n"
HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "format"),
        ("c2sp.org/tlog-proof@v2\nindex 0\n\n" + checkpoint(1), "format"),
        (f"\ufeff{HEADER}index 0\n\n{checkpoint(1)}", "format"),
        (HEADER, "tree"),
        (f"{HEADER}\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\n", "tree"),
        (f"{HEADER}index 00\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index -1\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0 \n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\r\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 18446744073709551615\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}extra \nindex 0\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}extra !!\nindex 0\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\nextra QQ==\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}extra QQ==\nextra QQ==\nindex 0\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\nindex 0\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\n{HASH[:-4]}\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\n{base64.b64encode(bytes(64)).decode()}\n\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\n" + f"{HASH}\n" * 65 + f"\n{checkpoint(1)}", "tree"),
        (f"{HEADER}index 0\n\n", "checkpoint"),
        (f"{HEADER}index 0\n\n\n{checkpoint(1)}", "checkpoint"),
        (f"{HEADER}index 0\n\n{checkpoint(1)[:-1]}", "checkpoint"),
        ("x" * (MAX_PROOF + 1), "size"),
        ("é" * (MAX_PROOF // 2 + 1), "size"),
        ("\udc80", "format"),
    ],
)
def test_malformed_texts_have_their_cause(text, cause):
    assert told(read_proof, text) == cause


def test_the_largest_proof_is_read():
    found = replace(proof(), path=(bytes(32),) * 64, extra=bytes(MAX_EXTRA))
    assert read_proof(found.text()) == found


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LogProof(-1, (), ""), "entry -1 cannot be"),
        (lambda: LogProof(0, (bytes(31),), ""), "up to 64 hashes of 32 bytes each"),
        (lambda: LogProof(0, (bytes(32),) * 65, ""), "up to 64 hashes of 32 bytes each"),
        (lambda: LogProof(0, (), "", bytes(MAX_EXTRA + 1)), "are too many beside a proof"),
        (lambda: check_proof(proof(), LEAVES[5], LOG, WITNESSES, 4), "4 of 3 witnesses cannot be asked for"),
        (lambda: check_proof(proof(), LEAVES[5], LOG, WITNESSES, -1), "-1 of 3 witnesses cannot be asked for"),
        (
            lambda: check_proof(proof(), LEAVES[5], LOG, [NoteKey("w", PUBLIC[0], "witness")]),
            "nobody witnesses himself",
        ),
    ],
)
def test_mistakes_of_callers_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
