"""The causal graph of one decision: evidence, the concepts that it makes, and the decision, joined by measured effects.

An edge to the decision is what an intervention did to the decision score of *this system*: evidence and senses were
edited in the input, concepts were taken out of the features. Effects of concepts that cannot be told from zero are not
drawn. ``docs/record.md`` says what each attribute means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from ..modalities.wording import shortened
from ..verifier.account import CheckedClaim, Effect
from ..verifier.judge import Verdict
from .acts import Acted
from .bank import ConceptBank, ConceptName
from .effects import TailEffect
from .graph_export import NOTE
from .layer import Found, LayerFindings
from .naming import Name

__all__ = ["Decided", "Facts", "causal_graph", "concept_name", "label_of"]


_OFTEN = 1.5
"""A concept goes with an action often if its occurrences have it so many times as often as all decisions."""


@dataclass(frozen=True)
class Decided:
    """The decision in figures.

    Attributes:
        system: who decided.
        action: what was chosen.
        actions: all actions, each once.
        probabilities: one for each action.
        score: decision score, nats.
        logits: scores of all actions.
        absent: senses that were absent.
    """

    system: str
    action: str
    actions: tuple[str, ...]
    probabilities: tuple[float, ...]
    score: float
    logits: tuple[float, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the graph is drawn from.

    Attributes:
        decided: the decision.
        claims: checked claims.
        senses: effects of taking away a sense as a whole.
        where: for each claim where its evidence lies, in words.
        names: for each claim its name, if one was earned.
        layer: the concepts and their effects.
        acted: what operators did to the banks, by sense.
        verdict: on the account; None where there is none.
        least: smallest effect that counts, nats.
        alpha: level of the tests.
    """

    decided: Decided
    claims: Sequence[CheckedClaim] = ()
    senses: Mapping[str, Sequence[Effect]] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, Name | None] = field(default_factory=dict)
    layer: LayerFindings = field(default_factory=LayerFindings)
    acted: Mapping[str, Acted] = field(default_factory=dict)
    verdict: Verdict | None = None
    least: float = 0.1
    alpha: float = 0.05


def concept_name(
    bank: ConceptBank, concept: int, acted: Acted | None = None, strength: float = np.inf
) -> tuple[int, ConceptName | None, bool]:
    """Return which concept it counts as (after merging), its name, and whether an operator vetoed it.

    A name that an encoder gave was earned where the concept is strong: a place at which it is weaker than is typical of
    it (`ConceptBank.typical`) goes without. What an operator named is called so everywhere.
    """
    vetoed = acted is not None and concept in acted.vetoed
    resolved = concept if acted is None else acted.merges.get(concept, concept)
    name = None if vetoed else (bank if acted is None else acted.bank).names[concept]
    if name is not None and name.source != "operator" and strength < bank.typical[concept]:
        name = None
    return resolved, name, vetoed


def label_of(name: ConceptName | None, concept: int, vetoed: bool = False) -> str:
    """Return how a concept is called: by its name, or ``unnamed concept #7``."""
    if name is not None:
        return name.text
    return f"{'vetoed' if vetoed else 'unnamed'} concept #{concept}"


def _probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - float(np.max(logits)))
    return shifted / shifted.sum()


def _after(decided: Decided, logits: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return what the decision becomes (where all agree) and the mean probabilities."""
    chosen = {decided.actions[int(z.argmax())] for z in logits}
    mean = np.mean([_probabilities(z) for z in logits], axis=0)
    return {
        "becomes": chosen.pop() if len(chosen) == 1 else None,
        "after": {a: float(p) for a, p in zip(decided.actions, mean, strict=True)},
    }


def _edited(decided: Decided, effects: Sequence[Effect]) -> dict[str, Any]:
    """Attributes of an edge from what was edited in the input."""
    changes = [effect.effect for effect in effects]
    return {
        "effect": sum(changes) / len(changes),
        "operator_range": [min(changes), max(changes)],
        "operators": [e.operator for e in effects],
        **_after(decided, [e.logits for e in effects]),
    }


def _taken_out(facts: Facts, told: TailEffect) -> dict[str, Any]:
    """Attributes of an edge from what was taken out of the features."""
    decided = facts.decided
    contrasts = {}
    if decided.logits:
        before, at = np.array(decided.logits), decided.actions.index(decided.action)
        change = (told.logits[at] - told.logits) - (before[at] - before)
        contrasts = {a: float(change[k]) for k, a in enumerate(decided.actions) if k != at}
    typical = None
    if told.typical is not None:
        effect, logits = told.typical
        typical = {"effect": effect, "becomes": decided.actions[int(logits.argmax())]}
    return {
        "kind": "effect",
        "do": "zero",
        "effect": told.effect,
        "interval": list(told.interval) if told.interval else None,
        "p": told.p,
        "controls": len(told.controls),
        "contrasts": contrasts,
        "typical": typical,
        **_after(decided, [told.logits]),
    }


def causal_graph(facts: Facts) -> nx.DiGraph:
    """Draw up the graph of what was measured.

    Returns:
        Nodes ``decision``, ``sense:<name>``, the claims' names, concepts (``vision#3.1``), what evidence makes jointly
        (``together:c1``), what no concept accounts for (``unnamed:<sense>``) and ``state``, each with ``kind`` and
        ``label``; edges with ``effect`` in nats, and how it was measured. Its ``graph`` attributes say whose decision
        it is and how it was tested.
    """
    decided, verdict = facts.decided, facts.verdict
    graph = nx.DiGraph(
        system=decided.system,
        action=decided.action,
        actions=list(decided.actions),
        probabilities=dict(zip(decided.actions, decided.probabilities, strict=True)),
        score=decided.score,
        absent=list(decided.absent),
        least=facts.least,
        alpha=facts.alpha,
        verdict=verdict.verdict if verdict else None,
        reason=verdict.reasons[0] if verdict else None,
        bank={m: bank.digest for m, bank in facts.layer.banks.items()},
        note=NOTE,
    )
    chosen = decided.probabilities[decided.actions.index(decided.action)]
    graph.add_node("decision", kind="decision", label=decided.action, score=decided.score, probability=chosen)
    _draw_evidence(graph, facts)
    for found in facts.layer.found:
        _draw_concept(graph, facts, found)
    _draw_carried(graph, facts)
    _draw_groups(graph, facts)
    _draw_rest(graph, facts)
    return graph


def _draw_evidence(graph: nx.DiGraph, facts: Facts) -> None:
    decided = facts.decided
    for m, effects in facts.senses.items():
        graph.add_node(f"sense:{m}", kind="sense", label=m)
        graph.add_edge(f"sense:{m}", "decision", **_edited(decided, effects))
    for checked in facts.claims:
        claim, name = checked.claim, facts.names.get(checked.claim.name)
        place = shortened(facts.where[claim.name])
        graph.add_node(
            claim.name,
            kind="evidence",
            label=f"{name.text}, {place}" if name else place,
            name=name.text if name else None,
            source=name.source if name else None,
            where=place,
            modality=claim.modality,
            status=checked.status,
        )
        effects = _edited(decided, checked.effects)
        graph.add_edge(claim.name, "decision", predicted=claim.predicted, status=checked.status, **effects)
        if f"sense:{claim.modality}" in graph:
            graph.add_edge(claim.name, f"sense:{claim.modality}", part_of=True)


def _draw_concept(graph: nx.DiGraph, facts: Facts, found: Found) -> None:
    each, told = found.instance, found.told
    bank = facts.layer.banks[each.sense]
    resolved, name, vetoed = concept_name(bank, each.concept, facts.acted.get(each.sense), each.strength)
    graph.add_node(
        each.id,
        kind="concept",
        modality=each.sense,
        concept=resolved,
        instance=each.index,
        label=label_of(name, resolved, vetoed),
        named=name is not None,
        vetoed=vetoed,
        source=name.source if name else None,
        score=name.score if name else None,
        margin=name.margin if name else None,
        where=shortened(found.place.where),
        time=list(found.place.time) if found.place.time else None,
        strength=each.strength,
        typical=float(bank.typical[each.concept]),
        expected=found.expected,
    )
    if told is not None and told.drawn(facts.least, facts.alpha):
        graph.add_edge(each.id, "decision", **_taken_out(facts, told))
        if found.direct is not None and found.through_state is not None:
            graph.edges[each.id, "decision"].update(direct=found.direct, through_state=found.through_state)
            if abs(found.through_state) >= facts.least:
                graph.add_node("state", kind="state", label="memory")
                graph.add_edge(each.id, "state", kind="through", effect=found.through_state)
                graph.add_edge("state", "decision", kind="carries")
        return
    node = graph.nodes[each.id]
    node.update(idle=True, tested=told is not None, effect=told.effect if told else None)
    node.update(interval=list(told.interval) if told and told.interval else None, p=told.p if told else None)
    association = bank.associations[each.concept]
    mine = association is not None and association.action == facts.decided.action
    if association is not None and mine and association.share >= _OFTEN * association.usual:
        node["goes_with"] = {
            "action": association.action, "share": association.share, "usual": association.usual, "p": association.p,
        }  # fmt: skip


def _draw_carried(graph: nx.DiGraph, facts: Facts) -> None:
    for claim, shares in facts.layer.carried.items():
        for each, share in shares.items():
            if claim in graph and each in graph:
                graph.add_edge(claim, each, kind="carries", share=share)


def _draw_groups(graph: nx.DiGraph, facts: Facts) -> None:
    """Draw what the concepts of a piece of evidence do jointly, and which pairs do together what neither does alone."""
    for group in facts.layer.groups:
        if len(group.members) < 2 or group.claim not in graph or not group.told.drawn(facts.least, facts.alpha):
            continue
        node = f"together:{group.claim}"
        label = f"what {graph.nodes[group.claim]['label']} makes"
        graph.add_node(node, kind="together", modality=group.sense, label=label, members=list(group.members))
        graph.add_edge(
            node, "decision", **_taken_out(facts, group.told), interaction=group.interaction, through=group.through
        )
        for member in group.members:
            graph.add_edge(member, node, part_of=True)
    for pair in facts.layer.pairs:
        low, high = pair.interval
        if abs(pair.interaction) >= facts.least and (low > 0 or high < 0):
            interval = list(pair.interval)
            graph.add_edge(*pair.members, kind="interaction", effect=pair.interaction, interval=interval)


def _draw_rest(graph: nx.DiGraph, facts: Facts) -> None:
    for m, told in facts.layer.residuals.items():
        # A residual has no resamples; it is drawn where it counts and chance does not do as much.
        if told.p is not None and told.p <= facts.alpha and abs(told.effect) >= facts.least:
            share = facts.layer.unexplained[m]
            label = f"what no concept of {m} accounts for"
            graph.add_node(f"unnamed:{m}", kind="unnamed", modality=m, label=label, share=share)
            graph.add_edge(f"unnamed:{m}", "decision", **{**_taken_out(facts, told), "interval": None})
