"""The geometry of a report's charts, in per cent of their box, so that text keeps its size on a narrow screen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .wording import clean, nats, number, why_of

__all__ = ["Axis", "axis_over", "claim_rows", "control_rows", "ladder_steps", "layered", "ticks"]


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: value at 0 %.
        high: value at 100 %.
        marks: (position in %, label) of each tick.
    """

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Return the position of ``value`` in per cent, rounded to a hundredth."""
        return round(100.0 * (value - self.low) / (self.high - self.low), 2)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten) inside ``low``..``high``."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def axis_over(values: Sequence[float]) -> Axis:
    """Return an axis that holds zero and all ``values`` with a margin."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * 0.06 or 1.0
    low, high = low - room, high + room
    marks = ticks(low, high)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step)))
    bare = Axis(low, high, ())
    return Axis(low, high, tuple((bare.at(value), nats(value, digits)) for value in marks))


def claim_rows(claims: Sequence[Mapping[str, Any]]) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and a row per claim: where its prediction and its measured effects lie."""
    axis = axis_over([v for c in claims for v in (c["predicted"], *(e["effect"] for e in c["effects"]))])
    rows = []
    for claim in claims:
        dots = [
            {"x": axis.at(e["effect"]), "operator": clean(e["operator"]), "effect": nats(e["effect"])}
            for e in claim["effects"]
        ]
        places = [dot["x"] for dot in dots] or [axis.at(0.0)]
        rows.append({"id": claim["id"], "predicted": axis.at(claim["predicted"]), "dots": dots,
                     "low": min(places), "high": max(places)})  # fmt: skip
    return axis, rows


def control_rows(result: Mapping[str, Any]) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and a row per claim: where its control edits and it itself lie, means over the operators."""
    verdict = result["verdict"]
    drawn = {each["claim"]: [c["effect"] for c in each["controls"]] for each in verdict["further_controls"]}
    tests = verdict["tests"]
    if tests:
        each = zip(*([c["effect"] for c in test["controls"]] for test in tests), strict=True)
        drawn[verdict["claim"]] = [sum(effects) / len(effects) for effects in each]
    claims = [claim for claim in result["claims"] if claim["id"] in drawn]
    axis = axis_over([v for c in claims for v in (c["measured"], *drawn[c["id"]])])
    rows = []
    for claim in claims:
        controls, own = drawn[claim["id"]], claim["measured"]
        more = sum(effect < own - 1e-9 for effect in controls)
        rows.append(
            {
                "id": claim["id"],
                "x": axis.at(own),
                "effect": nats(own),
                "more": more,
                "k": len(controls),
                # a fixed spread in height, so that controls of nearly the same effect stay apart
                "controls": [(axis.at(effect), 22 + (i * 37) % 56) for i, effect in enumerate(controls)],
            }
        )
    return axis, rows


def ladder_steps(attempts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a step for each attempt, each higher than the one before: what was tried, and what came of it."""
    steps = []
    for index, attempt in enumerate(attempts):
        spent = attempt["passes"]
        critique = attempt["critique"]
        steps.append(
            {
                "rung": clean(attempt["rung"].replace("-", " ")),
                "method": clean(attempt["method"]),
                "verdict": attempt["verdict"],
                "why": why_of(attempt),
                "critique": clean(critique["sentence"]) if critique else None,
                "passes": attempt["gradients"] + spent["proposing"] + spent["verifying"],
                "seconds": number(sum(attempt["ms"].values()) / 1000, 1),
                "below": len(attempts) - 1 - index,
            }
        )
    return steps


_COLUMNS = {"evidence": 0, "sense": 1, "decision": 2}
_LEFT, _WIDTH = (0.0, 44.0, 78.0), (34.0, 24.0, 22.0)


def layered(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Place a node-link graph in three fixed columns: evidence, senses, decision.

    An edge without an effect (``part_of``) says where evidence belongs: its effect on the decision is drawn along it.

    Returns ``rows`` (how many rows high), ``nodes`` (left, width and middle in %, label, what leaves them) and
    ``edges`` (an SVG path in a box of 100 by 100, width in pixels, whether it speaks for the decision).
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    column = {name: _COLUMNS.get(node["kind"], 1) for name, node in nodes.items()}
    leaving: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    edges = _routed(graph["edges"], column)
    for edge in edges:
        leaving[edge["source"]].append(edge)
    order = [name for name in nodes if column[name] == 1]
    place = {name: order.index(name) for name in order}
    evidence = sorted(
        (name for name in nodes if column[name] == 0),
        key=lambda name: min((place.get(edge["target"], len(order)) for edge in leaving[name]), default=len(order)),
    )
    rows = max(len(evidence), len(order), 1)
    middle = {name: 100.0 * (i + 0.5) / len(evidence) for i, name in enumerate(evidence)}
    middle |= _sense_rows(order, evidence, leaving, middle)
    last = [name for name in nodes if column[name] == 2]
    middle |= {name: 100.0 * (i + 0.5) / len(last) for i, name in enumerate(last)}
    largest = max((abs(edge["effect"]) for edge in edges), default=0.0) or 1.0
    return {
        "rows": rows,
        "nodes": [
            {"id": name, "label": clean(node["label"]), "kind": node["kind"], "left": _LEFT[column[name]],
             "width": _WIDTH[column[name]], "middle": round(middle[name], 2),
             "lines": [_said(edge) for edge in leaving[name]]}
            for name, node in nodes.items()
        ],
        "edges": [_edge(edge, column, middle, largest) for edge in edges],
    }  # fmt: skip


def _routed(edges: Sequence[Mapping[str, Any]], column: Mapping[Any, int]) -> list[Mapping[str, Any]]:
    """Return the measured edges; those of evidence lead to the decision by way of its sense."""
    home = {edge["source"]: edge["target"] for edge in edges if "effect" not in edge}
    measured = [edge for edge in edges if "effect" in edge]
    return [
        {**edge, "target": home[edge["source"]]} if edge["source"] in home and column[edge["target"]] == 2 else edge
        for edge in measured
    ]


def _sense_rows(
    order: Sequence[Any], evidence: Sequence[Any], leaving: Mapping[Any, Any], middle: Mapping[Any, float]
) -> dict[Any, float]:
    """Put each sense beside its own evidence, and keep the senses apart."""
    wanted = []
    for i, name in enumerate(order):
        own = [middle[e] for e in evidence if any(edge["target"] == name for edge in leaving[e])]
        wanted.append(sum(own) / len(own) if own else 100.0 * (i + 0.5) / len(order))
    gap = 100.0 / max(len(evidence), len(order), 1)
    placed: dict[Any, float] = {}
    crowded = any(b - a < gap * 0.95 for a, b in pairwise(wanted))
    for i, name in enumerate(order):
        placed[name] = 100.0 * (i + 0.5) / len(order) if crowded else wanted[i]
    return placed


def _said(edge: Mapping[str, Any]) -> dict[str, Any]:
    span = edge.get("operator_range")
    return {
        "effect": nats(edge["effect"]),
        "range": f"{nats(span[0])} … {nats(span[1])}" if span else "",
        "target": edge["target"],
        "speaks_for": edge["effect"] <= 0,
    }


def _edge(
    edge: Mapping[str, Any], column: Mapping[Any, int], middle: Mapping[Any, float], largest: float
) -> dict[str, Any]:
    source, target = edge["source"], edge["target"]
    x0, x1 = _LEFT[column[source]] + _WIDTH[column[source]], _LEFT[column[target]]
    y0, y1 = middle[source], middle[target]
    half = (x0 + x1) / 2
    return {
        "path": f"M{x0:.1f} {y0:.2f}C{half:.1f} {y0:.2f} {half:.1f} {y1:.2f} {x1:.1f} {y1:.2f}",
        "width": round(max(1.5, 14.0 * abs(edge["effect"]) / largest), 1),
        "speaks_for": edge["effect"] <= 0,
        "title": f"{source} → {target}: {nats(edge['effect'])} nats",
    }
