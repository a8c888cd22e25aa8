from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.log.statement import Statement
from veridical.agent.log.store import FORMAT, MAX_FACETS, MAX_WORD, columns_of, facets_of
from veridical.agent.log.trust import LOG_FORMAT

ID, TIME = "00000000-0000-4000-8000-000000000000", "2026-11-23T20:12:33.281000+00:00"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from("about action verdict system subject labels reliance act who flags policy key cause".split())


def said(kind="decision", **predicate):
    return Statement(kind, ID, TIME, predicate, (("x", "sha256:" + "0" * 64),))


def test_a_decision():
    statement = said(
        system={"name": "courier", "digest": "sha256:00"},
        action="STOP",
        verdict="supported",
        subject="s-1",
        labels={"z": 2, "a": "night", "b": True},
        reliance=[{"kind": "concept", "label": "siren", "effect": 1.5}, {"kind": "evidence", "label": "audio:left"}],
        cause="all tests passed",
        trigger="request",
        flags=["late"],
        policy={"name": "rules", "version": "2"},
    )
    assert columns_of(statement) == {
        "id": ID,
        "kind": "decision",
        "time": TIME,
        "about": None,
        "action": "STOP",
        "verdict": "supported",
        "system": "courier",
        "subject": "s-1",
    }
    assert facets_of(statement) == [
        ("label:a", "night", None),
        ("label:b", "true", None),
        ("label:z", "2", None),
        ("concept", "siren", 1.5),
        ("evidence", "audio:left", None),
        ("cause", "all tests passed", None),
        ("trigger", "request", None),
        ("flag", "late", None),
        ("policy", "rules", None),
    ]


def test_an_operators_act():
    statement = said("operator", about=ID, act="overridden", who="M. Lind", reason="seen it", action="SLOW")
    assert columns_of(statement)["about"] == ID
    assert columns_of(statement)["action"] == "SLOW"
    assert facets_of(statement) == [("act", "overridden", None), ("who", "M. Lind", None)]


def test_a_key():
    assert facets_of(said("keys", act="revoked", key={"key_id": "ed25519:00"})) == [
        ("act", "revoked", None),
        ("key", "ed25519:00", None),
    ]


def test_long_texts_are_cut_and_nul_gives_way():
    statement = said(action="x" * 300, labels={"y" * 300: "a\0b"})
    assert columns_of(statement)["action"] == "x" * MAX_WORD
    ((name, value, _),) = facets_of(statement)
    assert len(name) == MAX_WORD
    assert value == "a\ufffdb"


def test_there_is_an_end_to_facets():
    assert len(facets_of(said(flags=["x"] * 1000))) == MAX_FACETS


def test_the_form_is_the_one_that_entry_0_names():
    assert FORMAT == LOG_FORMAT


@given(st.dictionaries(names, values, max_size=5))
def test_whatever_a_predicate_holds(predicate):
    statement = said(**predicate)
    assert all(value is None or len(value) <= MAX_WORD for value in columns_of(statement).values())
    for name, value, amount in facets_of(statement):
        assert len(name) <= MAX_WORD
        assert len(value) <= MAX_WORD
        assert amount is None or math.isfinite(amount)
