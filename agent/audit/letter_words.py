"""Phrases of the letter: what was measured, in short sentences for a person who knows nothing of networks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...modalities.wording import percent, shortened
from ..wording import SENSES, clean, kept

__all__ = ["CAUSES", "Element", "against", "day", "elements", "given", "took_in", "without"]

CAUSES = {
    "holds": "",
    "unmeasurable": "It could not be measured.",
    "no-claim": "Nothing was found that speaks for the decision.",
    "nothing-moves": "No change that was tried made a difference to the system.",
    "not-confirmed": "Taking away what it names first hardly made the choice less likely, or not at all.",
    "operators-disagree": "Two ways of taking away what it names first had different results.",
    "inaccurate": "The changes that it foretold were not the ones that were measured.",
    "off-record": "It was further off than accounts of its kind usually are.",
    "too-small": "There was too little to compare it with.",
    "unspecific": "It would have fitted other parts of what the system took in just as well.",
    "overtaken": "Other parts of what the system took in matter more than what it names first.",
    "unstable": "Small random changes did as much as what it names first.",
    "off-data": "The test had to use inputs that are unlike what the system usually meets.",
    "untested": "There was not the time to test it to the end.",
}
"""Why an account did not pass, in plain words."""

_MONTHS = "January February March April May June July August September October November December".split()
_GONE = "…"  # what stands where quoted words were sealed or erased
_VERBS = {"vision": "seen", "audio": "heard", "text": "read"}


@dataclass(frozen=True)
class Element:
    """Something that was taken away, and what the system then did.

    Attributes:
        thing: in words, as part of a sentence.
        effect: on the score, nats; negative where it spoke for the decision.
        before: probability of the decision, 0 to 1.
        after: the same without the thing; mean over the ways of taking it away.
        becomes: the action then; None where that depends on the way.
        whole: whether it is all of a sense.
    """

    thing: str
    effect: float
    before: float
    after: float
    becomes: str | None
    whole: bool = False


def day(time: datetime) -> str:
    """Return an instant as people write it, in UTC.

    >>> from datetime import UTC
    >>> day(datetime(2026, 11, 3, 9, 5, tzinfo=UTC))
    '3 November 2026 at 09:05 UTC'
    """
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year} at {time:%H:%M} UTC"


def elements(result: Mapping[str, Any]) -> list[Element]:
    """Return what spoke for the decision and was measured so, the strongest first: evidence and concepts.

    Only evidence whose measurement confirmed the account, and concepts that were told from chance.
    """
    found = [_claim(result, c) for c in result["claims"] if c["status"] == "confirmed" and c["effects"]]
    found += _concepts(result)
    return sorted((e for e in found if e.effect < 0), key=lambda e: e.effect)


def against(result: Mapping[str, Any]) -> list[Element]:
    """Return what spoke against the decision, the strongest first: whole senses, concepts, and evidence."""
    found = [e for e in (*_concepts(result), *given(result)) if e.effect > 0]
    found += [e for c in result["claims"] if c["effects"] and (e := _claim(result, c)).effect > 0]
    return sorted((e for e in found if e.after > e.before), key=lambda e: -e.effect)


def given(result: Mapping[str, Any]) -> list[Element]:
    """Return what taking away each sense as a whole did."""
    action, before = _decision(result)
    told = []
    for sense, effects in sorted(result.get("senses", {}).items()):
        if not effects:
            continue
        mean = sum(e["effect"] for e in effects) / len(effects)
        after = sum(e["probabilities"][action] for e in effects) / len(effects)
        told.append(Element(f"all that it {_past(sense)}", mean, before, after, _one(effects), whole=True))
    return told


def without(element: Element, action: str) -> str:
    """Say what taking something away did, in two short sentences."""
    before, after = percent(element.before), percent(element.after)
    if before == after:
        first = f"Without it, the chance of {action} stays at {before}."
    else:
        way = "falls" if element.after < element.before else "rises"
        first = f"Without it, the chance of {action} {way} from {before} to {after}."
    if element.becomes is None:
        return f"{first} What is then chosen depends on how it is taken away."
    if element.becomes == action:
        return f"{first} The choice is still {action}."
    return f"{first} The choice is then {element.becomes}."


def took_in(result: Mapping[str, Any]) -> list[str]:
    """Return what the system was given, a phrase for each sense that was there."""
    told = []
    for sense in (*SENSES, *sorted(set(result["observation"]) - set(SENSES))):
        signal = result["observation"].get(sense) or {"present": False}
        if not signal["present"]:
            continue
        if sense == "vision":
            told.append("one picture" if signal.get("frames") == 1 else f"{signal.get('frames')} pictures")
        elif sense == "audio":
            told.append(f"{signal['duration']:.0f} seconds of sound" if signal.get("duration", 0) >= 1.5 else "sound")
        else:
            told.append("a written instruction" if sense == "text" else f"its sense “{clean(sense)}”")
    return told


def _decision(result: Mapping[str, Any]) -> tuple[str, float]:
    action = result["decision"]["action"]
    return action, result["decision"]["probabilities"][action]


def _claim(result: Mapping[str, Any], claim: Mapping[str, Any]) -> Element:
    action, before = _decision(result)
    after = kept(claim, action)
    thing = _thing(claim["modality"], claim["where"], claim["name"])
    return Element(thing, claim["measured"], before, before if after is None else after, _one(claim["effects"]))


def _concepts(result: Mapping[str, Any]) -> list[Element]:
    """Concepts, and what no concept accounts for, whose effect was told from chance."""
    action, before = _decision(result)
    graph = result.get("graph") or {}
    nodes = {node["id"]: node for node in graph.get("nodes", ())}
    told = []
    for edge in graph.get("edges", ()):
        node = nodes.get(edge["source"], {})
        if (
            edge["target"] != "decision"
            or edge.get("kind") != "effect"
            or node.get("kind") not in ("concept", "unnamed")
        ):
            continue
        if node["kind"] == "unnamed":
            thing = f"the rest of what it {_past(node['modality'])}, which no known pattern covers"
        elif node.get("named"):
            thing = _thing(node["modality"], node["where"], node["label"])
        else:
            thing = _thing(node["modality"], node["where"], None, pattern=True)
        becomes = edge.get("becomes")
        told.append(
            Element(thing, edge["effect"], before, edge["after"][action], None if becomes is None else clean(becomes))
        )
    return told


def _thing(sense: str, where: str, name: str | None, *, pattern: bool = False) -> str:
    """What something is called in a sentence, by its name or by its place."""
    plain = re.sub(r"\bframe(s?)\b", r"picture\1", clean(where))
    place = shortened(re.sub(r"(?<=\d) (?=s\b|k?Hz\b)", "\u00a0", plain), 90)
    verb = _VERBS.get(sense, f"given by its sense “{clean(sense)}”")
    if sense == "text":
        words = "words no longer shown here" if _GONE in place and not re.search(r"\w", place) else f"the words {place}"
        if name or pattern:
            return f"{f'“{clean(name)}”' if name else 'a pattern without a name'}, {verb} in {words}"
        return words if words.startswith("the") else f"some of the {words}"
    joined = {"vision": f"in {place}", "audio": f"at {place}"}.get(sense, f"({place})")
    if name:
        return f"“{clean(name)}”, {verb} {joined}"
    if pattern:
        return f"a pattern without a name, {verb} {joined}"
    return f"what was {verb} {joined}"


def _past(sense: str) -> str:
    return SENSES[sense][0] if sense in SENSES else f"took in by its sense “{clean(sense)}”"


def _one(effects: Sequence[Mapping[str, Any]]) -> str | None:
    actions = {e["action"] for e in effects}
    return clean(actions.pop()) if len(actions) == 1 else None
