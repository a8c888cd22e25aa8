"""What a decision rests on, in terms of a scene's named parts: each is taken away as a whole, and the effect measured.

Gradients play no part here: what is said of a part is what the system did without it. A part's **effect** is the change
of the decision score when its evidence units are edited away, in nats, the mean of two infill operators. Its **share**
is the fall of the score that this makes, over the sum of such falls of all groups: the parts of the scene, and what is
left of each sense.

Two limits. A cause that another one stands in for has no effect alone, and thus no share: what the two do jointly is
not split. And an edit removes whole evidence units: a part that fills no unit by half cannot be taken away, and then
nothing is said of it, which is not the same as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...fusion.measure import Laboratory
from ...modalities.wording import nats, percent
from ...verifier.judge import Criteria
from ...verifier.verify import operators_of

__all__ = ["LEAST", "REST", "Effect", "Group", "Reliance", "measure_groups"]

LEAST = Criteria.least
"""Nats: smallest effect that counts, as in a verdict; where all falls together are smaller, shares mean nothing."""

REST = {"vision": "rest of the picture", "audio": "rest of the sound", "text": "rest of the words"}
"""What is left of each sense beside the scene's parts."""

_NO_UNIT = "it fills no evidence unit by half, so that it cannot be taken away alone"


@dataclass(frozen=True)
class Group:
    """Evidence units of one sense that are taken away together.

    Attributes:
        name: of the part, such as ``thing 0``.
        sense: where it is.
        units: indices; none where it cannot be taken away.
        why: why there are none.
    """

    name: str
    sense: str
    units: tuple[int, ...]
    why: str = ""


@dataclass(frozen=True)
class Effect:
    """What taking a group away does to the decision.

    Attributes:
        name: of the group.
        sense: where it is.
        units: how many evidence units it has.
        effects: change of the decision score by each operator, nats, negative where the group speaks for the decision;
            None where it could not be taken away.
        share: of all falls of the score, 0..1, by the mean over operators; None where that means nothing.
        shares: the same by each operator alone.
        actions: what is decided without the group, by each operator.
        why: why there is no figure, or what else is to be known of it.
    """

    name: str
    sense: str
    units: int
    effects: tuple[float, ...] | None
    share: float | None
    shares: tuple[float | None, ...]
    actions: tuple[str, ...]
    why: str = ""

    @property
    def effect(self) -> float | None:
        """Mean over the operators, nats."""
        return None if self.effects is None else sum(self.effects) / len(self.effects)

    @property
    def settled(self) -> bool:
        """Whether the operators agree on what the group does: on its sign, or to within the smallest that counts."""
        if self.effects is None:
            return False
        low, high = min(self.effects), max(self.effects)
        return not (low < 0 < high) or high - low <= LEAST

    def told(self) -> str:
        """Say it in words with figures."""
        if self.effects is None or self.effect is None:
            return f"{self.name}: {self.why}"
        low, high = nats(min(self.effects)), nats(max(self.effects))
        ways = f" ({low} … {high})" if low != high else ""
        share = "" if self.share is None else f", a share of {percent(self.share)}"
        doubt = "" if self.settled else "; the two ways disagree in sign"
        more = f"; {self.why}" if self.why else ""
        return f"without {self.name}: {nats(self.effect)} nats{ways}{share}{doubt}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "sense": self.sense,
            "units": self.units,
            "effect": self.effect,
            "effects": None if self.effects is None else list(self.effects),
            "share": self.share,
            "shares": list(self.shares),
            "settled": self.settled,
            "actions": list(self.actions),
            "why": self.why,
        }


@dataclass(frozen=True)
class Reliance:
    """What one decision rests on.

    Attributes:
        action: the decision.
        score: its log-odds against the rest, nats.
        groups: every group, in the scene's order; together they are all evidence units there are.
        operators: the infill operators by sense, one mapping for each way of taking away.
        passes: forward passes that it cost.
        notes: what a reader must know.
    """

    action: str
    score: float
    groups: tuple[Effect, ...]
    operators: tuple[Mapping[str, str], ...]
    passes: int = 0
    notes: tuple[str, ...] = field(default=())

    def of(self, name: str) -> Effect | None:
        """Return the group of a name, or None."""
        return next((group for group in self.groups if group.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "action": self.action,
            "score": self.score,
            "groups": [group.to_dict() for group in self.groups],
            "operators": [dict(ways) for ways in self.operators],
            "passes": self.passes,
            "notes": list(self.notes),
        }


def measure_groups(laboratory: Laboratory, groups: Sequence[Group], operators: int = 2) -> Reliance:
    """Take each group away as a whole, and share out the falls of the score.

    With effects e of the groups, the share of group i is max(−eᵢ, 0) / Σⱼ max(−eⱼ, 0). Where that sum is below
    `LEAST`, no group does enough for a share to mean anything, and there are none.

    Args:
        laboratory: the system before the observation.
        groups: disjoint; all of them take part in the sum.
        operators: in how many ways each is taken away: the senses' first, second ... operators.

    Raises:
        ContractError: the system cannot be measured.
    """
    before = laboratory.passes
    ways = operators_of(laboratory, operators)
    found = [group for group in groups if group.units]
    measured = [laboratory.measure([{group.sense: group.units} for group in found], way) for way in ways]
    effects = [tuple(float(m.effect[i]) for m in measured) for i in range(len(found))]
    means = [sum(each) / len(each) for each in effects]
    mean_shares = _shares(means)
    by_way = [_shares([each[k] for each in effects]) for k in range(len(ways))]
    names = list(laboratory.system.actions)
    told, at = [], 0
    for group in groups:
        if not group.units:
            why = group.why or _NO_UNIT
            told.append(Effect(group.name, group.sense, 0, None, None, (), (), why))
            continue
        actions = tuple(names[int(m.logits[at].argmax())] for m in measured)
        shares = tuple(way[at] for way in by_way)
        told.append(Effect(group.name, group.sense, len(group.units), effects[at], mean_shares[at], shares, actions))
        at += 1
    score = laboratory.score if laboratory.score is not None else 0.0
    action, passes = names[laboratory.action], laboratory.passes - before
    return Reliance(action, float(score), tuple(told), ways, passes, _notes(told, means))


def _shares(effects: Sequence[float]) -> list[float | None]:
    """Each one's part of all falls; None where these are too small together."""
    falls = [max(-effect, 0.0) for effect in effects]
    total = sum(falls)
    return [fall / total if total >= LEAST else None for fall in falls]


def _notes(told: Sequence[Effect], means: Sequence[float]) -> tuple[str, ...]:
    notes = [f"{each.name} cannot be told: {each.why}" for each in told if each.effects is None]
    if sum(max(-mean, 0.0) for mean in means) < LEAST:
        notes.append(
            f"nothing that was taken away moves the score by {LEAST} nats: there is nothing to share out (causes that "
            "stand in for each other look so too)"
        )
    return tuple(notes)
