"""The justification."""

from __future__ import annotations

import re

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.concepts.told import REASON, add_concept, add_evidence, after, bare, graphs, siren
from veridical.concepts.clauses import SLOTS, Fact, shown
from veridical.concepts.phrases import Phrases
from veridical.concepts.sentences import Length, Sentence, justify
from veridical.errors import InputError

GRAPH = siren()
LENGTHS: tuple[Length, ...] = ("short", "medium", "full")


def texts(graph: nx.DiGraph, length: Length = "medium", kind: str = "") -> list[str]:
    return [s.text for s in justify(graph, length) if not kind or s.kind == kind]


def test_short_tells_the_decision_its_main_reason_and_what_would_change_it():
    assert texts(GRAPH, "short") == [
        "Courier chose STOP (94\u00a0%; next PROCEED, 4\u00a0%); it rests first on “siren” (0.5–2.4 s): without it "
        "STOP falls from 94\u00a0% to 11\u00a0% (−4.88 nats).",
        "Without “siren” (0.5–2.4 s): PROCEED (80\u00a0%).",
    ]


def test_medium_tells_what_matters_in_order():
    assert texts(GRAPH) == [
        "Courier chose STOP (94\u00a0%; next PROCEED, 4\u00a0%), 2.75 nats ahead of all else together.",
        "It rests first on “siren” (0.5–2.4 s): without it STOP falls from 94\u00a0% to 11\u00a0% (−4.88 nats); "
        "editing the input where it lies confirms it (−4.61 nats).",
        "Against it speaks unnamed concept #7 (the lower left, all frames): without it STOP rises from 94\u00a0% to "
        "98\u00a0% (+0.90 nats) and the decision stays STOP.",
        "Without “siren” (0.5–2.4 s): PROCEED (80\u00a0%).",
        "The account points to what it saw in the middle, frame 1 (0–1 s), but this was not confirmed: taking it out "
        "made no difference that counts (−0.020 nats).",
        "This account was put to the test and is supported: i" + REASON[1:],
    ]


def test_full_tells_everything_by_kind():
    kinds = [s.kind for s in justify(GRAPH, "full")]
    assert (
        kinds
        == (
            "decision for for against counterfactual sureness sureness sureness unconfirmed idle idle correlate senses "
            "senses verdict"
        ).split()
    )
    assert texts(GRAPH, "full", "for")[0].endswith(
        "; in the last step alone that does −3.90 nats, by way of the memory alone −0.98 nats; editing the input "
        "where it lies confirms it (−4.61 nats); at its usual strength instead, the score changes by −0.50 nats and "
        "the decision is then STOP."
    )
    assert texts(GRAPH, "full", "for")[1].startswith(
        "Next comes what no concept accounts for in what it saw: without it"
    )
    assert texts(GRAPH, "full", "sureness")[0] == (
        "The effect of “siren” (0.5–2.4 s) lies between −4.93 and −4.83 nats, and random directions of the same size "
        "seldom do as much (p = 0.010)."
    )


def test_what_goes_along_and_does_nothing_is_told_as_no_cause():
    sentence = next(s for s in justify(GRAPH, "full") if s.kind == "correlate")
    assert sentence.text == (
        "“pink patch” (the right, all frames) often goes with STOP (in 91\u00a0% of its occurrences, against 30\u00a0% "
        "of all decisions), but taking it out does nothing in this system: it is no cause here."
    )
    assert Fact("vision#2", "no-cause", None) in sentence.facts
    assert Fact("vision#2", "share", 0.91, "probability", "STOP") in sentence.facts


def test_what_does_nothing_is_not_told_apart_from_what_was_not_tested():
    assert texts(GRAPH, "full", "idle") == [
        "Taking out “grass” (the right, all frames) does nothing that counts (−0.010 nats); nor does taking out “sky” "
        "(the upper left, all frames) (−0.010 nats).",
        "What taking out “hum” (0–2 s) would do was not tested.",
    ]
    assert [s.confirmed for s in justify(GRAPH, "full") if s.kind == "idle"] == [True, False]


def test_one_thing_is_told_once():
    assert sum("heard at" in text for text in texts(GRAPH, "full")) == 0
    graph = siren()
    graph.add_node("together:c1", kind="together", modality="audio", label="siren", members=["audio#3"])
    graph.add_edge("together:c1", "decision", effect=-4.88, becomes="PROCEED", after=after(0.11))
    assert texts(graph, "full") == texts(GRAPH, "full")


def test_concepts_of_one_piece_of_evidence_are_told_together_and_apart_only_in_full():
    graph = bare()
    add_concept(graph, "vision#1", "tabby", "the middle", -1.0, becomes="STOP")
    add_concept(graph, "vision#2", "fur", "the middle", -0.5, becomes="STOP")
    graph.add_node("together:c1", kind="together", modality="vision", label="", members=["vision#1", "vision#2"])
    graph.add_edge("together:c1", "decision", effect=-2.0, p=0.01, becomes="SLOW", interaction=-0.5)
    add_evidence(graph, "c1", "vision", "the middle, frame 1", -1.9, becomes="SLOW")
    joint = "“tabby” (the middle) and “fur” (the middle) together"
    medium = texts(graph, kind="for")
    assert medium == [
        f"It rests first on {joint}: without it the score of STOP falls by 2.00 nats; editing the input where it lies "
        "confirms it (−1.90 nats)."
    ]
    assert texts(graph, kind="counterfactual") == [f"Without {joint}: SLOW."]
    full = texts(graph, "full", "for")
    assert "jointly its parts differ from the sum of their single effects by −0.50 nats" in full[0]
    assert [text.split(" speaks")[0] for text in full[1:]] == [
        "Taken by itself, “tabby” (the middle)",
        "Taken by itself, “fur” (the middle)",
    ]


def test_the_smallest_confirmed_change_is_told():
    graph = bare()
    add_concept(graph, "vision#1", "tabby", "the middle", -3.0, becomes="SLOW", after=after(0.2, 0.1))
    add_concept(graph, "audio#1", "siren", "0–1 s", -2.0, becomes="PROCEED", after=after(0.3))
    add_concept(graph, "audio#2", "horn", "0–1 s", -1.0, becomes="YIELD", p=0.3)
    assert texts(graph, kind="counterfactual") == ["Without “siren” (0–1 s): PROCEED (63\u00a0%)."]


def test_where_nothing_single_changes_the_decision_that_is_told_with_what_larger_does():
    graph = bare()
    graph.add_node("sense:text", kind="sense", label="text")
    graph.add_edge("sense:text", "decision", effect=-3.0, becomes="SLOW", after=after(0.3, 0.2))
    none = "No single concept or piece of evidence is confirmed to change the decision when it is taken out"
    assert texts(graph, kind="counterfactual") == [f"{none}; without all that it read: SLOW (56\u00a0%)."]
    graph.edges["sense:text", "decision"]["becomes"] = "STOP"
    assert texts(graph, kind="counterfactual") == [f"{none}."]
    (unknown,) = (s for s in justify(bare()) if s.kind == "counterfactual")
    assert unknown.text == "Nothing was taken out, so what would change the decision is not known."
    assert not unknown.confirmed


@pytest.mark.parametrize("verdict", ["unsupported", "inconclusive", None])
def test_only_a_supported_account_says_what_the_decision_rests_on(verdict: str | None):
    graph = siren()
    graph.graph["verdict"] = verdict
    for length in LENGTHS:
        sentences = justify(graph, length)
        assert not any("rests" in s.text for s in sentences)
        assert any("what was measured points first to “siren”" in s.text.lower() for s in sentences)
        assert verdict is None or not sentences[-1].confirmed


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("supported", "This account was put to the test and is supported: STOP held."),
        ("unsupported", "This account was put to the test and is NOT supported: STOP held."),
        ("inconclusive", "This account could not be settled: STOP held."),
    ],
)
def test_the_verdict_comes_last_and_ends_in_its_reason(verdict: str, said: str):
    last = justify(bare(verdict=verdict, reason="STOP held."))[-1]
    assert (last.text, last.kind, last.claims) == (said, "verdict", ())
    assert justify(bare(reason=None))[-1].text == "This account was put to the test and is supported."


def test_evidence_without_a_concept_goes_by_its_place_with_what_was_predicted():
    graph = bare()
    label = "the middle, frame 1 (0–1 s)"
    add_evidence(graph, "c1", "vision", label, -1.96, predicted=-2.04, becomes=None, after=after(0.5))
    assert texts(graph, kind="for") == [
        f"It rests first on what it saw in {label}: without it STOP falls from 94\u00a0% to 50\u00a0% (−1.96 nats) and "
        "what is then decided depends on how it is taken out; −2.04 nats were predicted."
    ]
    assert texts(graph, "full", "sureness") == [
        f"Depending on how it is taken out, the effect of what it saw in {label} is −2.16 to −1.76 nats."
    ]


@pytest.mark.parametrize(
    ("status", "effect", "said"),
    [
        ("negligible", 0.02, "made no difference that counts (+0.020 nats)"),
        ("contradicted", 1.5, "raised the score instead (+1.50 nats)"),
        ("contradicted", -1.5, "lowered the score instead (−1.50 nats)"),
    ],
)
def test_what_was_not_confirmed_says_so(status: str, effect: float, said: str):
    graph = bare()
    add_evidence(graph, "c1", "text", "“cat”", effect, status=status)
    (sentence,) = (s for s in justify(graph) if s.kind == "unconfirmed")
    assert sentence.text == f"The account points to “cat”, but this was not confirmed: taking it out {said}."
    assert (sentence.claims, sentence.confirmed) == (("c1",), False)
    assert texts(graph, kind="for") == ["Nothing whose effect was confirmed speaks for it."]


def test_probabilities_that_go_another_way_than_the_score_are_left_out():
    graph = bare()
    add_concept(graph, "audio#1", "siren", "0–1 s", -0.5, after=after(0.97))
    assert "without it the score of STOP falls by 0.50 nats" in texts(graph, kind="for")[0]
    graph.edges["audio#1", "decision"]["after"] = after(0.94)
    assert "without it STOP stays at 94\u00a0% (−0.50 nats)" in texts(graph, kind="for")[0]


def test_absent_and_idle_senses_are_told():
    graph = bare(absent=["vision", "audio"])
    graph.add_node("sense:text", kind="sense", label="text")
    graph.add_edge("sense:text", "decision", effect=0.01, operator_range=[-0.02, 0.04])
    assert texts(graph, kind="senses") == [
        "Taking away all that it read changes the score by less than 0.1 nats; vision and audio were absent."
    ]
    del graph.nodes["sense:text"]["label"]
    graph.remove_node("sense:text")
    assert texts(graph, kind="senses") == ["Vision and audio were absent."]


def test_an_unknown_length_and_a_graph_that_is_none_are_refused(unchecked):
    with pytest.raises(InputError, match="length: 'long' is not known; use short, medium, full"):
        justify(GRAPH, "long")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="no node 'decision'"):
        justify(nx.DiGraph())


def figures(sentence: Sentence, graph: nx.DiGraph) -> tuple[set[str], set[str]]:
    """Figures in the text, but for those in names, and those that its facts hold."""
    phrases = Phrases.of(graph)
    names = {str(f.value) for f in sentence.facts if f.unit == "words"}
    text = sentence.text
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ").replace(name[:1].upper() + name[1:], " ")
    forms = {"nats": ("nats", "size", "plain")}
    held = {
        shown(form, fact.value, phrases)
        for fact in sentence.facts
        if isinstance(fact.value, float)
        for form in forms.get(fact.unit, (fact.unit,))
    }
    found = {m.group() for m in re.finditer(r"p [<=] [\d.]+|[<>]?\d+\u00a0%|[+−]?\d[\d.e-]*(?<!\.)", text)}
    return found, held


@given(graphs())
@settings(deadline=None, max_examples=20)
def test_any_graph_gives_sentences_that_are_well_made(graph: nx.DiGraph):
    for length, (fewest, most) in zip(LENGTHS, ((1, 2), (3, 6), (3, 99)), strict=True):
        sentences = justify(graph, length)
        assert fewest <= len(sentences) <= most
        assert sentences == justify(graph.copy(), length)
        for sentence in sentences:
            text = sentence.text
            assert text[0] == text[0].upper()
            assert text.endswith(".")
            assert not text.endswith("..")
            assert "  " not in text
            assert "\n" not in text
            own = text.replace("8 %", "").replace("4 %", "")  # those are in names and in a reason
            assert not re.search(r"(?:falls|rises) by −|-\d|\d %|in the world", own)
            assert all(graph.has_edge(*edge) for edge in sentence.edges)
            found, held = figures(sentence, graph)
            assert found <= held
        assert len({s.text for s in sentences}) == len(sentences)


@given(graphs(), st.sampled_from(LENGTHS))
@settings(deadline=None, max_examples=20)
def test_what_is_confirmed_has_an_edge_and_a_relation_that_is_known(graph: nx.DiGraph, length: Length):
    relations = {slot.relation for slot in SLOTS.values()}
    for sentence in justify(graph, length):
        for fact in sentence.facts:
            assert fact.relation in relations or fact.value is None or fact.relation == "verdict"
            if fact.relation in ("speaks-for", "speaks-against") and sentence.kind in ("for", "against"):
                assert (fact.subject, "decision") in sentence.edges
                assert isinstance(fact.value, float)
                assert abs(fact.value) >= 0.1
