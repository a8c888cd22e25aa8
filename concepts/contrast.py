"""Contrast: why the decided action and not another one, from the causal graph alone."""

from __future__ import annotations

import networkx as nx

from ..errors import InputError
from .draft import Draft, Sentence
from .phrases import Phrases
from .reasons import Reason, drawn, in_order, least_of, reasons

__all__ = ["why_not"]

_MOST = 3


def why_not(graph: nx.DiGraph, action: str) -> tuple[Sentence, ...]:
    """Say why another action was not chosen.

    A contrast is the change of ``z_decided − z_action`` in nats when something is taken out: where the lead falls, it
    speaks for the decided action rather than the other. It is told of what has a confirmed effect on the decision; the
    contrast itself was measured in the same passes, and has no test of its own.

    Args:
        graph: the causal graph of one decision.
        action: the action asked for.

    Returns:
        How likely the two were; up to three things that speak for the decided one, and three for the other; which
        measured change leads to the other, the fewest nats first, or that none does.

    Raises:
        InputError: the action is the decided one or none of the system's, or the graph cannot be told.
    """
    phrases, told = Phrases.of(graph), graph.graph
    decided, others = told["action"], [a for a in told["actions"] if a != told["action"]]
    if action not in others:
        what = "is what was decided" if action == decided else "is not known"
        raise InputError(f"action: {action!r} {what}; ask why not {', '.join(map(str, others))}")
    given = {"decided": decided, "other": action}
    odds = {"probability": told["probabilities"][decided], "other_probability": told["probabilities"][action]}
    sentences = [Draft(graph, phrases, "decision").add("rather", **given, **odds).sentence()]
    changes = [(r, change) for r in reasons(graph) if (change := _contrast(graph, r, action)) is not None]
    changes.sort(key=lambda found: -abs(found[1]))
    pulling = [found for found in changes if found[1] < 0][:_MOST]
    for reason, change in pulling:
        draft = Draft(graph, phrases, "for").add("contrast-for", reason.node, **given, contrast_less=change)
        sentences.append(draft.sentence())
    if not pulling:
        sentences.append(Draft(graph, phrases, "for").add("no-contrast", **given).sentence())
    for reason, change in [found for found in changes if found[1] > 0][:_MOST]:
        draft = Draft(graph, phrases, "against").add("contrast-against", reason.node, **given, contrast_more=change)
        sentences.append(draft.sentence())
    return (*sentences, *_ways(graph, phrases, action))


def _contrast(graph: nx.DiGraph, reason: Reason, action: str) -> float | None:
    """The contrast of a reason with an action, nats, where it was measured and counts."""
    change = (graph.edges[reason.node, "decision"].get("contrasts") or {}).get(action, 0.0)
    return change if abs(change) >= least_of(graph) else None


def _ways(graph: nx.DiGraph, phrases: Phrases, action: str) -> list[Sentence]:
    """What leads to the action when it is taken out; whole senses only where nothing smaller does."""
    edges = {u: data for u, _, data in graph.in_edges("decision", data=True) if data.get("becomes") == action}
    told = {reason.node for reason in reasons(graph)}
    ways = [n for n in edges if n in told] or [n for n in edges if drawn(graph, n)]
    ways = ways or [n for n in edges if graph.nodes[n].get("kind") == "sense"]
    if not ways:
        return [Draft(graph, phrases, "counterfactual").add("no-way", other=action).sentence()]
    ways = sorted(in_order(ways), key=lambda n: abs(edges[n]["effect"]))[:_MOST]
    sentences = []
    for node in ways:
        draft, after = Draft(graph, phrases, "counterfactual"), (edges[node].get("after") or {}).get(action)
        if after is None:
            draft.add("counterfactual-bare", node, becomes=action)
        else:
            draft.add("counterfactual", node, becomes=action, then=after)
        sentences.append(draft.sentence())
    return sentences
