from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.log.dsse import Envelope, key_id_of, pae, read_envelope, seal
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.statement import new_statement, read_statement
from veridical.agent.log.trust import LOG_FORMAT, Trust, key_member
from veridical.errors import IntegrityError

ABOUT = [("log", "sha256:" + "ab" * 32)]
NOTE = new_statement("note", {}, ABOUT)
A, B, C, D = (SigningKey.of(bytes([i]) * 32) for i in range(4))


class Story:
    """A log's entries, told one by one to a trust."""

    def __init__(self, opened: dict[str, Any] | None = None) -> None:
        self.trust = Trust.start(A.public)
        self.entries: list[Envelope] = []
        said = {"origin": "test.local/1", "key": key_member(A.public), "format": LOG_FORMAT}
        self.add("opened", said | (opened or {}), A)

    def add(self, kind: str, said: dict[str, Any], *signers: SigningKey) -> None:
        self.tell(self.trust, read_envelope(seal(new_statement(kind, said, ABOUT).payload(), signers), "it"))

    def tell(self, trust: Trust, envelope: Envelope) -> None:
        number = len(self.entries)
        trust.check(envelope, number, f"entry {number}")
        trust.learn(read_statement(envelope.payload, f"entry {number}"), envelope, number)
        self.entries.append(envelope)

    def note(self, *signers: SigningKey) -> None:
        self.add("note", {"text": "it"}, *signers)

    def keys(self, act: str, key: SigningKey, *signers: SigningKey, **said: Any) -> None:
        self.add("keys", {"act": act, "key": key_member(key.public), "reason": "test"} | said, *signers)

    def rotate(self, old: SigningKey, new: SigningKey) -> None:
        self.keys("rotated", new, old, new, replaced=old.key_id, from_entry=None)


def _refused(cause: str, words: str, call, *args, **more) -> None:
    with pytest.raises(IntegrityError, match=words) as error:
        call(*args, **more)
    assert error.value.cause == cause
    assert error.value.entry is not None
    assert "\n" not in str(error.value)


def test_the_key_that_opened_the_log_signs():
    story = Story()
    story.note(A)
    story.note(A)
    assert story.trust.signing_at(0) == story.trust.signing_at(3) == A.public
    assert story.trust.late() == []


def test_an_unknown_key_signs_nothing():
    story = Story()
    for signers in ([B], [A, B], [B, A]):
        _refused("key", f"entry 1 is signed by key {B.key_id}, which this log has not brought in", story.note, *signers)


def test_every_signature_must_hold():
    story = Story()
    story.keys("added", B, A, B)
    payload = new_statement("note", {}, ABOUT).payload()
    envelope = read_envelope(seal(payload, [A, B]), "it")
    wrong = Envelope(payload, envelope.payload_type, (envelope.signatures[0], (B.key_id, bytes(64))))
    _refused("signature", f"key {B.key_id} does not hold", story.trust.check, wrong, 2, "entry 2")


def test_a_forged_key_id_does_not_hold():
    payload = new_statement("note", {}, ABOUT).payload()
    forged = Envelope(payload, "application/vnd.in-toto+json", ((A.key_id, B.sign(pae("x", payload))),))
    _refused("signature", "does not hold", Story().trust.check, forged, 1, "entry 1")


@pytest.mark.parametrize(
    "key_id", ["rsa:" + "0" * 32, "ED25519:" + "0" * 32, "none", A.key_id.removeprefix("ed25519:")]
)
def test_another_algorithm_is_refused(key_id):
    envelope = Envelope(b"", "application/vnd.in-toto+json", ((A.key_id, bytes(64)), (key_id, b"")))
    _refused("algorithm", "Ed25519 alone is read", Story().trust.check, envelope, 1, "entry 1")


def test_another_type_of_payload_is_refused():
    envelope = Envelope(b"", "text/plain", ((A.key_id, A.sign(pae("text/plain", b""))),))
    _refused("format", "payload of type 'text/plain'", Story().trust.check, envelope, 1, "entry 1")


def test_a_rotation_brings_the_new_key_and_its_checkpoints():
    story = Story()
    story.note(A)
    story.rotate(A, B)
    story.note(B)
    assert [story.trust.signing_at(size) for size in range(5)] == [A.public] * 3 + [B.public] * 2
    shown = story.trust.keys()
    assert [key["key_id"] for key in shown] == [A.key_id, B.key_id]
    assert shown[1] == key_member(B.public) | {
        "act": "rotated",
        "since": 2,
        "by": [A.key_id],
        "revoked": None,
        "revoked_at": None,
        "checkpoints": True,
    }
    assert not shown[0]["checkpoints"]


def test_a_key_signs_nothing_before_it_came():
    story = Story()
    story.note(A)
    story.rotate(A, B)
    early = read_envelope(seal(new_statement("note", {}, ABOUT).payload(), [B]), "it")
    _refused("key", "which this log has not brought in", story.trust.check, early, 1, "entry 1")
    story.trust.check(early, 3, "entry 3")


def test_a_rotation_is_signed_by_both():
    for signers in ([A], [B], [C, B]):
        _refused("key", "entry 1 ", Story().keys, "rotated", B, *signers, replaced=A.key_id)
    for replaced in (C.key_id, B.key_id, None, 3):
        _refused("key", "without its signature", Story().keys, "rotated", B, A, B, replaced=replaced)


def test_a_second_writer_comes_in_and_does_not_sign_checkpoints():
    story = Story()
    story.keys("added", B, A, B)
    story.note(B)
    assert story.trust.signing_at(3) == A.public
    story.rotate(B, C)
    story.note(C)
    assert story.trust.signing_at(5) == A.public
    story.rotate(A, D)
    assert story.trust.signing_at(6) == D.public


def test_an_added_key_is_signed_by_both():
    _refused("key", "entry 1 ", Story().keys, "added", B, B)
    _refused("key", "the new key and one that stands must both sign it", Story().keys, "added", B, A)


def test_a_key_comes_in_once():
    story = Story()
    story.keys("added", B, A, B)
    _refused("key", "brings in key .* a second time", story.keys, "added", B, A, B)
    _refused("key", "a second time", story.rotate, B, A)


def test_a_revoked_key_signs_nothing_more():
    story = Story()
    story.rotate(A, B)
    story.note(A)
    story.keys("revoked", A, B, replaced=None, from_entry=None)
    _refused("revoked", f"entry 4 is signed by key {A.key_id}, which entry 3 revoked from entry 3 on", story.note, A)
    _refused("revoked", "entry 4", story.note, A, B)
    _refused("revoked", "entry 4", story.rotate, A, C)
    story.note(B)
    assert story.trust.late() == []
    shown = story.trust.keys()
    assert [key["revoked"] for key in shown] == [3, None]


def test_the_revoked_key_may_sign_its_revocation_beside_another_but_not_alone():
    story = Story()
    _refused("key", "alone signs that it is revoked; rotate to a new key first", story.keys, "revoked", A, A)
    story.rotate(A, B)
    _refused("key", "alone signs", story.keys, "revoked", A, A)
    story.keys("revoked", A, A, B)
    assert story.trust.late() == []


def test_when_the_key_of_checkpoints_is_revoked_the_one_that_revoked_it_takes_over():
    story = Story()
    story.keys("added", B, A, B)
    story.keys("revoked", A, B)
    assert [story.trust.signing_at(size) for size in (2, 3)] == [A.public, B.public]


def _reaching_back() -> Story:
    """A second writer B, entries 2 and 4 by A, and A revoked from entry 3 by B at entry 5."""
    story = Story()
    story.keys("added", B, A, B)
    story.note(A)
    story.note(B)
    story.note(A)
    story.keys("revoked", A, B, from_entry=3)
    return story


def test_a_revocation_that_reaches_back_names_what_was_signed_since():
    assert _reaching_back().trust.late() == [(4, A.key_id)]


def test_once_learnt_such_entries_are_refused_at_once():
    story = _reaching_back()
    for number in (0, 1, 2, 3, 5):
        story.trust.check(story.entries[number], number, "it")
    _refused("revoked", "entry 4 .* entry 5 revoked from entry 3 on", story.trust.check, story.entries[4], 4, "entry 4")


def test_a_revocation_can_reach_further_back_later_but_not_less_far():
    story = _reaching_back()
    _refused("key", "from entry 3, which must be 1 to 2", story.keys, "revoked", A, B, from_entry=3)
    story.keys("revoked", A, B, from_entry=2)
    assert story.trust.late() == [(2, A.key_id), (4, A.key_id)]


@pytest.mark.parametrize("start", [0, -1, 9, "2", True, 1.5])
def test_a_revocation_begins_after_the_key_came_and_not_in_times_to_come(start):
    story = Story()
    story.keys("added", B, A, B)
    _refused("key", "which must be 1 to 2", story.keys, "revoked", A, B, from_entry=start)


def test_a_revocation_does_not_take_away_the_ground_that_it_stands_on():
    story = Story()
    story.note(A)
    story.rotate(A, B)
    story.rotate(B, C)
    for signer in (B, C):
        _refused("key", "revoke it from a later entry", story.keys, "revoked", A, signer, from_entry=2)
    story.keys("revoked", A, C, from_entry=3)


def test_a_key_not_of_the_log_cannot_be_revoked():
    _refused("key", "which this log has not brought in; revoke one of its own", Story().keys, "revoked", C, A)


def test_an_unknown_act_is_refused():
    _refused(
        "format", "says 'lent' of a key, .* rotated, revoked, added; a newer veridical", Story().keys, "lent", B, A
    )


@pytest.mark.parametrize(
    ("member", "cause", "words"),
    [
        (None, "json", "not an object with key_id and public"),
        ({}, "json", "not an object with key_id and public"),
        ({"key_id": 3}, "json", "not an object"),
        (key_member(B.public) | {"key_id": "rsa:" + "0" * 32}, "algorithm", "Ed25519 alone is read"),
        (key_member(B.public) | {"algorithm": "rsa"}, "algorithm", "says algorithm 'rsa'"),
        (key_member(B.public) | {"public": "AA"}, "json", "not standard base64"),
        (key_member(B.public) | {"public": "AA=="}, "key", "has 1 bytes"),
        (key_member(B.public) | {"key_id": C.key_id}, "key", "the id was forged"),
        (key_member(bytes(32)), "key", "weak Ed25519 key"),
    ],
)
def test_a_key_of_another_form_is_refused(member, cause, words):
    for act in ("added", "revoked"):
        _refused(cause, words, Story().add, "keys", {"act": act, "key": member}, A)


def test_entry_0_opens_the_log_with_the_key_that_signs_it():
    _refused(
        "key", f"opens the log with key {B.key_id}, and {A.key_id} is trusted", Story, {"key": key_member(B.public)}
    )
    _refused(
        "format",
        "of the form 'veridical.log/2', and this version reads 'veridical.log/1'",
        Story,
        {"format": "veridical.log/2"},
    )
    _refused("json", "entry 0: key is", Story, {"key": None})


def test_a_log_opened_by_another_key_is_another_log():
    story = Story()
    _refused("key", "another log", Trust.start(B.public).check, story.entries[0], 0, "entry 0")


def test_opened_stands_at_entry_0_and_nowhere_else():
    story = Story()
    _refused("order", "entry 1 is of kind 'opened'", story.add, "opened", {"key": key_member(A.public)}, A)
    note = new_statement("note", {}, ABOUT)
    envelope = read_envelope(seal(note.payload(), [A]), "it")
    _refused("order", "entry 0 is of kind 'note'", Trust.start(A.public).learn, note, envelope, 0)


def test_learning_an_entry_again_changes_nothing_and_out_of_turn_is_refused():
    story = Story()
    story.rotate(A, B)
    story.keys("added", C, B, C)
    before = story.trust.keys()
    for number, envelope in enumerate(story.entries):
        story.trust.learn(read_statement(envelope.payload, "it"), envelope, number)
    assert story.trust.keys() == before
    late = Trust.start(A.public)
    late.learn(read_statement(story.entries[0].payload, "it"), story.entries[0], 0)
    late.learn(read_statement(story.entries[1].payload, "it"), story.entries[1], 5)
    _refused(
        "order",
        "entry 3 comes after entry 5",
        late.learn,
        read_statement(story.entries[2].payload, "it"),
        story.entries[2],
        3,
    )


def test_learning_checks_the_signatures():
    story = Story()
    statement = new_statement("keys", {"act": "added", "key": key_member(B.public)}, ABOUT)
    envelope = read_envelope(seal(statement.payload(), [A, B]), "it")
    wrong = Envelope(envelope.payload, envelope.payload_type, (envelope.signatures[0], (B.key_id, bytes(64))))
    _refused("signature", "does not hold", story.trust.learn, statement, wrong, 1)
    assert len(story.trust.keys()) == 1


def test_a_weak_first_key_is_refused():
    _refused("key", "weak Ed25519 key", Trust.start, bytes(32))


def test_a_payload_that_is_no_statement_brings_in_no_key():
    envelope = read_envelope(seal(b"{}", [A, B]), "it")
    _refused("key", "has not brought in", Story().trust.check, envelope, 1, "entry 1")


@given(st.lists(st.sampled_from("AB"), max_size=30), st.data())
def test_what_is_late_is_what_the_key_signed_from_then_on(order, data):
    story = Story()
    story.keys("added", B, A, B)
    envelopes = {name: read_envelope(seal(NOTE.payload(), [key]), "it") for name, key in (("A", A), ("B", B))}
    for name in order:
        story.tell(story.trust, envelopes[name])
    start = data.draw(st.integers(2, len(story.entries)))
    story.keys("revoked", A, B, from_entry=start)
    expected = [i for i, name in enumerate(order, 2) if name == "A" and i >= start]
    assert story.trust.late() == [(i, A.key_id) for i in expected]


def test_key_member_is_the_id_and_the_key():
    assert key_member(bytes(32)) == {"key_id": key_id_of(bytes(32)), "public": "A" * 43 + "="}
