"""Consistency: a checker that reads sentences and holds every word of theirs against the causal graph.

The text is read by the grammar of the clauses (`reader`), apart from how it was written. What it says, and what the
sentence's facts say, is derived anew from the graph (`truth`). A sentence that cannot be read is a contradiction:
whatever was put in, left out or turned round breaks the grammar, or says something that the graph does not bear out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import networkx as nx

from ..errors import InputError
from .clauses import OPEN, SLOTS, Fact, Value, shown
from .draft import Sentence
from .reader import Read
from .truth import Truth

__all__ = ["contradictions"]

_KINDS = {
    "decision": {"chose", "chose-ahead", "chose-behind", "rather"},
    "for": {"rests-first", "points-first", "next-comes", "alone-for", "nothing-for", "contrast-for", "no-contrast"},
    "against": {"against", "alone-against", "contrast-against"},
    "counterfactual": {"counterfactual", "counterfactual-bare", "no-counterfactual", "nothing-removed", "no-way"},
    "sureness": {"sure", "sure-interval", "sure-p", "sure-range"},
    "unconfirmed": {"negligible", "raised", "lowered"},
    "idle": {"no-effect", "unsettled", "untested"},
    "correlate": {"correlate", "correlate-unsettled", "correlate-untested"},
    "verdict": {"supported", "unsupported", "inconclusive"},
}
"""How a sentence of a kind begins; the rest are of kind ``senses``."""


def contradictions(graph: nx.DiGraph, sentences: Iterable[Sentence]) -> list[str]:
    """Hold sentences of `sentences.justify` and `contrast.why_not` against the graph.

    Args:
        graph: the graph that they are to be about.
        sentences: the sentences; each is checked by itself.

    Returns:
        What is wrong, one line each, in order; nothing if every figure, action, direction, edge and mark of
        confirmation follows from the graph. Whether something was left out is not looked at.

    Raises:
        InputError: a graph that sentences cannot be made from, or something among the sentences that is none.
    """
    truth = Truth(graph)
    found = []
    for i, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, Sentence):
            raise InputError(f"sentence {i}: {type(sentence).__name__} is no Sentence; give what justify returned")
        found += [f"sentence {i}: {fault}" for fault in _faults(truth, sentence)]
    return found


def _faults(truth: Truth, sentence: Sentence) -> list[str]:
    reads = truth.reader.read(sentence.text)
    if reads is None:
        return [f"“{sentence.text}” cannot be read: no clauses of the grammar make it, about things of this graph"]
    things = {r.thing for r in reads} - {""}
    beside = [c for c in sentence.claims if c not in things] if any(r.clause == "beside" for r in reads) else []
    claim = beside[0] if len(beside) == 1 else ""
    faults = [f"the graph does not bear out the clause {r.clause!r}" for r in reads if not truth.bears_out(r, claim)]
    told = {(fact.subject, fact.relation, fact.unit, fact.of): fact.value for fact in sentence.facts}
    said: set[tuple[str, str, str, str]] = set()
    for read in reads:
        for key, words, slot in truth.reader.asserted(read, claim):
            said.add(key)
            if words is not None:
                faults += _misread(truth, key, words, slot, told.get(key))
    for what, keys in (
        ("the text says, and no fact", said - set(told)),
        ("a fact says, not the text", set(told) - said),
    ):
        faults += [f"{what}: {relation} of {subject}" for subject, relation, *_ in sorted(keys)]
    return faults + _misstated(truth, sentence.facts) + _misplaced(truth, sentence, reads, things | set(beside))


def _misread(truth: Truth, key: tuple[str, str, str, str], words: str, slot: str, stated: Value) -> list[str]:
    """Faults of what stands in a slot: against the graph, and against the fact that states it."""
    subject, relation, unit, of = key
    form, sign = SLOTS[slot].form, SLOTS[slot].sign
    value = truth.reader.action(words) if form == "action" else words
    true = truth.of(Fact(subject, relation, value, unit, of))
    if true is None:
        return [f"it says “{words}” as {relation} of {subject}; the graph has none"]
    if shown(form, true, truth.phrases) not in _as_in_a_text(words, relation):
        return [f"it says “{words}” as {relation} of {subject}; by the graph it is {true!r}"]
    if sign and true * sign < 0:
        return [f"it turns round the sign of {relation} of {subject}, {true!r}"]
    if stated is not None and shown(form, stated, truth.phrases) not in _as_in_a_text(words, relation):
        return [f"it says “{words}” as {relation} of {subject}, and a fact {stated!r}"]
    return []


def _as_in_a_text(words: str, relation: str) -> tuple[str, ...]:
    """Words as they may stand elsewhere: what opens a sentence has a capital there."""
    capital, small = words[:1].upper() + words[1:], words[:1].lower() + words[1:]
    return (words, capital, small) if relation in ("system", "absent") else (words,)


def _misstated(truth: Truth, facts: Sequence[Fact]) -> list[str]:
    faults = []
    for fact in facts:
        true = truth.of(fact)
        if fact.value != true or isinstance(fact.value, bool):
            faults.append(
                f"a fact has {fact.value!r} as {fact.relation} of {fact.subject}; by the graph it is {true!r}"
            )
    return faults


def _misplaced(truth: Truth, sentence: Sentence, reads: Sequence[Read], nodes: set[str]) -> list[str]:
    """Faults of what stands beside the text: edges, claims, kind, confirmation."""
    faults = []
    edges = {(n, "decision") for n in nodes if truth.edge(n)}
    if set(sentence.edges) != edges:
        faults.append(f"its edges are {sorted(sentence.edges)}; the text is about {sorted(edges)}")
    evidence = (
        {n for n in nodes if truth.graph.nodes[n].get("kind") == "evidence"} if nodes <= set(truth.graph) else None
    )
    if sentence.kind != "verdict" and set(sentence.claims) != evidence:
        faults.append(f"its claims are {sorted(sentence.claims)}; the text is about others")
    if any(truth.graph.nodes[c].get("kind") != "evidence" for c in sentence.claims if c in truth.graph):
        faults.append(f"its claims {sorted(sentence.claims)} are not all evidence")
    begins = [kind for kind, names in _KINDS.items() if reads[0].clause in names] or ["senses"]
    if sentence.kind not in begins:
        faults.append(f"it is of kind {sentence.kind!r}, and begins as one of {begins[0]!r}")
    if sentence.confirmed == any(r.clause in OPEN for r in reads):
        faults.append(f"it is marked {'' if sentence.confirmed else 'not '}confirmed, and what it says is otherwise")
    return faults
