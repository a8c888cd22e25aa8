from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.log.statement import (
    KINDS,
    PREDICATE,
    STATEMENT_TYPE,
    Statement,
    new_statement,
    now,
    read_statement,
)
from veridical.agent.record.canonical import canonical_json
from veridical.errors import IntegrityError, RecordError

ABOUT = [("record", "sha256:" + "ab" * 32)]
ID = "0b0e7a3c-9d53-4f1e-8a6b-1c2d3e4f5a6b"
TIME = "2026-11-23T20:12:33.281000+00:00"

_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner)
    ),
    max_leaves=8,
)


def _document(**members) -> dict:
    """A sound statement as JSON, with members put in or changed; None takes one away."""
    made = json.loads(new_statement("note", {"text": "it"}, ABOUT, TIME, ID).payload()) | members
    return {name: value for name, value in made.items() if value is not None}


def _refused(document: object, cause: str, words: str) -> None:
    with pytest.raises(IntegrityError, match=words) as error:
        read_statement(canonical_json(document), "entry 7", 7)
    assert (error.value.cause, error.value.entry) == (cause, 7)
    assert str(error.value).startswith("entry 7")
    assert "\n" not in str(error.value)


def test_the_payload_is_the_in_toto_statement():
    assert new_statement("note", {"text": "it"}, ABOUT, TIME, ID).payload() == (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"id":"' + ID.encode() + b'","text":"it","time":"'
        b'2026-11-23T20:12:33.281000+00:00"},"predicateType":"urn:veridical:note:1",'
        b'"subject":[{"digest":{"sha256":"' + b"ab" * 32 + b'"},"name":"record"}]}'
    )


@given(st.sampled_from(KINDS), st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), _plain, max_size=4))
def test_what_is_made_is_read_again(kind, said):
    said = {f"x-{name}": value for name, value in said.items()}
    made = new_statement(kind, said, ABOUT)
    assert read_statement(made.payload(), "it") == made
    assert read_statement(made.payload(), "it").payload() == made.payload()
    assert made.predicate == said | {"id": made.id, "time": made.time}
    assert made.subjects == tuple(ABOUT)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(content):
    with pytest.raises(IntegrityError):
        read_statement(content, "it")


def test_id_and_time_are_given_taken_from_the_predicate_or_fresh():
    fresh = new_statement("note", {}, ABOUT)
    assert uuid.UUID(fresh.id).version == 4
    assert fresh.time <= now()
    assert fresh.id != new_statement("note", {}, ABOUT).id
    taken = new_statement("note", {"id": ID, "time": TIME}, ABOUT)
    assert (taken.id, taken.time) == (ID, TIME)
    assert taken == new_statement("note", {}, ABOUT, TIME, ID) == new_statement("note", {"id": ID}, ABOUT, TIME, ID)


def test_two_ids_are_refused():
    with pytest.raises(RecordError, match=f"predicate says id {ID}, and {uuid.UUID(int=5)} is asked for"):
        new_statement("note", {"id": ID}, ABOUT, id=str(uuid.UUID(int=5)))
    with pytest.raises(RecordError, match=r"predicate says time .* is asked for"):
        new_statement("note", {"time": TIME}, ABOUT, time=now())


def test_a_statement_says_one_id():
    made = new_statement("note", {}, ABOUT)
    with pytest.raises(RecordError, match="make it with new_statement"):
        replace(made, id=ID).payload()


def test_a_clock_can_be_put_in_afterwards():
    made = new_statement("note", {}, ABOUT)
    told = replace(made, predicate={**made.predicate, "clock": "backwards by 2 s"})
    assert read_statement(told.payload(), "it").predicate["clock"] == "backwards by 2 s"


def test_the_predicate_given_is_left_as_it_is():
    said = {"text": "it"}
    new_statement("note", said, ABOUT)
    assert said == {"text": "it"}


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_times_sort_as_text(moments):
    texts = [moment.isoformat(timespec="microseconds") for moment in moments]
    assert [datetime.fromisoformat(text) for text in sorted(texts)] == sorted(moments)
    assert all(new_statement("note", {}, ABOUT, time=text).time == text for text in texts)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "canonical JSON"),
        (2**53, "canonical JSON"),
        (b"bytes", "canonical JSON"),
        ("\ud800", "canonical JSON"),
        (1e17, "beyond"),
    ],
)
def test_what_json_cannot_hold_is_refused_when_it_is_made(value, words):
    with pytest.raises(RecordError, match=words):
        new_statement("note", {"x": value}, ABOUT)


@pytest.mark.parametrize(
    ("kind", "said", "subjects", "words"),
    [
        ("rumour", {}, ABOUT, "urn:veridical:rumour:1.*knows the kinds opened, decision"),
        ("note", {}, [], "names no subject"),
        ("note", {}, ABOUT * 2, "names the subject 'record' twice"),
        ("note", {}, [("", ABOUT[0][1])], "not a name and a digest"),
        ("note", {}, [("a", "md5:00")], "64 hexadecimal digits"),
        ("note", {}, [("a", ABOUT[0][1].upper())], "64 hexadecimal digits"),
        ("note", {"id": "1"}, ABOUT, "id is '1', not a UUID of version 4"),
        ("note", {"time": "today"}, ABOUT, "time is 'today', not of the form"),
        ("note", {"clock": 3}, ABOUT, "clock is 3"),
        ("note", {"critical": ["x-new"], "x-new": 1}, ABOUT, "'x-new' must be understood"),
    ],
)
def test_what_could_not_be_read_again_is_not_made(kind, said, subjects, words):
    with pytest.raises(RecordError, match=f"{words}.*it cannot be written so") as error:
        new_statement(kind, said, subjects)
    assert not isinstance(error.value, IntegrityError)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_type": "https://in-toto.io/Statement/v2"}, "Statement/v2', and this version reads.*newer veridical"),
        ({"_type": None}, "of type None"),
        ({"_type": 1}, "of type 1"),
        ({"predicateType": None}, "predicate of type None"),
        ({"predicateType": "https://slsa.dev/provenance/v1"}, "slsa.dev.*knows the kinds"),
        ({"predicateType": "urn:veridical:rumour:1"}, "rumour:1.*newer veridical"),
        ({"predicateType": "urn:veridical:note:2"}, "version 2 of the kind 'note', and this version reads 1; a newer"),
        ({"predicateType": "urn:veridical:note:01"}, "note:01"),
        ({"predicateType": "urn:veridical:note:1\n"}, "note:1"),
        ({"predicateType": "urn:veridical:note:१"}, "knows the kinds"),
        ({"more": 1}, "does not know: more"),
    ],
)
def test_an_unknown_type_kind_or_version_is_refused(change, words):
    _refused(_document(**change), "format", words)


def _subject(**digest) -> dict:
    return {"subject": [{"name": "a", "digest": digest}]}


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [
        (_subject(sha1="00" * 20), "algorithm", r"subject 0 \(a\) has digests by sha1; SHA-256 alone"),
        (_subject(sha256="00" * 32, md5="00"), "algorithm", "by md5, sha256"),
        (_subject(sha256="00" * 31), "json", "64 hexadecimal digits"),
        (_subject(sha256=3), "json", "64 hexadecimal digits"),
        (_subject(), "json", "not a name and a digest"),
        ({"subject": [{"digest": {"sha256": "00" * 32}}]}, "json", "not a name and a digest"),
        ({"subject": [{"name": "a", "digest": {"sha256": "00" * 32}, "uri": "u"}]}, "json", "not a name and a digest"),
        ({"subject": ["a"]}, "json", "not a name and a digest"),
        ({"subject": {}}, "json", "names no subject"),
        ({"subject": None}, "json", "names no subject"),
        ({"predicate": None}, "json", "no predicate"),
        ({"predicate": []}, "json", "no predicate"),
    ],
)
def test_a_statement_of_another_form_is_refused(change, cause, words):
    _refused(_document(**change), cause, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, "id is None"),
        ({"id": ID.upper()}, "not a UUID of version 4 in lower case"),
        ({"id": "0b0e7a3c-9d53-1f1e-8a6b-1c2d3e4f5a6b"}, "not a UUID of version 4"),
        ({"time": None}, "time is None"),
        ({"time": 5}, "time is 5"),
        ({"time": "2026-11-23T20:12:33.281000Z"}, "not of the form"),
        ({"time": "2026-11-23T20:12:33+00:00"}, "not of the form"),
        ({"time": "2026-13-23T20:12:33.281000+00:00"}, "not of the form"),
        ({"time": "2026-02-30T20:12:33.281000+00:00"}, "not of the form"),
        ({"time": "२026-11-23T20:12:33.281000+00:00"}, "not of the form"),
        ({"about": 5}, "about is 5, neither words nor null"),
        ({"clock": []}, "clock is "),
        ({"critical": "id"}, "not a list of names"),
        ({"critical": [1]}, "not a list of names"),
    ],
)
def test_members_of_another_form_are_refused(change, words):
    _refused(_document(predicate={"id": ID, "time": TIME} | change), "json", words)


def test_unknown_members_are_kept_and_ignored():
    made = read_statement(canonical_json(_document(predicate={"id": ID, "time": TIME, "x-new": [1]})), "it")
    assert made.predicate["x-new"] == [1]


@pytest.mark.parametrize(("said", "known"), [({"x-new": 1}, ["x-new"]), ({}, ["about"])])
def test_an_unknown_or_absent_critical_member_is_refused(said, known):
    document = _document(predicate={"id": ID, "time": TIME, "critical": known} | said)
    _refused(
        document, "format", f"says that '{known[0]}' must be understood, and this version does not know it there; a"
    )


@pytest.mark.parametrize(
    ("kind", "member"),
    [("decision", "verdict"), ("note", "about"), ("note", "event"), ("note", "said"), ("keys", "from_entry")],
)
def test_a_known_critical_member_is_read(kind, member):
    said = {member: None, "critical": [member]}
    assert new_statement(kind, said, ABOUT).predicate[member] is None


def test_json_that_is_not_canonical_is_refused():
    content = new_statement("note", {}, ABOUT).payload()
    for other in (content + b" ", content.replace(b'"predicate":', b'"predicate": ')):
        with pytest.raises(IntegrityError, match="not canonical") as error:
            read_statement(other, "it")
        assert error.value.cause == "json"


def test_a_key_that_stands_twice_is_refused():
    content = new_statement("note", {}, ABOUT).payload().replace(b'{"id":', b'{"id":"x","id":')
    with pytest.raises(IntegrityError, match="'id' stands twice"):
        read_statement(content, "it")


def test_constants_are_those_of_the_specification():
    assert STATEMENT_TYPE == "https://in-toto.io/Statement/v1"
    assert [PREDICATE.format(kind=kind) for kind in KINDS[:2]] == ["urn:veridical:opened:1", "urn:veridical:decision:1"]
    assert len(set(KINDS)) == 11


def test_a_statement_cannot_be_changed():
    made = new_statement("note", {}, ABOUT)
    assert isinstance(made, Statement)
    with pytest.raises(AttributeError):
        made.kind = "keys"  # pyright: ignore[reportAttributeAccessIssue]
