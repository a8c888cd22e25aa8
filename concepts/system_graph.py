"""The graph of a system: what many decisions' graphs say together of each concept and each action.

A concept that is often there when an action is chosen need not be why it is chosen. So two things are kept apart: how
often it is *present* with the action (a count, and Fisher's exact test), and what taking it out *does* to the score
(an intervention, and a t interval over decisions). Both are about this system, on these decisions; neither says what
causes what in the world.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import fmean, stdev
from typing import Any

import networkx as nx

from ..errors import InputError
from .graph_export import NOTE

__all__ = ["FEWEST", "LEVEL", "causal_skeleton", "merge"]

FEWEST = 5
"""Decisions in which a concept must have been present, and taken out, for anything to be said of it."""
LEVEL = 0.95
"""Confidence of the intervals; co-occurrence is tested at 1 − LEVEL."""


@dataclass(frozen=True)
class _Family:
    """What one decision says of a concept, all its places together.

    ``effect`` in nats: the sum over places, each taken out alone; None where one of them was not.
    """

    modality: str
    concept: int
    name: tuple[str, bool, str | None]
    vetoed: bool
    effect: float | None
    drawn: bool
    flips: bool


@dataclass(frozen=True)
class _Decision:
    """What one graph says: the action, the senses that were absent, and each concept that was present."""

    action: str
    absent: frozenset[str]
    concepts: Mapping[str, _Family]


def merge(graphs: Iterable[nx.DiGraph]) -> nx.DiGraph:
    """Merge the graphs of several decisions into one of the system. Its effects are effects on the system alone.

    Args:
        graphs: graphs of single decisions, of one system and one bank.

    Returns:
        A graph with a node ``decision:<ACTION>`` for each action that was decided (``decided``: how often) and a node
        ``<modality>#<k>`` for each concept (its places merged; ``present``: in how many decisions). An edge joins a
        concept to each action with which it was present at least once:

        - ``present``, ``tested``, ``drawn``: of the decisions for the action in which the concept was present, how
          many there are, in how many each of its places was taken out, and in how many an effect was drawn;
        - ``effect``: mean effect (nats; negative: it speaks for the action) over the tested ones, whether drawn or not
          (to average the drawn alone would select the large ones); where it has several places, their effects' sum;
        - ``interval``: Student's t interval of that mean at `LEVEL`, None under two tested;
        - ``flips``: share of the tested ones in which taking it out changed the action; None where none was tested;
        - ``share``, ``share_elsewhere``: in what share of the decisions for the action, and of all others, it was
          present (None where there are none); decisions whose sense was absent are left out of both;
        - ``p``: Fisher's exact test of whether it is present *more* with the action than elsewhere; ``adjusted``: the
          same over all concepts and actions (Holm);
        - ``role``: *cause* (an effect was drawn, the interval excludes zero and the mean is at least ``least``), *goes
          along* (present more than elsewhere, ``adjusted`` at most 1 − `LEVEL`, but the interval lies within ±
          ``least`` or no decision drew an effect), *neither* of these shown, or *undecided* (present or tested in
          fewer than `FEWEST`).

    Raises:
        InputError: no graphs, graphs of different systems, banks or thresholds, or one that lacks what is needed.
    """
    every = list(graphs)
    if not every:
        raise InputError("merge: no graphs; give the graphs of at least one decision")
    shared = _shared(every)
    decisions = [_read(graph, f"graph {i}") for i, graph in enumerate(every, 1)]
    decided = Counter(d.action for d in decisions)
    merged = nx.DiGraph(**shared, decisions=len(decisions), decided=dict(sorted(decided.items())), level=LEVEL)
    for action, times in sorted(decided.items()):
        merged.add_node(f"decision:{action}", kind="decision", label=action, decided=times)
    for name in sorted({name for d in decisions for name in d.concepts}):
        merged.add_node(name, **_node([d.concepts[name] for d in decisions if name in d.concepts]))
    _join(merged, decisions, sorted(decided))
    return merged


def causal_skeleton(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the causes alone, as a graph without circles whose names may be columns of a table.

    Made for tools of causal inference, such as DoWhy: an arrow from a concept's strength to a decision's score. A
    concept without an arrow is left out, which does not say that it has no effect; what goes by way of the memory
    counts as part of the concept's effect.

    Args:
        graph: of a system (edges of role *cause*), or of one decision (edges that were drawn from concepts).

    Returns:
        Every decision, and every concept that is a cause of one. Nodes are named in letters, digits and underscores,
        ``vision#3`` as ``vision_3``; ``stands_for`` is the name in ``graph``, ``kind`` its kind. Edges have ``effect``
        (nats). The graph's ``note`` says what the effects are effects on.
    """
    kinds = {node: data.get("kind") for node, data in graph.nodes(data=True)}
    causes = {
        (u, v): data.get("effect")
        for u, v, data in graph.edges(data=True)
        if (kinds[u], kinds[v]) == ("concept", "decision") and data.get("role", data.get("kind")) in ("cause", "effect")
    }
    kept = sorted({n for n, kind in kinds.items() if kind == "decision"} | {u for u, _ in causes})
    plain: dict[str, str] = {}
    for node in kept:
        name = re.sub(r"\W", "_", f"_{node}" if node[:1].isdigit() else node)
        plain[node] = next(n for n in _numbered(name) if n not in plain.values())
    skeleton = nx.DiGraph(note=graph.graph.get("note", NOTE))
    skeleton.add_nodes_from((plain[n], {"kind": kinds[n], "stands_for": n}) for n in kept)
    skeleton.add_edges_from((plain[u], plain[v], {"effect": causes[u, v]}) for u, v in sorted(causes))
    return skeleton


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{i}" for i in count(2))


def _fact(data: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = data.get(key)
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or isinstance(value, bool):
        raise InputError(f"merge: {key!r} of {where} is {value!r}, no {kind.__name__}; give the graphs of decisions")
    return value


def _shared(graphs: Sequence[nx.DiGraph]) -> dict[str, Any]:
    """What all graphs must agree on: system, actions and thresholds, and the bank of each sense that was there."""
    first, bank = graphs[0].graph, {}
    for i, graph in enumerate(graphs, 1):
        for key, kind in (("system", str), ("actions", list), ("least", float), ("alpha", float)):
            value = _fact(graph.graph, key, kind, f"graph {i}")
            if value != first[key]:
                raise InputError(
                    f"merge: {key!r} is {value!r} in graph {i} and {first[key]!r} in graph 1; merge graphs of one "
                    "system, made with the same settings"
                )
        bank = {**_fact(graph.graph, "bank", dict, f"graph {i}"), **bank}
    for i, graph in enumerate(graphs, 1):
        absent = _fact(graph.graph, "absent", list, f"graph {i}")
        for m, digest in sorted(bank.items()):
            own = graph.graph["bank"].get(m)
            if own != digest and not (own is None and m in absent):
                raise InputError(
                    f"merge: the bank of {m} is {own!r} in graph {i} and {digest!r} in another; concepts of two banks "
                    "share nothing but numbers: merge graphs of one bank"
                )
    shared = {key: first[key] for key in ("system", "actions", "least", "alpha")}
    return {**shared, "bank": bank, "note": first.get("note", NOTE)}


def _read(graph: nx.DiGraph, where: str) -> _Decision:
    action = _fact(graph.graph, "action", str, where)
    if action not in graph.graph["actions"]:
        raise InputError(f"merge: {where} decided {action!r}; its actions are {', '.join(graph.graph['actions'])}")
    places: dict[str, list[_Family]] = {}
    for node, data in sorted(graph.nodes(data=True)):
        if data.get("kind") == "concept":
            place = _place(graph, node, action, f"{node!r} in {where}")
            places.setdefault(f"{place.modality}#{place.concept}", []).append(place)
    concepts = {name: _together(several) for name, several in places.items()}
    return _Decision(action, frozenset(graph.graph["absent"]), concepts)


def _place(graph: nx.DiGraph, node: str, action: str, where: str) -> _Family:
    """One place of a concept."""
    data, edge = graph.nodes[node], graph.get_edge_data(node, "decision") or {}
    modality, concept = _fact(data, "modality", str, where), _fact(data, "concept", int, where)
    drawn = edge.get("kind") == "effect"
    told = edge if drawn else data
    tested = drawn or (data.get("tested") is True and data.get("effect") is not None)
    effect = float(_fact(told, "effect", float, where)) if tested else None
    label = str(data.get("label") or f"unnamed concept #{concept}")
    name = (label, data.get("named") is True, data.get("source"))
    flips = tested and told.get("becomes") not in (None, action)
    return _Family(modality, concept, name, data.get("vetoed") is True, effect, drawn, flips)


def _together(places: Sequence[_Family]) -> _Family:
    effects = [place.effect for place in places if place.effect is not None]
    return _Family(
        places[0].modality,
        places[0].concept,
        places[0].name,
        any(place.vetoed for place in places),
        sum(effects) if len(effects) == len(places) else None,
        any(place.drawn for place in places),
        any(place.flips for place in places),
    )


def _node(seen: Sequence[_Family]) -> dict[str, Any]:
    """A concept's attributes; where decisions name it differently, the name that most give it."""
    (label, named, source), _ = min(Counter(f.name for f in seen).items(), key=lambda it: (-it[1], str(it[0])))
    vetoed, present = any(f.vetoed for f in seen), len(seen)
    told = {"label": label, "named": named, "source": source, "vetoed": vetoed, "present": present}
    return {"kind": "concept", "modality": seen[0].modality, "concept": seen[0].concept, **told}


def _join(merged: nx.DiGraph, decisions: Sequence[_Decision], actions: Sequence[str]) -> None:
    """Draw the edges between concepts and actions."""
    # Imported here: its module loads torch, and graphs are merged where there is none.
    from ..fusion.matches import holm

    concepts = [(node, data["modality"]) for node, data in merged.nodes(data=True) if data["kind"] == "concept"]
    pairs = [(node, action) for node, _ in concepts for action in actions]
    found = [_figures(decisions, node, m, action) for node, m in concepts for action in actions]
    for (node, action), facts, adjusted in zip(pairs, found, holm([f["p"] for f in found]), strict=True):
        if facts["present"]:
            facts = {**facts, "adjusted": adjusted}
            merged.add_edge(node, f"decision:{action}", **facts, role=_role(facts, merged.graph["least"]))


def _figures(decisions: Sequence[_Decision], concept: str, modality: str, action: str) -> dict[str, Any]:
    """What was seen and measured of one concept and one action."""
    from scipy.stats import fisher_exact

    able = [d for d in decisions if modality not in d.absent or concept in d.concepts]
    here = [d.concepts.get(concept) for d in able if d.action == action]
    elsewhere = [d.concepts.get(concept) for d in able if d.action != action]
    present, there = [f for f in here if f is not None], sum(f is not None for f in elsewhere)
    effects = [f.effect for f in present if f.effect is not None]
    flips = [f.flips for f in present if f.effect is not None]
    table = [[len(present), len(here) - len(present)], [there, len(elsewhere) - there]]
    more: Any = fisher_exact(table, alternative="greater")
    return {
        "present": len(present),
        "tested": len(effects),
        "drawn": sum(f.drawn for f in present),
        "effect": fmean(effects) if effects else None,
        "interval": _interval(effects),
        "flips": fmean(flips) if flips else None,
        "share": len(present) / len(here) if here else None,
        "share_elsewhere": there / len(elsewhere) if elsewhere else None,
        "p": float(more.pvalue),
    }


def _interval(values: Sequence[float]) -> list[float] | None:
    """Student's t interval of a mean (Student, Biometrika 1908): mean ± t · s / √n, n − 1 degrees of freedom."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * stdev(values) / math.sqrt(len(values))
    return [fmean(values) - half, fmean(values) + half]


def _role(facts: Mapping[str, Any], least: float) -> str:
    if min(facts["present"], facts["tested"]) < FEWEST:
        return "undecided"
    low, high = facts["interval"]
    if facts["drawn"] and not low <= 0 <= high and abs(facts["effect"]) >= least:
        return "cause"
    along = facts["adjusted"] <= 1 - LEVEL and facts["share"] > (facts["share_elsewhere"] or 0.0)
    return "goes along" if along and (not facts["drawn"] or -least <= low <= high <= least) else "neither"
