"""Hand-made graphs of one decision, for the tests of what it rests on."""

from __future__ import annotations

from typing import Any

import networkx as nx

ACTIONS = ["PROCEED", "SLOW", "STOP", "YIELD"]


def graph(action: str = "STOP", **attributes: Any) -> nx.DiGraph:
    made = nx.DiGraph(action=action, actions=ACTIONS, **attributes)
    made.add_node("decision", kind="decision", label=action)
    for sense in ("vision", "audio", "text"):
        made.add_node(f"sense:{sense}", kind="sense", label=sense)
        made.add_edge(f"sense:{sense}", "decision", effect=-9.0)
    return made


def evidence(made: nx.DiGraph, node: str, label: str, effect: float, modality: str = "vision", status="confirmed"):
    made.add_node(node, kind="evidence", modality=modality, label=label, status=status)
    made.add_edge(node, "decision", effect=effect, status=status, predicted=effect)
    made.add_edge(node, f"sense:{modality}", part_of=True)
    return node


def concept(made: nx.DiGraph, node: str, label: str | None, effect: float | None, **more: Any) -> str:
    """A concept, named if it has a label; drawn if it has an effect, else tested and idle."""
    carried = more.pop("carried", {})
    modality, _, number = node.partition("#")
    number = number.split(".")[0]
    data = {"kind": "concept", "modality": modality, "concept": int(number), "named": label is not None}
    data |= {"label": label or f"unnamed concept #{number}", "source": "ImageNet" if label else None}
    data |= {"where": "the middle, all frames"} | more
    made.add_node(node, **data)
    if effect is None:
        made.nodes[node].setdefault("tested", True)
        made.nodes[node]["idle"] = True
    else:
        made.add_edge(node, "decision", kind="effect", effect=effect, p=0.01)
    for home, share in carried.items():
        made.add_edge(home, node, kind="carries", share=share)
    return node


def together(made: nx.DiGraph, home: str, members: list[str], effect: float | None) -> str:
    node = f"together:{home}"
    made.add_node(node, kind="together", modality="vision", label="several concepts", members=members)
    for member in members:
        made.add_edge(member, node, part_of=True)
    if effect is not None:
        made.add_edge(node, "decision", kind="effect", effect=effect, p=0.02, interaction=0.0)
    return node


def unnamed(made: nx.DiGraph, modality: str, effect: float) -> str:
    made.add_node(f"unnamed:{modality}", kind="unnamed", modality=modality, label="what no concept accounts for")
    made.add_edge(f"unnamed:{modality}", "decision", kind="effect", effect=effect, p=0.01)
    return f"unnamed:{modality}"
