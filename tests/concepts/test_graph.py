"""The causal graph: what stands at each node and edge, and what is not drawn."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from tests.concepts.tails import BANKS
from veridical.concepts.acts import Acted
from veridical.concepts.bank import ConceptName
from veridical.concepts.effects import TailEffect
from veridical.concepts.graph import Decided, Facts, causal_graph, concept_name, label_of
from veridical.concepts.graph_export import NOTE
from veridical.concepts.instances import Instance
from veridical.concepts.layer import Found, Group, LayerFindings, Pair
from veridical.concepts.naming import Name
from veridical.concepts.places import Place
from veridical.verifier.account import CheckedClaim, Effect
from veridical.verifier.claims import Claim
from veridical.verifier.judge import Verdict

STOP, GO = np.array([1.0, -1.0], np.float32), np.array([-1.0, 1.0], np.float32)


def effect(operator: str, change: float, logits: np.ndarray = STOP) -> Effect:
    return Effect(operator, change, logits, 0.5)


SEEN = CheckedClaim(
    Claim("c1", "text", (1, 2), -2.0), (effect("mask", -1.0, GO), effect("delete", -3.0, GO)), -2.0, "confirmed"
)
READ = CheckedClaim(
    Claim("c2", "text", (0,), -0.5), (effect("mask", 0.2), effect("delete", 0.4, GO)), 0.3, "contradicted"
)
SENSES = {"vision": (effect("surround", -4.0), effect("blur", -2.0)), "text": (effect("mask", 0.0),)}
WHERE = {"c1": "“stop … cat”", "c2": "“cat”"}
NAMES = {"c1": Name("tabby", "ImageNet", 0.9), "c2": None}
DECIDED = Decided("toy", "STOP", ("STOP", "GO"), (0.88, 0.12), 2.0, (1.0, -1.0), ("audio",))
CHANCE = tuple(0.01 * i for i in range(19))


def told(value: float, low: float | None = None, high: float | None = None, p: float = 0.05) -> TailEffect:
    """An effect that was tested; GO is then chosen."""
    interval = (value if low is None else low, value if high is None else high)
    return TailEffect(value, GO, interval, p, CHANCE, (value / 2, STOP))


def at(concept: int, index: int, result: TailEffect | None, sense: str = "text", **more: Any) -> Found:
    instance = Instance(sense, concept, index, (3, 4), 2.5, 4.0)
    return Found(instance, Place("“cat”", (0.0, 1.0) if sense == "audio" else None), result, **more)


def drawn(*found: Found, **more: Any) -> nx.DiGraph:
    facts = {"decided": DECIDED, "claims": (SEEN, READ), "senses": SENSES, "where": WHERE, "names": NAMES}
    layer = LayerFindings(banks=BANKS, found=found, **{k: more.pop(k) for k in list(more) if k in _LAYER})
    return causal_graph(Facts(**(facts | more), layer=layer))


_LAYER = {"carried", "groups", "residuals", "unexplained", "pairs"}
GRAPH = drawn()
FOR = told(-1.5, -1.8, -1.2)


def test_the_graph_says_whose_decision_it_is_and_how_it_was_tested():
    verdict = Verdict("supported", ("It holds.", "And more."))
    assert drawn(verdict=verdict, least=0.2, alpha=0.01).graph == {
        "system": "toy",
        "action": "STOP",
        "actions": ["STOP", "GO"],
        "probabilities": {"STOP": 0.88, "GO": 0.12},
        "score": 2.0,
        "absent": ["audio"],
        "least": 0.2,
        "alpha": 0.01,
        "verdict": "supported",
        "reason": "It holds.",
        "bank": {m: bank.digest for m, bank in BANKS.items()},
        "note": NOTE,
    }
    assert (GRAPH.graph["verdict"], GRAPH.graph["reason"]) == (None, None)


def test_every_edge_of_evidence_is_a_measured_effect():
    assert GRAPH.nodes["decision"] == {"kind": "decision", "label": "STOP", "score": 2.0, "probability": 0.88}
    p = 1 / (1 + math.exp(2))
    assert GRAPH.edges["c1", "decision"] == {
        "predicted": -2.0,
        "status": "confirmed",
        "effect": -2.0,
        "operator_range": [-3.0, -1.0],
        "operators": ["mask", "delete"],
        "becomes": "GO",
        "after": {"STOP": pytest.approx(p), "GO": pytest.approx(1 - p)},
    }
    assert GRAPH.edges["sense:vision", "decision"]["effect"] == -3.0
    assert GRAPH.edges["c2", "decision"]["effect"] == pytest.approx(0.3)


def test_where_operators_disagree_nothing_is_said_of_what_it_becomes():
    edge = GRAPH.edges["c2", "decision"]
    assert edge["becomes"] is None
    assert edge["after"] == {"STOP": pytest.approx(0.5), "GO": pytest.approx(0.5)}


def test_evidence_belongs_to_its_sense():
    assert GRAPH.edges["c1", "sense:text"] == {"part_of": True}
    assert GRAPH.nodes["c1"] == {
        "kind": "evidence",
        "label": "tabby, “stop … cat”",
        "name": "tabby",
        "source": "ImageNet",
        "where": "“stop … cat”",
        "modality": "text",
        "status": "confirmed",
    }
    assert GRAPH.nodes["c2"]["label"] == "“cat”"
    assert (GRAPH.nodes["c2"]["name"], GRAPH.nodes["c2"]["source"]) == (None, None)
    assert {data["kind"] for _, data in GRAPH.nodes(data=True)} == {"decision", "evidence", "sense"}


def test_labels_stay_short():
    long = drawn(where=WHERE | {"c2": "“" + "very " * 200 + "long”"})
    assert len(long.nodes["c2"]["label"]) <= 105


def test_without_claims_and_senses_only_the_decision_is_left():
    assert list(causal_graph(Facts(DECIDED)).nodes) == ["decision"]


def test_what_a_concept_does_is_drawn_with_all_that_was_measured():
    graph = drawn(at(0, 1, FOR, expected=-1.4))
    node = graph.nodes["text#0.1"]
    expected = {"kind": "concept", "modality": "text", "concept": 0, "instance": 1, "label": "animal", "named": True,
                "source": "n-grams", "score": 0.9, "margin": 0.4, "where": "“cat”", "time": None, "strength": 2.5,
                "typical": 2.0, "vetoed": False, "expected": -1.4}  # fmt: skip
    assert node == expected
    edge = dict(graph.edges["text#0.1", "decision"])
    assert edge.pop("after")["GO"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert edge == {
        "kind": "effect",
        "do": "zero",
        "effect": -1.5,
        "interval": [-1.8, -1.2],
        "p": 0.05,
        "controls": 19,
        "contrasts": {"GO": -4.0},
        "typical": {"effect": -0.75, "becomes": "STOP"},
        "becomes": "GO",
    }


def test_contrasts_are_changes_of_the_margin_before_each_other_action():
    decided = Decided("toy", "b", ("a", "b", "c"), (0.1, 0.8, 0.1), 1.0, (0.5, 3.0, -1.0))
    after = TailEffect(-1.0, np.array([1.0, 2.0, -2.0], np.float32), (-1.0, -1.0), 0.01)
    graph = causal_graph(Facts(decided, layer=LayerFindings(banks=BANKS, found=(at(0, 1, after),))))
    assert graph.edges["text#0.1", "decision"]["contrasts"] == {
        "a": pytest.approx((2 - 1) - (3 - 0.5)),
        "c": pytest.approx((2 + 2) - (3 + 1)),
    }
    assert graph.edges["text#0.1", "decision"]["typical"] is None


def test_a_concept_nobody_named_says_so():
    graph = drawn(at(1, 2, FOR), at(0, 1, None, "audio"))
    node = graph.nodes["text#1.2"]
    assert (node["label"], node["named"], node["source"], node["score"]) == ("unnamed concept #1", False, None, None)
    assert graph.nodes["audio#0.1"]["time"] == [0.0, 1.0]


@pytest.mark.parametrize("result", [
    told(-1.0, -2.0, 0.5),
    told(-1.0, -1.2, 0.0),
    told(-1.0, p=0.051),
    told(-0.09, -0.1, -0.08),
    TailEffect(-1.0, GO),
])  # fmt: skip
def test_what_cannot_be_told_from_zero_has_no_edge(result: TailEffect):
    graph = drawn(at(0, 1, result))
    assert not graph.out_edges("text#0.1")
    node = graph.nodes["text#0.1"]
    assert (node["idle"], node["effect"], node["p"]) == (True, result.effect, result.p)
    assert node["interval"] == (list(result.interval) if result.interval else None)


def test_a_p_value_of_one_in_twenty_is_drawn_unless_its_interval_spans_zero():
    assert drawn(at(0, 1, told(-1.0, -1.5, -0.5, 1 / 20))).has_edge("text#0.1", "decision")
    assert not drawn(at(0, 1, told(-1.0, -1.5, 0.5, 1 / 20))).has_edge("text#0.1", "decision")


def test_a_concept_that_was_not_measured_is_told_so():
    node = drawn(at(0, 1, None)).nodes["text#0.1"]
    assert (node["idle"], node["tested"], node["effect"], node["p"], node["interval"]) == (
        True,
        False,
        None,
        None,
        None,
    )
    assert drawn(at(0, 1, told(0.01))).nodes["text#0.1"]["tested"] is True


def test_what_goes_with_the_decided_action_says_so_and_only_where_it_does_nothing():
    assert drawn(at(0, 1, told(0.0))).nodes["text#0.1"]["goes_with"] == {
        "action": "STOP",
        "share": 0.9,
        "usual": 0.3,
        "p": 0.01,
    }
    assert "goes_with" not in drawn(at(0, 1, FOR)).nodes["text#0.1"]
    other = replace(DECIDED, action="GO")
    assert "goes_with" not in drawn(at(0, 1, told(0.0)), decided=other).nodes["text#0.1"]
    assert "goes_with" not in drawn(at(0, 1, told(0.0), "audio")).nodes["audio#0.1"]


def test_what_goes_with_it_less_than_usual_does_not():
    association = replace(BANKS["text"].associations[0], share=0.3)  # pyright: ignore[reportArgumentType]
    bank = replace(BANKS["text"], associations=(association, None))
    layer = LayerFindings(banks={"text": bank}, found=(at(0, 1, told(0.0)),))
    assert "goes_with" not in causal_graph(Facts(DECIDED, layer=layer)).nodes["text#0.1"]


def test_the_memory_is_drawn_where_what_goes_through_it_counts():
    graph = drawn(at(0, 1, FOR, direct=-1.0, through_state=-0.5), at(1, 1, FOR, direct=-1.5, through_state=0.05))
    assert graph.nodes["state"] == {"kind": "state", "label": "memory"}
    assert graph.edges["text#0.1", "state"] == {"kind": "through", "effect": -0.5}
    assert graph.edges["state", "decision"] == {"kind": "carries"}
    assert not graph.has_edge("text#1.1", "state")
    for name, parts in (("text#0.1", (-1.0, -0.5)), ("text#1.1", (-1.5, 0.05))):
        edge = graph.edges[name, "decision"]
        assert (edge["direct"], edge["through_state"]) == parts
    assert "state" not in drawn(at(0, 1, FOR))
    assert "direct" not in drawn(at(0, 1, FOR)).edges["text#0.1", "decision"]


def test_evidence_is_joined_to_the_concepts_that_it_makes():
    graph = drawn(at(0, 1, FOR), carried={"c1": {"text#0.1": 0.8, "text#9.1": 0.9}, "gone": {"text#0.1": 1.0}})
    assert graph.edges["c1", "text#0.1"] == {"kind": "carries", "share": 0.8}
    assert "text#9.1" not in graph
    assert "gone" not in graph


def group(*members: str, result: TailEffect = FOR, name: str = "c1") -> Group:
    return Group(name, "text", members, result, 0.25, -1.1)


def test_what_concepts_do_jointly_is_drawn_where_they_are_several():
    both = (at(0, 1, FOR), at(1, 1, FOR))
    graph = drawn(*both, groups=(group("text#0.1", "text#1.1"),))
    assert graph.nodes["together:c1"] == {
        "kind": "together",
        "modality": "text",
        "label": "what tabby, “stop … cat” makes",
        "members": ["text#0.1", "text#1.1"],
    }
    edge = graph.edges["together:c1", "decision"]
    assert (edge["effect"], edge["interaction"], edge["through"], edge["kind"]) == (-1.5, 0.25, -1.1, "effect")
    for member in ("text#0.1", "text#1.1"):
        assert graph.edges[member, "together:c1"] == {"part_of": True}
    for one in (group("text#0.1"), group("text#0.1", "text#1.1", result=told(-1.0, -2, 1)),
                group("text#0.1", "text#1.1", name="c9")):  # fmt: skip
        assert not [n for n in drawn(*both, groups=(one,)) if n.startswith("together")]


def test_pairs_whose_interaction_can_be_told_from_zero_are_joined():
    both = (at(0, 1, FOR), at(0, 1, FOR, "audio"))
    members = ("text#0.1", "audio#0.1")
    graph = drawn(*both, pairs=(Pair(members, FOR, 0.4, (0.3, 0.5)),))
    assert graph.edges[members] == {"kind": "interaction", "effect": 0.4, "interval": [0.3, 0.5]}
    for pair in (Pair(members, FOR, 0.4, (-0.1, 0.5)), Pair(members, FOR, 0.09, (0.08, 0.1))):
        assert not drawn(*both, pairs=(pair,)).has_edge(*members)


def test_what_no_concept_accounts_for_is_drawn_where_it_counts():
    residuals = {"text": told(-0.7), "audio": told(-0.7, p=0.2)}
    graph = drawn(residuals=residuals, unexplained={"text": 0.3, "audio": 0.9})
    assert graph.nodes["unnamed:text"] == {
        "kind": "unnamed",
        "modality": "text",
        "label": "what no concept of text accounts for",
        "share": 0.3,
    }
    assert graph.edges["unnamed:text", "decision"]["effect"] == -0.7
    assert "unnamed:audio" not in graph


def acted(**changes: Any) -> dict[str, Acted]:
    given: dict[str, Any] = {"bank": BANKS["text"], "merges": {}, "vetoed": frozenset(), "digest": "sha256:0"}
    return {"text": Acted(**(given | changes))}


def test_operators_acts_change_names_and_what_counts_as_one_and_no_effect():
    names = (ConceptName("cat", "operator", 1.0, 1.0),) * 2
    graph = drawn(at(1, 1, FOR), acted=acted(bank=BANKS["text"].named(names), merges={1: 0}))
    node = graph.nodes["text#1.1"]
    assert (node["concept"], node["label"], node["source"]) == (0, "cat", "operator")
    assert graph.edges["text#1.1", "decision"]["effect"] == -1.5
    vetoed = drawn(at(0, 1, FOR), acted=acted(vetoed=frozenset({0}))).nodes["text#0.1"]
    assert (vetoed["vetoed"], vetoed["named"], vetoed["label"]) == (True, False, "vetoed concept #0")


def test_names_and_labels_of_concepts():
    bank = BANKS["text"]
    assert concept_name(bank, 0) == (0, bank.names[0], False)
    assert concept_name(bank, 1) == (1, None, False)
    assert concept_name(bank, 1, acted(merges={1: 0})["text"]) == (0, None, False)
    assert concept_name(bank, 0, acted(vetoed=frozenset({0}))["text"]) == (0, None, True)
    assert label_of(bank.names[0], 0) == "animal"
    assert (label_of(None, 7), label_of(None, 7, vetoed=True)) == ("unnamed concept #7", "vetoed concept #7")


def test_a_graph_of_everything_is_plain_values_without_a_circle():
    both = (at(0, 1, FOR, direct=-1.0, through_state=-0.5), at(1, 1, told(0.0)), at(0, 1, FOR, "audio"))
    graph = drawn(
        *both,
        carried={"c1": {"text#0.1": 0.8, "text#1.1": 1.0}},
        groups=(group("text#0.1", "text#1.1"),),
        residuals={"text": FOR},
        unexplained={"text": 0.2},
        pairs=(Pair(("text#0.1", "audio#0.1"), FOR, 0.4, (0.3, 0.5)),),
    )
    assert nx.is_directed_acyclic_graph(graph)
    told_ = nx.node_link_data(graph, edges="edges")
    assert json.loads(json.dumps(told_, allow_nan=False)) == told_
    kinds = {"decision", "sense", "evidence", "concept", "together", "unnamed", "state"}
    assert {data["kind"] for _, data in graph.nodes(data=True)} == kinds
    assert all(data["label"] for _, data in graph.nodes(data=True))
    idle = [n for n, data in graph.nodes(data=True) if data.get("idle")]
    assert idle == ["text#1.1"]
    assert not any(graph.has_edge(n, "decision") for n in idle)


def test_an_earned_name_is_not_given_to_a_place_that_is_weaker_than_usual():
    bank = BANKS["text"]
    usual = float(bank.typical[0])
    assert concept_name(bank, 0, None, usual)[1] is bank.names[0]
    assert concept_name(bank, 0, None, 0.99 * usual)[1] is None
    given = bank.named((ConceptName("animal", "operator", 1.0, 1.0), None))
    assert concept_name(given, 0, None, 0.01)[1] is given.names[0]
