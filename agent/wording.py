"""Figures and phrases, said the same way in the terminal and in the report."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..modalities.wording import MINUS, nats, number, percent

__all__ = [
    "CAUSES",
    "MARKS",
    "MINUS",
    "SENSES",
    "STATUS_WORDS",
    "STOPPED",
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
    "shown_whole",
    "tested",
    "title_of",
    "unrepeated",
    "why_of",
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
    "supported": "The account was tested by editing the input, and it passed.",
    "unsupported": "The account was tested by editing the input, and it failed: do not rely on it.",
    "inconclusive": "The test of the account settles nothing either way.",
}
CAUSES = {
    "holds": "holds",
    "unmeasurable": "could not be measured",
    "no-claim": "makes no claim",
    "nothing-moves": "no edit moves the score",
    "not-confirmed": "first claim not confirmed",
    "operators-disagree": "operators disagree",
    "inaccurate": "predictions miss",
    "off-record": "misses more than its kind does",
    "too-small": "input too small to test",
    "unspecific": "as right of other evidence",
    "overtaken": "leaves out what matters more",
    "unstable": "drowns in noise",
    "off-data": "edits leave the data",
    "untested": "not tested to the end",
}
STOPPED = {
    "supported": "It stopped there, for the account is supported.",
    "last rung": "There was no further rung to try.",
    "passes": "It stopped there, for its passes were spent.",
    "seconds": "It stopped there, for its time was spent.",
    "stage": "It stopped there, for no further test was asked for.",
    "untestable": "It stopped there, for nothing could be tested.",
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


def shown_whole(card: Mapping[str, Any]) -> bool:
    """Return whether a concept is shown as a card of its own: it has an effect, or goes along with the decision."""
    return bool(card["drawn"]) or card["role"] in ("for", "against", "goes along")


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


def unrepeated(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sentences of the justification but those that end in the verdict's first reason, told beside them."""
    sentences, reasons = result["justification"]["sentences"], result["verdict"]["reasons"]
    return [s for s in sentences if not (reasons and s["text"].lower().endswith(reasons[0].lower()))]


def why_of(attempt: Mapping[str, Any]) -> str:
    """Say in a few words what decided an attempt's verdict, with the figure that it hung on."""
    cause = attempt["cause"]
    why = CAUSES.get(cause, clean(cause))
    agreed = f"agreement {percent(max(attempt['agreement'], 0.0))}"
    chance = f"p\u00a0=\u00a0{number(attempt['p'], 3)}" if attempt["p"] is not None else ""
    figures = {"holds": [agreed, chance], "inaccurate": [agreed], "unspecific": [chance]}.get(cause, [])
    return ", ".join(filter(None, [why, *figures]))


def tested(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the tests found, a line each: what it is of, and the finding; what was not measured is left out."""
    found = (_chance, _among_controls, _near, _necessary, _sufficient, _in_interval, _flips)
    lines = ((line.__name__.removeprefix("_").replace("_", " "), line(result)) for line in found)
    names = {"among controls": "controls", "near": "noise", "in interval": "on record"}
    return [(names.get(name, name), told) for name, told in lines if told]


def _numbers(claims: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(claim["id"].removeprefix("c") for claim in claims)


def _chance(result: Mapping[str, Any]) -> str:
    test = result["verdict"]["specific"]
    if test is None:
        return ""
    good, ways = test["as_good"], test["assignments"]
    return f"{good} of {ways} ways to place the predictions fit{'s' * (good == 1)}: p = {number(test['p'], 3)}"


def _among_controls(result: Mapping[str, Any]) -> str:
    tests = result["verdict"]["tests"]
    if not tests or not tests[0]["k"]:
        return ""
    means = [sum(t["controls"][i]["effect"] for t in tests) / len(tests) for i in range(tests[0]["k"])]
    own = sum(t["effect"] for t in tests) / len(tests)
    more = sum(mean < own - 1e-9 for mean in means)
    lower = "lowers" if more == 1 else "lower"
    return f"{more or 'none'} of {len(means)} edits like claim 1 {lower} the score more than it does"


def _near(result: Mapping[str, Any]) -> str:
    found = result["verdict"]["stability"]
    if found is None:
        return ""
    mean = sum(found["effects"]) / len(found["effects"])
    return f"near the input claim 1 does {nats(mean)} nats; noise alone moves {number(found['noise'])}"


def _necessary(result: Mapping[str, Any]) -> str:
    found = result["verdict"]["necessity"]
    if found is None:
        return ""
    action = clean(result["decision"]["action"])
    if "actions" in found:
        outcomes = list(dict.fromkeys(map(clean, found["actions"])))
        then = f"still {action}" if outcomes == [action] else " or ".join(outcomes)
    elif all(found["flips"]):
        then = f"not {action}"
    else:
        then = f"perhaps {action}" if any(found["flips"]) else f"still {action}"
    mean = sum(found["effects"]) / len(found["effects"])
    return f"with all claims' evidence out: {then} ({nats(mean)} nats, {nats(found['predicted'])} predicted)"


def _sufficient(result: Mapping[str, Any]) -> str:
    found = result["verdict"]["sufficiency"]
    if found is None:
        return ""
    kept_in = round(found["value"] * found["count"])
    return (
        f"random supersets keep {clean(result['decision']['action'])} in {kept_in} of {found['count']}; at least "
        f"{number(found['low'])} at {percent(found['level'])}"
    )


def _in_interval(result: Mapping[str, Any]) -> str:
    claims = [claim for claim in result["claims"] if claim["interval"]]
    inside = [c for c in claims if c["interval"][0] <= c["measured"] <= c["interval"][1]]
    if not claims:
        return ""
    return f"{len(inside)} of {len(claims)} effects lie where the method's record on this system had them"


def _flips(result: Mapping[str, Any]) -> str:
    claims = result["claims"]
    if not any(claim["effects"] for claim in claims):
        return ""
    action = result["decision"]["action"]
    predicted = [claim for claim in claims if claim["predicted_flip"]]
    always = [claim for claim in claims if claim["flips"]]
    some = [c for c in claims if not c["flips"] and any(e["action"] != action for e in c["effects"])]
    told = f"decision changes predicted for {_claims(predicted)}, measured for {_claims(always)}"
    return told + (f", by some edits for {_numbers(some)}" if some else "")


def _claims(claims: Sequence[Mapping[str, Any]]) -> str:
    return f"claim{'s' if len(claims) > 1 else ''} {_numbers(claims)}" if claims else "none"
