"""What an entry of the log says, in words: a few for a list, and name by name for showing it alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..wording import CAUSES, MARKS, nats, percent

__all__ = ["act_told", "cause_told", "did", "gist", "said", "verdict_told", "when"]

_DONE = {
    "accepted": "accepted",
    "overridden": "overrode",
    "stopped": "stopped",
    "contested": "contested",
    "annotated": "annotated",
    "named": "named something in",
    "released": "released",
}


def when(time: str) -> str:
    """A moment of the log to the second: ``2026-11-23 20:12:33``, UTC."""
    return time[:19].replace("T", " ")


def verdict_told(verdict: Any) -> str:
    """A verdict with its mark; empty where there is none."""
    word = _text(verdict)
    return f"{MARKS[word]} {word}" if word in MARKS else word


def cause_told(cause: Any) -> str:
    """What decided a verdict, in words."""
    word = _text(cause)
    return CAUSES.get(word, word)


def gist(kind: str, predicate: Mapping[str, Any]) -> str:
    """Say in a few words what an entry is about, beside its action and verdict."""
    get = predicate.get
    if kind == "decision":
        labels = get("labels")
        return ", ".join(f"{k}={v}" for k, v in sorted(labels.items())) if isinstance(labels, Mapping) else ""
    if kind == "operator":
        return f"{_text(get('act'))} by {_text(get('who'))}: {_text(get('reason'))}"
    if kind == "keys":
        key = get("key")
        return f"{_text(get('act'))} {_short(key.get('key_id') if isinstance(key, Mapping) else '')}"
    if kind == "erasure":
        return f"{_text(get('act'))}, {_short(get('subject'))}, by {_text(get('who'))}"
    if kind == "hold":
        what = f"#{get('hold')}" if get("hold") is not None else _held(predicate)
        return f"{_text(get('act'))} {what}, by {_text(get('who'))}"
    if kind == "retention":
        dropped = get("dropped")
        what = f"{len(dropped)} blobs" if isinstance(dropped, list) and dropped else _short(get("subject"))
        return f"{_text(get('rule'))}: {what}"
    if kind == "time":
        return f"stamped by {_text(get('authority'))}"
    if kind == "note" and get("event") is not None:
        return _happened(_text(get("event")), _object(get("detail")))
    return ("the log begins" if kind == "opened" else "") or _text(get("name")) or _text(get("text"))


def did(act: str) -> str:
    """What an act is called of somebody who did it: ``overrode``."""
    return _DONE.get(act, act)


def act_told(predicate: Mapping[str, Any]) -> str:
    """An operator's act as a sentence."""
    act = _text(predicate.get("act"))
    what = "the agent" if predicate.get("about") is None and predicate.get("agent") is not None else "the decision"
    told = f"{_text(predicate.get('who'))} {did(act)} {what}"
    if predicate.get("action"):
        told += f"; in its place: {_text(predicate.get('action'))}"
    return f"{told}. Reason: {_text(predicate.get('reason'))}"


def said(kind: str, predicate: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an entry says, name by name; of a decision, what the log alone says."""
    if kind == "decision":
        return _decision(predicate)
    if kind == "note" and predicate.get("event") is not None:
        return _noted(predicate)
    rows = []
    for name, value in predicate.items():
        if name in ("id", "time", "about") or value is None:
            continue
        if isinstance(value, Mapping):
            rows += [(f"{name} {inner}", _plain(content)) for inner, content in value.items()]
        else:
            rows.append((name.replace("_", " "), _plain(value)))
    return rows


def _decision(predicate: Mapping[str, Any]) -> list[tuple[str, str]]:
    system, policy, labels, shares = (_object(predicate.get(k)) for k in ("system", "policy", "labels", "shares"))
    score, probability = predicate.get("score"), predicate.get("probability")
    told = _text(predicate.get("action"))
    if isinstance(probability, float | int):
        told += f", {percent(float(probability))}"
    if isinstance(score, float | int):
        told += f" ({nats(float(score))} nats)"
    rows = [("decision", told)]
    rows.append(("account", f"{verdict_told(predicate.get('verdict'))}: {cause_told(predicate.get('cause'))}"))
    rows.append(("system", f"{_text(system.get('name'))} {_text(system.get('digest'))[:19]}".strip()))
    if policy:
        rows.append(("policy", " ".join(_text(policy.get(key)) for key in ("name", "version"))))
    if labels:
        rows.append(("labels", ", ".join(f"{k}={v}" for k, v in sorted(labels.items()))))
    rows.append(("subject", _text(predicate.get("subject")) or "none"))
    rows.append(("trigger", _text(predicate.get("trigger"))))
    if shares:
        told = (f"{k} {nats(float(v)) if isinstance(v, float | int) else _text(v)}" for k, v in shares.items())
        rows.append(("shares", ", ".join(told)))
    flags = predicate.get("flags")
    if isinstance(flags, list) and flags:
        rows.append(("flags", ", ".join(map(_text, flags))))
    clock = _text(predicate.get("clock"))
    if clock and clock != "steady":
        rows.append(("clock", clock))
    return rows


def _noted(predicate: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an agent noted: what happened, then its detail name by name."""
    time = _text(predicate.get("said"))
    event = _text(predicate.get("event"))
    happened = f"{when(time)} UTC" if time else ""
    rows = [("event", event), ("happened", happened), ("agent", _text(predicate.get("agent")))]
    detail = predicate.get("detail")
    if not isinstance(detail, Mapping):
        rows.append(("detail", _plain(detail)))
    else:
        rows += [(str(name).replace("_", " "), _figures(value)) for name, value in detail.items() if value is not None]
    return [row for row in rows if row[1]]


def _happened(event: str, detail: Mapping[str, Any]) -> str:
    """An event of an agent in a few words."""
    get = detail.get
    if event == "decided":
        told = _text(get("action"))
        told += f" in the place of {_text(get('chosen'))}" if get("chosen") not in (None, get("action")) else ""
        latency = get("latency_ms")
        told += f", {latency:.0f} ms" if isinstance(latency, float | int) else ""
        return f"{event}: {told}, explained: {_text(get('explained')) or 'no'}"
    told = next((_text(get(name)) for name in ("why", "fault", "what", "after", "action") if get(name)), "")
    count = get("count")
    told = ", ".join(filter(None, (str(count) if isinstance(count, int) else "", told)))
    return f"{event}: {told}" if told else event


def _figures(value: Any) -> str:
    """A value of a note's detail; of a mapping its members in a row."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_figures(inner)}" for name, inner in list(value.items())[:16])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else _plain(value)


def _held(predicate: Mapping[str, Any]) -> str:
    if predicate.get("scope"):
        return _text(predicate["scope"])
    found = [one for key in ("subjects", "records") if isinstance(predicate.get(key), list) for one in predicate[key]]
    return ", ".join(map(_short, found[:2])) + (f" and {len(found) - 2} more" if len(found) > 2 else "")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    """The beginning of a pseudonym, a key's id or a record's: enough to tell it from others in a list."""
    text = _text(value)
    most = 16 if text.startswith("ed25519:") else 10
    return f"{text[:most]}…" if len(text) > most + 8 else text


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value[:8])) + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    text = _text(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
