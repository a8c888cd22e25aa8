"""Causal graphs for the tests of sentences: one decision told by hand, and any that hypothesis may think of."""

from __future__ import annotations

import networkx as nx
from hypothesis import strategies as st

ACTIONS = ["PROCEED", "SLOW", "STOP", "YIELD"]
REASON = "Its predictions agree with what was measured (80\u00a0%, 3 claims), and would not of others (p = 0.012)."


def after(stop: float, other: float = 0.9) -> dict[str, float]:
    """Probabilities of all actions with this one of STOP, and this share of the rest for PROCEED."""
    rest = 1 - stop
    return {"PROCEED": rest * other, "SLOW": rest * (1 - other), "STOP": stop, "YIELD": 0.0}


def bare(**told) -> nx.DiGraph:
    """A decision alone."""
    given = {"system": "courier", "action": "STOP", "actions": ACTIONS, "score": 2.75, "absent": [], "least": 0.1}
    given |= {"probabilities": {"PROCEED": 0.04, "SLOW": 0.01, "STOP": 0.94, "YIELD": 0.01}, "alpha": 0.05}
    graph = nx.DiGraph()
    graph.graph.update(given | {"verdict": "supported", "reason": REASON} | told)
    graph.add_node("decision", kind="decision", label=graph.graph["action"], score=graph.graph["score"])
    return graph


def add_evidence(graph: nx.DiGraph, node: str, modality: str, label: str, effect: float, **edge) -> None:
    """Evidence with its measured effect."""
    status = edge.pop("status", "confirmed")
    graph.add_node(node, kind="evidence", modality=modality, label=label, status=status)
    given = {"effect": effect, "operator_range": [effect - 0.2, effect + 0.2], "operators": ["a", "b"]}
    graph.add_edge(node, "decision", **(given | {"status": status, "predicted": effect} | edge))


def add_concept(graph: nx.DiGraph, node: str, label: str, where: str, effect: float | None = None, **more) -> None:
    """A concept, with an edge if it has an effect; further attributes are the edge's, without one the node's."""
    modality, k = node.split("#")
    named = not label.startswith("unnamed")
    data = {"modality": modality, "concept": int(k.split(".")[0]), "label": label, "named": named, "vetoed": False}
    data |= {"vetoed": more.pop("vetoed", False)}
    idle = {} if effect is not None else {"idle": True, "tested": True, "effect": -0.01, **more}
    graph.add_node(node, kind="concept", where=where, **(data | idle))
    if effect is not None:
        given = {"effect": effect, "interval": [effect - 0.05, effect + 0.05], "p": 0.01, "do": "zero"}
        graph.add_edge(node, "decision", kind="effect", **(given | more))


def siren() -> nx.DiGraph:
    """STOP for a siren; a cat against it; a patch that only goes along, grass and sky that do nothing."""
    graph = bare(absent=["text"])
    for sense, effect, becomes, stop in (("vision", -0.02, "STOP", 0.939), ("audio", -5.0, "PROCEED", 0.1)):
        graph.add_node(f"sense:{sense}", kind="sense", label=sense)
        found = {"operator_range": [effect - 0.01, effect + 0.01], "operators": ["a", "b"]}
        graph.add_edge(f"sense:{sense}", "decision", effect=effect, becomes=becomes, after=after(stop), **found)
    moved = {"becomes": "PROCEED", "after": after(0.13)}
    add_evidence(graph, "c1", "audio", "0.5–2.4 s, 0.5–1.5 kHz", -4.61, predicted=-4.0, **moved)
    still = {"becomes": "STOP", "after": after(0.939), "status": "negligible"}
    add_evidence(graph, "c2", "vision", "the middle, frame 1 (0–1 s)", -0.02, predicted=-1.0, **still)
    contrasts = {"PROCEED": -5.4, "SLOW": -0.2, "YIELD": 0.3}
    found = {"direct": -3.9, "through_state": -0.98, "typical": {"effect": -0.5, "becomes": "STOP"}}
    gone = {"becomes": "PROCEED", "after": after(0.11)}
    add_concept(graph, "audio#3", "siren", "0.5–2.4 s", -4.88, contrasts=contrasts, **gone, **found)
    opposed = {"becomes": "STOP", "after": after(0.975), "contrasts": {"PROCEED": 1.1}}
    add_concept(graph, "vision#7", "unnamed concept #7", "the lower left, all frames", 0.9, **opposed)
    goes = {"action": "STOP", "share": 0.91, "usual": 0.3, "p": 0.001}
    add_concept(graph, "vision#2", "pink patch", "the right, all frames", goes_with=goes)
    add_concept(graph, "vision#4", "grass", "the right, all frames")
    add_concept(graph, "vision#5", "sky", "the upper left, all frames", effect=None)
    add_concept(graph, "audio#1", "hum", "0–2 s", None)
    graph.nodes["audio#1"].update(tested=False, effect=None)
    graph.add_edge("c1", "audio#3", kind="carries", share=0.9)
    graph.add_edge("c1", "sense:audio", part_of=True)
    graph.add_node("unnamed:vision", kind="unnamed", modality="vision", label="the rest")
    rest = {"effect": -0.6, "interval": [-0.8, -0.4], "p": 0.02, "becomes": "STOP", "after": after(0.9)}
    graph.add_edge("unnamed:vision", "decision", kind="effect", **rest)
    return graph


_EFFECTS = st.one_of(st.floats(-6, -0.1), st.floats(0.1, 6), st.floats(-0.2, 0.2), st.sampled_from([-0.1, 0.1, 0.0]))
_LABELS = st.sampled_from(
    [
        "siren",
        "Egyptian cat",
        "not a thing",
        "8 %",
        "a; b: c and d",
        "“quoted”",
        "STOP",
        "line\nbreak",
        "",
        "\u202e x  y",
    ]
)
_PLACES = st.sampled_from(
    ["the middle, frame 1 (0–1 s)", "0.5–2.4 s", "“creep past animals”", "the right; the left", ""]
)
_SENSES = st.sampled_from(["vision", "audio", "text", "lidar"])


@st.composite
def probabilities(draw, actions: list[str]) -> dict[str, float]:
    """A probability for each action."""
    weights = draw(st.lists(st.floats(0.001, 1), min_size=len(actions), max_size=len(actions)))
    return {action: weight / sum(weights) for action, weight in zip(actions, weights, strict=True)}


@st.composite
def _edges(draw, actions: list[str], effect: float) -> dict:
    """What may stand on an edge to the decision."""
    width = draw(st.floats(0.001, 0.5))
    maybe = {
        "becomes": st.sampled_from([*actions, None]),
        "after": st.one_of(st.none(), probabilities(actions)),
        "interval": st.just([effect - width, effect + width]),
        "p": st.sampled_from([0.0001, 0.01, 0.05, 0.2]),
        "contrasts": st.dictionaries(st.sampled_from(actions), st.floats(-3, 3)),
        "typical": st.one_of(
            st.none(), st.builds(lambda a, e: {"effect": e, "becomes": a}, st.sampled_from([*actions, None]), _EFFECTS)
        ),
        "direct": _EFFECTS,
        "through_state": _EFFECTS,
        "interaction": st.one_of(st.none(), _EFFECTS),
        "predicted": _EFFECTS,
        "operators": st.sampled_from([["a"], ["a", "b"]]),
        "operator_range": st.just([effect - width, effect + width]),
    }
    return {"effect": effect, **draw(st.fixed_dictionaries({}, optional=maybe))}


@st.composite
def _concepts(draw, graph: nx.DiGraph, actions: list[str]) -> None:
    for i in range(draw(st.integers(0, 5))):
        sense, label = draw(_SENSES), draw(_LABELS)
        node = f"{sense}#{i}"
        more = {"named": draw(st.booleans()), "vetoed": draw(st.booleans()), "where": draw(_PLACES)}
        graph.add_node(node, kind="concept", modality=sense, concept=i, label=label, **more)
        if draw(st.booleans()):
            graph.add_edge(node, "decision", **draw(_edges(actions, draw(_EFFECTS))))
        else:
            tested = draw(st.booleans())
            graph.nodes[node].update(idle=True, tested=tested, effect=draw(_EFFECTS) if tested else None)
        if draw(st.booleans()):
            share = st.floats(0, 1)
            goes = {"action": draw(st.sampled_from(actions)), "share": draw(share), "usual": draw(share), "p": 0.01}
            graph.nodes[node]["goes_with"] = goes


@st.composite
def graphs(draw) -> nx.DiGraph:
    """Any graph of a decision: what the schema allows, with names that try to be mistaken for something else."""
    actions = draw(st.sampled_from([ACTIONS, ["go", "stay"], ["left", "decision", "nats and"]]))
    told = {"action": draw(st.sampled_from(actions)), "actions": actions, "probabilities": draw(probabilities(actions))}
    told |= {"score": draw(st.one_of(st.none(), _EFFECTS)), "absent": draw(st.lists(_SENSES, unique=True))}
    told |= {"verdict": draw(st.sampled_from(["supported", "unsupported", "inconclusive", None]))}
    told |= {"reason": draw(st.sampled_from([REASON, "", None, "STOP; it held: so. And 4 % not.", "A reason"]))}
    graph = bare(**told)
    draw(_concepts(graph, actions))
    concepts = [n for n, kind in graph.nodes(data="kind") if kind == "concept"]
    for i in range(draw(st.integers(0, 3))):
        sense, status = draw(_SENSES), draw(st.sampled_from(["confirmed", "negligible", "contradicted"]))
        graph.add_node(f"c{i}", kind="evidence", modality=sense, label=draw(_PLACES), status=status)
        edge = draw(_edges(actions, draw(_EFFECTS)))
        graph.add_edge(f"c{i}", "decision", **edge, status=status)
        members = draw(st.lists(st.sampled_from(concepts), unique=True)) if concepts else []
        for node in members:
            graph.add_edge(f"c{i}", node, kind="carries", share=draw(st.floats(0, 1)))
        if members and draw(st.booleans()):
            joint = f"together:c{i}"
            graph.add_node(joint, kind="together", modality=sense, label="", members=members)
            graph.add_edge(joint, "decision", **draw(_edges(actions, draw(_EFFECTS))))
    for sense in draw(st.lists(_SENSES, unique=True)):
        for node, kind in ((f"sense:{sense}", "sense"), (f"unnamed:{sense}", "unnamed")):
            graph.add_node(node, kind=kind, modality=sense, label=sense)
            if draw(st.booleans()):
                graph.add_edge(node, "decision", **draw(_edges(actions, draw(_EFFECTS))))
    return graph
