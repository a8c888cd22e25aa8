"""What the log says of a decision beside its record's digest: enough to find it, and to count and compare decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import RecordError
from .frame import blobs_of

__all__ = ["FLAGS", "MOST", "summary_of"]

MOST = 32
"""Entries of ``reliance``, the most that are told."""

FLAGS: Mapping[str, str] = {
    "gap": "contributions that are to add up miss the score's difference by more than the tolerance",
    "unconfirmed": "no claim was confirmed by a measurement",
    "off-task": "the task statement does not allow what the decision rests on",
    "undecided": "the task statement could not be decided",
    "absent": "a sense of the system was absent",
    "lossy": "maps are stored at a loss",
    "omitted": "arrays were left out for the record's budget",
    "sealed": "raw signals and quoted words are sealed with the subject's key",
}
"""What a decision may be flagged with."""

_TASK = {"not as the task asks": "off-task", "undecided": "undecided"}
_PLACES = ("vision", "audio")  # their places are frames and seconds; a text's place quotes its words


def summary_of(manifest: Mapping[str, Any], manifest_digest: str) -> dict[str, Any]:
    """Return the predicate of a log entry of kind ``decision``.

    Args:
        manifest: checked, see `read_manifest`.
        manifest_digest: of its canonical JSON, ``sha256:…``.

    Returns:
        Plain JSON values; ``docs/record.md`` says what each means. ``clock`` is steady until the log finds otherwise.

    Raises:
        RecordError: a result whose members are not of the form that ``docs/record.md`` gives them.
    """
    result, opened = manifest["result"], blobs_of(manifest)
    try:
        decision, verdict = result.get("decision") or {}, result.get("verdict") or {}
        return {
            "id": manifest["id"],
            "time": manifest["time"]["end"],
            "monotonic": manifest["time"].get("monotonic"),
            "clock": "steady",
            "about": None,
            "system": {k: (result.get("system") or {}).get(k) for k in ("name", "digest")},
            "action": decision.get("action"),
            "verdict": verdict.get("verdict"),
            "cause": verdict.get("cause"),
            "score": decision.get("score"),
            "probability": (decision.get("probabilities") or {}).get(decision.get("action")),
            "shares": (result.get("attribution") or {}).get("shares") or {},
            "subject": manifest["subject"],
            "labels": manifest["labels"],
            "policy": manifest["policy"],
            "trigger": manifest["trigger"],
            "manifest": manifest_digest,
            "blobs": opened[0],
            "sealed": opened[1],
            "reliance": _reliance(result),
            "flags": [flag for flag in FLAGS if flag in set(_flags(manifest))],
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"record {manifest['id']}: its result cannot be summed up: {error!r}; its members are not of the form of "
            f"{result.get('format')}"
        ) from error


def _reliance(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the decision rests on by name, the largest effect first; instances of one name are told together."""
    groups: dict[tuple[str, str, str], float] = {}
    totals: dict[str, float] = {}
    for kind, modality, label, effect in _effects(result):
        totals[kind] = totals.get(kind, 0.0) + abs(effect)
        if label is not None:
            groups[kind, modality, label] = groups.get((kind, modality, label), 0.0) + effect
    told = [
        {
            "label": label,
            "kind": kind,
            "modality": modality,
            "effect": effect,
            "share": abs(effect) / totals[kind] if totals[kind] else 0.0,
            "verdictless": False,
        }
        for (kind, modality, label), effect in groups.items()
    ]
    return sorted(told, key=lambda item: (-abs(item["effect"]), item["kind"], item["modality"], item["label"]))[:MOST]


def _effects(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None, float]]:
    """Kind, sense, label (None where no name was earned) and effect on the score (nats) of all that was measured."""
    graph = result.get("graph") or {}
    nodes = {node["id"]: node for node in graph.get("nodes", ())}
    for edge in graph.get("edges", ()):
        node = nodes.get(edge["source"], {})
        if edge["target"] == "decision" and edge.get("kind") == "effect" and node.get("kind") in ("concept", "unnamed"):
            yield "concept", node["modality"], node["label"] if node.get("named") else None, float(edge["effect"])
    for claim in result.get("claims") or ():
        if claim["status"] != "negligible":
            yield "evidence", claim["modality"], _evidence(claim), float(claim["measured"])


def _evidence(claim: Mapping[str, Any]) -> str:
    """A claim's name, else its sense and place; never words of an instruction."""
    sense = claim["modality"]
    if claim.get("name"):
        return str(claim["name"])
    return f"{sense}:{claim['where']}" if sense in _PLACES else f"{sense}:{len(claim['units'])} units"


def _flags(manifest: Mapping[str, Any]) -> Iterator[str]:
    result = manifest["result"]
    attribution = result.get("attribution") or {}
    if attribution.get("additive") is True and attribution.get("within_tolerance") is False:
        yield "gap"
    if not any(claim["status"] == "confirmed" for claim in result.get("claims") or ()):
        yield "unconfirmed"
    task = (result.get("concepts") or {}).get("task") or {}
    if task.get("outcome") in _TASK:
        yield _TASK[task["outcome"]]
    if any(not told["present"] for told in manifest["inputs"].values()):
        yield "absent"
    if any(entry["coding"]["kind"] != "exact" for entry in manifest["arrays"].values()):
        yield "lossy"
    if manifest["omitted"]:
        yield "omitted"
    if manifest["sealed"]:
        yield "sealed"
