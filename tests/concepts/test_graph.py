"""The causal graph."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from veridical.concepts.graph import causal_graph
from veridical.concepts.naming import Name
from veridical.verifier.account import CheckedClaim, Effect
from veridical.verifier.claims import Claim


def effect(operator: str, change: float) -> Effect:
    return Effect(operator, change, np.zeros(2, np.float32), 0.5)


SEEN = CheckedClaim(
    Claim("c1", "vision", (1, 2), -2.0), (effect("surround", -1.0), effect("blur", -3.0)), -2.0, "confirmed"
)
READ = CheckedClaim(Claim("c2", "text", (0,), -0.5), (effect("mask", 0.2), effect("delete", 0.4)), 0.3, "contradicted")
SENSES = {"vision": (effect("surround", -4.0), effect("blur", -2.0)), "text": (effect("mask", 0.0),)}
LABELS = {"c1": "the middle, frame 1 (0–1 s)", "c2": "“cat”"}
GRAPH = causal_graph("STOP", (SEEN, READ), SENSES, LABELS, {"c1": Name("tabby", "ImageNet", 0.9), "c2": None})


def test_every_edge_to_the_decision_is_a_measured_effect():
    assert GRAPH.nodes["decision"] == {"kind": "decision", "label": "STOP"}
    assert GRAPH.edges["c1", "decision"] == {
        "predicted": -2.0,
        "status": "confirmed",
        "effect": -2.0,
        "operator_range": [-3.0, -1.0],
        "operators": ["surround", "blur"],
    }
    assert GRAPH.edges["sense:vision", "decision"]["effect"] == -3.0
    assert GRAPH.edges["c2", "decision"]["effect"] == pytest.approx(0.3)


def test_evidence_belongs_to_its_sense_and_the_graph_has_no_circle():
    assert GRAPH.edges["c1", "sense:vision"] == {"part_of": True}
    assert GRAPH.edges["c2", "sense:text"] == {"part_of": True}
    assert nx.is_directed_acyclic_graph(GRAPH)
    assert {data["kind"] for _, data in GRAPH.nodes(data=True)} == {"decision", "evidence", "sense"}


def test_labels_carry_the_name_where_one_was_earned_and_stay_short():
    assert GRAPH.nodes["c1"]["label"] == "tabby, the middle, frame 1 (0–1 s)"
    assert GRAPH.nodes["c2"]["label"] == "“cat”"
    long = causal_graph("STOP", (READ,), SENSES, {"c2": "“" + "very " * 200 + "long”"}, {})
    assert len(long.nodes["c2"]["label"]) <= 105


def test_without_claims_only_the_senses_lead_to_the_decision():
    graph = causal_graph("STOP", (), {}, {}, {})
    assert list(graph.nodes) == ["decision"]
