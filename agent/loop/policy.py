"""An oversight policy: when decisions are explained, and what is done about what is found.

A policy is data, checked whole when it is made: what could never take effect, or would lack the action that it puts in
place, is refused. `policy_file.read_policy` reads one from a file; ``docs/policy.md`` tells every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...errors import InputError
from .policy_checks import (
    explain_problems,
    lacking_actions,
    oversight_problems,
    policy_problems,
    refuse,
    rule_problems,
    unfit,
)
from .policy_keys import DEPTHS, FINDINGS, FORMAT, MODES, REACTIONS, TOP, TRIGGERS, WORKERS, shown

__all__ = [
    "DEPTHS",
    "FINDINGS",
    "FORMAT",
    "MODES",
    "REACTIONS",
    "TRIGGERS",
    "WORKERS",
    "Explaining",
    "Oversight",
    "Policy",
    "Rule",
]


@dataclass(frozen=True)
class Explaining:
    """When and how far decisions are explained.

    Attributes:
        mode: one of `MODES`: ``inline`` before the answer, within the deadline; ``background`` after it, all of them;
            ``triggered`` after it, where something calls for it; ``off``.
        deadline_ms: when a decision must be answered, milliseconds. An inline explanation keeps within it; a decision
            that took longer all the same is late, in any mode.
        queue: decisions that may wait for the worker; the oldest is dropped.
        sample: share of decisions that are explained without any cause, 0 to 1; in mode ``triggered``.
        triggers: what is looked for, of `TRIGGERS`. In mode ``triggered`` it calls for an explanation; in any mode a
            rule of oversight may be about it.
        margin: nats below which a margin is low, and from which on a sense alone counts as of another mind.
        depth: one of `DEPTHS`.
        worker: one of `WORKERS`.
        restarts: how often a worker that died is started again.

    Raises:
        InputError: a value that is not known or out of range, or values that cannot go together.
    """

    mode: str = "background"
    deadline_ms: float | None = None
    queue: int = 8
    sample: float = 0.0
    triggers: tuple[str, ...] = ()
    margin: float = 0.5
    depth: str = "measured"
    worker: str = "process"
    restarts: int = 3

    def __post_init__(self) -> None:
        refuse(explain_problems(vars(self)))
        object.__setattr__(self, "triggers", tuple(self.triggers))


@dataclass(frozen=True)
class Rule:
    """One rule of oversight: it fires on findings and holds until it is lifted.

    Attributes:
        when: one of `FINDINGS`.
        do: one of `REACTIONS`, but for ``none``.
        of: it fires when the finding was made in at least ``least`` of the last ``of`` findings.
        least: see ``of``.
        release: it is lifted after so many findings in a row without it.
        reason: what people are told while it holds.

    Raises:
        InputError: a value that is not known or out of range, or more of the last findings than there are.
    """

    when: str
    do: str
    of: int = 1
    least: int = 1
    release: int = 1
    reason: str | None = None

    def __post_init__(self) -> None:
        refuse(rule_problems(vars(self)))


@dataclass(frozen=True)
class Oversight:
    """What is done about what is found; the fail-safe among it.

    Attributes:
        rules: all that hold count, and the strongest reaction wins.
        slow: action to the one that stands in for it at ``slow``; an action that it lacks stays as it is.
        fallback: the action that stands in at ``hand over``.
        stop: the action that stands in at ``stop``.
        stale_s: seconds without an outcome after which the explainer counts as stale; None never.
        stale_do: the reaction then.
        fault_do: the reaction when the worker has died for good.
        release: outcomes in a row after which either is lifted.

    Raises:
        InputError: a value that does not fit, a reaction without its action, or a rule that stands there twice.
    """

    rules: tuple[Rule, ...] = ()
    slow: Mapping[str, str] = field(default_factory=dict, hash=False)
    fallback: str | None = None
    stop: str | None = None
    stale_s: float | None = None
    stale_do: str = "hand over"
    fault_do: str = "annotate"
    release: int = 1

    def __post_init__(self) -> None:
        wrong = next((rule for rule in self.rules if not isinstance(rule, Rule)), None)
        if wrong is not None:
            raise InputError(f"policy: [[oversight.rules]]: {shown(wrong)} is no rule; give Rule(…)")
        refuse(oversight_problems(self.values()))
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "slow", dict(self.slow))

    def values(self) -> dict[str, Any]:
        """Return the attributes, rules as mappings too."""
        return {**vars(self), "rules": [vars(rule) for rule in self.rules]}

    def check(self, actions: Sequence[str]) -> Oversight:
        """Return it, if the system has every action that it names.

        Raises:
            InputError: it lacks one; the message names the nearest that it has.
        """
        refuse(lacking_actions(self.values(), actions))
        return self


@dataclass(frozen=True)
class Policy:
    """An oversight policy.

    Attributes:
        name: what it is called.
        version: as whoever keeps it counts.
        explain: when and how far decisions are explained.
        oversight: what is done about what is found.

    Raises:
        InputError: a rule on what is never found, or a watch over what never comes.

    Example:
        >>> Policy(oversight=Oversight((Rule("unsupported", "stop"),), stop="STOP")).check(("GO", "STOP")).name
        'default'
    """

    name: str = "default"
    version: str = "1"
    explain: Explaining = field(default_factory=Explaining)
    oversight: Oversight = field(default_factory=Oversight)

    def __post_init__(self) -> None:
        refuse(unfit("", TOP[1:], vars(self)))
        refuse(policy_problems(vars(self.explain), self.oversight.values()))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content as canonical JSON (RFC 8785), defaults written out; ``sha256:…``."""
        from hashlib import sha256

        import rfc8785

        return f"sha256:{sha256(rfc8785.dumps(self.to_dict())).hexdigest()}"

    def check(self, actions: Sequence[str]) -> Policy:
        """Return the policy, if a system has every action that it names.

        Args:
            actions: the system's.

        Raises:
            InputError: it lacks one; the message names the nearest that it has.
        """
        self.oversight.check(actions)
        return self

    def context(self) -> dict[str, str]:
        """Return what a record holds of the policy: ``name``, ``version`` and ``digest``."""
        return {"name": self.name, "version": self.version, "digest": self.digest}

    def to_dict(self) -> dict[str, Any]:
        """Return the content in plain JSON values, in the file's own shape; a key without a value is left out."""
        rules = [_given(rule) for rule in self.oversight.values()["rules"]]
        explain = {**vars(self.explain), "triggers": list(self.explain.triggers)}
        oversight = {**vars(self.oversight), "slow": dict(self.oversight.slow), "rules": rules}
        head = {"format": FORMAT, "name": self.name, "version": self.version}
        return {**head, "explain": _given(explain), "oversight": _given(oversight)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
