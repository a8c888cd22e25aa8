"""What is told of drift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veridical.concepts.drift_report import ConceptDrift, DriftReport, UnexplainedDrift

CALM = ConceptDrift(3, None, 0.2, 0.25, 1.1, 0.9, 1.0, False, "stronger", 0.99, 0.95)
MOVED = ConceptDrift(7, "cat", 0.31, 0.0, None, 900.0, 0.004, True, "weaker", None, 0.95)
REST = UnexplainedDrift(0.04, 0.05, 0.8, 1.0, False, True)
REPORT = DriftReport("vision", "sha256:0", 200, 0.05, (CALM, MOVED), REST)


def test_what_has_drifted_comes_first():
    assert REPORT.drifted == (7,)
    assert REPORT.sentences() == (
        "Concept “cat” (vision#7) has drifted, it is weaker or rarer: present in 0\u00a0% of 200 decisions, against "
        "31\u00a0% before (p = 0.004).",
        "Of vision’s 2 concepts, no other is seen to have drifted in 200 decisions; that is no proof that none has.",
    )


def test_where_nothing_has_drifted_that_is_no_proof():
    (only,) = replace(REPORT, concepts=(CALM,), decisions=1).sentences()
    assert only == (
        "Of vision’s 1 concept, none is seen to have drifted in 1 decision; that is no proof that none has."
    )


def test_where_all_has_drifted_there_is_no_other():
    assert len(replace(REPORT, concepts=(MOVED,)).sentences()) == 1


def test_an_unnamed_concept_and_its_strength():
    said = replace(REPORT, concepts=(replace(CALM, drifted=True, p=1e-9, now=0.9),)).sentences()
    assert said == (
        "Unnamed concept #3 (vision#3) has drifted, it is stronger or more frequent: present in 90\u00a0% of 200 "
        "decisions, against 20\u00a0% before, 1.10 times as strong where it is (p < 0.001).",
    )


@pytest.mark.parametrize(("cosine", "stability", "told"), [(0.85, 0.95, True), (0.85, 0.8, False), (0.92, 0.99, False)])
def test_a_direction_is_told_where_it_turned_further_than_in_resamples(cosine: float, stability: float, told: bool):
    said = replace(REPORT, concepts=(replace(CALM, cosine=cosine, stability=stability),)).sentences()
    assert any("Unnamed concept #3 (vision#3) (cosine 0.85)" in each for each in said) is told


@pytest.mark.parametrize(("then", "since"), [(0.04, ", against 4\u00a0% before"), (None, "")])
def test_an_unexplained_share_that_rises(then: float | None, since: str):
    rest = replace(REST, then=then, now=0.2, p=0.01, rising=True)
    assert replace(REPORT, unexplained=rest).sentences()[-1] == (
        f"What no concept accounts for is rising: 20\u00a0% on average{since} (p = 0.010); the bank may lack a concept."
    )


def test_it_is_plain_json():
    told = REPORT.to_dict()
    assert told["drifted"] == [7]
    assert told["concepts"][1]["ratio"] is None
    assert told["unexplained"]["then"] == 0.04
