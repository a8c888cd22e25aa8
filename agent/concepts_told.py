"""The concepts of a decision as plain values: cards, what they do jointly, the banks, the check against the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..concepts.bank import ConceptBank
from ..concepts.effects import TailEffect
from ..concepts.layer import Found, LayerFindings
from .conclude import Conclusions

__all__ = ["concepts_told"]

_SHOWN = 6
"""Prototypes told of each concept."""


def concepts_told(conclusions: Conclusions) -> dict[str, Any]:
    """Return the concepts of a decision; ``docs/record.md`` says what each value means."""
    layer = conclusions.layer
    return {
        "banks": {m: _bank(bank, conclusions) for m, bank in layer.banks.items()},
        "cards": [_card(conclusions, found) for found in _ordered(layer)],
        "groups": [
            {
                "claim": group.claim,
                "sense": group.sense,
                "members": list(group.members),
                "interaction": group.interaction,
                "through": group.through,
                **_effect(group.told),
                "drawn": _drawn(conclusions, f"together:{group.claim}")
                or (len(group.members) == 1 and _drawn(conclusions, group.members[0])),
            }
            for group in layer.groups
        ],
        "pairs": [
            {
                "members": list(pair.members),
                "interaction": pair.interaction,
                "interval": list(pair.interval),
                "drawn": conclusions.graph.has_edge(*pair.members),
            }
            for pair in layer.pairs
        ],
        "unnamed": {
            m: {**_effect(told), "share": layer.unexplained[m], "drawn": _drawn(conclusions, f"unnamed:{m}")}
            for m, told in layer.residuals.items()
        },
        "missing": dict(layer.missing),
        "passes": layer.passes,
        "milliseconds": {stage: 1000 * spent for stage, spent in layer.seconds.items()},
        "task": conclusions.task.to_dict() if conclusions.task else None,
    }


def _ordered(layer: LayerFindings) -> list[Found]:
    return sorted(layer.found, key=lambda f: (-abs(f.told.effect) if f.told else 0.0, f.instance.id))


def _drawn(conclusions: Conclusions, node: str) -> bool:
    return conclusions.graph.has_edge(node, "decision")


def _bank(bank: ConceptBank, conclusions: Conclusions) -> dict[str, Any]:
    acted = conclusions.acted.get(bank.sense)
    return {
        "digest": bank.digest,
        "version": bank.version,
        "concepts": len(bank),
        "stability": float(bank.stability.mean()) if len(bank) else None,
        "observations": bank.made.get("observations"),
        "acts": acted.digest if acted else None,
    }


def _effect(told: TailEffect | None) -> dict[str, Any]:
    if told is None:
        return {"effect": None, "interval": None, "p": None, "controls": []}
    return {
        "effect": told.effect,
        "interval": list(told.interval) if told.interval else None,
        "p": told.p,
        "controls": list(told.controls),
    }


def _role(node: Mapping[str, Any], effect: float | None, drawn: bool) -> str:
    """What a concept is to the decision: a reason for or against it, what merely goes along, or nothing seen."""
    if drawn and effect is not None:
        return "for" if effect < 0 else "against"
    return "goes along" if node.get("goes_with") else "no effect shown"


def _card(conclusions: Conclusions, found: Found) -> dict[str, Any]:
    each, node = found.instance, conclusions.graph.nodes[found.instance.id]
    bank, drawn = conclusions.layer.banks[each.sense], _drawn(conclusions, found.instance.id)
    edge = conclusions.graph.edges[each.id, "decision"] if drawn else {}
    name, prototypes = bank.names[each.concept], bank.prototypes[each.concept][:_SHOWN]
    return {
        "id": each.id,
        "sense": each.sense,
        "concept": node["concept"],
        "direction": each.concept,
        "label": node["label"],
        "named": node["named"],
        "vetoed": node["vetoed"],
        "source": node["source"],
        "score": node["score"],
        "margin": node["margin"],
        "describes": name.describes if name and node["named"] else "",
        "where": found.place.where,
        "time": list(found.place.time) if found.place.time else None,
        "rows": list(each.rows),
        "boxes": [list(box) for box in found.place.boxes],
        "units": list(found.place.units),
        "strength": each.strength,
        "typical": node["typical"],
        "stability": float(bank.stability[each.concept]),
        "expected": found.expected,
        **_effect(found.told),
        "role": _role(node, found.told.effect if found.told else None, drawn),
        "drawn": drawn,
        "becomes": edge.get("becomes"),
        "after": edge.get("after"),
        "typically": edge.get("typical"),
        "direct": found.direct,
        "through_state": found.through_state,
        "goes_with": node.get("goes_with"),
        "prototypes": [{**asdict(p), "place": list(p.place), "grid": list(p.grid)} for p in prototypes],
    }
