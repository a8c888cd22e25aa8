"""The graph of a system: counts, means over all that was tested, and what goes along told from what causes."""

from __future__ import annotations

import math
import random
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, t

from veridical.concepts.graph_export import from_graphml, from_json, to_dot, to_graphml, to_json, to_mermaid
from veridical.concepts.system_graph import FEWEST, LEVEL, causal_skeleton, merge
from veridical.errors import InputError
from veridical.fusion.matches import holm

LEAST = 0.1


def decision(action: str, *concepts: dict[str, Any], **more: Any) -> nx.DiGraph:
    """Return a decision's graph; a concept is drawn where ``drawn``, else idle with what was seen."""
    facts = {"system": "Courier", "actions": ["GO", "STOP"], "least": LEAST, "alpha": 0.05, "absent": []}
    graph = nx.DiGraph(**{**facts, "bank": {"audio": "a1", "vision": "b2"}, "action": action, **more})
    graph.add_node("decision", kind="decision", label=action)
    graph.add_node("c1", kind="evidence", label="somewhere")
    graph.add_edge("c1", "decision", effect=-9.0)
    for concept in concepts:
        given = {"place": "", "drawn": True, "tested": True, "becomes": None, "label": "siren", **concept}
        node = f"{given['sense']}#{given['k']}{given['place']}"
        graph.add_node(node, kind="concept", modality=given["sense"], concept=given["k"], label=given["label"])
        if given["drawn"]:
            edge = {"kind": "effect", "effect": given["effect"], "becomes": given["becomes"]}
            graph.add_edge(node, "decision", **edge)
        else:
            graph.nodes[node].update(idle=True, tested=given["tested"], effect=given["effect"])
    return graph


def siren(effect: float | None, **more: Any) -> dict[str, Any]:
    return {"sense": "audio", "k": 7, "effect": effect, **more}


def patch(effect: float | None = 0.0, **more: Any) -> dict[str, Any]:
    return {"sense": "vision", "k": 3, "effect": effect, "drawn": False, "label": "pink patch", **more}


def edge(graphs: list[nx.DiGraph], concept: str = "audio#7", action: str = "STOP") -> dict[str, Any]:
    return merge(graphs).edges[concept, f"decision:{action}"]


EFFECTS = [-2.0, -1.0, -3.0, -2.5, -1.5]
HEARD = [decision("STOP", siren(e, becomes="GO" if e < -2 else "STOP")) for e in EFFECTS]
QUIET = [decision("GO") for _ in range(5)]


def test_figures_in_closed_form():
    figures = edge(HEARD + QUIET)
    spread = math.sqrt(sum((e + 2) ** 2 for e in EFFECTS) / 4)
    half = t.ppf(0.975, 4) * spread / math.sqrt(5)
    assert figures["effect"] == pytest.approx(-2.0)
    assert figures["interval"] == pytest.approx([-2 - half, -2 + half])
    assert figures["flips"] == pytest.approx(2 / 5)
    assert (figures["present"], figures["tested"], figures["drawn"]) == (5, 5, 5)
    assert (figures["share"], figures["share_elsewhere"]) == (1.0, 0.0)
    assert figures["p"] == pytest.approx(1 / math.comb(10, 5))
    assert figures["adjusted"] == pytest.approx(2 * figures["p"])  # two actions, one concept
    assert figures["role"] == "cause"


def test_nodes_are_concepts_and_actions_and_evidence_is_dropped():
    merged = merge(HEARD + QUIET)
    assert set(merged) == {"audio#7", "decision:GO", "decision:STOP"}
    assert merged.nodes["decision:GO"] == {"kind": "decision", "label": "GO", "decided": 5}
    assert merged.nodes["audio#7"] == {
        "kind": "concept",
        "modality": "audio",
        "concept": 7,
        "label": "siren",
        "named": False,
        "source": None,
        "vetoed": False,
        "present": 5,
    }
    assert list(merged.edges) == [("audio#7", "decision:STOP")]
    assert merged.graph["decided"] == {"GO": 5, "STOP": 5}
    assert (merged.graph["system"], merged.graph["decisions"], merged.graph["level"]) == ("Courier", 10, LEVEL)
    assert "nothing of causes in the world" in merged.graph["note"]


def test_what_was_not_drawn_counts_in_the_mean():
    graphs = [decision("STOP", siren(-2.0)), decision("STOP", siren(-0.02, drawn=False))]
    graphs.append(decision("STOP", siren(None, drawn=False, tested=False)))
    figures = edge(graphs)
    assert figures["effect"] == pytest.approx(-1.01)
    assert (figures["present"], figures["tested"], figures["drawn"]) == (3, 2, 1)


def test_places_of_one_concept_are_merged_and_all_must_have_been_tested():
    twice = decision("STOP", siren(-2.0, place=".0"), siren(-0.5, place=".1", drawn=False))
    figures = edge([twice])
    assert figures["effect"] == pytest.approx(-2.5)
    assert figures["present"] == 1
    assert figures["interval"] is None
    half = decision("STOP", siren(-2.0, place=".0"), siren(None, place=".1", drawn=False, tested=False))
    figures = edge([half])
    assert (figures["tested"], figures["drawn"], figures["effect"], figures["flips"]) == (0, 1, None, None)


def test_what_goes_along_is_told_from_what_causes():
    loud = [decision("STOP", siren(-2.0 - 0.1 * i), patch()) for i in range(12)]
    quiet = [decision("GO") for _ in range(12)]
    merged = merge(loud + quiet)
    assert merged.edges["audio#7", "decision:STOP"]["role"] == "cause"
    along = merged.edges["vision#3", "decision:STOP"]
    assert along["role"] == "goes along"
    assert along["adjusted"] <= 0.05
    assert along["share"] > along["share_elsewhere"]


def test_neither_and_undecided():
    everywhere = [decision(a, patch(0.01 * i - 0.02)) for a in ("STOP", "GO") for i in range(6)]
    assert edge(everywhere, "vision#3")["role"] == "neither"
    few = [decision("STOP", siren(-2.0)) for _ in range(FEWEST - 1)]
    assert edge(few + QUIET)["role"] == "undecided"
    untested = [decision("STOP", patch(None, tested=False)) for _ in range(12)]
    assert edge(untested + [decision("GO")] * 12, "vision#3")["role"] == "undecided"


def test_a_cause_is_large_enough_and_was_drawn():
    small = [decision("STOP", siren(-0.05)) for _ in range(12)]
    assert edge(small + QUIET * 3)["role"] == "goes along"
    never = [decision("STOP", siren(-2.0, drawn=False)) for _ in range(12)]
    assert edge(never + QUIET * 3)["role"] == "goes along"
    assert edge(never)["role"] == "neither"
    wild = [decision("STOP", siren(e)) for e in (-2.0, 2.1) * 6]
    assert edge(wild + QUIET * 3)["role"] == "neither"


def test_what_is_present_less_goes_not_along():
    rare = [decision("STOP", patch()) for _ in range(5)] + [decision("STOP") for _ in range(20)]
    often = [decision("GO", patch()) for _ in range(20)]
    assert edge(rare + often, "vision#3")["role"] == "neither"
    assert edge(rare + often, "vision#3", "GO")["role"] == "goes along"


def test_decisions_without_the_sense_say_nothing_of_its_concepts():
    deaf = [decision("GO", absent=["audio"], bank={"vision": "b2"}) for _ in range(20)]
    figures = edge(HEARD + QUIET + deaf)
    assert figures["share_elsewhere"] == 0.0
    assert figures["p"] == edge(HEARD + QUIET)["p"]
    assert edge(HEARD + deaf)["share_elsewhere"] is None


def test_the_name_that_most_decisions_give():
    graphs = [decision("STOP", siren(-1.0, label=name)) for name in ("horn", "siren", "siren", "alarm")]
    assert merge(graphs).nodes["audio#7"]["label"] == "siren"


def test_a_merged_graph_is_exported_and_not_merged_again():
    merged = merge([*HEARD, *QUIET, decision("STOP", patch(None, tested=False))])
    for back in (from_json(to_json(merged)), from_graphml(to_graphml(merged))):
        assert dict(back.nodes(data=True)) == dict(merged.nodes(data=True))
        assert {(u, v): d for u, v, d in back.edges(data=True)} == {(u, v): d for u, v, d in merged.edges(data=True)}
    assert "−2.0 nats, flips 40\xa0%" in to_dot(merged)
    assert "undecided" in to_mermaid(merged)
    with pytest.raises(InputError, match=r"'absent' of graph 1 is None"):
        merge([merged])


CONCEPTS = st.lists(
    st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(["", ".1"]), st.floats(-3, 3), st.integers(0, 2)),
    max_size=4,
    unique_by=lambda c: c[:2],
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["GO", "STOP"]), CONCEPTS), min_size=1, max_size=14), st.integers(0, 99))
def test_invariants(drawn: list[Any], seed: int):
    graphs = [
        decision(a, *(patch(e, k=k, place=p, drawn=how == 0, tested=how == 1) for k, p, e, how in several))
        for a, several in drawn
    ]
    merged = merge(graphs)
    mixed = list(graphs)
    random.Random(seed).shuffle(mixed)
    assert to_json(merge(iter(mixed))) == to_json(merged)
    figures = {(u, v): d for u, v, d in merged.edges(data=True)}
    for node, data in merged.nodes(data=True):
        if data["kind"] == "concept":
            assert sum(d["present"] for (u, _), d in figures.items() if u == node) == data["present"]
    every = [merged.edges.get((n, a), {"p": 1.0}) for n in merged for a in merged if "#" in n and ":" in a]
    assert holm([d["p"] for d in every]) == tuple(d.get("adjusted", 1.0) for d in every)
    for d in figures.values():
        assert 0 < d["present"] >= max(d["tested"], d["drawn"])
        assert d["p"] <= d["adjusted"] <= 1
        if d["interval"]:
            assert d["interval"][0] <= d["effect"] <= d["interval"][1]
        if d["role"] == "cause":
            assert abs(d["effect"]) >= LEAST
            assert not d["interval"][0] <= 0 <= d["interval"][1]
        if min(d["present"], d["tested"]) < FEWEST:
            assert d["role"] == "undecided"


def test_fisher_is_scipys():
    graphs = [*HEARD, decision("STOP"), *QUIET, decision("GO", siren(-1.0))]
    exact: Any = fisher_exact([[5, 1], [1, 5]], alternative="greater")
    assert edge(graphs)["p"] == pytest.approx(exact.pvalue)


def test_effects_of_no_size_are_never_a_cause():
    draw = random.Random(0)
    graphs = [decision("STOP", patch(draw.gauss(0, 0.05), drawn=draw.random() < 0.05)) for _ in range(60)]
    assert edge(graphs, "vision#3")["role"] == "neither"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"system": "Tram"}, r"'system' is 'Tram' in graph 2 and 'Courier' in graph 1; merge graphs of one system"),
        ({"actions": ["STOP", "GO"]}, r"'actions' is \['STOP', 'GO'\] in graph 2"),
        ({"least": 0.2}, r"'least' is 0.2 in graph 2 and 0.1 in graph 1"),
        ({"bank": {"audio": "a1", "vision": "c3"}}, r"the bank of vision is 'c3' in graph 2 and 'b2' in another"),
        ({"bank": {"audio": "a1"}}, r"the bank of vision is None in graph 2 and 'b2' in another"),
        ({"bank": {"audio": "a1", "vision": "b2", "text": "d"}}, r"the bank of text is None in graph 1 and 'd'"),
        ({"bank": None}, r"'bank' of graph 2 is None, no dict; give the graphs of decisions"),
        ({"alpha": "0.05"}, r"'alpha' of graph 2 is '0.05', no float"),
        ({"action": "FLEE"}, r"graph 2 decided 'FLEE'; its actions are GO, STOP"),
        ({"action": None}, r"'action' of graph 2 is None, no str"),
    ],
)
def test_graphs_that_do_not_belong_together_are_refused(other: dict[str, Any], message: str):
    second = decision("STOP")
    second.graph.update(other)
    with pytest.raises(InputError, match=f"merge: {message}") as told:
        merge([decision("STOP"), second])
    assert "\n" not in str(told.value)


def test_no_graphs_and_concepts_without_a_number_are_refused():
    with pytest.raises(InputError, match=r"merge: no graphs; give the graphs of at least one decision"):
        merge([])
    graph = decision("STOP", siren(-1.0))
    graph.nodes["audio#7"]["concept"] = "7"
    with pytest.raises(InputError, match=r"'concept' of 'audio#7' in graph 1 is '7', no int"):
        merge([graph])
    graph = decision("STOP", siren(None))
    with pytest.raises(InputError, match=r"'effect' of 'audio#7' in graph 1 is None, no float"):
        merge([graph])


def test_the_skeleton_holds_causes_alone_under_plain_names():
    loud = [decision("STOP", siren(-2.0), patch()) for _ in range(12)]
    skeleton = causal_skeleton(merge(loud + QUIET))
    assert nx.is_directed_acyclic_graph(skeleton)
    assert all(node.isidentifier() for node in skeleton)
    assert list(skeleton.edges(data=True)) == [("audio_7", "decision_STOP", {"effect": -2.0})]
    assert set(skeleton) == {"audio_7", "decision_GO", "decision_STOP"}
    assert skeleton.nodes["audio_7"] == {"kind": "concept", "stands_for": "audio#7"}
    assert "this system" in skeleton.graph["note"]


def test_the_skeleton_of_a_decision_holds_what_was_drawn_from_concepts():
    graph = decision("STOP", siren(-2.0, place=".0"), siren(-1.0, place=".1"), patch(-0.01))
    assert list(causal_skeleton(graph).edges) == [("audio_7_0", "decision"), ("audio_7_1", "decision")]


def test_plain_names_stay_apart():
    graph = nx.DiGraph()
    graph.add_node("decision", kind="decision")
    for node in ("a#1", "a_1", "1#1"):
        graph.add_node(node, kind="concept")
        graph.add_edge(node, "decision", kind="effect", effect=-1.0)
    skeleton = causal_skeleton(graph)
    assert {n: d["stands_for"] for n, d in skeleton.nodes(data=True) if d["kind"] == "concept"} == {
        "_1_1": "1#1",
        "a_1": "a#1",
        "a_1_2": "a_1",
    }
