"""What a scenario file says of the observation: a scene of Courier's in words, or files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, Tag, model_validator

from .schema_base import Line, Many, Model, Number, Path, Share, Words, by_shape, refuse

__all__ = [
    "BackgroundSpec",
    "ClauseSpec",
    "ObservationSpec",
    "PatchSpec",
    "SceneSpec",
    "SoundSpec",
    "Spot",
    "Step",
    "ThingSpec",
    "Track",
]

Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]
Height = Annotated[Number, Field(ge=0, le=2)]
Place = Annotated[Number, Field(ge=-1, le=2)]


class Spot(Model):
    """A place on the ground, as shares of the frame."""

    x: Place
    """The thing's middle, from the left."""
    foot: Place | None = None
    """Its lower edge, from above; what is nearer stands lower. Left out: as for ``ahead``."""


class Step(Model):
    """Where a thing is in one frame."""

    x: Place
    """Its middle, from the left, as a share of the frame."""
    foot: Place
    """Its lower edge, from above, likewise."""
    height: Height
    """Its height, likewise; 0 where it is not seen."""


class Track(Model):
    """A motion of one's own: a place for each frame."""

    track: Annotated[tuple[Step, ...], Field(min_length=1, max_length=30)]
    """One step for each frame; the last one holds for all that follow."""


class ThingSpec(Model):
    """Something that can be seen."""

    kind: Annotated[Literal["animal", "vehicle", "obstacle", "stop-sign", "sign", "tree"], Field(alias="is")]
    """What it is, as Courier's policy has it."""
    which: Line | None = None
    """Name of the picture; left out: one of the kind, drawn by the scene's seed."""
    where: (
        Annotated[
            Annotated[Literal["ahead", "left", "right"], Tag("<text>")] | Annotated[Spot, Tag("<mapping>")],
            by_shape(),
        ]
        | None
    ) = None
    """In the robot's way, beside it, or a spot of one's own; left out: ahead, signs and trees on the right."""
    size: Annotated[Number, Field(ge=0.02, le=2)] | None = None
    """Height as a share of the frame; left out: 0.5, beside the way 0.32, less for what is very wide."""
    motion: Annotated[
        Annotated[Literal["stay", "cross", "enter", "glimpse", "approach"], Tag("<text>")]
        | Annotated[Track, Tag("<mapping>")],
        by_shape(),
    ] = "stay"
    """How it moves: stands, crosses, enters (both from its own side), is seen for two frames, or comes nearer."""
    seen: tuple[Number, Number] | None = None
    """From which second to which it is seen; left out: always."""
    counts: StrictBool | None = None
    """Whether the policy takes it for in the way (a sign: for in view).

    Left out: of a stop sign true, else whether its middle is in the middle fifth of the frame at some time.
    """
    flip: StrictBool = False
    """Whether it is mirrored."""

    @model_validator(mode="after")
    def _places(self) -> ThingSpec:
        if isinstance(self.motion, Track) and ({"where", "size", "seen"} & self.model_fields_set):
            raise refuse("motion", "a track says where the thing is and how large; leave out where, size and seen")
        if self.seen is not None and not 0 <= self.seen[0] < self.seen[1]:
            raise refuse("seen", f"seconds {self.seen[0]:g} to {self.seen[1]:g}; give the earlier one first, from 0")
        return self


class SoundSpec(Model):
    """Something that can be heard."""

    kind: Annotated[Literal["siren", "bell", "call", "voice", "noise", "traffic"], Field(alias="is")]
    """What it is, as Courier's policy has it; no rule speaks of voices, noise and traffic."""
    which: Line | None = None
    """Name of the recording; left out: one of the kind, drawn by the scene's seed."""
    level: Annotated[Number, Field(ge=-100, le=0)] | None = None
    """Decibels of full scale of its louder part; left out: −18, of voices and noise −25, of traffic −54."""
    start: Annotated[Number, Field(ge=0, lt=30)] = 0.2
    """Second at which it begins."""
    seconds: Annotated[Number, Field(gt=0, le=30)] = 2.5
    """How long it lasts; a shorter recording is repeated."""
    offset: Annotated[Number, Field(ge=0, le=600)] = 0.0
    """Second of the recording from which it is taken."""
    speed: Annotated[Number, Field(ge=0.25, le=4)] = 1.0
    """How much faster, and higher, than recorded."""


class ClauseSpec(Model):
    """One sentence of the instruction."""

    text: Words
    """As it is read."""
    kind: Literal["halt", "tame", "talk"] | None = None
    """What the policy makes of it; left out: as Courier's own list has it, ``talk`` if it is not on it."""


class PatchSpec(Model):
    """The mark of the planted shortcut; no rule speaks of it."""

    x: Share = 0.3
    """Its middle, from the left, as a share of the frame."""
    y: Share = 0.2
    """Its middle, from above, likewise."""
    side: Annotated[Number, Field(gt=0, le=1)] = 0.25
    """Its side, likewise."""


class BackgroundSpec(Model):
    """Where the scene takes place."""

    ground: Literal["grass", "gravel", "brick", "road", "street"] | None = None
    """What the robot drives on (street and road are one); left out: drawn by the scene's seed."""
    seed: Seed | None = None
    """Of colours, horizon and houses; left out: the scene's."""
    light: Annotated[Number, Field(ge=0, le=2)] = 1.0
    """Factor on the light."""


class SceneSpec(Model):
    """A scene of Courier's in words."""

    partition: Literal["train", "held-out"] = "held-out"
    """Whether pictures, recordings and phrases are among those that Courier was trained on."""
    seed: Seed = 0
    """Of all that is left out."""
    seconds: Annotated[StrictInt, Field(ge=3, le=30)] = 3
    """How long it lasts; there is a frame for each second."""
    background: BackgroundSpec = BackgroundSpec()
    """Where it takes place."""
    things: Annotated[tuple[ThingSpec, ...], Field(max_length=16)] = ()
    """What is seen; nearer things cover farther ones."""
    sounds: Annotated[tuple[SoundSpec, ...], Field(max_length=16)] = ()
    """What is heard."""
    traffic: Annotated[Number, Field(ge=-100, le=0)] | None = -54.0
    """Level of the street's own sound, in decibels of full scale; null: there is none."""
    instruction: (
        Annotated[
            tuple[
                Annotated[Annotated[Words, Tag("<text>")] | Annotated[ClauseSpec, Tag("<mapping>")], by_shape()],
                ...,
            ],
            Many(),
        ]
        | None
    ) = None
    """What the robot was told, sentence by sentence; left out: small talk, drawn by the scene's seed."""
    patch: PatchSpec | None = None
    """The mark of the planted shortcut."""

    @model_validator(mode="after")
    def _in_time(self) -> SceneSpec:
        for i, sound in enumerate(self.sounds):
            if sound.start >= self.seconds:
                raise refuse(
                    f"sounds.{i}.start", f"second {sound.start:g} of a scene of {self.seconds} s; begin earlier"
                )
        for i, thing in enumerate(self.things):
            if thing.seen is not None and thing.seen[0] > self.seconds - 1:
                raise refuse(f"things.{i}.seen", f"from second {thing.seen[0]:g}, the last frame is {self.seconds - 1}")
        return self


class ObservationSpec(Model):
    """An observation in files; a sense that is left out is absent."""

    camera: Annotated[tuple[Path, ...], Many()] | None = None
    """Pictures, oldest first, one a second; the sense ``vision``."""
    microphone: Path | None = None
    """A recording; the sense ``audio``."""
    instruction: Words | None = None
    """What the system was told; the sense ``text``."""

    @model_validator(mode="after")
    def _something(self) -> ObservationSpec:
        if self.camera is None and self.microphone is None and self.instruction is None:
            raise refuse("", "nothing is observed; give camera, microphone or instruction")
        return self
