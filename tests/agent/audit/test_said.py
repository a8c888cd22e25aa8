"""Sentences are read again, and what is told twice is told alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.audit.content_sample import changed, checked, faults, made
from veridical.agent.audit.finding import Case, Sheet
from veridical.agent.audit.said import sentences, shorter

TOLD = made("concepts")[0]["justification"]


@pytest.mark.parametrize("what", ["sentences", "short text", "told twice", "figures in words"])
@pytest.mark.parametrize("name", ["climbed", "unsupported", "concepts"])
def test_what_was_really_said_holds(what: str, name: str):
    assert checked(what, name).ok


@pytest.mark.parametrize(
    ("old", "new"), [("STOP", "GO"), ("falls", "rises"), ("%", "% nearly"), ("without", "with"), ("−", "+")]
)
def test_a_word_that_was_changed_is_found(old: str, new: str):
    number = next(i for i, s in enumerate(TOLD["full"]) if old in s["text"])
    text = TOLD["full"][number]["text"].replace(old, new, 1)
    assert (
        f"sentence {number + 1} of full" in faults("concepts", (f"justification/full/{number}/text", text))["sentences"]
    )


def test_the_whole_text_is_that_of_its_sentences():
    assert "the justification's text" in faults("concepts", ("justification/text", "All is well."))["sentences"]


def test_a_figure_of_the_short_text_that_was_changed_is_found():
    text = TOLD["short"]
    digit = next(c for c in text if c.isdigit())
    odd = text.replace(digit, str((int(digit) + 1) % 10), 1)
    assert "short text" in faults("concepts", ("justification/short", odd))
    assert "short text" in faults("concepts", ("justification/short", text.replace("falls", "rises", 1)))


@pytest.mark.parametrize("sealed", [True, False])
def test_what_was_cut_out_is_skipped_only_where_something_is_sealed(sealed: bool):
    result = changed("concepts", ("justification/full/0/text", "…"), ("justification/short", "…"))
    case, told = Case(result, {}, {"sealed": {"texts": {}} if sealed else None}), []
    for check in (sentences, shorter):
        sheet = Sheet()
        check(case, sheet)
        told.append(sheet)
    assert all(bool(sheet.faults) is not sealed for sheet in told)
    assert all(bool(sheet.skipped) is sealed for sheet in told)


@pytest.mark.parametrize("fact", [{"subject": 1}, {"value": True}, {"value": [1]}, {"unit": None}])
def test_a_fact_that_is_none_is_malformed(fact: dict[str, Any]):
    own = TOLD["full"][0]["facts"][0] | fact
    assert "malformed" in faults("concepts", ("justification/full/0/facts/0", own))["sentences"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("verdict/alpha", 0.5),
        ("verdict/claim", "c7"),
        ("verdict/salt", "x"),
        ("claims/0/units", [0]),
        ("claims/0/measured", 2.0),
    ],
)
def test_what_is_told_twice_is_told_alike(path: str, value: Any):
    assert "told twice" in faults("concepts", (path, value))


def test_a_reason_with_a_figure_of_its_own_is_found():
    reason = made("unsupported")[0]["verdict"]["attempts"][0]["reasons"][0].replace("%", "% of 17.31", 1)
    told = faults("unsupported", ("verdict/attempts/0/reasons/0", reason))["figures in words"]
    assert "tells 17.31, which is no figure here" in told
