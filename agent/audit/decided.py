"""Decisions as the reports count them: predicates of the log, read strictly into plain values.

A predicate is what the log says of a decision in the open (`record.summary`); the reports need neither arrays nor a
model. A negative effect spoke for the decision: taking the thing out lowered its score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from ...errors import InputError, RecordError
from ..wording import SENSES, clean

__all__ = ["REVIEWED", "Act", "Decided", "Ground", "between", "instant", "read_acts", "read_decisions"]

REVIEWED = ("accepted", "overridden", "stopped")
"""Acts by which a person ruled on a decision."""


@dataclass(frozen=True)
class Ground:
    """Something with a measured effect on a decision.

    Attributes:
        label: its name, or its place where it has none.
        kind: ``concept`` or ``evidence``.
        sense: in which it lies.
        effect: of taking it out, nats; negative where it spoke for the decision.
        share: of all measured effects by size, 0 to 1.
    """

    label: str
    kind: str
    sense: str
    effect: float
    share: float

    @property
    def name(self) -> str:
        """What tables call it: the label in small letters, and in which sense."""
        way = SENSES[self.sense][0] if self.sense in SENSES else clean(self.sense)
        place = self.label.removeprefix(f"{self.sense}:")  # how a predicate says where something without a name lies
        return f"{clean(place).casefold()} ({'seen' if way == 'saw' else way})"


@dataclass(frozen=True)
class Decided:
    """A decision, as the log's predicate has it.

    Attributes:
        id: of the record.
        time: when, UTC.
        action: what was chosen.
        verdict: supported, unsupported or inconclusive; None where there is no account.
        cause: word for what decided the verdict; empty without one.
        shares: by sense its contribution, nats.
        labels: what the deployer wrote down, name to value.
        system: name of the system.
        digest: of the system; None if it states none.
        policy: name and version; None without one.
        grounds: what had a measured effect.
    """

    id: str
    time: datetime
    action: str
    verdict: str | None
    cause: str
    shares: Mapping[str, float]
    labels: Mapping[str, str]
    system: str
    digest: str | None
    policy: str | None
    grounds: tuple[Ground, ...]

    def rests(self) -> dict[str, float]:
        """Return what the decision rests on: name to share of all measured effects, 0 to 1.

        Only what spoke for the decision. Things of one name are added up; what is told as a concept and again as
        evidence counts once, by the larger share.
        """
        sums: dict[tuple[str, str], float] = {}
        for ground in self.grounds:
            if ground.effect < 0:
                key = (ground.name, ground.kind)
                sums[key] = sums.get(key, 0.0) + ground.share
        told: dict[str, float] = {}
        for (name, _), share in sums.items():
            told[name] = min(max(told.get(name, 0.0), share), 1.0)
        return told


@dataclass(frozen=True)
class Act:
    """What an operator did about a decision.

    Attributes:
        about: id of the decision's record.
        act: accepted, overridden, stopped, contested, annotated or named.
        time: when, UTC.
        who: by whom.
        reason: in their words; may be empty.
        action: put in the decision's place, or None.
    """

    about: str
    act: str
    time: datetime
    who: str
    reason: str
    action: str | None


def instant(text: str, what: str) -> datetime:
    """Return an ISO 8601 instant in UTC; a day alone is its first moment.

    Raises:
        InputError: it cannot be read, or a time of day stands without its offset from UTC.
    """
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    else:
        raise InputError(f"{what}: {clean(text)!r} does not say its offset from UTC; add it, such as {clean(text)}Z")
    raise InputError(f"{what}: {clean(text)!r} is no ISO 8601 time; write 2026-11-23 or 2026-11-23T20:12:33Z")


def between(decided: Iterable[Decided], since: datetime | None = None, until: datetime | None = None) -> list[Decided]:
    """Return the decisions from ``since`` on and before ``until``, the earliest first; those of one time by id."""
    kept = [d for d in decided if (since is None or d.time >= since) and (until is None or d.time < until)]
    return sorted(kept, key=lambda d: (d.time, d.id))


def read_decisions(predicates: Iterable[Mapping[str, Any]]) -> list[Decided]:
    """Read predicates of kind ``decision``.

    Raises:
        RecordError: one lacks a member or holds another type; the message names the decision and the member.
    """
    return [_decision(predicate) for predicate in predicates]


def read_acts(predicates: Iterable[Mapping[str, Any]]) -> list[Act]:
    """Read predicates of kind ``operator``, the earliest first; acts on an agent, about no decision, are left out.

    Raises:
        RecordError: one lacks a member or holds another type.
    """
    acts = [_act(p) for p in predicates if p.get("about") is not None or p.get("agent") is None]
    return sorted(acts, key=lambda act: act.time)


def _act(predicate: Mapping[str, Any]) -> Act:
    where = _name("operator's act", predicate)
    action = predicate.get("action")
    return Act(
        _text(predicate, "about", where),
        _text(predicate, "act", where),
        _time(predicate, where),
        _text(predicate, "who", where),
        _text(predicate, "reason", where) if predicate.get("reason") is not None else "",
        None if action is None else _text(predicate, "action", where),
    )


def _decision(predicate: Mapping[str, Any]) -> Decided:
    where = _name("decision", predicate)
    system, policy, verdict = (predicate.get(key) for key in ("system", "policy", "verdict"))
    if not isinstance(system, Mapping):
        _refuse(where, "system", system)
    digest = system.get("digest")
    return Decided(
        id=_text(predicate, "id", where),
        time=_time(predicate, where),
        action=_text(predicate, "action", where),
        verdict=None if verdict is None else _text(predicate, "verdict", where),
        cause=_text(predicate, "cause", where) if predicate.get("cause") is not None else "",
        shares={str(k): _figure(v, f"shares.{k}", where) for k, v in _table(predicate, "shares", where).items()},
        labels={str(k): _plain(v, f"labels.{k}", where) for k, v in _table(predicate, "labels", where).items()},
        system=_text(system, "name", where),
        digest=digest if isinstance(digest, str) else None,
        policy=_policy(policy, where),
        grounds=tuple(_ground(item, i, where) for i, item in enumerate(_list(predicate, "reliance", where))),
    )


def _policy(policy: Any, where: str) -> str | None:
    if policy is None:
        return None
    if not isinstance(policy, Mapping):
        _refuse(where, "policy", policy)
    return " ".join(clean(str(policy[key])) for key in ("name", "version") if policy.get(key) is not None) or None


def _ground(item: Any, index: int, where: str) -> Ground:
    what = f"reliance[{index}]"
    if not isinstance(item, Mapping):
        _refuse(where, what, item)
    label, kind, sense = (_text(item, key, f"{where}, {what}") for key in ("label", "kind", "modality"))
    effect, share = (_figure(item.get(key), f"{what}.{key}", where) for key in ("effect", "share"))
    if not -1e-9 <= share <= 1 + 1e-9:
        _refuse(where, f"{what}.share", share)
    return Ground(label, kind, sense, effect, min(max(share, 0.0), 1.0))


def _name(what: str, predicate: Any) -> str:
    if not isinstance(predicate, Mapping):
        raise RecordError(f"{what}: its predicate is a {type(predicate).__name__}, not an object; verify the log")
    id = predicate.get("id")
    return f"{what} {clean(id)[:80]}" if isinstance(id, str) else f"{what} without an id"


def _refuse(where: str, member: str, value: Any) -> NoReturn:
    seen = clean(repr(value))[:80]
    raise RecordError(f"{where}: {clean(member)[:80]!r} is {seen}, which no report can count; verify the log")


def _text(holder: Mapping[str, Any], member: str, where: str) -> str:
    value = holder.get(member)
    return value if isinstance(value, str) else _refuse(where, member, value)


def _table(holder: Mapping[str, Any], member: str, where: str) -> Mapping[str, Any]:
    value = holder.get(member)
    value = {} if value is None else value
    return value if isinstance(value, Mapping) else _refuse(where, member, value)


def _list(holder: Mapping[str, Any], member: str, where: str) -> Sequence[Any]:
    value = holder.get(member)
    value = () if value is None else value
    return value if isinstance(value, list | tuple) else _refuse(where, member, value)


def _figure(value: Any, member: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(where, member, value)
    return float(value)


def _plain(value: Any, member: str, where: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float) else _refuse(where, member, value)


def _time(predicate: Mapping[str, Any], where: str) -> datetime:
    text = _text(predicate, "time", where)
    try:
        return instant(text, where)
    except InputError:
        return _refuse(where, "time", text)
