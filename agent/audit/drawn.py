"""What was drawn: the concepts' cards and the causal graph, against each other and against the effects they tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .finding import EXACT, SINGLE, Case, Sheet, odds

__all__ = ["concepts", "evidence", "graph"]

_TIE = 1e-12
_OFTEN = 1.5
_PARTS = {("evidence", "sense"), ("concept", "together")}
_KINDS: Mapping[tuple[str, str], set[str | None]] = {
    ("concept", "decision"): {"effect"},
    ("together", "decision"): {"effect"},
    ("unnamed", "decision"): {"effect"},
    ("evidence", "concept"): {"carries"},
    ("concept", "concept"): {"interaction"},
    ("concept", "state"): {"through"},
    ("state", "decision"): {"carries"},
}
"""Kinds of edges by the kinds of their ends; others have none."""
_NODE = ("label", "named", "vetoed", "source", "score", "margin", "time", "strength", "typical", "expected", "concept")


def _edges(case: Case) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(e["source"], e["target"]): e for e in case.result["graph"]["edges"]}


def _nodes(case: Case) -> dict[str, Mapping[str, Any]]:
    return {n["id"]: n for n in case.result["graph"]["nodes"]}


def graph(case: Case, sheet: Sheet) -> None:
    """The graph tells the decision, the verdict and the levels that the rest of the record tells."""
    result, whole = case.result, case.result["graph"]["graph"]
    told, verdict = result["decision"], result["verdict"]
    if "system" not in whole:
        sheet.skip("the graph is of an earlier version, which told nothing of the whole")
        return
    sheet.same("the graph's system", whole["system"], result["system"]["name"])
    sheet.same("the graph's actions", list(whole["actions"]), case.actions)
    for key in ("action", "score", "probabilities"):
        sheet.close(f"the graph's {key}", whole[key], told[key])
    absent = [m for m, signal in result["observation"].items() if not signal["present"]]
    sheet.same("the graph's absent senses", sorted(whole["absent"]), sorted(absent))
    for key in ("least", "alpha"):
        sheet.same(f"the graph's {key}", whole[key], verdict["criteria"][key])
    sheet.same("the graph's verdict", whole["verdict"], verdict["verdict"])
    sheet.same("the graph's reason", whole["reason"], verdict["reasons"][0])
    banks = {m: bank["digest"] for m, bank in (result.get("concepts") or {}).get("banks", {}).items()}
    sheet.close("the graph's banks", whole.get("bank", {}), banks)
    node = _nodes(case)["decision"]
    told = {"kind": "decision", "label": case.action, "score": case.score}
    told["probability"] = result["decision"]["probabilities"][case.action]
    for key, value in told.items():
        sheet.same(f"the decision's {key} in the graph", node[key], value)


def evidence(case: Case, sheet: Sheet) -> None:
    """Edges of evidence and of whole senses have the effects of the claims and of the senses."""
    edges, nodes = _edges(case), _nodes(case)
    told = [(c["id"], c["effects"], c) for c in case.result["claims"]]
    told += [(f"sense:{m}", each, None) for m, each in case.result["senses"].items() if each]
    for name, each, claim in told:
        edge, sizes = edges[name, "decision"], [e["effect"] for e in each]
        sheet.near(f"the effect of {name} in the graph", edge["effect"], math.fsum(sizes) / len(sizes))
        sheet.close(f"the range of {name} in the graph", edge["operator_range"], [min(sizes), max(sizes)])
        sheet.same(f"the operators of {name}", edge["operators"], [e["operator"] for e in each])
        if "becomes" not in edge:
            sheet.skip("what the evidence of an earlier version becomes")
            continue
        outcomes = {e["action"] for e in each}
        sheet.same(f"what {name} becomes", edge["becomes"], next(iter(outcomes)) if len(outcomes) == 1 else None)
        mean = {a: math.fsum(e["probabilities"][a] for e in each) / len(each) for a in case.actions}
        sheet.close(f"probabilities after {name}", edge["after"], mean, 1e-6)
        if claim is None:
            continue
        for key in ("predicted", "status"):
            sheet.same(f"the {key} of {name} in the graph", edge[key], claim[key])
        node = nodes[name]
        for key, value in (("modality", claim["modality"]), ("status", claim["status"]), ("name", claim["name"])):
            sheet.same(f"the {key} of node {name}", node[key], value)
        sheet.same(f"the source of node {name}", node["source"], claim["named_by"])
        label = f"{node['name']}, {node['where']}" if node["name"] else node["where"]
        sheet.same(f"the label of node {name}", node["label"], label)
        kept = node["where"] if len(claim["where"]) <= 100 else claim["where"]
        sheet.same(f"where {name} lies", claim["where"], kept)
    known = {n for n, data in nodes.items() if data["kind"] in ("evidence", "sense")}
    sheet.same("the evidence in the graph", sorted(known), sorted(name for name, _, _ in told))


def concepts(case: Case, sheet: Sheet) -> None:
    """Each card's p, interval, drawing and role follow from its figures, and its node and edge say the same."""
    told = case.result.get("concepts")
    if not told or not (told["cards"] or told["groups"] or told["unnamed"]):
        sheet.skip("the record has no concepts")
        return
    edges, nodes = _edges(case), _nodes(case)
    asked = case.result["verdict"]["criteria"]
    for card in told["cards"]:
        name, node = card["id"], nodes[card["id"]]
        drawn = _tested(card, name, asked, sheet)
        sheet.same(f"whether {name} is drawn", card["drawn"], drawn)
        sheet.same(f"the edge of {name}", (name, "decision") in edges, drawn)
        for key in _NODE:
            sheet.same(f"{key} of node {name}", node[key], card[key])
        sheet.same(f"sense of node {name}", node["modality"], card["sense"])
        sheet.same(f"where {name} lies", node["where"], card["where"] if len(card["where"]) <= 100 else node["where"])
        sheet.same(f"the role of {name}", card["role"], _role(card))
        sheet.between(f"stability of {name}", card["stability"], -1, 1)
        if drawn:
            _drawn_edge(case, edges[name, "decision"], card, name, sheet)
            _state(edges, card, asked["least"], sheet)
        else:
            sheet.same(f"whether {name} is idle", node["idle"], True)
            for key in ("becomes", "after", "typically"):
                sheet.same(f"{key} of {name}, which is not drawn", card[key], None)
            for key in ("effect", "interval", "p", "goes_with"):
                sheet.same(f"{key} of node {name}", node.get(key), card[key])
            sheet.same(f"whether {name} was tested", node["tested"], card["effect"] is not None)
        _goes(card["goes_with"], case.action, name, sheet)
        _laid(card, sheet)
    tested = {len(card["controls"]) for card in told["cards"] if card["p"] is not None}
    sheet.holds(len(tested) <= len(told["banks"]), "concepts were tested against unlike numbers of controls")
    known = {n for n, data in nodes.items() if data["kind"] == "concept"}
    sheet.same("the concepts in the graph", sorted(known), sorted(card["id"] for card in told["cards"]))
    _joint(case, told, edges, asked, sheet)
    _rest(case, told, edges, asked, sheet)


def _laid(card: Mapping[str, Any], sheet: Sheet) -> None:
    """Rows stand in order, with one box each where they have boxes; prototypes come the strongest first."""
    name, rows, boxes = card["id"], card["rows"], card["boxes"]
    sheet.same(f"rows of {name}", rows, sorted({abs(row) for row in rows}))
    if boxes:
        sheet.same(f"boxes of {name}", len(boxes), len(rows))
        places = [(frame, top, left) for frame, left, top, _, _ in boxes]
        sheet.holds(places == sorted(set(places)), f"boxes of {name} do not stand in the order of its rows")
        sheet.holds(all(a < c and b < d for _, a, b, c, d in boxes), f"a box of {name} is empty")
        sizes = {(round(c - a, 6), round(d - b, 6)) for _, a, b, c, d in boxes}
        sheet.holds(len(sizes) == 1, f"boxes of {name} are of different sizes")
    prototypes = card["prototypes"]
    strengths = [p["strength"] for p in prototypes]
    sheet.holds(strengths == sorted(strengths, reverse=True), f"prototypes of {name} are not in order")
    for p in prototypes:
        so = len(p["place"]) == len(p["grid"]) and all(0 <= a < b for a, b in zip(p["place"], p["grid"], strict=True))
        sheet.holds(so, f"a prototype of {name} lies beyond its grid")


def _tested(told: Mapping[str, Any], name: str, asked: Mapping[str, float], sheet: Sheet, wide: bool = True) -> bool:
    """Hold p against its controls and the interval against the effect; return whether the effect is to be drawn."""
    effect, interval, p, others = told["effect"], told["interval"], told["p"], told["controls"]
    if effect is None or p is None:
        sheet.holds(not others and p is None, f"{name} has controls and no p")
        return False
    as_far = sum(abs(one) >= abs(effect) - _TIE for one in others)
    sheet.near(f"p of {name}", p, (1 + as_far) / (len(others) + 1))
    if interval is not None:
        sheet.holds(interval[0] - EXACT <= effect <= interval[1] + EXACT, f"the interval of {name} misses its effect")
    if abs(effect) < asked["least"] or p > asked["alpha"]:
        return False
    return not wide or (interval is not None and (interval[0] > 0 or interval[1] < 0))


def _role(card: Mapping[str, Any]) -> str:
    if card["drawn"]:
        return "for" if card["effect"] < 0 else "against"
    return "goes along" if card["goes_with"] else "no effect shown"


def _drawn_edge(case: Case, edge: Mapping[str, Any], told: Mapping[str, Any], name: str, sheet: Sheet) -> None:
    """An edge from what was taken out of the features: its effect, contrasts and action are those of ``after``."""
    for key in ("effect", "p"):
        sheet.same(f"{key} of the edge of {name}", edge[key], told[key])
    if edge["interval"] is not None:
        sheet.same(f"interval of the edge of {name}", edge["interval"], told["interval"])
    sheet.same(f"controls of the edge of {name}", edge["controls"], len(told["controls"]))
    for key, own in (("becomes", "becomes"), ("after", "after"), ("typical", "typically")):
        if own in told:
            sheet.same(f"{key} of the edge of {name}", edge[key], told[own])
    after = edge["after"]
    sheet.near(f"probabilities after {name}", math.fsum(after[a] for a in case.actions), 1.0, 1e-6)
    sheet.holds(after[edge["becomes"]] >= max(after.values()) - _TIE, f"what {name} becomes is not the likeliest")
    left = odds(after, case.action)
    if not math.isfinite(left) or min(after.values()) <= 0:
        return
    slack = case.rounding * (1 + abs(edge["effect"]))
    sheet.near(f"the effect of {name}", edge["effect"], left - case.score, slack)
    logits = case.result["decision"]["logits"]
    for other, change in edge["contrasts"].items():
        lead = math.log(after[case.action] / after[other]) - (logits[case.action] - logits[other])
        sheet.near(f"the contrast of {name} with {other}", change, lead, slack)
    sheet.same(f"contrasts of {name}", sorted(edge["contrasts"]), sorted(set(case.actions) - {case.action}))


def _state(edges: Mapping[tuple[str, str], Any], card: Mapping[str, Any], least: float, sheet: Sheet) -> None:
    name, through = card["id"], card["through_state"]
    if card["direct"] is None or through is None:
        return
    edge = edges[name, "decision"]
    for key in ("direct", "through_state"):
        sheet.same(f"{key} of the edge of {name}", edge[key], card[key])
    sheet.same(f"whether {name} acts through the state", (name, "state") in edges, abs(through) >= least)
    if (name, "state") in edges:
        sheet.same(f"what {name} does through the state", edges[name, "state"]["effect"], through)


def _goes(told: Mapping[str, Any] | None, action: str, name: str, sheet: Sheet) -> None:
    if told:
        sheet.same(f"the action that {name} goes with", told["action"], action)
        sheet.holds(told["share"] >= _OFTEN * told["usual"] - _TIE, f"{name} does not go with {action!r} often")
        sheet.between(f"p of what {name} goes with", told["p"], 0, 1)


def _joint(case: Case, told: Any, edges: Any, asked: Any, sheet: Sheet) -> None:
    cards = {card["id"]: card for card in told["cards"]}
    claims = {claim["id"]: claim["modality"] for claim in case.result["claims"]}
    for group in told["groups"]:
        sheet.same(f"the sense of together:{group['claim']}", group["sense"], claims.get(group["claim"]))
        for member in group["members"]:
            so = edges.get((group["claim"], member), {}).get("kind") == "carries"
            sheet.holds(so, f"{group['claim']} does not carry {member}, which it is told to make")
        for key in ("effect", "interval", "p", "controls") if len(group["members"]) == 1 else ():
            sheet.same(f"{key} of together:{group['claim']}", group[key], cards[group["members"][0]][key])
        name, members = f"together:{group['claim']}", group["members"]
        drawn = _tested(group, name, asked, sheet)
        sheet.same(f"whether {name} is drawn", group["drawn"], drawn)
        single = [cards[m]["effect"] for m in members if m in cards]
        if None not in single and len(single) == len(members) and group["effect"] is not None:
            extra = group["effect"] - math.fsum(single)
            sheet.near(f"the interaction of {name}", group["interaction"], extra, SINGLE)
        if drawn and len(members) > 1:
            edge = edges[name, "decision"]
            _drawn_edge(case, edge, group, name, sheet)
            for key in ("interaction", "through"):
                sheet.same(f"{key} of the edge of {name}", edge[key], group[key])
    for pair in told["pairs"]:
        low, high = pair["interval"]
        senses = {cards[m]["sense"] for m in pair["members"]}
        sheet.holds(len(senses) == len(pair["members"]), f"a pair of concepts is of one sense: {pair['members']}")
        name, extra = " and ".join(pair["members"]), pair["interaction"]
        sheet.holds(low - EXACT <= extra <= high + EXACT, f"the interval of {name} misses their interaction")
        drawn = abs(extra) >= asked["least"] and (low > 0 or high < 0)
        sheet.same(f"whether {name} are drawn", pair["drawn"], drawn)
        edge = edges.get(tuple(pair["members"]))
        sheet.same(f"the edge of {name}", edge is not None, drawn)
        if edge is not None:
            sheet.same(f"the effect of {name}", edge["effect"], extra)
            sheet.same(f"the interval of {name}", edge["interval"], pair["interval"])


def _rest(case: Case, told: Any, edges: Any, asked: Any, sheet: Sheet) -> None:
    nodes = _nodes(case)
    for m, one in told["unnamed"].items():
        name = f"unnamed:{m}"
        drawn = _tested(one, name, asked, sheet, wide=False)
        sheet.same(f"whether {name} is drawn", one["drawn"], drawn)
        sheet.same(f"the edge of {name}", (name, "decision") in edges, drawn)
        sheet.between(f"share of {name}", one["share"], 0, 1)
        if one["interval"] is not None:
            sheet.close(f"interval of {name}", one["interval"], [one["effect"]] * 2)
        if drawn:
            _drawn_edge(case, edges[name, "decision"], one, name, sheet)
            sheet.same(f"share of node {name}", nodes[name]["share"], one["share"])
    for (source, target), edge in edges.items():
        kinds = nodes[source]["kind"], nodes[target]["kind"]
        expected = _KINDS.get(kinds, {None})
        sheet.holds(edge.get("kind") in expected, f"the edge from {source} to {target} is of kind {edge.get('kind')!r}")
        if kinds in _PARTS:
            sheet.same(f"part_of from {source} to {target}", edge.get("part_of"), True)
        if edge.get("kind") == "carries" and target != "decision":
            sheet.between(f"what {source} carries of {target}", edge["share"], 0, 1)
