"""What oversight says: a change of level, a reaction to a choice, a person's override."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ...errors import InputError

__all__ = ["FAIL_SAFE", "OVERRIDE", "Change", "Override", "Reaction", "moment", "person"]

OVERRIDE = "override"
"""The level while a person's override holds; all others are `veridical.agent.loop.policy.REACTIONS`."""

FAIL_SAFE = "fail-safe"
"""What a change by the fail-safe says it is by."""

_LONGEST = 300


@dataclass(frozen=True)
class Change:
    """Something changed in what oversight does.

    Attributes:
        before: the level before: one of `REACTIONS`, or `OVERRIDE`.
        after: the level after; the same where a rule fires or is lifted beneath something stronger.
        why: one line.
        by: ``rule 2`` (counted from 1, as the policy has them), a person, or ``fail-safe``.
        time: ISO 8601, UTC.
        action: of an override: what is to be done; else None.
    """

    before: str
    after: str
    why: str
    by: str
    time: str
    action: str | None = None


@dataclass(frozen=True)
class Reaction:
    """What oversight makes of a choice.

    Attributes:
        level: one of `REACTIONS`, or `OVERRIDE`.
        action: what is to be done.
        reasons: why, one line each, the strongest reaction's first; none at level ``none``.
    """

    level: str
    action: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Override:
    """A person's override.

    Attributes:
        action: what is to be done.
        who: the person.
        reason: theirs.
        until: the overseer's own second at which it ends; infinite where it holds until it is released.
    """

    action: str
    who: str
    reason: str
    until: float

    @property
    def told(self) -> str:
        """What people are told while it holds."""
        return f"{self.who} decides: {self.reason}"


def moment() -> str:
    """Return the present moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def person(what: str, who: str, reason: str) -> tuple[str, str]:
    """Return a person and a reason, stripped.

    Args:
        what: what they do, for messages.
        who: the person.
        reason: theirs.

    Raises:
        InputError: nobody or no reason is named, or a name that would pass for a rule or the fail-safe in a log.
    """
    for name, text in (("who", who), ("reason", reason)):
        if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > _LONGEST:
            fix = f"write 1 to {_LONGEST} characters on one line"
            raise InputError(f"{what}: {name} {str(text)[:80]!r} is no text; {fix}")
    who, reason = who.strip(), reason.strip()
    if who == FAIL_SAFE or re.fullmatch(r"rule \d+", who):
        raise InputError(f"{what}: who {who!r} is how oversight names itself; give a person's name")
    return who, reason
