"""Reasons: what in a causal graph counts as one, each told once, by its best name.

A piece of evidence, the concepts that it carries and these concepts taken together can be one and the same thing. The
one with the best name is then told, with its own measured edge; the evidence's measurement stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import networkx as nx

__all__ = ["CARRIED", "Reason", "counterfactuals", "drawn", "effect_of", "in_order", "least_of", "reasons"]

CARRIED = 0.5
"""Least share of a concept's strength that must go with the evidence for the two to be one thing."""
_MEASURED = ("concept", "together", "unnamed", "evidence")


@dataclass(frozen=True)
class Reason:
    """Something that speaks for or against the decision.

    Attributes:
        node: the node that tells it.
        effect: of taking it out, nats; negative: it speaks for the decision.
        evidence: evidence of the same thing whose own effect is confirmed; empty if there is none, or if it is told
            itself.
        within: the concepts taken together that this concept is a part of, if those are told; else empty.
    """

    node: str
    effect: float
    evidence: str = ""
    within: str = ""


def in_order(nodes: Iterable[str]) -> list[str]:
    """Sort nodes so that c2 comes before c10."""
    return sorted(
        nodes, key=lambda n: [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in re.split(r"(\d+)", n)]
    )


def least_of(graph: nx.DiGraph) -> float:
    """Return the smallest effect that counts, nats; never less than is seen in a figure of four decimals."""
    return max(float(graph.graph.get("least") or 0.1), 1e-4)


def drawn(graph: nx.DiGraph, node: str) -> bool:
    """Return whether an effect on the decision is confirmed: tested, of a size that counts, and no chance."""
    if not graph.has_edge(node, "decision") or graph.nodes[node].get("kind") not in _MEASURED:
        return False
    edge, data = graph.edges[node, "decision"], graph.nodes[node]
    if abs(edge["effect"]) < least_of(graph):
        return False
    if data["kind"] == "evidence":
        return edge.get("status", data.get("status")) == "confirmed"
    low, high = edge.get("interval") or (edge["effect"],) * 2
    return (edge.get("p") or 0.0) <= (graph.graph.get("alpha") or 0.05) and low * high > 0


def _kin(graph: nx.DiGraph, evidence: str) -> tuple[list[str], str]:
    """The concepts that a piece of evidence consists of, and its node of them taken together."""
    joint = f"together:{evidence}"
    strong = [v for _, v, d in graph.out_edges(evidence, data=True) if (d.get("share") or 0.0) >= CARRIED]
    strong += list(graph.nodes[joint].get("members") or ()) if joint in graph else []
    return in_order({c for c in strong if c in graph and graph.nodes[c].get("kind") == "concept"}), joint


def _alike(graph: nx.DiGraph, nodes: Iterable[str]) -> list[str]:
    """Those of the nodes that are drawn, and pull the way that the first drawn one pulls."""
    found = [n for n in nodes if drawn(graph, n)]
    return [n for n in found if effect_of(graph, n) * effect_of(graph, found[0]) > 0]


def effect_of(graph: nx.DiGraph, node: str) -> float:
    """Return the measured effect of taking a node out, nats."""
    return float(graph.edges[node, "decision"]["effect"])


def reasons(graph: nx.DiGraph) -> list[Reason]:
    """Return what speaks for or against the decision, each thing once, the strongest first."""
    kinds: dict[str, Any] = dict(graph.nodes(data="kind"))
    told: dict[str, Reason] = {}
    same: set[str] = set()
    within: dict[str, str] = {}
    for evidence in in_order(n for n, kind in kinds.items() if kind == "evidence"):
        strong, joint = _kin(graph, evidence)
        strong = [c for c in strong if c not in told and c not in within]
        strong.sort(key=lambda c: -abs(effect_of(graph, c)) if drawn(graph, c) else 0.0)
        whole = len(strong) > 1
        candidates = [joint, *strong[:1], evidence] if whole else [*strong, joint, evidence]
        alike = _alike(graph, candidates)
        if not alike:
            continue
        best = alike[0]
        beside = evidence if evidence in alike and best != evidence else ""
        told[best] = Reason(best, effect_of(graph, best), beside)
        # The strongest of several concepts is not the whole of them: told by itself, unless it is what is told.
        same |= {n for n in alike if n != best and not (whole and n in strong)}
        if whole and best == joint:
            within |= {c: joint for c in strong if drawn(graph, c)}
    for node in in_order(n for n in kinds if n not in told and n not in same and drawn(graph, n)):
        told[node] = Reason(node, effect_of(graph, node), within=within.get(node, ""))
    return sorted(told.values(), key=lambda reason: -abs(reason.effect))


def counterfactuals(graph: nx.DiGraph) -> list[str]:
    """Return what changes the decision when it alone is taken out, confirmed; the smallest first.

    Fewer members are smaller, then a smaller effect. What `reasons` tells by another name comes after what goes by its
    own.
    """
    decided, told = graph.graph["action"], {reason.node for reason in reasons(graph)}
    changing = [
        node
        for node, kind in graph.nodes(data="kind")
        if kind in ("concept", "together", "evidence")
        and drawn(graph, node)
        and graph.edges[node, "decision"].get("becomes") not in (None, decided)
    ]
    size = {n: len(graph.nodes[n].get("members") or ()) or len(_kin(graph, n)[0]) or 1 for n in changing}
    return sorted(in_order(changing), key=lambda n: (n not in told, size[n], abs(effect_of(graph, n))))
