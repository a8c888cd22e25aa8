"""What counts as a reason."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings

from tests.concepts.told import add_concept, add_evidence, bare, graphs
from veridical.concepts.reasons import Reason, counterfactuals, drawn, effect_of, in_order, least_of, reasons


def carried(*shares: float, effect: float = -2.0) -> nx.DiGraph:
    """Evidence c1 and the concepts that it carries, each with its own effect."""
    graph = bare()
    add_evidence(graph, "c1", "audio", "0–1 s", -1.9)
    for i, share in enumerate(shares):
        add_concept(graph, f"audio#{i}", f"sound {i}", "0–1 s", effect + i / 10)
        graph.add_edge("c1", f"audio#{i}", kind="carries", share=share)
    return graph


def test_evidence_and_its_one_concept_are_one_reason():
    assert reasons(carried(0.9)) == [Reason("audio#0", -2.0, "c1")]


def test_a_concept_that_is_mostly_elsewhere_is_another_reason():
    assert reasons(carried(0.4)) == [Reason("audio#0", -2.0), Reason("c1", -1.9)]


def test_what_pulls_the_other_way_is_another_reason():
    assert reasons(carried(0.9, effect=2.0)) == [Reason("audio#0", 2.0), Reason("c1", -1.9)]


def test_of_several_concepts_what_they_do_together_is_told_first_and_each_as_a_part():
    graph = carried(0.9, 0.8)
    assert reasons(graph) == [Reason("audio#0", -2.0, "c1"), Reason("audio#1", -1.9)]
    graph.add_node("together:c1", kind="together", modality="audio", label="", members=["audio#0", "audio#1"])
    graph.add_edge("together:c1", "decision", effect=-3.0, p=0.01)
    assert reasons(graph) == [
        Reason("together:c1", -3.0, "c1"),
        Reason("audio#0", -2.0, within="together:c1"),
        Reason("audio#1", -1.9, within="together:c1"),
    ]


@pytest.mark.parametrize(
    ("edge", "confirmed"),
    [
        ({}, True),
        ({"p": 0.06}, False),
        ({"p": 0.05}, True),
        ({"interval": [-2.0, 0.1]}, False),
        ({"effect": -0.09}, False),
        ({"interval": None, "p": None}, True),
    ],
)
def test_an_effect_is_confirmed_if_it_counts_and_is_no_chance(edge: dict, confirmed: bool):
    graph = bare()
    add_concept(graph, "audio#1", "siren", "", -1.0)
    graph.edges["audio#1", "decision"].update(edge)
    assert drawn(graph, "audio#1") == confirmed
    assert (reasons(graph) == []) != confirmed


def test_a_smaller_change_has_fewer_members_then_a_smaller_effect_and_goes_by_the_name_that_is_told():
    graph = carried(0.9)
    add_concept(graph, "audio#5", "horn", "", -1.0, becomes="SLOW")
    add_concept(graph, "audio#6", "bell", "", -0.5, becomes="STOP")
    for node in ("audio#0", "c1"):
        graph.edges[node, "decision"]["becomes"] = "PROCEED"
    graph.add_node("together:c9", kind="together", modality="audio", label="", members=["audio#5", "audio#6"])
    graph.add_edge("together:c9", "decision", effect=-0.3, becomes="SLOW")
    assert counterfactuals(graph) == ["audio#5", "audio#0", "together:c9", "c1"]


def test_nodes_are_ordered_by_their_numbers():
    assert in_order(["c10", "c2", "audio#3.10", "audio#3.9"]) == ["audio#3.9", "audio#3.10", "c2", "c10"]


def test_the_least_effect_that_counts_is_never_too_small_to_see():
    assert least_of(bare(least=0.3)) == 0.3
    assert least_of(bare(least=None)) == 0.1
    assert least_of(bare(least=1e-9)) == 1e-4


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_reasons_are_confirmed_differ_and_fall_in_strength(graph: nx.DiGraph):
    found = reasons(graph)
    nodes = [r.node for r in found]
    assert len(set(nodes)) == len(nodes)
    assert all(drawn(graph, n) for n in nodes)
    assert [abs(r.effect) for r in found] == sorted((abs(effect_of(graph, n)) for n in nodes), reverse=True)
    assert all(drawn(graph, r.evidence) and r.evidence not in nodes for r in found if r.evidence)
    assert {n for n in graph if drawn(graph, n)} == set() or found
