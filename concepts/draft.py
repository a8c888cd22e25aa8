"""Sentences in the making: clauses put together, with the facts, edges and claims that they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx

from .clauses import OPEN, Fact, fill, shown
from .phrases import Phrases

__all__ = ["Draft", "Sentence", "moved"]


@dataclass(frozen=True)
class Sentence:
    """A sentence, what it rests on, and whether the measurements confirm it.

    Attributes:
        text: the sentence.
        claims: evidence nodes of the graph that it tells the measurement of.
        confirmed: whether all that it says was measured and found so.
        edges: edges of the graph that it tells.
        kind: ``decision``, ``for``, ``against``, ``counterfactual``, ``sureness``, ``unconfirmed``, ``idle``,
            ``correlate``, ``senses``, ``task`` or ``verdict``.
        facts: what it says, in machine form.
    """

    text: str
    claims: tuple[str, ...]
    confirmed: bool
    edges: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    facts: tuple[Fact, ...] = ()


class Draft:
    """A sentence in the making: clauses are added one after another."""

    def __init__(self, graph: nx.DiGraph, phrases: Phrases, kind: str) -> None:
        """Begin a sentence."""
        self.graph, self.phrases, self.kind = graph, phrases, kind
        self.text = ""
        self.confirmed = True
        self.facts: dict[Fact, None] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.claims: dict[str, None] = {}

    def add(self, name: str, thing: str = "", join: str = "; ", claim: str = "", **values: float | str | None) -> Draft:
        """Add a clause behind what stands there; ``values`` fill its slots."""
        text, facts = fill(name, self.phrases, thing, claim, values)
        self.text = f"{self.text}{join}{text}" if self.text else text
        self.facts |= dict.fromkeys(facts)
        self.confirmed &= name not in OPEN
        for node in filter(None, (thing, claim)):
            if self.graph.has_edge(node, "decision"):
                self.edges[node, "decision"] = None
            if self.graph.nodes[node].get("kind") == "evidence":
                self.claims[node] = None
        return self

    def outcome(self, node: str) -> Draft:
        """Add what is decided once a node is taken out, where that was measured."""
        edge = self.graph.edges[node, "decision"]
        becomes = edge.get("becomes")
        if becomes is not None:
            return self.add(
                "stays" if becomes == self.graph.graph["action"] else "becomes", node, " and ", becomes=becomes
            )
        # Ways of taking it out that led to different decisions leave null.
        if "becomes" in edge and len(edge.get("operators") or ()) > 1:
            self.add("depends", node, " and ")
        return self

    def sentence(self) -> Sentence:
        """Close the sentence; it is confirmed if no clause of it says of anything that it is not."""
        text = f"{self.text[:1].upper()}{self.text[1:]}."
        return Sentence(text, tuple(self.claims), self.confirmed, tuple(self.edges), self.kind, tuple(self.facts))


def moved(draft: Draft, node: str, thing: bool = False) -> Draft:
    """Add what taking a node out did to the decided action: in probability where that goes with it, else in nats.

    Args:
        draft: the sentence.
        node: what is taken out.
        thing: call it by its phrase, not "it".
    """
    graph, edge = draft.graph, draft.graph.edges[node, "decision"]
    action, effect = graph.graph["action"], float(edge["effect"])
    before, after = graph.graph["probabilities"][action], (edge.get("after") or {}).get(action)
    join, lead, lower = ("; ", "thing-", effect < 0) if thing else (": ", "", effect < 0)
    given: dict[str, Any] = {"decided": action, ("speaks_for" if lower else "speaks_against"): effect}
    if after is not None and shown("probability", after, draft.phrases) == shown("probability", before, draft.phrases):
        name = lead + ("stays-but-lower" if lower else "stays-but-higher")
        return draft.add(name, node, join, probability=before, **given)
    if after is not None and (after - before) * effect > 0:
        given |= {"probability": before, "after": after}
        return draft.add(lead + ("falls-to" if lower else "rises-to"), node, join, **given)
    size: dict[str, Any] = {"less" if lower else "more": effect}
    return draft.add(lead + ("falls-by" if lower else "rises-by"), node, join, decided=action, **size)
