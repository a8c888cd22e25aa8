"""The causal graph, laid out for a page: evidence, concepts, memory and decision from left to right, a band per sense.

Across, places are in per cent of the width, so that text keeps its size on a narrow screen; down, they are in pixels.
Every piece of evidence and every concept has a row of its own: no line runs behind a box that it has no business with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .wording import clean, in_order, nats, number, percent

__all__ = ["chart", "key_of", "span_of"]

_COLUMNS = {"evidence": (0.0, 31.0), "concept": (36.0, 31.0), "state": (68.0, 14.0), "decision": (84.0, 16.0)}
_ROW, _BAND, _STATE = 74, 40, 50
"""Heights of a row, of a sense's heading and of the memory's box, px."""
_THIN, _THICK, _APART = 2.0, 14.0, 9.0
"""Widths of the weakest and the strongest line, and what is left between them at the decision, px."""
_IDLE = 6
"""Concepts without an effect that are named; the rest are counted."""
_ORDER = {"evidence": 0, "concept": 1, "together": 2, "unnamed": 3}

Json = Mapping[str, Any]


def key_of(source: Any, target: Any) -> str:
    """Return the name by which a page finds an edge."""
    return f"{source}→{target}"


def span_of(span: Sequence[float] | None) -> str:
    """Return an interval in nats, "" where there is none or where it is one figure."""
    low, high = (nats(span[0]), nats(span[1])) if span else ("", "")
    return f"{low} … {high}" if low != high else ""


def chart(graph: Json) -> dict[str, Any]:
    """Lay out a node-link graph.

    Returns ``height`` in px; ``bands`` (a sense, where its heading is, what taking it out whole did); ``nodes`` (left,
    width and middle, words, what was measured); ``edges`` (an SVG path in a box of 100 by ``height``, its width in
    pixels, its side, the tip at its end); ``pairs`` (what two concepts do only together); ``idle`` (concepts without
    an effect, at most 6, and how many ``more``); ``note``; ``shares``: whether any edge
    tells one; ``deep``: whether there is a memory.
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    edges = graph.get("edges", graph.get("links", []))
    paired = {end for edge in edges if edge.get("kind") == "interaction" for end in (edge["source"], edge["target"])}
    idle = [node for name, node in nodes.items() if node.get("idle") and name not in paired]
    rows, bands, foot = _rows(nodes, edges, {node["id"] for node in idle})
    plan = _plan(nodes, edges, rows, foot)
    about, drawn = graph.get("graph") or {}, _edges(plan)
    deep = any(node["kind"] == "state" for node in nodes.values())
    return {
        "height": foot + (_STATE + 22 if deep else 0),
        "deep": deep,
        "shares": any(edge["share"] for edge in drawn),
        "note": clean(str(about.get("note") or "")),
        "bands": bands,
        "nodes": [_node(plan, name, edges) for name in plan.middle],
        "edges": drawn,
        "pairs": [_pair(plan, edge) for edge in edges if edge.get("kind") == "interaction"],
        "idle": [{"id": node["id"], "label": _words(node), "title": _idle(node)} for node in idle[:_IDLE]],
        "more": max(len(idle) - _IDLE, 0),
    }


@dataclass(frozen=True)
class _Plan:
    """Where everything is: middles, px; the edges between them, their widths, px, and their ports at the decision."""

    nodes: Mapping[Any, Json]
    middle: Mapping[Any, float]
    edges: Sequence[Json]
    wide: Sequence[float]
    ports: Mapping[int, float]
    tall: float
    """Height of the decision's box, px."""

    def column(self, name: Any) -> tuple[float, float]:
        """Left end and width of a node's column, per cent."""
        kind = self.nodes[name]["kind"]
        return _COLUMNS.get(kind, _COLUMNS["concept"])

    def kind(self, name: Any) -> str:
        """Kind of a node."""
        return self.nodes[name]["kind"]


def _plan(nodes: Mapping[Any, Json], edges: Sequence[Json], rows: Mapping[Any, float], foot: float) -> _Plan:
    """Place decision and memory beside the rows, and spread the lines that meet at the decision."""
    last = [name for name, node in nodes.items() if node["kind"] == "decision"]
    middle = dict(rows) | {name: foot / 2 * (2 * i + 1) / len(last) for i, name in enumerate(last)}
    middle |= {name: foot + _STATE / 2 for name, node in nodes.items() if node["kind"] == "state"}
    there = [e for e in edges if e["source"] in middle and e["target"] in middle and e.get("kind") != "interaction"]
    largest = max((abs(e["effect"]) for e in there if "effect" in e), default=0.0) or 1.0
    wide = [max(_THIN, _THICK * abs(e.get("effect", 0.0)) / largest) for e in there]
    meeting = [i for i, e in enumerate(there) if e["target"] in last and nodes[e["source"]]["kind"] != "state"]
    room = sum(wide[i] + _APART for i in meeting)
    ports, y = {}, -room / 2
    for i in sorted(meeting, key=lambda i: middle[there[i]["source"]]):
        ports[i] = middle[there[i]["target"]] + y + (wide[i] + _APART) / 2
        y += wide[i] + _APART
    return _Plan(nodes, middle, there, wide, ports, max(84.0, room + 20))


def _home(nodes: Mapping[Any, Json], edges: Sequence[Json]) -> dict[Any, str]:
    """The sense that each node is of; evidence of old records says it by an edge alone."""
    home = {name: str(node["modality"]) for name, node in nodes.items() if node.get("modality")}
    for edge in edges:
        target = nodes.get(edge["target"], {})
        if target.get("kind") == "sense" and "effect" not in edge:
            home.setdefault(edge["source"], str(target["label"]))
    return home


def _rows(
    nodes: Mapping[Any, Json], edges: Sequence[Json], idle: set[Any]
) -> tuple[dict[Any, float], list[dict[str, Any]], float]:
    """Return the middle of each node that has a row, the headings of the senses, and where the rows end; px."""
    home = _home(nodes, edges)
    whole = {str(node["label"]): name for name, node in nodes.items() if node["kind"] == "sense"}
    measured = {edge["source"]: edge for edge in edges if "effect" in edge}
    listed = [name for name, node in nodes.items() if node["kind"] in _ORDER and name not in idle]
    rows: dict[Any, float] = {}
    bands, y = [], 0.0
    for sense in in_order({*whole, *(home.get(name, "") for name in listed)}):
        bands.append({"sense": clean(sense), "top": y, **_whole(whole.get(sense), measured)})
        y += _BAND
        own = [name for name in listed if home.get(name, "") == sense]
        for name in sorted(own, key=lambda n: _ORDER[nodes[n]["kind"]]):
            rows[name] = y + _ROW / 2
            y += _ROW
    return rows, bands, max(y, 120.0)


def _whole(name: Any, measured: Mapping[Any, Json]) -> dict[str, Any]:
    """What taking a sense out whole did."""
    edge = measured.get(name)
    if edge is None:
        return {"node": name, "key": "", "effect": "", "side": "", "then": ""}
    then = clean(str(edge["becomes"])) if edge.get("becomes") else ""
    return {"node": name, "key": key_of(edge["source"], edge["target"]), "effect": nats(edge["effect"]),
            "side": _side(edge["effect"]), "then": then}  # fmt: skip


def _side(effect: float) -> str:
    return "for" if effect <= 0 else "against"


def _words(node: Json) -> str:
    """A node in words: what, and where unless that is said."""
    label, where = clean(str(node["label"])), clean(str(node.get("where") or ""))
    return label if not where or where in label else f"{label}, {where}"


def _idle(node: Json) -> str:
    effect = node.get("effect")
    if effect is None:
        return f"{_words(node)}: not tested"
    p = node.get("p")
    return f"{_words(node)}: {nats(effect)} nats" + (f", p = {number(p, 3)}" if p is not None else "")


def _node(plan: _Plan, name: Any, edges: Sequence[Json]) -> dict[str, Any]:
    node, (left, width) = plan.nodes[name], plan.column(name)
    lines = [
        _line(edge)
        for edge in edges
        if edge["source"] == name and "effect" in edge and edge.get("kind", "effect") == "effect"
    ]
    sides = {line["side"] for line in lines}
    words = _words(node)
    return {
        "id": name,
        "kind": clean(str(node["kind"])),
        "left": left,
        "width": width,
        "middle": round(plan.middle[name], 1),
        "tall": round(plan.tall) if node["kind"] == "decision" else None,
        "label": clean(str(node["label"])) if node["kind"] == "evidence" else words,
        "title": " ".join([words, *(f"({line['title']})" for line in lines)]),
        "idle": bool(node.get("idle")),
        "side": sides.pop() if len(sides) == 1 else "",
        "lines": lines,
    }


def _line(edge: Json) -> dict[str, Any]:
    span = edge.get("operator_range") or edge.get("interval")
    told = span_of(span)
    chance = f", p = {number(edge['p'], 3)}" if edge.get("p") is not None else ""
    then = f", then {clean(str(edge['becomes']))}" if edge.get("becomes") else ""
    effect = nats(edge["effect"])
    return {"effect": effect, "range": told, "side": _side(edge["effect"]),
            "title": f"taken out: {effect} nats{', ' + told if told else ''}{chance}{then}"}  # fmt: skip


def _edges(plan: _Plan) -> list[dict[str, Any]]:
    """The edges as lines, the widest first, so that a thin one is never hidden."""
    made = []
    for i, edge in enumerate(plan.edges):
        drawn = _drawn(edge, plan.wide[i])
        made.append({**drawn, **_route(plan, edge, plan.ports.get(i)), "tip": _tip(drawn["side"], drawn["width"])})
    return sorted(made, key=lambda edge: -edge["width"])


def _tip(side: str, width: float) -> str:
    """What stands at the end of an edge, with its point at (0, 0): an arrow's head; a bar where it speaks against."""
    half = max(5.0, 0.5 * width + 3.5)
    return f"M-8 {-half:g}H-3V{half:g}H-8Z" if side == "against" else f"M-11 {-half:g}L0 0L-11 {half:g}Z"


def _drawn(edge: Json, width: float) -> dict[str, Any]:
    effect, share = edge.get("effect"), edge.get("share")
    told = f": {nats(effect)} nats" if effect is not None else f": {percent(share)} of it goes" if share else ""
    return {
        "key": key_of(edge["source"], edge["target"]),
        "width": round(width, 1),
        "side": "neutral" if effect is None else _side(effect),
        "title": clean(f"{edge['source']} → {edge['target']}{told}"),
        "share": percent(share) if share is not None else "",
    }


def _route(plan: _Plan, edge: Json, port: float | None) -> dict[str, Any]:
    """Return the path of an edge, and where its tip lies and to where it turns; ``x`` is None where it has none."""
    y0, y1 = plan.middle[edge["source"]], plan.middle[edge["target"]]
    left, width = plan.column(edge["source"])
    x0, x1 = left + width, plan.column(edge["target"])[0]
    if port is not None:
        bend = max(x0, 67.0)
        half = (bend + x1 - 1) / 2
        path = f"M{x0:g} {y0:.1f}H{bend:g}C{half:g} {y0:.1f} {half:g} {port:.1f} {x1 - 1:g} {port:.1f}"
        return {"path": path, "x": x1, "y": round(port, 1), "turn": 0}
    if plan.kind(edge["target"]) == "state":
        through = [e for e in plan.edges if e["target"] == edge["target"]]
        x, top = x1 + 4 + 6 * (through.index(edge) + 0.5) / len(through), y1 - _STATE / 2
        path = f"M{x0:g} {y0:.1f}C{x:.2f} {y0:.1f} {x:.2f} {y0 + 30:.1f} {x:.2f} {top - 10:.1f}"
        return {"path": path, "x": round(x, 2), "y": round(top, 1), "turn": 90}
    if plan.kind(edge["source"]) == "state":
        bottom = y1 + plan.tall / 2
        path = f"M{x0:g} {y0:.1f}C92 {y0:.1f} 92 {y0:.1f} 92 {bottom + 10:.1f}"
        return {"path": path, "x": 92.0, "y": round(bottom, 1), "turn": -90}
    if x0 > x1:  # both in the column of concepts: a bracket on its right
        return {"path": f"M{x0:g} {y0:.1f}H{x0 + 1.2:g}V{y1:.1f}H{x0:g}", "x": None, "y": None, "turn": 0}
    half = (x0 + x1) / 2
    path = f"M{x0:g} {y0:.1f}C{half:g} {y0:.1f} {half:g} {y1:.1f} {x1:g} {y1:.1f}"
    return {"path": path, "x": None, "y": None, "turn": 0, "at": (half, round((y0 + y1) / 2, 1))}


def _pair(plan: _Plan, edge: Json) -> dict[str, Any]:
    a, b = (plan.middle.get(edge[end], 0.0) for end in ("source", "target"))
    x, bulge = 67.0, 6.0
    names = " with ".join(_words(plan.nodes[edge[end]]) for end in ("source", "target"))
    return {
        "key": key_of(edge["source"], edge["target"]),
        "path": f"M{x:g} {a:.1f}C{x + bulge:g} {a:.1f} {x + bulge:g} {b:.1f} {x:g} {b:.1f}",
        "x": x + 0.75 * bulge,
        "y": round((a + b) / 2, 1),
        "effect": nats(edge["effect"]),
        "title": f"{names}: taken out together {nats(edge['effect'])} nats beyond the sum of both",
    }
