"""What was found when decisions were held against their task, of one and of many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError
from ..verifier.bounds import wilson
from .grounds import Ground

__all__ = ["FINDINGS", "OUTCOMES", "Finding", "TaskCheck", "affects_verdict", "summarise"]

FINDINGS = ("wrong-decision", "wrong-reason", "forbidden", "ignored", "missing", "unlisted", "trace")
"""Kinds of finding, in the order in which they are told."""
OUTCOMES = ("as the task asks", "not as the task asks", "undecided")
_VERDICTS = ("supported", "unsupported", "inconclusive")


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: ``wrong-decision``: another action was expected. ``wrong-reason``: the decision rests on what is ruled
            out, or on nothing that is allowed. ``forbidden``: it rests on a reason that it must not. ``ignored``: a
            reason that it must rest on is there, but was not found to carry it. ``missing``: such a reason is not even
            there. ``unlisted``: it rests on something that no rule of this action speaks of. ``trace``: like
            ``forbidden``, with less than the task's least share.
        severity: ``fault``: not as the task asks; ``noted``: to be told, and no more; ``allowed``.
        text: in words.
        reasons: ids of the reasons that it is about.
        nodes: ids of the nodes with the edges that it is about, the strongest first.
        share: their part, 0 to 1, of what the decision rests on.
        effect: the strongest edge's, nats; None where there is no edge.
        p: the same edge's, against random directions.
    """

    kind: str
    severity: str
    text: str
    reasons: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    share: float = 0.0
    effect: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class TaskCheck:
    """What became of holding one decision against its task.

    Attributes:
        task: the task's name.
        digest: the task's digest.
        action: what was decided.
        expected: what should have been, where that is known.
        outcome: one of `OUTCOMES`. It is undecided where nothing was drawn that speaks for the decision, or where the
            verdict is inconclusive; a wrong decision is not as the task asks all the same.
        coverage: part, 0 to 1, of what the decision rests on that its rules allow; None where that is nothing.
        grounds: what the decision rests on, the strongest first.
        findings: in the order of `FINDINGS`.
        sentences: the outcome and the findings in words.
    """

    task: str
    digest: str
    action: str
    expected: str | None
    outcome: str
    coverage: float | None
    grounds: tuple[Ground, ...]
    findings: tuple[Finding, ...]
    sentences: tuple[str, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Findings that are not as the task asks."""
        return tuple(finding for finding in self.findings if finding.severity == "fault")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for the record."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def affects_verdict(check: TaskCheck, verdict: str) -> tuple[str, str] | None:
    """Return how a check goes into the result beside the verdict: outcome and reason, or None where it says nothing.

    The verdict says whether the account is *true*: whether the system does rest on what the account names. The check
    says whether that is *right*: whether the task wants it to. The two are never blended. An account of a decision
    that rests on a planted patch, measured and found so, is true, and stays *supported*; what is wrong is the system.
    Were the verdict lowered for it, the one account that shows the fault would be the one that is not believed. So the
    result says both: "supported; not as the task asks".

    An account that is not supported convicts nobody: its reasons are not held against the decision. A wrong decision
    needs no account, and is told beside any verdict.

    Args:
        check: of the same decision.
        verdict: ``supported``, ``unsupported`` or ``inconclusive``.

    Raises:
        InputError: another verdict.
    """
    if verdict not in _VERDICTS:
        raise InputError(f"task check: no verdict {verdict!r}; there are {', '.join(_VERDICTS)}")
    held = [finding for finding in check.faults if verdict == "supported" or finding.kind == "wrong-decision"]
    if check.outcome != OUTCOMES[1] or not held:
        return None
    # What is told first is the cause, not that there is one.
    first = min(held, key=lambda finding: finding.kind == "wrong-reason")
    return f"{verdict}; {check.outcome}", first.text


def summarise(checks: Sequence[TaskCheck]) -> dict[str, Any]:
    """Return what many checks of one task come to, in plain JSON values.

    Shares are [share, low, high] with Wilson's interval at 95 %; they are of all decisions, or of those of one action.
    ``as_asked_where_decided`` leaves out what is undecided, and is None where that is all.

    Raises:
        InputError: no checks, or checks of different tasks.
    """
    if not checks:
        raise InputError("task checks: none given; at least one is needed for a share")
    if len({check.digest for check in checks}) > 1:
        names = ", ".join(sorted({repr(check.task) for check in checks}))
        raise InputError(f"task checks: of different tasks ({names}); summarise those of each task by themselves")
    actions = sorted({check.action for check in checks})
    by_action = {action: _counts([check for check in checks if check.action == action]) for action in actions}
    return {"task": checks[0].task, "digest": checks[0].digest, **_counts(checks), "by_action": by_action}


def _counts(checks: Sequence[TaskCheck]) -> dict[str, Any]:
    total, outcomes = len(checks), Counter(check.outcome for check in checks)
    decided, covered = total - outcomes[OUTCOMES[2]], [c.coverage for c in checks if c.coverage is not None]
    found = {kind: [c for c in checks if any(f.kind == kind for f in c.findings)] for kind in FINDINGS}
    return {
        "decisions": total,
        "outcomes": {o: {"decisions": outcomes[o], "share": wilson(outcomes[o], total).to_list()} for o in OUTCOMES},
        "as_asked_where_decided": wilson(outcomes[OUTCOMES[0]], decided).to_list() if decided else None,
        "findings": {
            kind: {
                "decisions": len(having),
                "faults": sum(any(f.kind == kind for f in c.faults) for c in having),
                "share": wilson(len(having), total).to_list(),
            }
            for kind, having in found.items()
        },
        "mean_coverage": math.fsum(covered) / len(covered) if covered else None,
    }
