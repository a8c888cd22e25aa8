"""What the service takes: observations, signals and orders, as strict models of their JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "REQUESTS",
    "ArraySignal",
    "DecideRequest",
    "ExplainRequest",
    "FrameSignal",
    "OverrideRequest",
    "ReleaseRequest",
    "Signal",
    "SoundSignal",
    "Strict",
    "WordSignal",
]

_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAALElEQVR42mOsaOphIAUwMZAIRjUQA1iQOU2TOtCk6/IqRkMJLZQww4QKNgAA"
    "qXkGDvi0+gkAAAAASUVORK5CYII="
)
"""A picture of 16 x 16 pixels, for the examples."""

Base64 = Annotated[str, Field(min_length=4, json_schema_extra={"contentEncoding": "base64"})]
Sense = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Name = Annotated[str, Field(min_length=1, max_length=300)]


class Strict(BaseModel):
    """Nothing is turned into another type, and nothing is taken that has no meaning."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class FrameSignal(Strict):
    """Camera frames: PNG or JPEG files."""

    kind: Literal["frames"]
    images: list[Base64] = Field(min_length=1, max_length=256, description="Files, oldest first.")


class SoundSignal(Strict):
    """A recording: a WAV or FLAC file."""

    kind: Literal["sound"]
    file: Base64


class WordSignal(Strict):
    """An instruction in words."""

    kind: Literal["words"]
    text: str = Field(max_length=100_000)


class ArraySignal(Strict):
    """A signal as bare numbers: C order, little-endian, base64.

    Pictures are (height, width[, 1, 3 or 4]) or (frames, height, width, channels), of uint8 or of floats in 0..1; sound
    is (samples,) or (samples, channels), of integers or of floats in -1..1.
    """

    kind: Literal["array"]
    shape: list[Annotated[int, Field(ge=1, le=100_000_000)]] = Field(min_length=1, max_length=4)
    dtype: Literal["uint8", "int16", "uint16", "int32", "float32", "float64"]
    data: Base64
    rate: int | None = Field(
        default=None, ge=100, le=1_000_000, description="Hertz, of sound; unless said, the sense's own rate."
    )


Signal = Annotated[FrameSignal | SoundSignal | WordSignal | ArraySignal, Field(discriminator="kind")]
Observation = Annotated[
    dict[Sense, Signal],
    Field(min_length=1, max_length=16, description="One signal by sense; a sense left out is absent."),
]

_EXAMPLE: dict[str, Any] = {
    "vision": {"kind": "frames", "images": [_PNG]},
    "text": {"kind": "words", "text": "Take the parcel to the pharmacy."},
}


class DecideRequest(Strict):
    """A decision that is asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"observation": _EXAMPLE, "request": False}]})

    observation: Observation
    request: bool = Field(default=False, description="Whether a person asks for this one to be explained.")


class ExplainRequest(Strict):
    """An explanation that is asked for, and waited for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"observation": _EXAMPLE, "timeout_s": 60}]})

    observation: Observation
    timeout_s: float | None = Field(
        default=None, ge=1, le=3600, description="Seconds to wait, at most the service's own time-out."
    )


class OverrideRequest(Strict):
    """A person's order: this action is done, whatever the system chooses, until it is released."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "STOP", "who": "operator 7", "reason": "A child on the road."}]}
    )

    action: Name
    who: Name
    reason: Name


class ReleaseRequest(Strict):
    """A person takes the order back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"who": "operator 7", "reason": "The road is clear."}]})

    who: Name
    reason: Name


REQUESTS: tuple[type[BaseModel], ...] = (DecideRequest, ExplainRequest, OverrideRequest, ReleaseRequest)
"""For the document."""
