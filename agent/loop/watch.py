"""One rule of oversight at work: it counts findings, fires, holds, and is lifted."""

from __future__ import annotations

from collections import deque

from .policy import Rule

__all__ = ["TOLD", "Watch"]

TOLD = {
    "supported": "the account of a decision was supported",
    "unsupported": "the account of a decision was unsupported",
    "inconclusive": "the account of a decision was inconclusive",
    "forbidden": "a decision rested on a reason that is forbidden",
    "fault": "something went wrong in explaining",
    "stale": "no explanation came for too long",
    "low margin": "a decision was a close one",
    "changed decision": "the decision changed",
    "modality disagreement": "the senses were at odds: one alone would have decided otherwise",
    "out of distribution": "an input was unlike those that are known",
    "sensor": "a sense was not usable",
}
"""What each finding says, in words."""


class Watch:
    """A rule and what it has counted. Not for several threads: `oversight.Overseer` holds a lock.

    It fires on a finding, never on the lack of one: a window that still holds old findings after the rule was lifted
    does not fire again by itself.

    Attributes:
        rule: the rule.
        number: its place in the policy, from 1.
        active: whether it holds.
    """

    def __init__(self, rule: Rule, number: int) -> None:
        self.rule, self.number, self.active = rule, number, False
        self._recent: deque[bool] = deque(maxlen=rule.of)
        self._without = 0

    @property
    def by(self) -> str:
        """What a change by this rule says it is by."""
        return f"rule {self.number}"

    @property
    def reason(self) -> str:
        """What people are told while it holds."""
        return self.rule.reason or TOLD[self.rule.when]

    def count(self, found: bool) -> str | None:
        """Count one finding; return why the rule fires or is lifted, None where it does neither."""
        self._recent.append(found)
        rule = self.rule
        if found:
            self._without = 0
            hits = sum(self._recent)
            if self.active or hits < rule.least:
                return None
            self.active = True
            return rule.when if rule.of == 1 else f"{rule.when}: {hits} of the last {len(self._recent)} findings"
        if not self.active:
            return None
        self._without += 1
        if self._without < rule.release:
            return None
        self.active = False
        finding = "one finding" if rule.release == 1 else f"{rule.release} findings in a row"
        return f"{finding} without {rule.when}"
