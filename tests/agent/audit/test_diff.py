"""Two decisions side by side: what matters most comes first, and nothing is missed or made up."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.agent.audit.content_sample import changed, made
from veridical.agent.audit.diff import difference
from veridical.errors import RecordError

RESULT = made("concepts")[0]


@pytest.mark.parametrize("name", ["climbed", "simple", "unsupported", "concepts"])
def test_a_decision_does_not_differ_from_itself(name: str):
    result = made(name)[0]
    found = difference(result, result)
    assert found.same
    assert found.lines() == [f"Both decided {result['decision']['action']}; nothing that is compared differs."]
    assert all(m.change == 0.0 for m in (*found.shares, *found.claims))


def test_the_headline_tells_actions_and_verdicts():
    other = changed(
        "concepts", ("decision/action", "GO"), ("verdict/verdict", "unsupported"), ("verdict/cause", "overtaken")
    )
    head = difference(RESULT, other).lines(200)[0]
    assert (
        head
        == "A decided STOP, B decided GO; the account of A is supported (holds), that of B unsupported (overtaken)."
    )


def test_the_score_is_told_with_its_change_where_the_action_is_the_same():
    other = changed("concepts", ("decision/score", RESULT["decision"]["score"] - 1))
    lines = difference(RESULT, other).lines()
    assert any(line.startswith("Score: ") and line.endswith("(−1.00)") for line in lines)


def test_what_was_not_the_same_to_begin_with_is_told():
    other = changed(
        "concepts", ("system/digest", "sha256:x"), ("observation/text/digest", "sha256:y"), ("version", "9"),
        ("observation/audio", {"present": False}), ("attribution/method", "another"),
    )  # fmt: skip
    setting = difference(RESULT, other).setting
    assert any("another version of the system" in told for told in setting)
    assert "text was another signal" in setting
    assert "audio was there for A alone" in setting
    assert any(told.endswith("and 9") for told in setting)
    assert any("other methods" in told for told in setting)


def claims(*units: list[int], cut: str = "u") -> dict[str, Any]:
    """A result with claims on units of sight, all of −1 nat but for their place."""
    result = deepcopy(RESULT)
    own = deepcopy(result["claims"][0]) | {"modality": "vision", "name": None}
    result["claims"] = [
        own | {"id": f"c{i}", "units": u, "where": f"place {u}", "measured": -float(len(units) - i)}
        for i, u in enumerate(units)
    ]
    result["verdict"]["committed"] = {"units": {"vision": cut}}
    return result


def test_claims_are_matched_by_the_units_they_share():
    found = difference(claims([1, 2, 3, 4], [8, 9]), claims([20], [2, 3, 4])).claims
    assert [(m.a, m.b, m.overlap) for m in found] == [(-2.0, -1.0, 0.75), (None, -2.0, None), (-1.0, None, None)]
    assert found[0].notes == ("in B place [2, 3, 4]",)


def test_claims_on_other_evidence_units_are_matched_by_where_they_lie():
    found = difference(claims([1, 2]), claims([1, 2], cut="other")).claims
    assert [m.overlap for m in found] == [1.0]
    found = difference(claims([1, 2]), claims([1, 3], cut="other")).claims
    assert [m.overlap for m in found] == [None, None]


def test_a_claim_whose_status_changed_says_so():
    other = changed("concepts", ("claims/0/status", "negligible"), ("claims/0/flips_to", None))
    notes = difference(RESULT, other).claims[0].notes
    assert "confirmed → negligible" in notes
    assert "becomes GO → decision stays or depends" in notes


def test_a_concept_that_lost_its_effect_has_none():
    index = next(i for i, c in enumerate(RESULT["concepts"]["cards"]) if c["drawn"])
    place = f"concepts/cards/{index}"
    other = changed("concepts", (f"{place}/drawn", False), (f"{place}/role", "no effect shown"))
    match = next(m for m in difference(RESULT, other).concepts if m.b is None)
    assert match.a == RESULT["concepts"]["cards"][index]["effect"]
    assert match.notes == ("for → no effect shown",)


def test_sentences_of_one_alone_are_listed():
    other = deepcopy(RESULT)
    gone = other["justification"]["sentences"].pop(1)["text"]
    found = difference(RESULT, other)
    assert found.sentences == ((gone,), ())
    assert "Said of A alone" in found.lines()


def test_the_largest_change_of_a_sense_comes_first():
    other = changed("concepts", ("attribution/shares/audio", 99.0))
    assert difference(RESULT, other).shares[0].what == "audio"


def test_it_is_plain_values_and_fits_the_width():
    found = difference(RESULT, made("climbed")[0])
    told = found.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["same"] is False
    for width in (40, 79, 100):
        assert max(map(len, found.lines(width))) <= width


@pytest.mark.parametrize("odd", [{}, {"decision": {}}, {"decision": None, "system": {}}])
def test_what_cannot_be_compared_is_refused(odd: dict[str, Any]):
    with pytest.raises(RecordError, match="difference: a result cannot be read"):
        difference(RESULT, odd)
    with pytest.raises(RecordError):
        difference(odd, RESULT)
