from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any

import pytest

from tests.agent.log.kept import causes, copy, first, keep
from tests.agent.log.told import told
from veridical.agent.audit.contents import Contents
from veridical.agent.log import erasure
from veridical.agent.log.dsse import to_base64
from veridical.agent.log.erasure import check_certificate, erase, open_orders
from veridical.agent.log.holds import lift, place
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey
from veridical.agent.log.statement import new_statement
from veridical.agent.log.subjects import Subjects
from veridical.agent.log.verify import verify_log
from veridical.agent.record.canonical import read_json
from veridical.agent.record.frame import read_manifest
from veridical.agent.record.manifest import read_arrays
from veridical.errors import InputError, IntegrityError, RecordError

ASKED = {"who": "the person", "reason": "Article 17 GDPR"}


@pytest.fixture
def log(tmp_path):
    with Log.open(copy(tmp_path)) as found:
        yield found


@pytest.fixture
def subject(log):
    """Pseudonym of the first subject: entries 1 and 3 are about it."""
    found = log.subjects.named("order 1")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def erased(tmp_path_factory):
    """An open log with one subject erased, and the certificate as plain values; nobody may write to it."""
    with Log.open(copy(tmp_path_factory.mktemp("erased"))) as log:
        yield log, erase(log, str(log.subjects.named("order 1")), **ASKED).to_dict()


@pytest.fixture
def certificate(erased):
    """The certificate, and the log's key."""
    return erased[1], erased[0].note_key


def test_the_log_verifies_and_only_the_one_subject_is_sealed_for_good(log, subject):
    manifest = read_manifest(log.blobs.get(log.entry(1).statement.predicate["manifest"]), "it")
    key = log.subjects.find(subject).key
    assert "vision.frames" in read_arrays(manifest, log.blobs.get, key=key)
    made = erase(log, subject, **ASKED)
    found = verify_log(log, contents=Contents(deep=False))
    assert found.ok
    assert (found.opened, found.sealed) == (2, 4)  # one record and two, of two parts each: frames and texts
    assert made.records == (1, 3)
    again = read_manifest(log.blobs.get(log.entry(1).statement.predicate["manifest"]), "it")
    assert again == manifest  # the commitment stays
    assert "vision.frames" not in read_arrays(again, log.blobs.get)
    with pytest.raises(RecordError, match=r"'vision\.frames' is sealed; it can be read with its subject's key alone"):
        read_arrays(again, log.blobs.get, ["vision.frames"])
    with pytest.raises(IntegrityError, match="cannot be opened"):
        read_arrays(again, log.blobs.get, ["vision.frames"], key=bytes(32))
    assert log.subjects.find(subject) is None
    assert log.subjects.named("order 1") is None
    assert not [
        path for path in (log.home / "subjects").rglob("*") if path.is_file() and key.hex() in path.read_text("latin-1")
    ]


def test_two_entries_say_so(log, subject):
    erase(log, subject, **ASKED)
    order, done = (log.entry(number).statement.predicate for number in (4, 5))
    assert (order["act"], done["act"], done["order"]) == ("ordered", "carried out", 4)
    for said in (order, done):
        assert (said["subject"], said["records"], said["entries"]) == (subject, 2, [1, 3])
        assert (said["who"], said["reason"]) == ("the person", "Article 17 GDPR")
    assert done["keys_destroyed"] == 1
    names = [name for name, _ in log.entry(5).statement.subjects]
    assert names == [f"record {log.entry(number).statement.id}" for number in (1, 3)]


def test_the_certificate_checks_with_the_key_alone(certificate):
    plain, key = certificate
    assert check_certificate(json.loads(json.dumps(plain)), key) == (4, 6)


def test_a_name_used_again_is_another_subject(log, subject):
    erase(log, subject, **ASKED)
    keep(log, 3, "order 1")
    assert log.subjects.named("order 1") not in (None, subject)


def test_a_second_erasure_says_so(log, subject):
    erase(log, subject, **ASKED)
    with pytest.raises(RecordError, match=f"subject {subject}: there is no key of it here; it was erased before"):
        erase(log, subject, **ASKED)
    assert log.size() == 6


def test_a_subject_that_the_log_does_not_know(log):
    with pytest.raises(RecordError, match="the log has no record of it"):
        erase(log, "s-" + "0" * 32, **ASKED)


@pytest.mark.parametrize("said", [{"who": "", "reason": "why"}, {"who": "me", "reason": "  "}])
def test_nobody_and_no_reason(log, subject, said):
    with pytest.raises(InputError, match="an erasure needs somebody and a reason"):
        erase(log, subject, **said)
    assert log.size() == 4


@pytest.mark.parametrize("what", ["subject", "record", "everything"])
def test_a_hold_refuses_it(log, subject, what):
    held = {
        "subject": {"subjects": [subject]},
        "record": {"records": [log.entry(3).statement.id]},
        "everything": {"everything": True},
    }[what]
    hold = place(log, "counsel", "case 12/26", **held)
    with pytest.raises(RecordError, match=f"held by #{hold.number}: nothing was erased; lift the hold first"):
        erase(log, subject, **ASKED)
    assert log.subjects.find(subject) is not None
    lift(log, hold.number, "counsel", "settled")
    erase(log, subject, **ASKED)
    assert verify_log(log).ok


@pytest.mark.parametrize("what", ["subject", "record"])
def test_an_erasure_past_a_hold_is_found(log, subject, what):
    held: dict[str, Any] = {"subject": {"subjects": [subject]}, "record": {"records": [log.entry(3).statement.id]}}[
        what
    ]
    place(log, "counsel", "case 12/26", **held)
    log.append(new_statement("erasure", {"act": "ordered", "subject": subject}, log.about()))
    found = verify_log(log)
    assert causes(found) == [("content", 5)]
    assert f"entry 5 erases subject {subject} while entry 4 holds it" in first(found).told


@pytest.mark.parametrize("when", ["before the key went", "after the key went"])
def test_an_interrupted_one_is_completed(log, subject, monkeypatch, when):
    def broken(folder, identity):
        if when.startswith("after"):
            whole(folder, identity)
        raise KeyboardInterrupt

    whole = Subjects.forget
    with monkeypatch.context() as patch:
        patch.setattr(Subjects, "forget", broken)
        with pytest.raises(KeyboardInterrupt):
            erase(log, subject, **ASKED)
    assert open_orders(log) == {subject: 4}
    assert verify_log(log, contents=Contents(deep=False)).ok
    made = erase(log, subject, **ASKED)
    assert open_orders(log) == {}
    assert log.size() == 6  # no second order
    assert log.entry(5).statement.predicate["order"] == 4
    assert log.subjects.find(subject) is None
    assert check_certificate(made.to_dict(), log.note_key) == (5, 6)


def test_a_certificate_of_another_key_or_log(certificate):
    plain, key = certificate
    stranger = SigningKey.of(bytes([7]) * 32).public
    assert told(check_certificate, plain, NoteKey(key.name, stranger)) == "key"
    assert told(check_certificate, plain, NoteKey("another.log", key.public)) == "key"


def test_a_changed_byte_fails(certificate):
    plain, key = certificate
    text = json.dumps(plain, sort_keys=True)
    held = []
    for at in range(0, len(text), 11):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        try:
            read = read_json(changed.encode(), "it")
        except RecordError:  # malformed, or a key twice
            continue
        if not isinstance(read, dict) or told(check_certificate, read, key) is None:
            held.append(text[max(0, at - 20) : at + 20])
    assert held == []


def _other(plain, name, value):
    return {**deepcopy(plain), name: value}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda c: _other(c, "format", "veridical.erasure/2"), "format"),
        (lambda c: _other(c, "more", 1), "format"),
        (lambda c: {k: v for k, v in c.items() if k != "records"}, "format"),
        (lambda c: _other(c, "proofs", c["proofs"][:1]), "format"),
        (lambda c: _other(c, "before", 3), "format"),
        (lambda c: _other(c, "subject", "s-" + "0" * 32), "content"),
        (lambda c: _other(c, "records", [1]), "content"),
        (lambda c: _other(c, "records", [1, 2]), "content"),
        (lambda c: _other(c, "consistency", c["consistency"][1:]), "tree"),
        (lambda c: _other(c, "consistency", ["?"]), "json"),
        (lambda c: _other(c, "before", c["after"]), "tree"),
        (lambda c: _other(c, "envelopes", c["envelopes"][::-1]), "tree"),
        (lambda c: _other(c, "proofs", c["proofs"][::-1]) | {"envelopes": c["envelopes"][::-1]}, "content"),
    ],
)
def test_what_a_certificate_must_be(certificate, change, cause):
    plain, key = certificate
    assert told(check_certificate, change(plain), key) == cause


def test_a_certificate_of_other_entries(erased, certificate):
    (log, plain), key = erased, certificate[1]
    forged = deepcopy(plain)
    forged["envelopes"][0] = to_base64(log.entry(1).envelope)
    forged["proofs"][0] = log.prove(1, 6).text()
    assert told(check_certificate, forged, key) == "content"


def test_a_certificate_whose_proofs_are_under_another_tree_head(log, subject):
    plain, key = erase(log, subject, **ASKED).to_dict(), log.note_key
    keep(log, 5)
    forged = deepcopy(plain)
    forged["proofs"] = [log.prove(number).text() for number in (4, 5)]
    assert told(check_certificate, forged, key) == "checkpoint"


def test_the_certificate_holds_no_more_than_it_says(certificate):
    plain, _ = certificate
    assert plain["format"] == erasure.FORMAT
    payloads = [json.loads(base64.b64decode(json.loads(base64.b64decode(e))["payload"])) for e in plain["envelopes"]]
    assert [p["predicate"]["act"] for p in payloads] == ["ordered", "carried out"]
