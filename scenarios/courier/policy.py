"""Courier's written policy: what the robot must do, and for which reason.

Rules are tried from the top; the first that applies decides. Two of them are cross-modal: a siren overrides whatever is
seen and read, and an instruction changes what an animal in the way means.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["ACTIONS", "RULES", "Rule", "decide"]

ACTIONS = ("PROCEED", "SLOW", "STOP", "YIELD")


@dataclass(frozen=True)
class Rule:
    """One line of the policy.

    Attributes:
        name: short name, used in reports.
        causes: kinds of cause that must all be present.
        action: what the robot must do.
        reason: the rule in words.
    """

    name: str
    causes: frozenset[str]
    action: str
    reason: str


def _rule(name: str, causes: str, action: str, reason: str) -> Rule:
    return Rule(name, frozenset(causes.split()), action, reason)


RULES = (
    _rule("siren", "siren", "YIELD", "A siren is heard: make room, whatever else is seen or read."),
    _rule("halt", "halt", "STOP", "The instruction says to stay where it is."),
    _rule("stop sign", "stop-sign", "STOP", "A stop sign stands in view."),
    _rule(
        "known animal",
        "animal tame",
        "SLOW",
        "An animal is in the way, and the instruction says to creep past animals.",
    ),
    _rule("animal", "animal", "STOP", "An animal is in the way."),
    _rule("vehicle", "vehicle", "YIELD", "A vehicle is in the way."),
    _rule("bell", "bell", "SLOW", "A bicycle bell is heard."),
    _rule("animal call", "call", "SLOW", "An animal is heard: it may step out."),
    _rule("obstacle", "obstacle", "SLOW", "A thing lies in the way: go around it."),
    _rule("clear", "", "PROCEED", "Nothing speaks against going on."),
)


def decide(causes: Collection[str]) -> Rule:
    """Return the first rule all of whose causes are present.

    Causes: ``siren``, ``bell``, ``call`` (heard); ``animal``, ``vehicle``, ``obstacle`` (in the way), ``stop-sign`` (in
    view); ``halt``, ``tame`` (read). Kinds that no rule names (a thing beside the way, music, small talk) change
    nothing.

    >>> decide({"animal", "tame"}).action
    'SLOW'
    >>> decide({"animal", "siren"}).action
    'YIELD'
    """
    present = frozenset(causes)
    return next(rule for rule in RULES if rule.causes <= present)
