from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.audit.told import act_told, cause_told, did, gist, said, verdict_told, when
from veridical.agent.log.statement import KINDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = "labels act who reason action key subject hold subjects records scope rule dropped authority name system policy"


@pytest.mark.parametrize(
    ("kind", "predicate", "told"),
    [
        ("decision", {"labels": {"b": "2", "a": "1"}}, "a=1, b=2"),
        ("operator", {"act": "stopped", "who": "Ann", "reason": "smoke"}, "stopped by Ann: smoke"),
        ("keys", {"act": "rotated", "key": {"key_id": "ed25519:1"}}, "rotated ed25519:1"),
        ("erasure", {"act": "ordered", "subject": "s-1", "who": "Dan"}, "ordered, s-1, by Dan"),
        (
            "hold",
            {"act": "placed", "subjects": ["s-1"], "records": ["a", "b"], "who": "X"},
            "placed s-1, a and 1 more, by X",
        ),
        ("hold", {"act": "placed", "scope": "everything", "who": "X"}, "placed everything, by X"),
        ("hold", {"act": "lifted", "hold": 7, "who": "X"}, "lifted #7, by X"),
        ("retention", {"rule": "r", "dropped": ["d"]}, "r: 1 blobs"),
        ("retention", {"rule": "r", "dropped": [], "subject": "s-1"}, "r: s-1"),
        ("time", {"authority": "TSA"}, "stamped by TSA"),
        ("opened", {"origin": "o"}, "the log begins"),
        ("map", {"name": "captum.input"}, "captum.input"),
        ("note", {}, ""),
        ("note", {"event": "lost", "detail": {"count": 3, "why": "a full disk"}}, "lost: 3, a full disk"),
        ("note", {"event": "oversight", "detail": {"before": "none", "after": "slow"}}, "oversight: slow"),
        ("note", {"event": "closed", "detail": None}, "closed"),
        (
            "note",
            {"event": "decided", "detail": {"action": "STOP", "chosen": "GO", "latency_ms": 12.3, "explained": "no"}},
            "decided: STOP in the place of GO, 12 ms, explained: no",
        ),
    ],
)
def test_an_entry_is_told_in_a_few_words(kind, predicate, told):
    assert gist(kind, predicate) == told


def test_acts_verdicts_and_times_are_words():
    told = act_told({"act": "overridden", "who": "Ann", "reason": "x", "action": "GO"})
    assert told == "Ann overrode the decision; in its place: GO. Reason: x"
    told = act_told({"act": "released", "who": "Ann", "reason": "x", "agent": "robot 7", "about": None})
    assert told == "Ann released the agent. Reason: x"
    assert did("praised") == "praised"
    assert (verdict_told("supported"), verdict_told(None), verdict_told("odd")) == ("✓ supported", "", "odd")
    assert cause_told("inaccurate") == "predictions miss"
    assert when("2026-11-23T20:12:33.281000+00:00") == "2026-11-23 20:12:33"


def test_a_decision_is_told_name_by_name():
    rows = dict(
        said(
            "decision",
            {
                "action": "STOP",
                "probability": 0.88,
                "score": 1.96,
                "verdict": "supported",
                "cause": "holds",
                "system": {"name": "courier", "digest": "sha256:" + "3" * 64},
                "policy": {"name": "crossing", "version": "3"},
                "labels": {"group": "A"},
                "subject": None,
                "trigger": "request",
                "shares": {"vision": 1.0},
                "flags": ["sealed"],
                "clock": "backwards by 3 s",
            },
        )
    )
    assert rows["decision"] == "STOP, 88\u00a0% (+1.96 nats)"
    assert rows["account"] == "✓ supported: holds"
    assert rows["system"] == "courier sha256:333333333333"
    assert (rows["policy"], rows["labels"], rows["subject"]) == ("crossing 3", "group=A", "none")
    assert (rows["shares"], rows["flags"], rows["clock"]) == ("vision +1.00", "sealed", "backwards by 3 s")


def test_what_an_agent_notes_is_told_name_by_name():
    detail = {"action": "STOP", "probabilities": {"STOP": 0.81234, "GO": 0.2}, "late": False, "skipped": ["a", "b"]}
    note = {"event": "decided", "agent": "robot 7", "said": "2026-11-23T20:12:33.281000+00:00", "detail": detail}
    assert said("note", {"id": "x", "time": "y", **note}) == [
        ("event", "decided"),
        ("happened", "2026-11-23 20:12:33 UTC"),
        ("agent", "robot 7"),
        ("action", "STOP"),
        ("probabilities", "STOP 0.8123, GO 0.2"),
        ("late", "no"),
        ("skipped", "a, b"),
    ]
    assert said("note", {"event": "odd", "detail": 3}) == [("event", "odd"), ("detail", "3")]


def test_long_values_are_cut():
    rows = dict(said("time", {"id": "x", "token": "a" * 300, "checkpoint": {"size": 3}, "list": list(range(10))}))
    assert rows["token"].endswith("… (300 characters)")
    assert rows["checkpoint size"] == "3"
    assert rows["list"].endswith("7 and 2 more")
    assert "id" not in rows


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from([*NAMES.split(), "flags", "shares", "clock", "event", "detail", "said"]), JSON),
)
def test_whatever_an_entry_holds_is_told(kind, predicate):
    assert isinstance(gist(kind, predicate), str)
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in said(kind, predicate))
    assert isinstance(act_told(predicate), str)
