"""A graph of causes in the formats that other tools read: JSON, GraphML, DOT and Mermaid.

JSON and GraphML carry everything and can be read back; DOT and Mermaid are pictures. The same graph gives the same
text, in whatever order it was put together. What labels hold is shown and never obeyed: a graph quotes phrases and
names that somebody else chose.

In the pictures a solid edge with an arrowhead and a negative figure spoke for the decision (its score falls when that
is taken out); a dashed one that ends in a bar or a cross, with a positive figure, spoke against it; a dotted one claims
no effect of its own. Colours (Okabe and Ito, 2008, told apart by the colour-blind) and widths only repeat that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, TypeGuard
from xml.etree.ElementTree import ParseError

import networkx as nx
from networkx.readwrite.graphml import GraphMLWriter

from ..errors import InputError
from ..modalities.wording import nats, percent, shortened

__all__ = ["NOTE", "export", "from_graphml", "from_json", "to_dot", "to_graphml", "to_json", "to_mermaid"]

NOTE = "Effects are on this system, measured by intervention; they say nothing of causes in the world."
"""What every export says; given to a graph that has no ``note`` of its own."""

_LEGEND = "Solid, −: spoke for the decision. Dashed, +: spoke against it. Dotted: no effect of its own is claimed."
# The formats, or networkx, use these names for themselves: an attribute of that name would be lost, or not be read.
_TAKEN = {
    "graph": {"id", "node_default", "edge_default"},
    "node": {"id", "self", "node_for_adding"},
    "edge": {"source", "target", "self", "u_of_edge", "v_of_edge"},
}
# Which strings GraphML holds as JSON: those that would be read as JSON, and those that XML would alter or refuse.
_AS_JSON = re.compile(r"[\[{\"]|null\Z|\Z|[\s\S]*[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# How kinds of nodes look: shape and colour in DOT, brackets in Mermaid.
_KINDS = {
    "decision": ("doubleoctagon", "#fff3c4", '{{"', '"}}'),
    "sense": ("ellipse", "#eeeeee", '(["', '"])'),
    "evidence": ("box", "#ffffff", '["', '"]'),
    "concept": ("hexagon", "#e4f0fb", '("', '")'),
    "together": ("box3d", "#e4f0fb", '[["', '"]]'),
    "unnamed": ("parallelogram", "#f6f6f6", '>"', '"]'),
    "state": ("cylinder", "#eeeeee", '[("', '")]'),
}
# How edges look: colour, style and arrowhead in DOT, link and its dashes in Mermaid.
_SIGNS = {
    "for": ("#0072B2", "solid", "normal", "-->", "0"),
    "against": ("#D55E00", "dashed", "tee", "-.-x", "8"),
    "none": ("#6b6b6b", "dotted", "open", "-.->", "2"),
}


def to_json(graph: nx.DiGraph) -> dict[str, Any]:
    """Return the graph as networkx's node-link data of plain JSON values, nodes and edges in order.

    Args:
        graph: nodes named by printable strings; attributes of plain JSON values (tuples become lists).

    Returns:
        ``directed``, ``multigraph``, ``graph``, ``nodes``, ``edges``; `from_json` reads it, and so does
        ``networkx.node_link_graph(data, edges="edges")``.

    Raises:
        InputError: a name or an attribute that JSON, GraphML or a picture cannot carry.
    """
    return nx.node_link_data(_tidy(graph), edges="edges")


def from_json(data: Mapping[str, Any]) -> nx.DiGraph:
    """Return the graph that `to_json` was given.

    Raises:
        InputError: the data are no such graph.
    """
    if data.get("directed") is not True or data.get("multigraph") is not False:
        raise InputError('graph: "directed" must be true and "multigraph" false; give what to_json returned')
    graph = nx.DiGraph()
    graph.graph.update(*_items([data.get("graph")], "graph"))
    for item in _items(data.get("nodes"), "nodes"):
        node = item.pop("id", None)
        if not isinstance(node, str) or node in graph:
            raise InputError(f'graph: a node with "id" {node!r}; every node needs a name of its own, a string')
        graph.add_node(node)
        graph.nodes[node].update(item)
    for item in _items(data.get("edges"), "edges"):
        u, v = item.pop("source", None), item.pop("target", None)
        for end in (u, v):
            if not isinstance(end, str) or end not in graph:
                raise InputError(f'graph: an edge from {u!r} to {v!r}, but {end!r} is not among the "nodes"')
        if graph.has_edge(u, v):
            raise InputError(f"graph: two edges from {u!r} to {v!r}; there may be one")
        graph.add_edge(u, v)
        graph.edges[u, v].update(item)
    return _tidy(graph)


def to_graphml(graph: nx.DiGraph) -> str:
    """Return the graph as GraphML, as Gephi, yEd and networkx read it.

    Lists, dicts and None are written as JSON, and so are the few strings that could be mistaken for it (empty,
    ``null``, or beginning with a bracket or a quotation mark) or that XML cannot hold; `from_graphml` restores them.

    Raises:
        InputError: as `to_json`.
    """
    tidy = _tidy(graph)
    for _, attributes in _sets(tidy):
        attributes.update({key: _encode(value) for key, value in attributes.items()})
    # Not generate_graphml: it splits lines at characters that may stand in a label.
    writer = GraphMLWriter()
    writer.add_graph_element(tidy)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{writer}"


def from_graphml(text: str) -> nx.DiGraph:
    """Return the graph that `to_graphml` was given.

    Raises:
        InputError: the text is no such graph.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("graphml: a document type or an entity is declared; give what to_graphml returned")
    try:
        graph = nx.parse_graphml(text)
    except (ParseError, nx.NetworkXException, AttributeError, KeyError, TypeError, ValueError) as error:
        told = " ".join(_shown(str(error)))
        raise InputError(f"graphml: cannot be read ({told}); give what to_graphml returned") from error
    if not graph.is_directed() or graph.is_multigraph():
        raise InputError("graphml: not a directed graph with at most one edge from a node to another")
    for name in _TAKEN["graph"]:
        graph.graph.pop(name, None)
    for where, attributes in _sets(graph):
        attributes.update({key: _decode(value, f"{key!r} of {where}") for key, value in attributes.items()})
    return _tidy(graph)


def to_dot(graph: nx.DiGraph) -> str:
    """Return the graph as a picture in DOT, which Graphviz draws: kinds by shape, effects by width, sign and line.

    Raises:
        InputError: as `to_json`.
    """
    tidy = _tidy(graph)
    lines = ["digraph {", "  rankdir=LR", f"  label={_quoted(*_caption(tidy))}", "  labelloc=b"]
    lines += ['  fontname="Helvetica"', '  node [fontname="Helvetica"]', '  edge [fontname="Helvetica", fontsize=10]']
    for node, data in tidy.nodes(data=True):
        shape, fill, _, _ = _KINDS.get(data.get("kind", ""), _KINDS["evidence"])
        style = "filled,dashed" if data.get("idle") else "filled"
        look = f'shape={shape}, fillcolor="{fill}", style="{style}"'
        lines.append(f"  {_name(node)} [label={_quoted(*_lines(node, data))}, {look}]")
    for u, v, sign, width, text in _drawn(tidy):
        color, style, head, _, _ = _SIGNS[sign]
        look = f'color="{color}", style={style}, arrowhead={head}, penwidth={width}'
        lines.append(f"  {_name(u)} -> {_name(v)} [label={_quoted(text)}, {look}]")
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(graph: nx.DiGraph) -> str:
    """Return the graph as a picture in Mermaid, which many pages of text draw; nodes are ``n1``, ``n2`` in order.

    Raises:
        InputError: as `to_json`.
    """
    tidy = _tidy(graph)
    names = {node: f"n{i}" for i, node in enumerate(tidy, 1)}
    lines = ["flowchart LR", f'  note["{_entities(*_caption(tidy))}"]', "  style note fill:none,stroke:none"]
    for node, data in tidy.nodes(data=True):
        _, fill, left, right = _KINDS.get(data.get("kind", ""), _KINDS["evidence"])
        lines.append(f"  {names[node]}{left}{_entities(*_lines(node, data))}{right}")
        dashes = ",stroke-dasharray:4" if data.get("idle") else ""
        lines.append(f"  style {names[node]} fill:{fill},stroke:#333333,color:#000000{dashes}")
    for i, (u, v, sign, width, text) in enumerate(_drawn(tidy)):
        color, _, _, link, dashes = _SIGNS[sign]
        told = f'|"{_entities(text)}"|' if text else ""
        lines.append(f"  {names[u]} {link}{told} {names[v]}")
        lines.append(f"  linkStyle {i} stroke:{color},stroke-width:{width}px,stroke-dasharray:{dashes}")
    return "\n".join(lines) + "\n"


def export(graph: nx.DiGraph, path: str | Path) -> Path:
    """Write the graph in the format that the ending of ``path`` names: .json, .graphml, .dot or .mmd (Mermaid).

    Returns:
        The path; a file that is there already is replaced.

    Raises:
        InputError: an unknown ending, a place that cannot be written to, or as `to_json`.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise InputError(f"graph: {target} ends in {target.suffix!r}; the endings known are {', '.join(_WRITERS)}")
    text = write(graph)
    try:
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; name another place") from error
    return target


def _json_text(graph: nx.DiGraph) -> str:
    """JSON that may stand in a page: in JSON an angle bracket or an ampersand occurs in strings alone."""
    text = json.dumps(to_json(graph), ensure_ascii=False, indent=1, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"


_WRITERS = {".json": _json_text, ".graphml": to_graphml, ".dot": to_dot, ".mmd": to_mermaid}


def _tidy(graph: nx.DiGraph) -> nx.DiGraph:
    """Copy the graph, nodes, edges and attributes in order; its values are plain JSON, and it has a note."""
    if not graph.is_directed() or graph.is_multigraph():
        raise InputError(f"graph: a {type(graph).__name__}; give a networkx.DiGraph, such as causal_graph returns")
    for node in graph:
        if not isinstance(node, str) or not node or not node.isprintable():
            raise InputError(f"graph: a node named {node!r}; name it by a printable string")
    tidy = nx.DiGraph()
    tidy.graph.update(_attributes({"note": NOTE, **graph.graph}, "graph"))
    for node in sorted(graph):
        tidy.add_node(node)
        tidy.nodes[node].update(_attributes(graph.nodes[node], "node", f" {node!r}"))
    for u, v in sorted(graph.edges):
        tidy.add_edge(u, v)
        tidy.edges[u, v].update(_attributes(graph.edges[u, v], "edge", f" {u!r} to {v!r}"))
    note = tidy.graph["note"]
    if not isinstance(note, str) or not note.strip():
        raise InputError(f"graph: the note is {note!r}; leave it out, or say in words what the effects are effects on")
    return tidy


def _sets(graph: nx.DiGraph) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every set of attributes, and whose it is."""
    yield "the graph", graph.graph
    yield from ((f"node {node!r}", data) for node, data in graph.nodes(data=True))
    yield from ((f"edge {u!r} to {v!r}", data) for u, v, data in graph.edges(data=True))


def _attributes(given: Mapping[Any, Any], kind: str, name: str = "") -> dict[str, Any]:
    """Copy attributes in order, as plain JSON values."""
    for key in given:
        if not isinstance(key, str) or not key or not key.isprintable():
            raise InputError(f"graph: {kind}{name} has an attribute named {key!r}; name it by a printable string")
        if key in _TAKEN[kind]:
            raise InputError(f"graph: {kind}{name} has an attribute {key!r}, a name that is taken; choose another")
    try:
        return {key: _plain(given[key], f"{key!r} of {kind}{name}") for key in sorted(given)}
    except RecursionError:
        raise InputError(f"graph: {kind}{name} holds lists within lists without end; give plain JSON values") from None


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= 2**53:  # what readers of JSON agree upon
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and not re.search("[\ud800-\udfff]", value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(v, where) for v in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {_plain(key, where): _plain(value[key], where) for key in sorted(value)}
    raise InputError(f"graph: {where} holds {value!r:.60}; give a finite number, text, a list, a dict by text, or None")


def _items(given: Any, key: str) -> list[dict[Any, Any]]:
    if not isinstance(given, list) or not all(isinstance(item, Mapping) for item in given):
        raise InputError(f'graph: "{key}" is missing, or not made of objects; give what to_json returned')
    return [dict(item) for item in given]


def _encode(value: Any) -> Any:
    if isinstance(value, list | dict) or value is None or (isinstance(value, str) and _AS_JSON.match(value)):
        return json.dumps(value)
    return value


def _decode(value: Any, where: str) -> Any:
    if not isinstance(value, str) or not _AS_JSON.match(value):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InputError(f"graphml: {where} begins like JSON but is none: {value!r:.60}; write it as JSON") from error


def _figure(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(text: str, width: int = 40) -> list[str]:
    """Text in lines to be looked at; what would steer a screen or turn the writing round is shown as a mark."""
    spaced = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    return wrap(shortened(" ".join(spaced.split()), 4 * width), width) or [""]


def _caption(graph: nx.DiGraph) -> list[str]:
    """What the picture is of, how it is read, and what it does not say."""
    told = [str(graph.graph[key]) for key in ("system", "action") if graph.graph.get(key)]
    if graph.graph.get("verdict"):
        told.append(f"the account is {graph.graph['verdict']}")
    title = _shown(": ".join(told), 100) if told else []
    return [*title, *_shown(_LEGEND, 100), *_shown(graph.graph["note"], 100)]


def _lines(node: str, data: Mapping[str, Any]) -> list[str]:
    """What is written in a node."""
    label, where = str(data.get("label") or ""), str(data.get("where") or "")
    told = [label if label.strip() else node, where if where not in label else "", data.get("status")]
    if _figure(data.get("probability")):
        told.append(percent(data["probability"]))
    goes = data.get("goes_with")
    if data.get("idle"):
        along = f"goes with {goes['action']}, " if isinstance(goes, dict) and "action" in goes else ""
        told.append(f"{along}no effect shown" if data.get("tested") else f"{along}not tested")
    return [line for text in told if text for line in _shown(str(text))]


def _drawn(graph: nx.DiGraph) -> list[tuple[str, str, str, str, str]]:
    """Every edge: from, to, sign, width and text."""
    least, drawn = graph.graph.get("least"), []
    for u, v, data in graph.edges(data=True):
        sign, text = _sign(data, least if _figure(least) else 0.0, graph.graph.get("action"))
        drawn.append((u, v, sign, abs(data["effect"]) if sign != "none" else 0.0, text))
    largest = max([size for _, _, _, size, _ in drawn], default=0.0) or 1.0
    return [(u, v, sign, f"{1 + 4 * size / largest:.1f}", text) for u, v, sign, size, text in drawn]


def _sign(data: Mapping[str, Any], least: float, action: Any) -> tuple[str, str]:
    """Whether an edge speaks for or against the decision, and what is written on it."""
    effect, role = data.get("effect"), data.get("role", "cause")
    if role != "cause":
        return "none", "goes along, no effect shown" if role == "goes along" else " ".join(_shown(str(role)))
    if not _figure(effect):
        return "none", percent(data["share"]) if _figure(data.get("share")) else ""
    text = f"{nats(effect, 1 if abs(effect) >= 0.5 else None)} nats"
    if data.get("kind") == "interaction":  # what two do jointly beyond their sum speaks for nothing by itself
        return "none", f"jointly {text}"
    if isinstance(data.get("becomes"), str) and data["becomes"] != action:
        text += f" → {' '.join(_shown(data['becomes']))}"
    if _figure(data.get("flips")):
        text += f", flips {percent(data['flips'])}"
    if effect == 0 or abs(effect) < least:
        return "none", text
    return "for" if effect < 0 else "against", text


def _name(node: str) -> str:
    return '"' + node.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(*lines: str) -> str:
    """A label in DOT, where a backslash, a quotation mark and an ampersand mean something."""
    return _name("\n".join(lines).replace("&", "&amp;")).replace("\n", "\\n")


def _entities(*lines: str) -> str:
    """A label in Mermaid: punctuation that it, Markdown or HTML could act on stands as a number."""
    safe = [
        re.sub(r"""[!"#$%&*/:;<=>?@\[\\\]^_`{|}~]|^[-+](?=\s|$)|(?<=^\d)\.(?=\s|$)""", _numbered, line)
        for line in lines
    ]
    return "<br/>".join(safe)


def _numbered(found: re.Match[str]) -> str:
    return f"#{ord(found[0])};"
