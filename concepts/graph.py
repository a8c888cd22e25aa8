"""A small causal graph: from evidence over the senses to the decision, every edge a measured effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx

from ..modalities.wording import shortened
from ..verifier.account import CheckedClaim, Effect
from .naming import Name

__all__ = ["causal_graph"]


def _edge(effects: Sequence[Effect]) -> dict[str, object]:
    changes = [effect.effect for effect in effects]
    return {
        "effect": sum(changes) / len(changes),
        "operator_range": [min(changes), max(changes)],
        "operators": [e.operator for e in effects],
    }


def causal_graph(
    decision: str,
    claims: Sequence[CheckedClaim],
    senses: Mapping[str, Sequence[Effect]],
    labels: Mapping[str, str],
    names: Mapping[str, Name | None],
) -> nx.DiGraph:
    """Draw up the graph of what was measured.

    Args:
        decision: the action chosen.
        claims: checked claims.
        senses: effects of taking away a sense as a whole.
        labels: for each claim where its evidence lies, in words.
        names: for each claim its name, if one was earned.

    Returns:
        Nodes ``decision``, ``sense:<name>`` and the claims' names, each with ``kind`` and ``label``. An edge from
        evidence to the decision says what editing it did to the decision score (``effect``, nats, mean over operators;
        ``operator_range``); one from a sense, what taking the whole sense away did; one from evidence to its sense only
        says that it belongs there (``part_of``).
    """
    graph = nx.DiGraph()
    graph.add_node("decision", kind="decision", label=decision)
    for m, effects in senses.items():
        graph.add_node(f"sense:{m}", kind="sense", label=m)
        graph.add_edge(f"sense:{m}", "decision", **_edge(effects))
    for checked in claims:
        claim = checked.claim
        name = names.get(claim.name)
        place = shortened(labels[claim.name])
        label = f"{name.text}, {place}" if name else place
        graph.add_node(claim.name, kind="evidence", label=label, modality=claim.modality, status=checked.status)
        graph.add_edge(
            claim.name, "decision", predicted=claim.predicted, status=checked.status, **_edge(checked.effects)
        )
        graph.add_edge(claim.name, f"sense:{claim.modality}", part_of=True)
    return graph
