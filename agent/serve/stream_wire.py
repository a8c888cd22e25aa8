"""What goes over a stream's WebSocket: messages that it takes, events that it sends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from .answers import Answer, DecisionAnswer, ProblemAnswer
from .wire import Sense, Signal, Strict

__all__ = [
    "STREAM_MODELS",
    "ArrivalEvent",
    "CloseMessage",
    "DecideMessage",
    "DecisionEvent",
    "OpenMessage",
    "OpenedEvent",
    "ProblemEvent",
    "SampleMessage",
    "SourceSpec",
    "StreamMessage",
]

Moment = Annotated[float, Field(ge=-1e12, le=1e12, description="Seconds on one clock that all senses share.")]


class SourceSpec(Strict):
    """One sense's signal as it comes in; `veridical.agent.stream.source.Source` tells more."""

    kind: Literal["frames", "sound", "words"]
    rate: float | None = Field(default=None, gt=0, le=1_000_000, description="Frames or samples a second.")
    window: float = Field(default=3.0, gt=0, le=60, description="Seconds of it that a decision is made of.")
    hold: float | None = Field(
        default=None, gt=0, le=3600, description="Seconds after which a silent source counts as absent; words never do."
    )
    lateness: float = Field(default=0.5, ge=0, le=60, description="Seconds by which a sample may come late.")


class OpenMessage(Strict):
    """The first message: what will come, and how often to decide."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "open", "every": 1.0, "clock": "wall"}]})

    type: Literal["open"]
    sources: dict[Sense, SourceSpec] | None = Field(
        default=None, min_length=1, max_length=16, description="By sense; unless said, the system's own."
    )
    step: float = Field(default=1.0, gt=0, le=60, description="Seconds between the frames of a window.")
    every: float | None = Field(
        default=1.0, ge=0.02, le=3600, description="Seconds between decisions; null: only when one is asked for."
    )
    clock: Literal["wall", "stream"] = Field(
        default="wall",
        description="Whose seconds: the service's, so that a sensor that falls silent shows; or the samples' own, for "
        "recordings that are played back at another speed.",
    )


class SampleMessage(Strict):
    """One frame, one chunk of sound or one instruction."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "sample", "sense": "text", "at": 0.0, "signal": {"kind": "words", "text": "Go to the bank."}}
            ]
        }
    )

    type: Literal["sample"]
    sense: Sense
    at: Moment
    signal: Signal


class DecideMessage(Strict):
    """A decision that is asked for now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "decide", "at": None, "request": True}]})

    type: Literal["decide"]
    at: Moment | None = Field(default=None, description="The end of the window; null: the newest sample's.")
    request: bool = Field(default=False, description="Whether a person asks for this one to be explained.")


class CloseMessage(Strict):
    """The end."""

    type: Literal["close"]


class StreamMessage(
    RootModel[Annotated[OpenMessage | SampleMessage | DecideMessage | CloseMessage, Field(discriminator="type")]]
):
    """Any of them."""


class OpenedEvent(Answer):
    """The stream is open."""

    type: Literal["opened"]
    sources: dict[str, dict[str, Any]]
    step: float
    every: float | None
    clock: str


class ArrivalEvent(Answer):
    """What became of a sample."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"type": "arrival", "sense": "vision", "at": 12.5, "arrival": "taken", "why": ""}]
        },
    )

    type: Literal["arrival"]
    sense: str
    at: float
    arrival: Literal["taken", "gap", "twice", "late", "refused"]
    why: str


class DecisionEvent(Answer):
    """A decision."""

    type: Literal["decision"]
    at: float | None = Field(description="The end of its window.")
    decision: DecisionAnswer


class ProblemEvent(Answer):
    """A message that could not be used, or a decision that could not be made; the stream goes on."""

    type: Literal["problem"]
    problem: ProblemAnswer


STREAM_MODELS: tuple[type[BaseModel], ...] = (
    OpenMessage,
    SampleMessage,
    DecideMessage,
    CloseMessage,
    OpenedEvent,
    ArrivalEvent,
    DecisionEvent,
    ProblemEvent,
)
"""For the document."""
