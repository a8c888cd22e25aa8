"""Figures and phrases, said the same way in the terminal and in the report."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..modalities.wording import MINUS, nats, number, percent

__all__ = [
    "MARKS",
    "MINUS",
    "SENSES",
    "STATUS_WORDS",
    "VERDICT_WORDS",
    "clean",
    "effect_range",
    "in_order",
    "kept",
    "moment",
    "nats",
    "number",
    "own_notes",
    "percent",
    "seconds",
    "sensed",
    "title_of",
    "without_sense",
]

MARKS = {
    "confirmed": "✓",
    "contradicted": "✗",
    "negligible": "~",
    "supported": "✓",
    "unsupported": "✗",
    "inconclusive": "~",
}
STATUS_WORDS = {
    "confirmed": "the measured effect has the predicted sign",
    "contradicted": "the measured effect has the other sign than predicted",
    "negligible": "the edit hardly changes the score",
}
VERDICT_WORDS = {
    "supported": "The first claim was tested by editing the input, and it passed.",
    "unsupported": "The first claim was tested by editing the input, and it failed: do not rely on this account.",
    "inconclusive": "The test of the first claim settles nothing either way.",
}
SENSES = {"vision": ("saw", "camera"), "audio": ("heard", "microphone"), "text": ("read", "instruction")}


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of senses in the order in which they are told; a record does not keep an object's order."""
    known = list(SENSES)
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def clean(text: str) -> str:
    """Return ``text`` on one line, with control and direction-changing characters made visible as ``\ufffd``.

    What a user or a file supplied must not move the cursor, colour the screen or reorder the line.
    """
    flat = " ".join(text.split())
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} else c for c in flat)


def seconds(time: Sequence[float]) -> str:
    """Return a stretch of the observation's clock, ``1–2 s``."""
    first, last = (f"{value:.2f}".rstrip("0").rstrip(".") for value in time)
    return f"{first}–{last}\u00a0s"


def moment(created: str) -> str:
    """Return an ISO 8601 instant as a date and a time to the minute, UTC; anything else as it stands."""
    try:
        instant = datetime.fromisoformat(created)
    except ValueError:
        return clean(created)
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if instant.tzinfo else clean(created)


def effect_range(claim: Mapping[str, Any]) -> str:
    """Return the measured effects of a claim over its operators: one figure, or the least and the greatest."""
    values = sorted(effect["effect"] for effect in claim["effects"])
    if not values:
        return "not measured"
    low, high = nats(values[0]), nats(values[-1])
    return low if low == high else f"{low} … {high}"


def kept(claim: Mapping[str, Any], action: str) -> float | None:
    """Return the decision's mean probability after the claim's edits, or None if nothing was measured."""
    values = [effect["probabilities"][action] for effect in claim["effects"]]
    return sum(values) / len(values) if values else None


def title_of(claim: Mapping[str, Any]) -> str:
    """Return what a claim is about: its name where one was earned, else the sense it lies in."""
    if claim["name"]:
        return clean(claim["name"])
    modality: str = claim["modality"]
    return {"vision": "a region", "audio": "a sound", "text": "words"}.get(modality, modality)


def sensed(modality: str, observation: Mapping[str, Any]) -> str:
    """Return in one phrase what a sense was given."""
    signal: Mapping[str, Any] = observation.get(modality) or {"present": False}
    if not signal["present"]:
        return "nothing (absent)"
    if modality == "vision":
        sizes = list(dict.fromkeys(f"{width}×{height}" for width, height in signal["sizes"]))
        plural = "s" if signal["frames"] != 1 else ""
        return f"{signal['frames']} frame{plural} of {', '.join(sizes)} px over {number(signal['duration'], 1)} s"
    if modality == "audio":
        return f"{number(signal['duration'], 1)} s of sound at {number(signal['rate'] / 1000, 1)} kHz"
    if "text" not in signal:
        return f"numbers, {'×'.join(map(str, signal['shape']))}"
    return f"“{clean(signal['text'])}”" if signal["text"].strip() else "an empty text"


def own_notes(result: Mapping[str, Any]) -> list[str]:
    """Return the notes on the result as a whole: those that do not repeat a sense's own note."""
    signals = result["observation"].items()
    told = {f"{name}: {note}" for name, signal in signals if signal["present"] for note in signal["notes"]}
    return [note for note in result["notes"] if note not in told]


def without_sense(result: Mapping[str, Any], modality: str) -> str | None:
    """Say what taking a whole sense away did, over the ways of doing so; None if that was not measured."""
    effects = result.get("senses", {}).get(modality) or []
    if not effects:
        return None
    actions = list(dict.fromkeys(clean(effect["action"]) for effect in effects))
    return f"{effect_range({'effects': effects})} → {' or '.join(actions)}"
