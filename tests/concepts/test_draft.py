"""Sentences in the making."""

from __future__ import annotations

import pytest

from tests.concepts.told import add_concept, after, bare, siren
from veridical.concepts.clauses import Fact
from veridical.concepts.draft import Draft, Sentence, moved
from veridical.concepts.phrases import Phrases

GRAPH = siren()


def draft(kind: str = "for") -> Draft:
    return Draft(GRAPH, Phrases.of(GRAPH), kind)


def test_clauses_are_joined_with_their_facts_edges_and_claims():
    made = draft().add("next-comes", "audio#3").add("beside", "audio#3", claim="c1", confirmed=-4.61).sentence()
    assert made == Sentence(
        "Next comes “siren” (0.5–2.4 s); editing the input where it lies confirms it (−4.61 nats).",
        ("c1",),
        True,
        (("audio#3", "decision"), ("c1", "decision")),
        "for",
        (Fact("audio#3", "called", "“siren” (0.5–2.4 s)", "words"), Fact("c1", "confirmed", -4.61, "nats")),
    )


def test_one_open_clause_leaves_the_sentence_unconfirmed():
    assert draft().add("no-counterfactual").sentence().confirmed
    assert not draft().add("no-counterfactual").add("inconclusive").sentence().confirmed


@pytest.mark.parametrize(
    ("effect", "stop", "said"),
    [
        (-1.0, 0.5, "without it STOP falls from 94\u00a0% to 50\u00a0% (−1.00 nats)"),
        (1.0, 0.99, "without it STOP rises from 94\u00a0% to 99\u00a0% (+1.00 nats)"),
        (-1.0, 0.938, "without it STOP stays at 94\u00a0% (−1.00 nats)"),
        (1.0, 0.942, "without it STOP stays at 94\u00a0% (+1.00 nats)"),
        (-1.0, 0.99, "without it the score of STOP falls by 1.00 nats"),
        (1.0, 0.5, "without it the score of STOP rises by 1.00 nats"),
        (-1.0, None, "without it the score of STOP falls by 1.00 nats"),
    ],
)
def test_probabilities_are_told_where_they_go_with_the_score(effect: float, stop: float | None, said: str):
    graph = bare()
    add_concept(graph, "audio#1", "siren", "", effect, after=None if stop is None else after(stop))
    made = moved(Draft(graph, Phrases.of(graph), "for").add("next-comes", "audio#1"), "audio#1")
    assert made.text == f"next comes “siren”: {said}"


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        ({"becomes": "SLOW"}, " and the decision becomes SLOW"),
        ({"becomes": "STOP"}, " and the decision stays STOP"),
        ({"becomes": None, "operators": ["a", "b"]}, " and what is then decided depends on how it is taken out"),
        ({"becomes": None}, ""),
        ({}, ""),
    ],
)
def test_what_is_then_decided_is_told_where_it_was_measured(edge: dict, said: str):
    graph = bare()
    add_concept(graph, "audio#1", "siren", "", -1.0, **edge)
    made = Draft(graph, Phrases.of(graph), "for").add("next-comes", "audio#1").outcome("audio#1")
    assert made.text == f"next comes “siren”{said}"
