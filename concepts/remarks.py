"""Remarks: what is told beside the reasons: claims not confirmed, concepts that do nothing, senses idle or absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from ..modalities.wording import listed
from .draft import Draft, Sentence, moved
from .phrases import Phrases
from .reasons import drawn, in_order, least_of

__all__ = ["correlates", "idles", "of_kind", "senses", "unconfirmed"]

_VISIBLE = 1e-4
"""Smallest effect, nats, that keeps its sign in a figure of four decimals."""

_IN_ONE = 4
"""Things that do nothing told in one sentence."""


def of_kind(graph: nx.DiGraph, *kinds: str) -> list[str]:
    """Return the nodes of these kinds, in order."""
    return in_order(n for n, kind in graph.nodes(data="kind") if kind in kinds)


def _edge(graph: nx.DiGraph, node: str) -> Mapping[str, Any]:
    return graph.edges[node, "decision"] if graph.has_edge(node, "decision") else {}


def unconfirmed(graph: nx.DiGraph, phrases: Phrases) -> list[Sentence]:
    """Return a sentence for each claim of the account that the measurements do not confirm."""
    sentences = []
    for node in of_kind(graph, "evidence"):
        edge = _edge(graph, node)
        if not edge or drawn(graph, node):
            continue
        effect = edge["effect"]
        contradicted = edge.get("status", graph.nodes[node].get("status")) == "contradicted"
        how = ("raised" if effect > 0 else "lowered") if contradicted and abs(effect) >= _VISIBLE else "negligible"
        sentences.append(Draft(graph, phrases, "unconfirmed").add(how, node, **{how: effect}).sentence())
    return sentences


def _seen(graph: nx.DiGraph, node: str) -> float | None:
    """The effect seen of what has no confirmed one; None where it was not tested."""
    data = graph.nodes[node]
    found = _edge(graph, node).get("effect", data.get("effect") if data.get("tested", True) else None)
    return None if found is None else float(found)


def _without_effect(graph: nx.DiGraph, going: bool) -> list[str]:
    """What has no confirmed effect; ``going``: those that go with an action more than is usual, or the others."""
    nodes = [n for n in of_kind(graph, "concept", "together", "unnamed") if not drawn(graph, n)]
    goes = [(n, graph.nodes[n].get("goes_with")) for n in nodes]
    return [n for n, found in goes if bool(found and found["share"] > found["usual"]) == going]


def correlates(graph: nx.DiGraph, phrases: Phrases) -> list[Sentence]:
    """Return a sentence for each concept that goes with the action and yet is not seen to do anything."""
    sentences = []
    for node in _without_effect(graph, going=True):
        found, effect, draft = graph.nodes[node]["goes_with"], _seen(graph, node), Draft(graph, phrases, "correlate")
        given = {"goes_along": found["action"], "share": found["share"], "usual": found["usual"]}
        if effect is None:
            draft.add("correlate-untested", node, **given)
        elif abs(effect) < least_of(graph):
            draft.add("correlate", node, **given)
        else:
            draft.add("correlate-unsettled", node, **given, unsettled=effect)
        sentences.append(draft.sentence())
    return sentences


def idles(graph: nx.DiGraph, phrases: Phrases) -> list[Sentence]:
    """Return what was tested and does nothing, what chance explains as well, and what was not tested."""
    nothing, others = Draft(graph, phrases, "idle"), []
    told = 0
    for node in _without_effect(graph, going=False):
        effect, draft = _seen(graph, node), Draft(graph, phrases, "idle")
        if effect is not None and abs(effect) < least_of(graph):
            if told == _IN_ONE:
                others.append(nothing.sentence())
                nothing, told = Draft(graph, phrases, "idle"), 0
            nothing.add("nor" if nothing.text else "no-effect", node, no_effect=effect)
            told += 1
        elif effect is not None:
            others.append(draft.add("unsettled", node, unsettled=effect).sentence())
        elif graph.nodes[node]["kind"] == "concept":
            others.append(draft.add("untested", node).sentence())
    return [*([nothing.sentence()] if nothing.text else []), *others]


def senses(graph: nx.DiGraph, phrases: Phrases, every: bool) -> list[Sentence]:
    """Return which senses do nothing or were absent; with ``every``, what taking away each other one does as well."""
    draft, least, rest = Draft(graph, phrases, "senses"), least_of(graph), []
    for node in of_kind(graph, "sense"):
        edge = _edge(graph, node)
        if edge and all(abs(end) < least for end in (edge["effect"], *(edge.get("operator_range") or ()))):
            draft.add("idle-sense", node, least=least)
        elif edge and every and abs(edge["effect"]) >= _VISIBLE:
            rest.append(moved(Draft(graph, phrases, "senses"), node, thing=True).outcome(node).sentence())
    if absent := [phrases.sense(m) for m in graph.graph.get("absent") or ()]:
        draft.add("one-absent" if len(absent) == 1 else "several-absent", absent=listed(absent))
    return [*rest, *([draft.sentence()] if draft.text else [])]
