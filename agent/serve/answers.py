"""What the service answers, as models: for its document, so that clients can be made from that."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .problem import TYPES

__all__ = [
    "ANSWERS",
    "Answer",
    "ChangeAnswer",
    "DecisionAnswer",
    "ExplanationAnswer",
    "FaultAnswer",
    "HealthAnswer",
    "OutcomeAnswer",
    "PolicyAnswer",
    "ProblemAnswer",
    "ReactionAnswer",
    "RememberedAnswer",
    "StatusAnswer",
]

_ID = "3f8a2c1e-6a53-4a0e-9d7b-0f5f1c2f9b11"
_TIME = "2026-07-01T09:30:00.000000+00:00"
_DECISION: dict[str, Any] = {
    "id": _ID,
    "number": 17,
    "time": _TIME,
    "action": "STOP",
    "chosen": "STOP",
    "probabilities": {"PROCEED": 0.02, "SLOW": 0.05, "STOP": 0.92, "YIELD": 0.01},
    "score": 2.44,
    "margin": 2.91,
    "latency_ms": 143.0,
    "explained": "queued",
    "depth": "verdict",
    "skipped": [],
    "explanation": None,
    "reaction": {"level": "none", "action": "STOP", "reasons": []},
    "triggers": [],
    "faults": [],
    "late": False,
}
_OUTCOME: dict[str, Any] = {
    "kind": "explained",
    "action": "STOP",
    "verdict": "supported",
    "cause": None,
    "entry": 214,
    "seconds": 1.8,
    "findings": ["supported"],
    "fault": None,
}


class Answer(BaseModel):
    """Members may be added in a later version; none is taken away."""

    model_config = ConfigDict(extra="allow")


class ReactionAnswer(Answer):
    """What oversight made of a choice."""

    level: Literal["none", "annotate", "slow", "hand over", "stop", "override"]
    action: str
    reasons: list[str]


class DecisionAnswer(Answer):
    """A decision: what the system chose, and what is to be done."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_DECISION]})

    id: str
    number: int = Field(ge=0)
    time: str
    action: str = Field(description="What is to be done.")
    chosen: str | None = Field(
        description="What the system chose; null where it failed and a fail-safe action is done."
    )
    probabilities: dict[str, float | None]
    score: float | None = Field(description="Log-odds of the choice against the rest, nats; null where not finite.")
    margin: float | None = Field(description="Log-odds of the choice against the runner-up, nats.")
    latency_ms: float
    explained: Literal["inline", "queued", "no"]
    depth: str | None
    skipped: list[str] = Field(description="What was not done and why, one sentence each.")
    explanation: dict[str, Any] | None = Field(description="Of an inline one: verdict, cause, justification.")
    reaction: ReactionAnswer
    triggers: list[str]
    faults: list[str]
    late: bool


class OutcomeAnswer(Answer):
    """What became of an explanation in the background."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_OUTCOME]})

    kind: Literal["explained", "failed", "dropped", "lost"]
    action: str | None
    verdict: str | None
    cause: str | None
    entry: int | None = Field(description="Number of the log's entry.")
    seconds: float | None
    findings: list[str]
    fault: str | None


class RememberedAnswer(DecisionAnswer):
    """A decision, with what became of its explanation."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{**_DECISION, "outcome": _OUTCOME}]})

    outcome: OutcomeAnswer | None = Field(description="Null as long as there is none.")


class ExplanationAnswer(Answer):
    """An explanation that was waited for."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "action": "STOP",
                    "verdict": "supported",
                    "justification": "The robot stops because of the animal in the lower middle.",
                    "seconds": 31.4,
                    "result": {"format": "veridical.explanation/1"},
                }
            ]
        },
    )

    action: str
    verdict: Literal["supported", "unsupported", "inconclusive"]
    justification: str
    seconds: float
    result: dict[str, Any] = Field(description="All of it; docs/record.md says what each member means.")


class StatusAnswer(Answer):
    """How the agent and the service stand."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"agent": {"decisions": 18, "level": "none"}, "service": {"open": 1, "asked": 40, "refused": 2}}
            ]
        },
    )

    agent: dict[str, Any]
    service: dict[str, Any]


class PolicyAnswer(Answer):
    """The policy in force, as it was read."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "name": "default",
                    "version": "1",
                    "digest": "sha256:…",
                    "explain": {"mode": "background"},
                    "oversight": {"rules": []},
                }
            ]
        },
    )

    name: str
    version: str
    digest: str
    explain: dict[str, Any]
    oversight: dict[str, Any]


class ChangeAnswer(Answer):
    """A change of the level of oversight."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "before": "none",
                    "after": "override",
                    "action": "STOP",
                    "why": "A child on the road.",
                    "by": "operator 7",
                    "time": _TIME,
                }
            ]
        },
    )

    before: str
    after: str
    why: str
    by: str
    time: str
    action: str | None = Field(default=None, description="Of an override: what is to be done.")


class HealthAnswer(Answer):
    """The service is up."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"]


class FaultAnswer(Answer):
    """One value that does not fit."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body.")
    detail: str


class ProblemAnswer(Answer):
    """RFC 9457."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:veridical:problem:input",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "vision: frame 0: 12 bytes that are no PNG or JPEG file; send one, as base64",
                }
            ]
        },
    )

    type: str = Field(description=f"urn:veridical:problem:… with one of {', '.join(TYPES.values())}.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="One sentence: what, where, the values, the likely fix.")
    errors: list[FaultAnswer] | None = Field(default=None, description="Of values that do not fit their schema.")
    done: list[str] | None = Field(default=None, description="Of a time-out: the stages that were done.")
    stage: str | None = Field(default=None, description="Of a time-out: the stage that was under way.")


ANSWERS: tuple[type[BaseModel], ...] = (
    DecisionAnswer,
    RememberedAnswer,
    ExplanationAnswer,
    StatusAnswer,
    PolicyAnswer,
    ChangeAnswer,
    HealthAnswer,
    ProblemAnswer,
)
"""For the document."""
