"""Phrases: what everything in a causal graph is called in a sentence, each by a phrase that no other thing has.

A concept goes by its name where it earned one, else it is an ``unnamed concept #7``; where it lies stands beside it.
Evidence goes by what was seen, heard or read there. What people or files supplied is put on one line, without control
characters, before it enters a sentence.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from ..errors import InputError
from ..modalities.wording import listed, shortened

__all__ = ["Phrases", "check_graph", "clean"]

_VERBS = {"vision": "saw", "audio": "heard", "text": "read"}
_VERDICTS = ("supported", "unsupported", "inconclusive")
_MOST_MEMBERS = 4
_ROUNDED = 1e-6
"""By how much a probability of float32 may pass one."""


def clean(text: str) -> str:
    r"""Return ``text`` on one line, without double spaces and characters that control or reorder; quotes are single.

    >>> clean("a “siren”\n  of\u202e old")
    'a ‘siren’ of old'
    """
    kept = (" " if c in "\t\r\n\f\v\u2028\u2029" else c for c in text)
    shown = "".join(c for c in kept if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    return re.sub(" {2,}", " ", shown).strip().translate({0x201C: "‘", 0x201D: "’"})


@dataclass(frozen=True)
class Phrases:
    """What the things of one graph are called.

    Attributes:
        things: a phrase for each node but the decision and the state, no two alike.
        actions: how each action is shown.
        system: who decided, with a capital.
        reason: the verdict's reason without its full stop; empty if there is none.
    """

    things: Mapping[str, str]
    actions: Mapping[str, str]
    system: str
    reason: str

    @classmethod
    def of(cls, graph: nx.DiGraph) -> Phrases:
        """Find the phrases for a graph.

        Raises:
            InputError: the graph lacks what a sentence must tell, or holds figures that are none; see `check_graph`.
        """
        check_graph(graph)
        called = {node: _phrase(graph, node) for node in graph if graph.nodes[node].get("kind") in _PHRASES}
        often = Counter(called.values())
        things = {node: p if often[p] == 1 else f"{p} [{clean(str(node))}]" for node, p in called.items()}
        told = graph.graph
        system, reason = clean(told["system"]) or "the system", _flat(told.get("reason") or "").rstrip(". ")
        # "STOP was ..." keeps its capitals in the middle of a sentence, "Its predictions ..." does not.
        if reason[1:2].islower() or reason[1:2] == " ":
            reason = reason[:1].lower() + reason[1:]
        return cls(things, {a: clean(a).rstrip(". ") for a in told["actions"]}, system[:1].upper() + system[1:], reason)

    @staticmethod
    def sense(modality: str) -> str:
        """Return the name of a sense that was absent."""
        return clean(modality)


def _flat(text: str) -> str:
    """Clean, but leave quotation marks as they are: the text is told as it stands."""
    return "".join(piece if piece in "“”" else clean(f"|{piece}|")[1:-1] for piece in re.split("([“”])", text)).strip()


def _quoted(name: str) -> str:
    return f"“{clean(name)}”"


def _concept(data: Mapping[str, Any]) -> str:
    # A name that the operator vetoed is a name no longer.
    named = data.get("named") and not data.get("vetoed") and clean(data["label"])
    return _quoted(data["label"]) if named else f"unnamed concept #{data['concept']}"


def _placed(data: Mapping[str, Any]) -> str:
    where = shortened(_flat(data.get("where") or ""))
    return f"{_concept(data)} ({where})" if where else _concept(data)


def _evidence(data: Mapping[str, Any]) -> str:
    """What was seen, heard or read: words speak for themselves.

    ``name`` and ``where`` may stand in place of the label, which holds both.
    """
    modality, name = data.get("modality", ""), clean(data.get("name") or "")
    where = shortened(_flat(data.get("where") or data["label"]))
    if modality == "text" and where.startswith("“"):
        return where
    sensed = _quoted(name) if name else _sensed(modality)
    if not where:
        return sensed
    if modality == "vision" and where.startswith("the "):
        return f"{sensed} in {where}"
    return f"{sensed} at {where}" if modality == "audio" and where[0].isdigit() else f"{sensed} ({where})"


def _sensed(modality: str) -> str:
    return f"what it {_VERBS[modality]}" if modality in _VERBS else f"part of its {clean(modality) or 'input'}"


def _sense(data: Mapping[str, Any]) -> str:
    return f"all that it {_VERBS[m]}" if (m := data["label"]) in _VERBS else f"all of its {clean(m)}"


def _unnamed(data: Mapping[str, Any]) -> str:
    m = data["modality"]
    return f"what no concept accounts for in {_sensed(m) if m in _VERBS else f'its {clean(m)}'}"


def _together(graph: nx.DiGraph, data: Mapping[str, Any]) -> str:
    members = [graph.nodes[m] for m in data.get("members") or () if m in graph and graph.nodes[m]["kind"] == "concept"]
    if not members:
        return f"{_quoted(data['label'])} taken together" if clean(data["label"]) else "several concepts taken together"
    if len(members) == 1:
        return f"{_placed(members[0])} as a whole"
    told = [_placed(m) for m in members] if len(members) == 2 else [_concept(m) for m in members]
    more = len(told) - _MOST_MEMBERS
    told = told if more < 2 else [*told[:_MOST_MEMBERS], f"{more} more concepts"]
    return f"{listed(told)} together"


_PHRASES = {"concept": _placed, "evidence": _evidence, "sense": _sense, "unnamed": _unnamed, "together": None}


def _phrase(graph: nx.DiGraph, node: str) -> str:
    data = graph.nodes[node]
    words = _PHRASES[data["kind"]]
    return _together(graph, data) if words is None else words(data)


def _fail(what: str, found: object, fix: str) -> InputError:
    return InputError(f"graph: {what} is {str(found)[:80]!r}; {fix}")


def _figure(what: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not low - _ROUNDED <= value <= high + _ROUNDED:  # pyright: ignore[reportOperatorIssue]
        bounds = (
            "" if math.isinf(low) else f" from {low:g} to {high:g}" if math.isfinite(high) else f" of at least {low:g}"
        )
        raise _fail(what, value, f"give a finite number{bounds}")


def _shares(what: str, value: object, actions: list[str]) -> None:
    if not isinstance(value, Mapping) or not set(actions) <= set(value):
        raise _fail(what, value, f"give a probability for each of {', '.join(actions)}")
    for action in actions:
        _figure(f"{what} of {action}", value[action], 0, 1)


def check_graph(graph: nx.DiGraph) -> None:
    """Refuse a graph that sentences cannot be made from.

    Raises:
        InputError: no decision, no actions or no probabilities; an effect, interval or probability that is no finite
            number in its range; an action that the system does not have; a node without a label.
    """
    told = graph.graph
    if "decision" not in graph:
        raise InputError("graph: no node 'decision'; sentences are made from the graph of one decision")
    for key in ("system", "action", "actions", "probabilities"):
        if key not in told:
            raise InputError(f"graph: no attribute {key!r} among {sorted(told)}; sentences need it in graph.graph")
    actions = list(told["actions"])
    if len(actions) < 2 or len({clean(str(a)).rstrip(". ") for a in actions} - {""}) < len(actions):
        raise _fail("actions", actions, "give two or more that differ, in words")
    if told["action"] not in actions:
        raise _fail("action", told["action"], f"it should be one of {', '.join(actions)}")
    _shares("probabilities", told["probabilities"], actions)
    for key, low in (("score", -math.inf), ("least", 0.0), ("alpha", 0.0)):
        if told.get(key) is not None:
            _figure(key, told[key], low)
    if told.get("verdict") not in (None, *_VERDICTS):
        raise _fail("verdict", told["verdict"], f"it should be one of {', '.join(_VERDICTS)}")
    for node, data in graph.nodes(data=True):
        _check_node(node, data, actions)
    for u, v, data in graph.in_edges("decision", data=True):
        if graph.nodes[u].get("kind") in _PHRASES:
            _check_edge(f"edge {u} → {v}", data, actions)


def _check_node(node: str, data: Mapping[str, Any], actions: list[str]) -> None:
    kind = data.get("kind")
    if kind in _PHRASES and not isinstance(data.get("label"), str):
        raise _fail(f"label of {node}", data.get("label"), "give it in words")
    for key, kinds in (("concept", ("concept",)), ("modality", ("concept", "together", "unnamed"))):
        if kind in kinds and key not in data:
            raise _fail(f"{key} of {node}", None, "say which it is")
    if data.get("idle") and data.get("effect") is not None:
        _figure(f"effect of {node}", data["effect"])
    if (found := data.get("goes_with")) is not None:
        if found.get("action") not in actions:
            raise _fail(f"goes_with of {node}", found, f"its action should be one of {', '.join(actions)}")
        for key in ("share", "usual"):
            _figure(f"{key} of {node}", found.get(key), 0, 1)


def _check_edge(what: str, data: Mapping[str, Any], actions: list[str]) -> None:
    _figure(f"effect of {what}", data.get("effect"))
    for key in ("direct", "through_state", "interaction", "predicted"):
        if data.get(key) is not None:
            _figure(f"{key} of {what}", data[key])
    if data.get("p") is not None:
        _figure(f"p of {what}", data["p"], 0, 1)
    for key in ("interval", "operator_range"):
        if (pair := data.get(key)) is not None:
            if len(pair) != 2:
                raise _fail(f"{key} of {what}", pair, "give its lower and its upper end")
            for end in pair:
                _figure(f"{key} of {what}", end)
    if data.get("after") is not None:
        _shares(f"after of {what}", data["after"], actions)
    typical = data.get("typical") or {}
    if typical:
        _figure(f"typical effect of {what}", typical.get("effect"))
    for becomes in (data.get("becomes"), typical.get("becomes")):
        if becomes not in (None, *actions):
            raise _fail(f"becomes of {what}", becomes, f"it should be one of {', '.join(actions)}")
    for other, change in (data.get("contrasts") or {}).items():
        if other not in actions:
            raise _fail(f"contrasts of {what}", other, f"it should be one of {', '.join(actions)}")
        _figure(f"contrast with {other} of {what}", change)
