"""The checker of sentences: it agrees with what the writer wrote, and finds whatever was changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import networkx as nx
import pytest
from hypothesis import given, settings

from tests.concepts.told import ACTIONS, add_concept, add_evidence, bare, graphs, siren
from veridical.concepts.clauses import Fact
from veridical.concepts.consistency import contradictions
from veridical.concepts.contrast import why_not
from veridical.concepts.sentences import Sentence, justify
from veridical.errors import InputError

GRAPH = siren()
FULL = justify(GRAPH, "full")
TOLD = (*FULL, *justify(GRAPH, "short"), *justify(GRAPH), *why_not(GRAPH, "PROCEED"), *why_not(GRAPH, "YIELD"))
WORDS = {
    "falls": "rises",
    "rises": "falls",
    "becomes": "stays",
    "stays": "becomes",
    "ahead of": "behind",
    "is supported": "is NOT supported",
    "Against it speaks": "Next comes",
    "Next comes": "Against it speaks",
    "rests first on": "points first to",
    "was not confirmed": "was confirmed",
    "confirms": "refutes",
    "made no difference": "made a difference",
    "does nothing": "does something",
    "it is no cause": "it is a cause",
    "was not tested": "was tested",
    "Nothing": "Something",
    "No single": "A single",
    "seldom": "often",
    "often goes": "never goes",
    "in this system": "in the world",
    "Without": "With",
    "without": "with",
    "was absent": "was present",
    "“siren”": "“grass”",
    "“grass”": "“siren”",
    " rather than ": " and ",
    "nats": "bits",
}


@given(graphs())
@settings(deadline=None, max_examples=20)
def test_nothing_is_found_in_what_the_writer_wrote(graph: nx.DiGraph):
    decided = graph.graph["action"]
    for length in ("short", "medium", "full"):
        assert contradictions(graph, justify(graph, length)) == []
    for other in graph.graph["actions"]:
        assert other == decided or contradictions(graph, why_not(graph, other)) == []


def mutated() -> Iterator[tuple[Sentence, str]]:
    for sentence in dict.fromkeys(TOLD):
        text = sentence.text
        for match in re.finditer(r"\d", text):
            changed = str((int(match.group()) + 1) % 10)
            yield sentence, text[: match.start()] + changed + text[match.end() :]
        for match in re.finditer("[+−]", text):
            changed = {"+": "−", "−": "+"}[match.group()]
            yield sentence, text[: match.start()] + changed + text[match.end() :]
            yield sentence, text[: match.start()] + text[match.end() :]
        for match in re.finditer("|".join(ACTIONS), text):
            changed = ACTIONS[(ACTIONS.index(match.group()) + 1) % 4]
            yield sentence, text[: match.start()] + changed + text[match.end() :]
        for was, now in WORDS.items():
            if was in text:
                yield sentence, text.replace(was, now, 1)
        for match in re.finditer(r"\b(?:not|no|NOT|but|without it|and)\b ", text):
            yield sentence, text[: match.start()] + text[match.end() :]
        for clause in re.split("(; )", text)[2::2]:
            yield sentence, text.replace(f"; {clause.rstrip('.')}", "", 1)
        yield sentence, text[:-1] + ", because sirens are dangerous."
        yield sentence, text[:-1]
        yield sentence, text + " " + text


def test_every_change_of_a_text_is_found():
    changes = [(sentence, text) for sentence, text in mutated() if text != sentence.text]
    assert len(changes) > 400
    unseen = [text for s, text in changes if not contradictions(GRAPH, [replace(s, text=text)])]
    assert unseen == []


def test_a_sentence_of_another_graph_is_found():
    other = siren()
    other.edges["audio#3", "decision"]["effect"] = 4.88
    other.edges["audio#3", "decision"]["interval"] = [4.8, 4.9]
    found = contradictions(other, FULL)
    assert any("'rests-first'" in fault for fault in found)
    assert any("it says “−4.88” as speaks-for of audio#3; by the graph it is 4.88" in fault for fault in found)
    turned = next(s for s in why_not(GRAPH, "PROCEED") if s.kind == "against")
    other.edges["vision#7", "decision"]["contrasts"]["PROCEED"] = -1.1
    assert any("it turns round the sign of contrast of vision#7" in f for f in contradictions(other, [turned]))
    other.remove_edge("audio#3", "decision")
    assert any("it says “−4.88” as speaks-for of audio#3; the graph has none" in f for f in contradictions(other, FULL))


@pytest.mark.parametrize("sentence", list(dict.fromkeys(TOLD)), ids=lambda s: s.kind)
def test_every_change_of_what_stands_beside_a_text_is_found(sentence: Sentence):
    changes = [
        replace(sentence, confirmed=not sentence.confirmed),
        replace(sentence, edges=(*sentence.edges, ("vision#4", "decision"))),
        replace(sentence, claims=("decision",)),
        replace(sentence, kind="task"),
        replace(sentence, facts=(*sentence.facts, Fact("vision#4", "speaks-for", -3.0, "nats"))),
        *(replace(sentence, edges=sentence.edges[1:]) for _ in sentence.edges[:1]),
    ]
    for i, fact in enumerate(sentence.facts):
        rest = (*sentence.facts[:i], *sentence.facts[i + 1 :])
        changes.append(replace(sentence, facts=rest))
        turned = -fact.value if isinstance(fact.value, float) else "SLOW"
        changes.append(replace(sentence, facts=(*rest, replace(fact, value=turned))))
        changes.append(replace(sentence, facts=(*rest, replace(fact, subject="vision#5"))))
    # What only changes the facts' order changes nothing.
    changes = [
        c for c in changes if replace(c, facts=()) != replace(sentence, facts=()) or {*c.facts} ^ {*sentence.facts}
    ]
    assert [c for c in changes if not contradictions(GRAPH, [c])] == []


def test_what_is_confirmed_and_what_is_chance_are_told_apart():
    graph = bare()
    add_concept(graph, "audio#1", "siren", "0–1 s", -2.5, p=0.01, becomes="PROCEED")
    add_evidence(graph, "c1", "audio", "0–1 s", -2.0, becomes="PROCEED")
    told = justify(graph, "full")
    assert contradictions(graph, told) == []
    graph.edges["audio#1", "decision"]["p"] = 0.5
    assert any("rests-first" in fault for fault in contradictions(graph, told))
    graph.edges["c1", "decision"]["status"] = "negligible"
    assert any("counterfactual" in fault for fault in contradictions(graph, told))


def test_a_fault_says_which_sentence_and_what():
    changed = replace(FULL[0], text=FULL[0].text.replace("94", "95"))
    (fault,) = contradictions(GRAPH, [FULL[1], changed])
    assert fault == "sentence 2: it says “95\u00a0%” as probability of decision; by the graph it is 0.94"
    assert contradictions(GRAPH, [replace(FULL[0], text="It was the siren.")]) == [
        "sentence 1: “It was the siren.” cannot be read: no clauses of the grammar make it, about things of this graph"
    ]


def test_what_is_no_sentence_is_refused(unchecked):
    with pytest.raises(InputError, match="sentence 1: str is no Sentence; give what justify returned"):
        contradictions(GRAPH, ["It was the siren."])  # pyright: ignore[reportArgumentType]
