"""What things are called, and which graphs cannot be told."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.concepts.told import add_concept, add_evidence, bare, graphs, siren
from veridical.concepts.phrases import Phrases, check_graph, clean
from veridical.errors import InputError


def called(graph: nx.DiGraph, node: str) -> str:
    return Phrases.of(graph).things[node]


@given(st.text())
def test_cleaned_text_stands_on_one_line_and_is_clean_already(text: str):
    found = clean(text)
    assert found == clean(found)
    assert not set("\n\r\t\u202e\ue000“”") & set(found)
    assert "  " not in found


def test_a_concept_goes_by_its_name_and_place_or_by_its_number():
    graph = bare()
    add_concept(graph, "audio#3", "siren", "0.5–2.4 s", -1.0)
    add_concept(graph, "vision#7", "unnamed concept #7", "the middle, all frames", -1.0)
    add_concept(graph, "vision#8", "cat", "", -1.0, vetoed=True)
    assert called(graph, "audio#3") == "“siren” (0.5–2.4 s)"
    assert called(graph, "vision#7") == "unnamed concept #7 (the middle, all frames)"
    assert called(graph, "vision#8") == "unnamed concept #8"


@pytest.mark.parametrize(
    ("modality", "label", "phrase"),
    [
        ("vision", "the middle, frame 1 (0–1 s)", "what it saw in the middle, frame 1 (0–1 s)"),
        ("vision", "tabby, the middle", "what it saw (tabby, the middle)"),
        ("audio", "0.5–2.4 s, 1.0–2.0 kHz", "what it heard at 0.5–2.4 s, 1.0–2.0 kHz"),
        ("text", "“creep past”", "“creep past”"),
        ("lidar", "row 3", "part of its lidar (row 3)"),
        ("text", "", "what it read"),
    ],
)
def test_evidence_goes_by_what_was_sensed_and_where(modality: str, label: str, phrase: str):
    graph = bare()
    add_evidence(graph, "c1", modality, label, -1.0)
    assert called(graph, "c1") == phrase


def test_evidence_may_carry_its_name_apart_from_its_place():
    graph = bare()
    add_evidence(graph, "c1", "vision", "tabby, the middle", -1.0)
    graph.nodes["c1"].update(name="tabby", where="the middle")
    assert called(graph, "c1") == "“tabby” in the middle"


def test_senses_the_rest_and_several_together():
    graph = bare()
    for m in ("text", "lidar"):
        graph.add_node(f"sense:{m}", kind="sense", label=m)
        graph.add_node(f"unnamed:{m}", kind="unnamed", modality=m, label="")
    members = [f"audio#{i}" for i in range(7)]
    for i, node in enumerate(members):
        add_concept(graph, node, f"sound {i}", "0–1 s", -1.0)
    for c, n in (("c1", 7), ("c2", 2), ("c3", 1), ("c4", 0)):
        graph.add_node(f"together:{c}", kind="together", modality="audio", label="noise", members=members[:n])
    things = Phrases.of(graph).things
    assert things["sense:text"] == "all that it read"
    assert things["sense:lidar"] == "all of its lidar"
    assert things["unnamed:text"] == "what no concept accounts for in what it read"
    assert things["unnamed:lidar"] == "what no concept accounts for in its lidar"
    assert things["together:c1"] == "“sound 0”, “sound 1”, “sound 2”, “sound 3” and 3 more concepts together"
    assert things["together:c2"] == "“sound 0” (0–1 s) and “sound 1” (0–1 s) together"
    assert things["together:c3"] == "“sound 0” (0–1 s) as a whole"
    assert things["together:c4"] == "“noise” taken together"


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_no_two_things_share_a_phrase(graph: nx.DiGraph):
    things = Phrases.of(graph).things
    assert len(set(things.values())) == len(things)


def test_two_of_the_same_name_and_place_are_told_apart():
    graph = bare()
    add_concept(graph, "audio#1", "siren", "0–1 s", -1.0)
    add_concept(graph, "audio#2", "siren", "0–1 s", -1.0)
    assert called(graph, "audio#2") == "“siren” (0–1 s) [audio#2]"


def test_reasons_go_on_in_the_middle_of_a_sentence():
    assert Phrases.of(bare(reason="It held. STOP is “so”.  ")).reason == "it held. STOP is “so”"
    assert Phrases.of(bare(reason="STOP held.")).reason == "STOP held"
    assert Phrases.of(bare(reason=None)).reason == ""
    assert Phrases.of(bare(system="my\nrobot")).system == "My robot"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda g: g.remove_node("decision"),
            "graph: no node 'decision'; sentences are made from the graph of one decision",
        ),
        (lambda g: g.graph.pop("action"), "graph: no attribute 'action' among"),
        (
            lambda g: g.graph.update(action="FLY"),
            "graph: action is 'FLY'; it should be one of PROCEED, SLOW, STOP, YIELD",
        ),
        (lambda g: g.graph.update(actions=["STOP"]), "graph: actions is .*give two or more that differ"),
        (
            lambda g: g.graph.update(probabilities={"STOP": 1}),
            "give a probability for each of PROCEED, SLOW, STOP, YIELD",
        ),
        (
            lambda g: g.graph["probabilities"].update(STOP=1.5),
            "probabilities of STOP is '1.5'; give a finite number from 0",
        ),
        (lambda g: g.graph.update(score=float("nan")), "score is 'nan'; give a finite number"),
        (lambda g: g.graph.update(least=-1), "least is '-1'; give a finite number of at least 0"),
        (lambda g: g.graph.update(verdict="yes"), "verdict is 'yes'; it should be one of supported, unsupported"),
        (lambda g: g.nodes["audio#3"].pop("label"), "label of audio#3 is 'None'; give it in words"),
        (lambda g: g.nodes["audio#3"].pop("concept"), "concept of audio#3 is 'None'; say which it is"),
        (lambda g: g.nodes["vision#4"].update(effect="much"), "effect of vision#4 is 'much'; give a finite number"),
        (lambda g: g.nodes["vision#2"]["goes_with"].update(action="FLY"), "goes_with of vision#2"),
        (lambda g: g.nodes["vision#2"]["goes_with"].pop("usual"), "usual of vision#2 is 'None'"),
        (lambda g: g.edges["audio#3", "decision"].pop("effect"), "effect of edge audio#3 → decision is 'None'"),
        (lambda g: g.edges["audio#3", "decision"].update(p=2), "p of edge audio#3 → decision is '2'"),
        (lambda g: g.edges["audio#3", "decision"].update(interval=[1.0]), "give its lower and its upper end"),
        (lambda g: g.edges["audio#3", "decision"].update(becomes="FLY"), "becomes of edge audio#3 → decision is 'FLY'"),
        (lambda g: g.edges["audio#3", "decision"].update(after={}), "after of edge audio#3 → decision is '{}'"),
        (lambda g: g.edges["audio#3", "decision"].update(contrasts={"FLY": 1.0}), "contrasts of edge audio#3"),
        (
            lambda g: g.edges["audio#3", "decision"].update(direct=float("inf")),
            "direct of edge audio#3 → decision is 'inf'",
        ),
        (
            lambda g: g.edges["audio#3", "decision"].update(typical={"becomes": "STOP"}),
            "typical effect of edge audio#3",
        ),
    ],
)
def test_graphs_that_cannot_be_told_are_refused(change, said: str):
    graph = siren()
    graph.graph["probabilities"] = dict(graph.graph["probabilities"])
    change(graph)
    with pytest.raises(InputError, match=said):
        check_graph(graph)
