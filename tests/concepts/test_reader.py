"""The reader of sentences."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings

from tests.concepts.told import add_concept, bare, graphs, siren
from veridical.concepts.phrases import Phrases
from veridical.concepts.reader import Read, Reader
from veridical.concepts.sentences import justify

READER = Reader(Phrases.of(siren()))


def test_a_sentence_is_taken_apart_into_its_clauses():
    found = READER.read("Against it speaks “siren” (0.5–2.4 s): without it STOP stays at 94\u00a0% (+0.90 nats).")
    assert found == [
        Read("against", "audio#3", {"thing": "“siren” (0.5–2.4 s)"}),
        Read("stays-but-higher", "audio#3", {"decided": "STOP", "probability": "94\u00a0%", "speaks_against": "+0.90"}),
    ]
    assert found is not None
    assert READER.asserted(found[1], "") == [
        (("decision", "decided", "action", ""), "STOP", "decided"),
        (("decision", "probability", "probability", "STOP"), "94\u00a0%", "probability"),
        (("audio#3", "speaks-against", "nats", ""), "+0.90", "speaks_against"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "It was so.",
        "without “siren” (0.5–2.4 s): PROCEED.",
        "Without “siren” (0.5–2.4 s): PROCEED",
        "Without “siren” (0.5–2.5 s): PROCEED.",
        "Without “siren” (0.5–2.4 s): FLY.",
        "Without “siren” (0.5–2.4 s): PROCEED (80 %).",
        "Without “siren” (0.5–2.4 s): PROCEED; and more.",
    ],
)
def test_what_the_grammar_does_not_make_is_not_read(text: str):
    assert READER.read(text) is None


def test_names_that_look_like_clauses_are_names():
    graph = bare()
    add_concept(graph, "audio#1", "a; the decision becomes SLOW. And: 5 %", "x and (y)", -1.0, becomes="SLOW")
    add_concept(graph, "audio#2", "a", "", -1.0)
    text = "Without “a; the decision becomes SLOW. And: 5 %” (x and (y)): SLOW."
    assert [read.thing for read in Reader(Phrases.of(graph)).read(text) or ()] == ["audio#1"]


@given(graphs())
@settings(deadline=None, max_examples=20)
def test_every_sentence_that_is_written_is_read_and_about_what_it_tells(graph: nx.DiGraph):
    reader = Reader(Phrases.of(graph))
    for sentence in justify(graph, "full"):
        reads = reader.read(sentence.text)
        assert reads
        assert {read.thing for read in reads} - {""} <= {fact.subject for fact in sentence.facts}
