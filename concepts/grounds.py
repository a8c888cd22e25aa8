"""What a decision rests on: the measured effects in its graph that speak for it, the same thing counted once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx

from ..errors import InputError
from .task_reason import Reason

__all__ = ["Ground", "grounds", "recognise"]

_MOSTLY = 0.5
"""From this share on a concept is carried by evidence, and its drawn concepts account for the whole of it. An edit of
the input and one of the features never agree to the nat; only a larger rest is a ground of its own."""
_TOO_MUCH = 1e100
"""No effect: sums of such numbers are not finite."""


@dataclass(frozen=True)
class Ground:
    """One thing that the decision rests on.

    Attributes:
        node: id of the node whose edge to the decision was drawn or confirmed.
        label: its label.
        modality: its sense.
        reasons: ids of the reasons that it was recognised as, sorted.
        effect: change of the decision score when it is taken out, nats; negative.
        p: against random directions; None for evidence, whose claim was confirmed by its controls.
        share: its part, 0 to 1, of all grounds of the decision.
        tells: ids of the nodes that tell the same thing, ``node`` among them, sorted.
    """

    node: str
    label: str
    modality: str
    reasons: tuple[str, ...]
    effect: float
    p: float | None
    share: float
    tells: tuple[str, ...]


@dataclass
class _Group:
    """One thing: evidence, its concepts taken out together, and each of them; only what speaks for the decision."""

    evidence: str | None = None
    together: str | None = None
    concepts: list[str] = field(default_factory=list)
    members: set[str] = field(default_factory=set)
    """All concepts that belong to it, drawn or not."""


def recognise(graph: nx.DiGraph, reasons: Iterable[Reason]) -> dict[str, tuple[str, ...]]:
    """Return the ids of the reasons that each node is, by its own attributes; sorted.

    Args:
        graph: graph of one decision.
        reasons: what to look for.
    """
    known, kinds = tuple(reasons), ("evidence", "concept", "together", "unnamed")
    return {
        node: tuple(sorted(reason.id for reason in known if reason.recognises(data)))
        for node, data in graph.nodes(data=True)
        if data.get("kind") in kinds
    }


def grounds(graph: nx.DiGraph, own: Mapping[str, Sequence[str]]) -> tuple[Ground, ...]:
    """Return what the decision rests on, the strongest first.

    A ground is a drawn edge of a concept, of concepts together or of what no concept accounts for, or an edge of
    confirmed evidence, that speaks for the decision (its effect is negative). Evidence, its concepts together and each
    of them tell one thing, which weighs as much as the strongest measurement of it (or, where its concepts were not
    drawn together, as their sum if that is more); its drawn concepts share that weight in proportion to their own
    effects. A concept belongs to the evidence that carries most of it.

    What an edge counts as: what its own node was recognised as. A concept without a name that nothing else tells apart
    counts as what its evidence was recognised as; evidence or concepts together that were not recognised, as what their
    concepts were, unless those were measured one by one and speak for themselves.

    Args:
        graph: graph of one decision.
        own: reasons of each node, from `recognise`.

    Raises:
        InputError: an edge to the decision has no finite effect.
    """
    groups = _groups(graph)
    found = [ground for group in groups for ground in _split(graph, own, group)]
    total = math.fsum(ground.share for ground in found)
    placed = [replace(ground, share=ground.share / total) for ground in found]
    return tuple(sorted(placed, key=lambda ground: (-ground.share, ground.node)))


def _effect(graph: nx.DiGraph, node: str) -> float:
    value = graph.edges[node, "decision"].get("effect")
    if not isinstance(value, int | float) or not abs(value) < _TOO_MUCH:
        raise InputError(f"grounds: edge {node!r} -> 'decision' has the effect {value!r}; give a finite number of nats")
    return float(value)


def _speaks(graph: nx.DiGraph, node: str) -> bool:
    if not graph.has_edge(node, "decision"):
        return False
    data, edge = graph.nodes[node], graph.edges[node, "decision"]
    if data.get("kind") == "evidence" and edge.get("status", data.get("status")) != "confirmed":
        return False
    return _effect(graph, node) < 0


def _home(graph: nx.DiGraph, concept: str) -> str | None:
    """The evidence that a concept belongs to: of those that carry or hold it, the one that carries most of it.

    Of two that carry as much, the one with the larger effect.
    """
    shares: dict[str, float] = {}
    for node, _, edge in graph.in_edges(concept, data=True):
        if edge.get("kind") == "carries" and graph.nodes[node].get("kind") == "evidence":
            shares[node] = float(edge.get("share") or 0.0)
    candidates = {node for node, share in shares.items() if share >= _MOSTLY}
    for node, data in graph.nodes(data=True):
        if data.get("kind") == "together" and (concept in (data.get("members") or ()) or graph.has_edge(concept, node)):
            candidates.add(node.removeprefix("together:"))

    def order(node: str) -> tuple[float, float]:
        return shares.get(node, 0.0), abs(_effect(graph, node)) if graph.has_edge(node, "decision") else 0.0

    return max(sorted(candidates), key=order, default=None)


def _groups(graph: nx.DiGraph) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for node, data in graph.nodes(data=True):
        kind = data.get("kind")
        if kind not in ("evidence", "concept", "together", "unnamed"):
            continue
        # A prefix of its own, so that no concept's id falls together with that of evidence.
        home = _home(graph, node) if kind == "concept" else node.removeprefix("together:")
        group = groups.setdefault(f"{'alone' if home is None or kind == 'unnamed' else 'of'}:{home or node}", _Group())
        if kind == "concept":
            group.members.add(node)
        if not _speaks(graph, node):
            continue
        if kind == "evidence":
            group.evidence = node
        elif kind == "together":
            group.together = node
        else:
            group.concepts.append(node)
    return list(groups.values())


def _split(graph: nx.DiGraph, own: Mapping[str, Sequence[str]], group: _Group) -> list[Ground]:
    """A group's grounds; ``share`` is in nats still."""
    wholes = [node for node in (group.together, group.evidence) if node]
    parts = [(node, abs(_effect(graph, node))) for node in group.concepts]
    summed = math.fsum(size for _, size in parts)
    weight = max(abs(_effect(graph, node)) for node in wholes) if wholes else 0.0
    if not group.together:
        weight = max(weight, summed)  # several taken out together may do more or less than their sum; else it counts
    if wholes and (not parts or summed < _MOSTLY * weight):
        parts.append((wholes[0], weight - summed))
    scale = weight / math.fsum(size for _, size in parts) if parts else 0.0
    tells = tuple(sorted({*wholes, *group.concepts}))
    inherited = {reason for node in wholes for reason in own[node]}
    made = []
    for node, size in parts:
        reasons, data, edge = set(own[node]), graph.nodes[node], graph.edges[node, "decision"]
        if node in wholes:
            reasons = inherited or _by_members(graph, own, group)
        elif data.get("kind") == "concept" and not data.get("named"):
            reasons = reasons or inherited
        label, told = str(data.get("label") or node), tuple(sorted(reasons))
        modality = str(data.get("modality") or "")
        made.append(Ground(node, label, modality, told, _effect(graph, node), edge.get("p"), size * scale, tells))
    return made


def _by_members(graph: nx.DiGraph, own: Mapping[str, Sequence[str]], group: _Group) -> set[str]:
    """What a whole counts as by its concepts: all that were taken out together; else those that were not measured."""
    members = (m for m in group.members if group.together or not _measured(graph, m))
    return {reason for member in members for reason in own[member]}


def _measured(graph: nx.DiGraph, concept: str) -> bool:
    return bool(graph.nodes[concept].get("tested")) or graph.has_edge(concept, "decision")
