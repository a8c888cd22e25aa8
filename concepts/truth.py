"""Truth: what a causal graph has to say to each clause and each fact of a sentence, derived apart from the writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import networkx as nx

from ..modalities.wording import listed
from .clauses import Fact, shown
from .phrases import Phrases
from .reader import Read, Reader
from .reasons import counterfactuals, drawn, least_of, reasons

__all__ = ["Truth"]

_EDGE: Mapping[str, tuple[str, int | str | None]] = {
    **dict.fromkeys(("speaks-for", "speaks-against", "confirmed", "not-confirmed"), ("effect", None)),
    **{k: (k.replace("-", "_"), None) for k in ("becomes", "predicted", "direct", "through-state", "interaction", "p")},
    "interval-low": ("interval", 0),
    "interval-high": ("interval", 1),
    "range-low": ("operator_range", 0),
    "range-high": ("operator_range", 1),
    "typical": ("typical", "effect"),
    "typical-becomes": ("typical", "becomes"),
}
_GOES = {"goes-along": "action", "share": "share", "usual": "usual"}


class Truth:
    """A graph, and what follows from it for the clauses that may be said of it."""

    def __init__(self, graph: nx.DiGraph) -> None:
        """Derive what most clauses ask for.

        Raises:
            InputError: sentences cannot be made from the graph.
        """
        self.graph, self.told = graph, graph.graph
        self.phrases = Phrases.of(graph)
        self.reader = Reader(self.phrases)
        self.ranks = {reason.node: reason for reason in reasons(graph)}
        self.first = next((r.node for r in self.ranks.values() if r.effect < 0 and not r.within), None)
        self.drawn = {node for node in graph if drawn(graph, node)}

    def edge(self, node: str) -> Mapping[str, Any]:
        """Return the edge to the decision; empty where there is none."""
        return self.graph.edges[node, "decision"] if self.graph.has_edge(node, "decision") else {}

    def seen(self, node: str) -> Any:
        """Return the effect seen of a node, be it drawn or not; None where none was measured."""
        data = self.graph.nodes[node]
        return self.edge(node).get("effect", data.get("effect") if data.get("tested", True) else None)

    def of(self, fact: Fact) -> Any:
        """Return what the graph has for a fact's subject, relation and action; None where it has nothing."""
        node, relation = fact.subject, fact.relation
        if node == "decision":
            return self._of_decision(relation, fact.of, fact.value)
        if node not in self.graph:
            return None
        edge, data = self.edge(node), self.graph.nodes[node]
        if relation in _EDGE:
            key, part = _EDGE[relation]
            value = edge.get(key)
            return value if part is None or value is None else value[part]
        if relation in _GOES:
            return (data.get("goes_with") or {}).get(_GOES[relation])
        if relation in ("after", "contrast"):
            return (edge.get("after" if relation == "after" else "contrasts") or {}).get(fact.of)
        if relation in ("no-effect", "unsettled"):
            return self.seen(node)
        return self.phrases.things.get(node) if relation == "called" else None

    def _of_decision(self, relation: str, of: str, value: object) -> Any:
        told, rivals = self.told, [a for a in self.told["actions"] if a != self.told["action"]]
        if relation == "probability":
            return told["probabilities"].get(of)
        if relation == "next":
            return max(rivals, key=lambda a: told["probabilities"][a])
        if relation == "rather-than":
            return value if value in rivals else None
        if relation == "absent":
            return listed([self.phrases.sense(m) for m in told.get("absent") or ()])
        if relation in ("system", "reason"):
            return getattr(self.phrases, relation)
        return least_of(self.graph) if relation == "least" else told.get({"decided": "action"}.get(relation, relation))

    def bears_out(self, read: Read, claim: str) -> bool:
        """Return whether what a clause says beyond its figures is so."""
        check = _CHECKS.get(read.clause)
        if check is not None:
            return check(self, read)
        if read.clause == "beside":
            return read.thing in self.ranks and self.ranks[read.thing].evidence == claim
        if read.clause.endswith(("stays-but-lower", "stays-but-higher")):
            before = self.told["probabilities"][self.told["action"]]
            after = (self.edge(read.thing).get("after") or {}).get(self.told["action"])
            return after is not None and shown("probability", after, self.phrases) == shown(
                "probability", before, self.phrases
            )
        return True

    def measured(self, node: str) -> bool:
        """Return whether taking a node out has an effect that may be told as a fact: confirmed, or a whole sense's."""
        return bool(self.edge(node)) and (node in self.drawn or self.graph.nodes[node].get("kind") == "sense")

    def changes(self, node: str) -> bool:
        """Return whether the decision is another one without the node."""
        return self.measured(node) and self.edge(node).get("becomes") not in (None, self.told["action"])

    def open(self, node: str, small: bool | None) -> bool:
        """Return whether no effect is confirmed: a small one was seen, a larger one (False) or none measured (None)."""
        seen = self.seen(node)
        if node in self.drawn:
            return False
        return seen is None if small is None else seen is not None and (abs(seen) < least_of(self.graph)) == small

    def goes(self, node: str) -> bool:
        """Return whether a concept goes with an action more often than is usual."""
        found = self.graph.nodes[node].get("goes_with") or {}
        return found.get("share", 0.0) > found.get("usual", 1.0)

    def speaks(self, node: str, sign: int, part: bool | None = None) -> bool:
        """Return whether a node is told as a reason: for (−1) or against (+1), as a part of another or by itself."""
        found = self.ranks.get(node)
        return found is not None and found.effect * sign > 0 and part in (None, bool(found.within))

    def contrasted(self, other: str, sign: int) -> list[str]:
        """Return the reasons without which the lead over another action falls (−1) or rises (+1) by what counts."""
        found = {n: (self.edge(n).get("contrasts") or {}).get(other, 0.0) for n in self.ranks}
        return [n for n, change in found.items() if change * sign >= least_of(self.graph)]

    def idle_sense(self, node: str) -> bool:
        """Return whether no way of taking a whole sense away has an effect that counts."""
        edge = self.edge(node)
        ends = (edge.get("effect", 1e9), *(edge.get("operator_range") or ()))
        return self.graph.nodes[node]["kind"] == "sense" and all(abs(e) < least_of(self.graph) for e in ends)

    def untried(self) -> bool:
        """Return whether nothing at all was taken out."""
        return not any(self.edge(n) or self.graph.nodes[n].get("tested") for n in self.graph)

    def leads_to(self, other: str) -> bool:
        """Return whether taking out anything whose effect is confirmed, or a whole sense, leads to an action."""
        return any(self.edge(n).get("becomes") == other for n in self.graph if self.measured(n))

    def unmet(self, node: str, contradicted: bool | None = None) -> bool:
        """Return whether a claim is not confirmed, and, if asked, whether it is contradicted."""
        status = self.edge(node).get("status", self.graph.nodes[node].get("status"))
        return (
            self.graph.nodes[node].get("kind") == "evidence"
            and node not in self.drawn
            and contradicted in (None, status == "contradicted")
        )


def _verdict(word: str) -> Callable[[Truth, Read], bool]:
    return lambda t, r: t.told.get("verdict") == word


_CHECKS: Mapping[str, Callable[[Truth, Read], bool]] = {
    "rests-first": lambda t, r: r.thing == t.first and t.told.get("verdict") == "supported",
    "points-first": lambda t, r: r.thing == t.first and t.told.get("verdict") != "supported",
    "next-comes": lambda t, r: t.speaks(r.thing, -1, part=False) and r.thing != t.first,
    "against": lambda t, r: t.speaks(r.thing, 1, part=False),
    "alone-for": lambda t, r: t.speaks(r.thing, -1, part=True),
    "alone-against": lambda t, r: t.speaks(r.thing, 1, part=True),
    "nothing-for": lambda t, r: not any(t.speaks(n, -1) for n in t.ranks),
    "becomes": lambda t, r: t.changes(r.thing),
    "stays": lambda t, r: t.measured(r.thing) and t.edge(r.thing).get("becomes") == t.told["action"],
    "depends": lambda t, r: (
        t.measured(r.thing)
        and t.edge(r.thing).get("becomes", "") is None
        and len(t.edge(r.thing).get("operators") or ()) > 1
    ),
    "counterfactual": lambda t, r: t.changes(r.thing),
    "counterfactual-bare": lambda t, r: t.changes(r.thing),
    "no-counterfactual": lambda t, r: not counterfactuals(t.graph) and not t.untried(),
    "nothing-removed": lambda t, r: t.untried(),
    **{f"sure{which}": lambda t, r: r.thing in t.drawn for which in ("", "-interval", "-p", "-range")},
    "supported": _verdict("supported"),
    "unsupported": _verdict("unsupported"),
    "inconclusive": _verdict("inconclusive"),
    "negligible": lambda t, r: t.unmet(r.thing),
    "raised": lambda t, r: t.unmet(r.thing, contradicted=True),
    "lowered": lambda t, r: t.unmet(r.thing, contradicted=True),
    "no-effect": lambda t, r: t.open(r.thing, small=True),
    "nor": lambda t, r: t.open(r.thing, small=True),
    "unsettled": lambda t, r: t.open(r.thing, small=False),
    "untested": lambda t, r: t.open(r.thing, small=None),
    "correlate": lambda t, r: t.goes(r.thing) and t.open(r.thing, small=True),
    "correlate-unsettled": lambda t, r: t.goes(r.thing) and t.open(r.thing, small=False),
    "correlate-untested": lambda t, r: t.goes(r.thing) and t.open(r.thing, small=None),
    "idle-sense": lambda t, r: t.idle_sense(r.thing),
    "one-absent": lambda t, r: len(t.told.get("absent") or ()) == 1,
    "several-absent": lambda t, r: len(t.told.get("absent") or ()) > 1,
    "contrast-for": lambda t, r: r.thing in t.contrasted(t.reader.action(r.slots["other"]), -1),
    "contrast-against": lambda t, r: r.thing in t.contrasted(t.reader.action(r.slots["other"]), 1),
    "no-contrast": lambda t, r: not t.contrasted(t.reader.action(r.slots["other"]), -1),
    "no-way": lambda t, r: not t.leads_to(t.reader.action(r.slots["other"])),
}
