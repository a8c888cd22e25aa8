"""The letter's annex: the figures for experts, a name and a value each, in nats where the record has nats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...modalities.wording import nats, number, percent
from ..wording import CAUSES, clean, in_order, tested

__all__ = ["annex"]


def annex(result: Mapping[str, Any], predicate: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the figures that stand behind the letter, all of them from the record.

    Raises:
        KeyError: the result lacks a member; the letter says which.
    """
    decision, verdict, attribution = result["decision"], result["verdict"], result["attribution"]
    system = result["system"]
    odds = sorted(decision["probabilities"].items(), key=lambda item: (-item[1], item[0]))
    cause: str = verdict["cause"]
    rows = [
        ("System", f"{clean(system['name'])}, {clean(str(system['digest'] or 'no digest stated'))}"),
        ("Probabilities", ", ".join(f"{clean(name)} {percent(p)}" for name, p in odds)),
        ("Decision score", f"{nats(decision['score'])} nats, the log-odds of {clean(decision['target'])}"),
        ("Method of the account", clean(attribution["method"])),
        ("Contributions by sense", _shares(attribution["shares"])),
        ("Verdict", f"{clean(verdict['verdict'])} ({clean(CAUSES.get(cause, cause))})"),
        *((f"Reason {i}", clean(reason)) for i, reason in enumerate(verdict["reasons"], start=1)),
        *((f"Claim {clean(c['id'])}", _claim(c)) for c in result["claims"]),
        *((f"Test: {clean(name)}", clean(told)) for name, told in tested(result)),
        ("Accounts tried", "; ".join(f"{clean(a['rung'])}: {clean(a['verdict'])}" for a in verdict["attempts"])),
        ("Commitment", clean(verdict["commitment"] or "none")),
    ]
    manifest = predicate.get("manifest")
    if isinstance(manifest, str):
        rows.append(("Manifest", clean(manifest)))
    return tuple(rows)


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{clean(sense)} {nats(shares[sense])} nats" for sense in in_order(shares)) or "none"


def _claim(claim: Mapping[str, Any]) -> str:
    name = ""
    if claim["name"]:
        sure = "" if claim["confidence"] is None else f", {number(claim['confidence'])}"
        name = f"“{clean(claim['name'])}” ({clean(claim['named_by'] or 'no source')}{sure}), "
    effects = f"predicted {nats(claim['predicted'])} nats, measured {nats(claim['measured'])} nats"
    return f"{name}{clean(claim['modality'])}, {clean(claim['where'])}; {effects}; {clean(claim['status'])}"
