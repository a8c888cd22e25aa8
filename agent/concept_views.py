"""What the section of concepts shows: from a result and its arrays to plain values for the templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .charts import Axis, axis_over
from .concept_pictures import frames_of, here, prototypes_of
from .graph_chart import key_of, span_of
from .wording import clean, in_order, nats, number, percent, shown_whole

__all__ = ["concepts", "named_by", "ruled_out", "sentences", "unbroken"]

_KINDS = {
    "decision": "decided",
    "for": "for",
    "against": "against",
    "counterfactual": "if not",
    "correlate": "no cause",
    "together": "together",
    "sureness": "how sure",
    "idle": "no effect",
    "senses": "whole sense",
    "verdict": "tested",
}
_ROLES = {
    "for": ("for", "▶", "speaks for {action}"),
    "against": ("against", "◀", "speaks against {action}"),
    "goes along": ("along", "≈", "goes along, no effect shown"),
    "no effect shown": ("idle", "·", "no effect shown"),
}
_LOW = ("range-low", "interval-low")  # the next fact is the interval's other end
_UNIT = re.compile(r"(?<=\d) (%|nats\b|s\b)")
# Status class and mark of a check against the task; of a finding by its severity.
_OUTCOMES = {"as the task asks": ("confirmed", "✓"), "not as the task asks": ("contradicted", "✗")}
_SEVERITIES = {"fault": ("contradicted", "✗"), "noted": ("negligible", "~"), "allowed": ("confirmed", "✓")}

Arrays = Mapping[str, np.ndarray]
Json = Mapping[str, Any]


def sentences(result: Json, told: Sequence[Json]) -> list[dict[str, Any]]:
    """Return sentences of a justification, each with what it rests on, by the names that the page's parts bear.

    ``claims``, ``edges`` and ``nodes`` are JSON lists for the attributes of an element; ``effect`` is what the
    sentence is about in nats, a figure or an interval, or "". Older records have neither kinds nor edges.
    """
    parts = {node["id"] for node in result["graph"]["nodes"]} - {"decision", ""}
    found = []
    for sentence in told:
        edges, facts = sentence.get("edges") or [], sentence.get("facts") or []
        about = [edge[0] for edge in edges] + [fact["subject"] for fact in facts] + list(sentence["claims"])
        kind = str(sentence.get("kind") or "")
        found.append(
            {
                "text": unbroken(sentence["text"]),
                "kind": kind if kind in _KINDS else "",
                "word": _KINDS.get(kind, clean(kind)),
                "confirmed": bool(sentence["confirmed"]),
                "chips": list(sentence["claims"]),
                "effect": _figure([fact for fact in facts if fact["unit"] == "nats"]),
                "claims": _list(sentence["claims"]),
                "edges": _list(key_of(*edge) for edge in edges if len(edge) == 2),
                "nodes": _list(dict.fromkeys(name for name in about if name in parts)),
            }
        )
    return found


def _figure(facts: Sequence[Json]) -> str:
    """A sentence's figure: its first, its interval where that comes first, none where it is about several things."""
    values = [fact["value"] for fact in facts if isinstance(fact["value"], int | float)]
    if not values or len({fact["subject"] for fact in facts}) > 1:
        return ""
    if facts[0]["relation"] in _LOW and len(values) > 1:
        return span_of(values[:2]) or nats(values[0])
    return nats(values[0])


def unbroken(text: str) -> str:
    """Return a sentence on one line, in which a figure and its unit stay together."""
    return _UNIT.sub("\u00a0\\1", clean(text))


def _list(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def named_by(card: Json) -> str:
    """Say who named a concept, and how surely; or that no name was earned."""
    if not card["named"]:
        return "An operator took its name away." if card.get("vetoed") else "No name was earned."
    sure = [f"score {number(card['score'])}"] if card.get("score") is not None else []
    sure += [f"{number(card['margin'])} ahead of the next"] if card.get("margin") is not None else []
    return f"Named by {clean(str(card['source'] or 'nobody'))}{': ' if sure else ''}{', '.join(sure)}."


def ruled_out(card: Json, least: float | None) -> str:
    """Say in a few words why a concept has no edge."""
    effect, p = card["effect"], card["p"]
    if effect is None:
        return "not tested"
    if p is None or (least is not None and abs(effect) < least):
        return "too small to count" if least is not None and abs(effect) < least else "not put to the test"
    span = card["interval"]
    return "may be nothing" if span and span[0] <= 0 <= span[1] else "not told from chance"


def concepts(result: Json, arrays: Arrays) -> dict[str, Any] | None:
    """Return what the section of concepts shows, or None where the result has none (a record from before concepts).

    Raises:
        KeyError: an array that a concept is drawn on is missing.
    """
    found = result.get("concepts")
    if not found:
        return None
    labels = {card["id"]: clean(card["label"]) for card in found["cards"]}
    shown = sorted((c for c in found["cards"] if shown_whole(c)), key=lambda c: not c["drawn"])
    least = (result["graph"].get("graph") or {}).get("least")
    axis = axis_over([v for card in shown for v in _measured(card)])
    rest = [card for card in found["cards"] if not shown_whole(card)]
    return {
        "axis": axis,
        "cards": [_card(card, axis, result, arrays) for card in shown],
        "frames": frames_of(shown, arrays),
        "idle": [{**_row(card), "label": labels[card["id"]], "where": clean(card["where"]),
                  "why": ruled_out(card, least)} for card in rest],
        "jointly": [*_groups(found.get("groups") or [], labels), *_pairs(found.get("pairs") or [], labels)],
        "unnamed": [{**_row(told, f"unnamed:{m}"), "sense": clean(m), "share": _percent(told.get("share"))}
                    for m, told in _sorted(found.get("unnamed") or {})],
        "missing": [(clean(m), clean(str(why))) for m, why in _sorted(found.get("missing") or {})],
        "banks": [{"sense": clean(m), "concepts": bank["concepts"], "of": bank.get("observations"),
                   "digest": clean(bank["digest"])} for m, bank in _sorted(found.get("banks") or {})],
        "task": _task(found.get("task")),
    }  # fmt: skip


def _sorted(by_sense: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(m, by_sense[m]) for m in in_order(by_sense)]


def _percent(value: float | None) -> str:
    return "" if value is None else percent(value)


def _measured(told: Json) -> list[float]:
    values = [told["effect"], *(told["interval"] or []), *told["controls"]]
    return [v for v in values if v is not None]


def _row(told: Json, name: str | None = None) -> dict[str, Any]:
    """The figures of anything that was taken out: effect, interval, p, side."""
    effect, span = told["effect"], told.get("interval")
    return {
        "id": told.get("id") or name,
        "effect": "" if effect is None else nats(effect),
        "interval": span_of(span),
        "p": "" if told.get("p") is None else number(told["p"], 3),
        "drawn": bool(told.get("drawn")),
        "side": "" if effect is None or not told.get("drawn") else "for" if effect < 0 else "against",
    }


def _card(card: Json, axis: Axis, result: Json, arrays: Arrays) -> dict[str, Any]:
    action = result["decision"]["action"]
    after = (card.get("after") or {}).get(action)
    side, mark, words = _ROLES.get(card["role"], _ROLES["no effect shown"])
    typically = card.get("typically")
    return {
        **_row(card),
        "sense": clean(card["sense"]),
        "title": clean(card["label"]),
        "badge": {"side": side, "mark": mark, "words": words.format(action=clean(action))},
        "named_by": named_by(card),
        "describes": clean(str(card.get("describes") or "")),
        "where": clean(card["where"]),
        "track": _track(card, axis),
        "controls": len(card["controls"]),
        "before": percent(result["decision"]["probabilities"][action]),
        "after": _percent(after),
        "becomes": clean(card["becomes"]) if card.get("becomes") else "",
        "stays": card.get("becomes") == action,
        "typically": typically and (nats(typically["effect"]), clean(str(typically["becomes"]))),
        "paths": [(name, nats(card[key])) for name, key in (("direct", "direct"), ("memory", "through_state"))
                  if card["drawn"] and card.get("through_state") is not None and card.get(key) is not None],
        "strength": _strength(card),
        "goes_with": _goes_with(card.get("goes_with")),
        "here": here(card, result, arrays),
        "prototypes": prototypes_of(card, arrays),
    }  # fmt: skip


def _strength(card: Json) -> dict[str, Any]:
    """The strength here beside the usual one, as bars of one scale."""
    here, usual = card["strength"], card["typical"]
    most = max(here, usual, 1e-9)
    times = f"{number(here / usual, 1)} times the usual" if usual > 0 else ""
    return {"here": number(here), "usual": number(usual), "times": times,
            "width": round(100 * here / most, 1), "mark": round(100 * usual / most, 1)}  # fmt: skip


def _goes_with(found: Json | None) -> str:
    if not found:
        return ""
    return (
        f"{clean(found['action'])} was chosen in {percent(found['share'])} of the decisions in which it occurred, "
        f"against {percent(found['usual'])} of all (p = {number(found['p'], 3)}): it goes along, and moves nothing here"
    )


def _track(card: Json, axis: Axis) -> dict[str, Any] | None:
    if card["effect"] is None:
        return None
    span = card["interval"]
    return {
        "x": axis.at(card["effect"]),
        "low": axis.at(span[0]) if span else None,
        "high": axis.at(span[1]) if span else None,
        # a fixed spread in height, so that controls of nearly the same effect stay apart
        "controls": [(axis.at(effect), 22 + (i * 37) % 56) for i, effect in enumerate(card["controls"])],
    }


def _groups(groups: Sequence[Json], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Concepts that one piece of evidence makes, taken out jointly; one alone has a card already."""
    return [
        {**_row(group, f"together:{group['claim']}"), "kind": "together", "claim": group["claim"],
         "members": [labels.get(m, clean(m)) for m in group["members"]], "beyond": nats(group["interaction"])}
        for group in groups
        if len(group["members"]) > 1
    ]  # fmt: skip


def _pairs(pairs: Sequence[Json], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for pair in pairs:
        name, span = key_of(*pair["members"]), pair["interval"]
        row = {"id": name, "effect": "", "interval": span_of(span), "p": "",
               "side": "", "drawn": bool(pair["drawn"])}  # fmt: skip
        members = [f"{labels.get(m, clean(m))} ({clean(m.split('#')[0])})" for m in pair["members"]]
        found.append({**row, "kind": "pair", "claim": None, "members": members, "beyond": nats(pair["interaction"])})
    return found


def _task(check: Json | None) -> dict[str, Any] | None:
    """The outcome of holding the decision against its task, and the findings."""
    if not check:
        return None
    status, mark = _OUTCOMES.get(check["outcome"], ("negligible", "~"))
    return {
        "name": clean(check["task"]),
        "outcome": clean(check["outcome"]),
        "status": status,
        "mark": mark,
        "coverage": _percent(check.get("coverage")),
        "findings": [
            (*_SEVERITIES.get(f["severity"], ("negligible", "~")), clean(f["kind"]).replace("-", " "), clean(f["text"]))
            for f in check["findings"]
        ],
    }
