"""The exports of a graph: nothing is lost, nothing that a label holds is obeyed, the same graph gives the same text."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.graph_export import (
    NOTE,
    export,
    from_graphml,
    from_json,
    to_dot,
    to_graphml,
    to_json,
    to_mermaid,
)
from veridical.errors import InputError

HOSTILE = (
    'a "quote" and a \\',
    "two\nlines\r\tand more",
    "<script>alert('x')</script>",
    "</data></node><node id='evil'/>]]>",
    "`ticks` ${x} $$y$$",
    "]] }} )) >| ;",
    '"]; evil [label="',
    "%%{init: {'theme': 'dark'}}%%",
    "&lt;b&gt; &amp; #quot; #34;",
    "1. first",
    "- item",
    "* star **bold** _it_",
    "style:x#34;",
    'click n1 href "javascript:alert(1)"',
    "\n  n1 --> n2",
    "ع\u202eabc\u2069 “siren” 漢字",
    "\x00\x07\ufffe",
    "a\u2028b\x85c",
    "\\n \\N \\G",
    "",
    "   ",
    "null",
    "[1]",
    '"',
)
EFFECT = {
    "kind": "effect",
    "do": "zero",
    "interval": [-2.4, -1.8],
    "p": 0.01,
    "becomes": "PROCEED",
    "after": {"STOP": 0.1, "PROCEED": 0.9},
    "contrasts": {"PROCEED": -2.0},
    "typical": None,
}


def sample(labels: tuple[str, ...] = ()) -> nx.DiGraph:
    graph = nx.DiGraph(system="Courier", action="STOP", actions=["PROCEED", "STOP"], probabilities={"STOP": 0.94})
    graph.graph.update(absent=[], least=0.1, verdict="supported", bank={"audio": "ab"}, note=NOTE)
    graph.add_node("decision", kind="decision", label="STOP", score=2.75, probability=0.94)
    graph.add_node("c1", kind="evidence", label="siren, 0.5–2.4 s", status="confirmed")
    graph.add_node("audio#7", kind="concept", concept=7, label="siren", where="0.5–2.4 s", score=None, vetoed=False)
    graph.add_node("sense:audio", kind="sense", label="audio")
    graph.add_node("unnamed:vision", kind="unnamed", label="what no concept accounts for")
    idle = {"idle": True, "tested": True, "effect": -0.02, "goes_with": {"action": "STOP", "share": 0.9}}
    graph.add_node("vision#3", kind="concept", concept=3, label="unnamed concept #3", time=[0, 1.0], **idle)
    graph.add_edge("audio#7", "decision", effect=-2.12, **EFFECT)
    graph.add_edge("unnamed:vision", "decision", effect=0.4, **{**EFFECT, "becomes": "STOP"})
    graph.add_edge("sense:audio", "decision", effect=0.0, operators=["blur"])
    graph.add_edge("c1", "audio#7", kind="carries", share=0.8)
    graph.add_edge("c1", "sense:audio", part_of=True)
    for i, label in enumerate(labels):
        kind = ("evidence", "concept", "sense", "together", "unnamed", "state")[i % 6]
        graph.add_node(f"x{i}", kind=kind, label=label, where=label, source=[label], about={label: label})
        graph.add_edge(f"x{i}", "decision", effect=-1.0, becomes=label, kind="effect")
    return graph


def same(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    """Equal to the last type: 1 is no 1.0."""

    def told(graph: nx.DiGraph) -> str:
        return json.dumps([graph.graph, sorted(graph.nodes(data=True)), sorted(graph.edges(data=True))], sort_keys=True)

    return type(a) is type(b) and told(a) == told(b)


def shuffled(graph: nx.DiGraph, seed: int) -> nx.DiGraph:
    """Return the graph put together in another order."""
    draw = random.Random(seed)

    def mixed(items: Any) -> Any:
        items = list(items)
        draw.shuffle(items)
        return items

    again = nx.DiGraph(**dict(mixed(graph.graph.items())))
    for node, data in mixed(graph.nodes(data=True)):
        again.add_node(node, **dict(mixed(data.items())))
    for u, v, data in mixed(graph.edges(data=True)):
        again.add_edge(u, v, **dict(mixed(data.items())))
    return again


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(HOSTILE)
FIGURES = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | FIGURES | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["effect", "label", "p", "after", "key", "weight", "Größe", "a b", '"<&'])
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=4)
NAMES = st.sampled_from(["decision", "vision#1", "audio#2.0", "sense:audio", 'a"b\\', "<n & m>", "unnamed:Ton", " "])


@st.composite
def graphs(draw: st.DrawFn) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.graph.update({**draw(ATTRIBUTES), "note": NOTE})
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    for name in names:
        graph.add_node(name)
        graph.nodes[name].update(draw(ATTRIBUTES))
    for u, v in draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=6)) if names else ():
        graph.add_edge(u, v)
        graph.edges[u, v].update(draw(ATTRIBUTES))
    return graph


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 99))
def test_json_and_graphml_restore_everything_and_order_does_not_matter(graph: nx.DiGraph, seed: int):
    assert same(from_json(json.loads(json.dumps(to_json(graph)))), graph)
    assert same(from_graphml(to_graphml(graph)), graph)
    again = shuffled(graph, seed)
    for write in (to_json, to_graphml, to_dot, to_mermaid):
        assert json.dumps(write(again)) == json.dumps(write(graph))


def test_the_same_graph_gives_the_same_text_whatever_its_order():
    graph = sample(HOSTILE)
    for write in (to_json, to_graphml, to_dot, to_mermaid):
        assert {json.dumps(write(shuffled(graph, seed))) for seed in range(5)} == {json.dumps(write(graph))}


def test_networkx_itself_reads_json_and_graphml():
    graph = sample(HOSTILE)
    assert same(nx.node_link_graph(to_json(graph), edges="edges"), graph)
    read = nx.parse_graphml(to_graphml(graph))
    assert set(read.edges) == set(graph.edges)
    assert read.nodes["audio#7"]["label"] == "siren"
    assert read.edges["audio#7", "decision"]["effect"] == -2.12
    assert read.edges["audio#7", "decision"]["interval"] == "[-2.4, -1.8]"
    assert read.nodes["audio#7"]["score"] == "null"


def test_an_export_is_a_copy():
    graph = sample()
    to_json(graph)["graph"]["actions"].append("FLEE")
    to_json(graph)["edges"][0]["effect"] = 7
    assert same(graph, sample())


def test_the_note_is_in_every_export_and_given_where_there_is_none(tmp_path):
    graph = sample()
    del graph.graph["note"]
    for ending in ("json", "graphml", "dot", "mmd"):
        text = export(graph, tmp_path / f"graph.{ending}").read_text(encoding="utf-8")
        assert "Effects are on this system, measured by intervention" in text.replace("\n", " ")
    assert from_json(to_json(graph)).graph["note"] == NOTE


def test_export_writes_what_the_ending_names(tmp_path):
    graph = sample(HOSTILE)
    assert same(from_json(json.loads(export(graph, tmp_path / "g.JSON").read_text(encoding="utf-8"))), graph)
    with (tmp_path / "g.graphml").open("w", encoding="utf-8", newline="") as file:
        file.write("old")
    assert same(from_graphml(export(graph, tmp_path / "g.graphml").read_text(encoding="utf-8")), graph)
    assert export(graph, str(tmp_path / "g.dot")).read_bytes().decode() == to_dot(graph)
    assert export(graph, tmp_path / "g.mmd").read_bytes().decode() == to_mermaid(graph)


def test_export_says_which_endings_it_knows_and_where_it_cannot_write(tmp_path):
    with pytest.raises(
        InputError, match=r"g\.svg ends in '\.svg'; the endings known are \.json, \.graphml, \.dot, \.mmd"
    ):
        export(sample(), tmp_path / "g.svg")
    with pytest.raises(InputError, match=r"cannot be written: No such file or directory; name another place"):
        export(sample(), tmp_path / "no" / "g.dot")


def test_pictures_show_sign_by_line_and_head_and_figure_and_size_by_width():
    dot, mermaid = to_dot(sample()), to_mermaid(sample())
    spoke_for = '"audio#7" -> "decision" [label="−2.1 nats → PROCEED", color="#0072B2", style=solid, arrowhead=normal'
    assert f"{spoke_for}, penwidth=5.0]" in dot
    against = '"unnamed:vision" -> "decision" [label="+0.40 nats", color="#D55E00", style=dashed, arrowhead=tee'
    assert f"{against}, penwidth=1.8]" in dot
    assert '"sense:audio" -> "decision" [label="0.00 nats", color="#6b6b6b", style=dotted' in dot
    assert '"c1" -> "audio#7" [label="80\xa0%", color="#6b6b6b", style=dotted, arrowhead=open, penwidth=1.0]' in dot
    assert 'n1 -->|"−2.1 nats → PROCEED"| n3' in mermaid
    assert "linkStyle 0 stroke:#0072B2,stroke-width:5.0px,stroke-dasharray:0" in mermaid
    assert 'n5 -.-x|"+0.40 nats"| n3' in mermaid
    assert "stroke:#D55E00,stroke-width:1.8px,stroke-dasharray:8" in mermaid


def test_pictures_show_kinds_by_shape_and_what_does_nothing_as_such():
    dot, mermaid = to_dot(sample(HOSTILE)), to_mermaid(sample(HOSTILE))
    assert len(set(re.findall(r"shape=(\w+)", dot))) == 7
    assert '"decision" [label="STOP\\n94 %", shape=doubleoctagon' in dot
    assert 'n3{{"STOP<br/>94 #37;"}}' in to_mermaid(sample())
    idle = next(line for line in dot.splitlines() if '"vision#3"' in line)
    assert "goes with STOP, no effect shown" in idle
    assert 'style="filled,dashed"' in idle
    assert "goes with STOP, no effect shown" in mermaid
    assert "stroke-dasharray:4" in mermaid


def test_what_is_below_the_least_effect_is_drawn_as_none():
    graph = sample()
    graph.edges["audio#7", "decision"]["effect"] = -0.05
    assert '"audio#7" -> "decision" [label="−0.050 nats → PROCEED", color="#6b6b6b", style=dotted' in to_dot(graph)


def test_an_interaction_is_a_figure_and_no_sign():
    graph = sample()
    graph.add_edge("audio#7", "vision#3", kind="interaction", effect=-3.0, interval=[-4.0, -2.0])
    assert '"audio#7" -> "vision#3" [label="jointly −3.0 nats", color="#6b6b6b", style=dotted' in to_dot(graph)


def test_edges_of_a_system_are_told_by_their_role():
    graph = nx.DiGraph(least=0.1)
    graph.add_node("decision:STOP", kind="decision", label="STOP")
    graph.add_edge("audio#7", "decision:STOP", role="cause", effect=-2.0, flips=0.75)
    graph.add_edge("vision#3", "decision:STOP", role="goes along", effect=-0.01)
    graph.add_edge("vision#4", "decision:STOP", role="undecided", effect=None)
    dot = to_dot(graph)
    assert 'label="−2.0 nats, flips 75\xa0%", color="#0072B2", style=solid' in dot
    assert 'label="goes along, no effect shown", color="#6b6b6b", style=dotted' in dot
    assert 'label="undecided", color="#6b6b6b", style=dotted' in dot


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_shown_and_not_obeyed_in_dot(label: str):
    lines = to_dot(sample((label,))).splitlines()
    # Nothing stands outside quotation marks that did not with a harmless label.
    quoted = re.compile(r'"(?:[^"\\]|\\.)*"')
    assert [quoted.sub('""', line) for line in lines] == [
        quoted.sub('""', line) for line in to_dot(sample(("harmless",))).splitlines()
    ]
    # Within a label a backslash escapes a quotation mark or itself, or ends a line; \N, \G and \L would name things.
    assert not re.search(r"(?<!\\)(?:\\\\)*\\[^\\n\"]", "\n".join(lines))
    assert all(c.isprintable() or c in "\n\xa0" for c in "\n".join(lines))


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_shown_and_not_obeyed_in_mermaid(label: str):
    text = to_mermaid(sample((label,)))
    quoted = re.compile(r'"[^"]*"')
    assert quoted.sub('""', text) == quoted.sub('""', to_mermaid(sample(("harmless",))))
    for inside in quoted.findall(text):
        told = re.sub(r"<br/>|#\d+;", "", inside[1:-1])
        assert not set('"<>`[]{}|%&;#$*_\\:@~') & set(told)
        assert not re.match(r"(\d\.|[-+])(\s|$)", told)
    assert all(c.isprintable() or c in "\n\xa0" for c in text)


def test_mermaid_entities_are_the_characters():
    text = to_mermaid(sample(('<b> & #1; "x"',)))
    label = re.search(r'"(#60;[^"]*)"', text)
    assert label is not None
    told = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label[1].split("<br/>")[0])
    assert told == '<b> & #1; "x"'


def test_hostile_labels_are_inert_in_json_that_stands_in_a_page_and_in_xml(tmp_path):
    graph = sample(HOSTILE)
    text = export(graph, tmp_path / "g.json").read_text(encoding="utf-8")
    assert not set("<>&") & set(text)
    root = ElementTree.fromstring(to_graphml(graph))  # noqa: S314  # the text is ours
    assert {e.tag.split("}")[1] for e in root.iter()} == {"graphml", "key", "graph", "node", "edge", "data"}
    assert sum(e.tag.endswith("}node") for e in root.iter()) == len(graph)


def test_long_labels_are_wrapped_and_cut():
    dot = to_dot(sample(("word " * 200,)))
    label = next(line for line in dot.splitlines() if line.startswith('  "x0" ['))
    assert "…" in label
    assert max(map(len, label.split("\\n"))) < 120


def refused(change: Any) -> nx.DiGraph:
    graph = sample()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.add_node(7), r"a node named 7; name it by a printable string"),
        (lambda g: g.add_node("a\nb"), r"a node named 'a\\nb'"),
        (lambda g: g.add_node(""), r"a node named ''"),
        (lambda g: g.nodes["c1"].update(id="x"), r"node 'c1' has an attribute 'id', a name that is taken"),
        (lambda g: g.edges["c1", "audio#7"].update(source="x"), r"edge 'c1' to 'audio#7' has an attribute 'source'"),
        (lambda g: g.graph.update(edge_default={}), r"graph has an attribute 'edge_default'"),
        (lambda g: g.nodes["c1"].update({3: 1}), r"node 'c1' has an attribute named 3"),
        (lambda g: g.nodes["c1"].update(score=float("nan")), r"'score' of node 'c1' holds nan; give a finite number"),
        (lambda g: g.nodes["c1"].update(score=10**400), r"'score' of node 'c1' holds 1000"),
        (lambda g: g.nodes["c1"].update(members={1, 2}), r"'members' of node 'c1' holds \{1, 2\}"),
        (lambda g: g.nodes["c1"].update(after={1: 2}), r"'after' of node 'c1' holds \{1: 2\}"),
        (lambda g: g.nodes["c1"].update(label="\ud800"), r"'label' of node 'c1' holds"),
        (lambda g: g.graph.update(note=" "), r"the note is ' '; leave it out, or say in words"),
    ],
)
def test_what_cannot_be_carried_is_refused_in_every_format(change: Any, message: str):
    graph = refused(change)
    for write in (to_json, to_graphml, to_dot, to_mermaid):
        with pytest.raises(InputError, match=message) as told:
            write(graph)
        assert "\n" not in str(told.value)


def test_a_list_within_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InputError, match=r"node 'c1' holds lists within lists without end"):
        to_json(refused(lambda g: g.nodes["c1"].update(members=loop)))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", [nx.Graph, nx.MultiDiGraph])
def test_only_plain_directed_graphs_are_exported(kind: Any):
    with pytest.raises(InputError, match=rf"graph: a {kind.__name__}; give a networkx.DiGraph"):
        to_json(kind())


def without(key: str, **more: Any) -> dict[str, Any]:
    return {**{k: v for k, v in to_json(sample()).items() if k != key}, **more}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (without("directed"), r'"directed" must be true'),
        (without("", multigraph=True), r'"multigraph" false'),
        (without("graph"), r'"graph" is missing, or not made of objects'),
        (without("nodes"), r'"nodes" is missing'),
        (without("", nodes=["a"]), r'"nodes" is missing, or not made of objects'),
        (without("", nodes=[{"id": 1}]), r'a node with "id" 1; every node needs a name of its own'),
        (without("", nodes=[{"id": "a"}, {"id": "a"}]), r"a node with \"id\" 'a'"),
        (without("", nodes=[{"id": "a"}], edges=[{"source": "a", "target": "b"}]), r"'b' is not among the \"nodes\""),
        (without("", nodes=[{"id": "a"}], edges=2 * [{"source": "a", "target": "a"}]), r"two edges from 'a' to 'a'"),
        (without("", edges=[{"source": []}]), r"an edge from \[\] to None, but \[\] is not among"),
    ],
)
def test_json_that_is_no_such_graph_is_refused(data: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        from_json(data)


HEAD = (
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><key id="d0" for="node" attr.name="x" attr.type="string"/>'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"graphml: cannot be read \(no element found"),
        ("<a", r"graphml: cannot be read"),
        ("<a/>", r"cannot be read \(file not successfully read"),
        (f'{HEAD}<graph edgedefault="undirected"/></graphml>', r"not a directed graph"),
        (
            f'{HEAD}<graph edgedefault="directed"><node id="a"/><edge source="a" target="a"/>'
            '<edge source="a" target="a"/></graph></graphml>',
            r"not a directed graph with at most one edge",
        ),
        (
            f'{HEAD}<graph edgedefault="directed"><node id="a"><data key="d0">[1</data></node></graph></graphml>',
            r"'x' of node 'a' begins like JSON but is none: '\[1'; write it as JSON",
        ),
        (
            f'{HEAD}<graph edgedefault="directed"><node id="a"><data key="q">1</data></node></graph></graphml>',
            r"no key q",
        ),
        ('<!DOCTYPE x [<!ENTITY a "b">]><graphml/>', r"a document type or an entity is declared"),
    ],
)
def test_graphml_that_is_no_such_graph_is_refused(text: str, message: str):
    with pytest.raises(InputError, match=message) as told:
        from_graphml(text)
    assert "\n" not in str(told.value)
