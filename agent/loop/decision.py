"""One decision of a system in its loop: what it chose, what is to be done, and what was found out about it in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .oversight import Reaction

if TYPE_CHECKING:
    from ..explanation import Explanation

__all__ = ["Decision"]


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        id: UUID of version 4; that of its record, and of what is noted of it.
        number: of this agent's decisions, from 0.
        time: when it was asked for, ISO 8601, UTC.
        action: what is to be done: the system's choice, or what oversight put in its place.
        chosen: what the system chose; None where the system itself failed, and a fail-safe action is done.
        probabilities: of all actions; empty where the system failed.
        score: log-odds of the choice against the rest, nats.
        margin: log-odds of the choice against the runner-up, nats.
        latency_ms: from being asked to the answer, all of it.
        explained: ``inline``: the explanation is here; ``queued``: it will be in the log; ``no``.
        depth: how far it was explained, None where it was not.
        skipped: what was not done and why, one sentence each.
        explanation: of an inline one.
        reaction: what oversight made of the choice.
        triggers: why an explanation was asked for.
        faults: what went wrong in explaining, one sentence each; the decision stands all the same.
        late: whether the deadline had passed when it was answered.
    """

    id: str
    number: int
    time: str
    action: str
    chosen: str | None
    probabilities: Mapping[str, float]
    score: float
    margin: float
    latency_ms: float
    explained: str
    depth: str | None
    skipped: tuple[str, ...]
    explanation: Explanation | None
    reaction: Reaction
    triggers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    late: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values: the verdict and the justification of an explanation, not its arrays."""
        told = None
        if self.explanation is not None:
            verdict = self.explanation.result["verdict"]
            told = {
                "verdict": verdict["verdict"],
                "cause": verdict.get("cause"),
                "justification": self.explanation.justification,
            }
        return {
            "id": self.id,
            "number": self.number,
            "time": self.time,
            "action": self.action,
            "chosen": self.chosen,
            "probabilities": dict(self.probabilities),
            "score": self.score,
            "margin": self.margin,
            "latency_ms": self.latency_ms,
            "explained": self.explained,
            "depth": self.depth,
            "skipped": list(self.skipped),
            "explanation": told,
            "reaction": {
                "level": self.reaction.level,
                "action": self.reaction.action,
                "reasons": list(self.reaction.reasons),
            },
            "triggers": list(self.triggers),
            "faults": list(self.faults),
            "late": self.late,
        }
