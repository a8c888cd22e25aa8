from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.loop.findings import UNUSABLE, findings_of, text_of
from veridical.agent.loop.policy import FINDINGS


def result(verdict="supported", *findings, notes=(), senses=()):
    task = {"findings": [{"kind": kind, "severity": severity} for kind, severity in findings]}
    return {
        "verdict": {"verdict": verdict},
        "concepts": {"task": task},
        "observation": {"vision": {"present": True, "notes": list(senses)}, "audio": {"present": False}},
        "notes": list(notes),
    }


@pytest.mark.parametrize("verdict", ["supported", "unsupported", "inconclusive"])
def test_the_verdict_is_found(verdict):
    assert findings_of(result(verdict)) == (verdict,)


@pytest.mark.parametrize(
    ("finding", "found"),
    [
        (("forbidden", "fault"), True),
        (("unlisted", "fault"), True),
        (("unlisted", "noted"), False),
        (("trace", "noted"), False),
        (("ignored", "fault"), False),
        (("wrong-reason", "fault"), False),
    ],
)
def test_what_the_task_rules_out_is_forbidden_and_a_trace_of_it_is_not(finding, found):
    assert ("forbidden" in findings_of(result("supported", ("missing", "fault"), finding))) is found


@pytest.mark.parametrize("words", UNUSABLE)
def test_a_note_that_a_sense_cannot_be_used_is_found_wherever_it_stands(words):
    note = f"The camera {words} since 3.0 s."
    assert findings_of(result(notes=[note])) == ("supported", "sensor")
    assert findings_of(result(senses=[note.upper()])) == ("supported", "sensor")


def test_other_notes_are_no_finding():
    assert findings_of(result(notes=["audio: 2 channels were mixed down to one"])) == ("supported",)


@given(st.recursive(st.none() | st.text(max_size=3), lambda t: st.dictionaries(st.text(max_size=3), t, max_size=3)))
def test_whatever_is_missing_finds_nothing(value):
    for key in ("verdict", "concepts"):
        assert findings_of({key: value}) == ()
    assert findings_of({}) == findings_of({"concepts": None, "notes": None, "observation": {"vision": None}}) == ()


def test_all_findings_are_words_of_policies():
    every = findings_of(result("supported", ("forbidden", "fault"), notes=["x is silent"]))
    assert every == ("supported", "forbidden", "sensor")
    assert set(every) <= set(FINDINGS)


def test_an_error_is_told_on_one_line():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert text_of(ValueError("a\n  b")) == "ValueError: a b"
    assert text_of(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert text_of(Mute()) == "Mute: it has no message"
    assert len(text_of(ValueError("x" * 1000))) == 300
