"""The justification: sentences made from the causal graph alone; each says what it rests on, and if it is confirmed.

Whatever length is asked for, the sentences are clauses of `clauses.CLAUSES` filled with what was measured of this
system; `consistency.contradictions` reads them again and holds them against the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import networkx as nx

from ..errors import InputError
from .clauses import Fact, shown
from .draft import Draft, Sentence, moved
from .phrases import Phrases
from .reasons import Reason, counterfactuals, drawn, reasons
from .remarks import correlates, idles, of_kind, senses, unconfirmed

__all__ = ["Fact", "Length", "Sentence", "justify"]

Length = Literal["short", "medium", "full"]
_MOST = 6


@dataclass(frozen=True)
class _Teller:
    """Tells one graph.

    Attributes:
        graph: the graph.
        phrases: what its things are called.
        length: how much is told.
        found: what speaks for or against the decision, the strongest first.
        ways: what changes the decision when it is taken out, the smallest first.
    """

    graph: nx.DiGraph
    phrases: Phrases
    length: Length
    found: Sequence[Reason]
    ways: Sequence[str]

    def _draft(self, kind: str) -> Draft:
        return Draft(self.graph, self.phrases, kind)

    def _edge(self, node: str) -> Mapping[str, Any]:
        return self.graph.edges[node, "decision"] if self.graph.has_edge(node, "decision") else {}

    def decision(self) -> Draft:
        told = self.graph.graph
        probabilities, action = told["probabilities"], told["action"]
        second = max((a for a in told["actions"] if a != action), key=lambda a: probabilities[a])
        given: dict[str, Any] = {"system": self.phrases.system, "decided": action, "next": second}
        given |= {"probability": probabilities[action], "next_probability": probabilities[second]}
        score = told.get("score")
        if score is None or self.length == "short":
            return self._draft("decision").add("chose", **given)
        side = "ahead" if score >= 0 else "behind"
        return self._draft("decision").add(f"chose-{side}", **given, **{side: score})

    def reason(self, reason: Reason, draft: Draft | None = None) -> Draft:
        """What a reason does; beside it the claim that is confirmed, what was predicted, at full length the rest."""
        draft = draft or self._draft("for" if reason.effect < 0 else "against")
        node, edge = reason.node, self._edge(reason.node)
        moved(draft.add(self._lead(reason), node), node)
        # What the smallest change leads to has a sentence of its own.
        if node not in self.ways[:1]:
            draft.outcome(node)
        if self.length == "short":
            return draft
        if self.length == "full" and None not in (parts := (edge.get("direct"), edge.get("through_state"))):
            draft.add("through", node, direct=parts[0], through_state=parts[1])
        if reason.evidence:
            draft.add("beside", node, claim=reason.evidence, confirmed=self._edge(reason.evidence)["effect"])
        foretold = edge.get("predicted")
        if foretold is not None and abs(foretold - reason.effect) > 1e-6:
            draft.add("predicted", node, predicted=foretold)
        if self.length == "full":
            self._further(draft, node)
        return draft

    def _further(self, draft: Draft, node: str) -> None:
        edge = self._edge(node)
        if edge.get("interaction") is not None:
            draft.add("interaction", node, interaction=edge["interaction"])
        if typical := edge.get("typical"):
            draft.add("typical", node, typical=typical["effect"])
            if typical.get("becomes") is not None:
                draft.add("typical-becomes", node, " and ", typical_becomes=typical["becomes"])

    def _lead(self, reason: Reason) -> str:
        """How a reason is led up to; only a supported account says what the decision rests on."""
        if reason.within:
            return "alone-for" if reason.effect < 0 else "alone-against"
        if reason.effect > 0:
            return "against"
        if reason != next(r for r in self.found if r.effect < 0 and not r.within):
            return "next-comes"
        return "rests-first" if self.graph.graph.get("verdict") == "supported" else "points-first"

    def speaking(self) -> tuple[list[Reason], list[Reason]]:
        """What speaks for the decision and what against it; parts of a whole that is told come only at full length."""
        told = [r for r in self.found if self.length == "full" or not r.within]
        # The whole comes before its parts.
        told.sort(key=lambda r: bool(r.within))
        return [r for r in told if r.effect < 0], [r for r in told if r.effect > 0]

    def without(self, node: str, draft: Draft | None = None) -> Draft:
        draft, edge = draft or self._draft("counterfactual"), self._edge(node)
        becomes = edge["becomes"]
        after = (edge.get("after") or {}).get(becomes)
        if after is None:
            return draft.add("counterfactual-bare", node, becomes=becomes)
        return draft.add("counterfactual", node, becomes=becomes, then=after)

    def change(self) -> Draft:
        """The smallest confirmed change that alters the decision; failing that, which larger one does."""
        if self.ways:
            return self.without(self.ways[0])
        draft, nodes = self._draft("counterfactual"), self.graph.nodes
        if not any(self._edge(n) or nodes[n].get("tested") for n in self.graph):
            return draft.add("nothing-removed")
        draft.add("no-counterfactual")
        staying = (None, self.graph.graph["action"])
        larger = [n for n in of_kind(self.graph, "unnamed") if drawn(self.graph, n)] + of_kind(self.graph, "sense")
        larger = [n for n in larger if self._edge(n).get("becomes") not in staying]
        return self.without(min(larger, key=lambda n: abs(self._edge(n)["effect"])), draft) if larger else draft

    def sureness(self, node: str) -> list[Sentence]:
        edge, draft = self._edge(node), self._draft("sureness")
        interval, p, seen = edge.get("interval"), edge.get("p"), edge.get("operator_range")
        if interval and p is not None:
            draft.add("sure", node, low=interval[0], high=interval[1], p=p)
        elif interval:
            draft.add("sure-interval", node, low=interval[0], high=interval[1])
        elif p is not None:
            draft.add("sure-p", node, p=p)
        elif seen and shown("nats", seen[0], self.phrases) != shown("nats", seen[1], self.phrases):
            draft.add("sure-range", node, least_seen=seen[0], most_seen=seen[1])
        return [draft.sentence()] if draft.text else []

    def verdict(self) -> list[Sentence]:
        verdict = self.graph.graph.get("verdict")
        if verdict is None:
            return []
        draft = self._draft("verdict").add(verdict)
        if self.phrases.reason:
            draft.add("reason", join=": ", reason=self.phrases.reason)
        draft.claims = dict.fromkeys(of_kind(self.graph, "evidence")[:1])
        return [draft.sentence()]

    def short(self) -> tuple[Sentence, ...]:
        speaking, _ = self.speaking()
        first = self.decision()
        first = self.reason(speaking[0], first) if speaking else first.add("nothing-for")
        second, verdict = self.change(), self.graph.graph.get("verdict")
        # A short text must not sound surer than a long one.
        if verdict in ("unsupported", "inconclusive"):
            second.add(verdict)
        return first.sentence(), second.sentence()

    def medium(self) -> tuple[Sentence, ...]:
        speaking, against = self.speaking()
        main = self.reason(speaking[0]) if speaking else self._draft("for").add("nothing-for")
        beside = senses(self.graph, self.phrases, every=False)
        failed = unconfirmed(self.graph, self.phrases)[:1]
        going = correlates(self.graph, self.phrases)[:1]
        further = [self.reason(r).sentence() for r in speaking[1:2]]
        opposed = [self.reason(r).sentence() for r in against[:1]]
        sure = self.sureness(speaking[0].node) if speaking else []
        needed = [self.decision().sentence(), main.sentence(), self.change().sentence(), *self.verdict()]
        room = [*failed, *opposed, *further, *beside, *going, *sure][: _MOST - len(needed)]
        order = [*needed[:2], *further, *opposed, needed[2], *sure, *failed, *going, *beside, *needed[3:]]
        return tuple(s for s in order if s in needed or s in room)

    def full(self) -> tuple[Sentence, ...]:
        speaking, against = self.speaking()
        told = [*speaking, *against]
        return (
            self.decision().sentence(),
            *([] if speaking else [self._draft("for").add("nothing-for").sentence()]),
            *(self.reason(r).sentence() for r in told),
            self.change().sentence(),
            *(s for r in told for s in self.sureness(r.node)),
            *unconfirmed(self.graph, self.phrases),
            *idles(self.graph, self.phrases),
            *correlates(self.graph, self.phrases),
            *senses(self.graph, self.phrases, every=True),
            *self.verdict(),
        )


def justify(graph: nx.DiGraph, length: Length = "medium") -> tuple[Sentence, ...]:
    """Write the justification of a decision from its causal graph.

    The decision comes first, then what speaks for it and against it, what would have changed it, how sure that is, what
    could not be confirmed, what does nothing, and last the verdict. One thing is told once, by its best name. Only
    where the verdict is *supported* is the decision said to rest on anything.

    Args:
        graph: the causal graph of one decision, with its figures in ``graph.graph``.
        length: ``short`` (two sentences), ``medium`` (three to six) or ``full`` (all there is, in order).

    Raises:
        InputError: no such length, or a graph that sentences cannot be made from.
    """
    if length not in get_args(Length):
        raise InputError(f"length: {length!r} is not known; use {', '.join(get_args(Length))}")
    phrases = Phrases.of(graph)
    teller = _Teller(graph, phrases, length, reasons(graph), counterfactuals(graph))
    return {"short": teller.short, "medium": teller.medium, "full": teller.full}[length]()
