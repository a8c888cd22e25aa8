"""What a scenario file says of a closed loop: the decision moves the robot, and the next frame follows from it.

Actors have events with triggers, as in a storyboard of ASAM OpenSCENARIO XML (1.3, *Storyboard*): each event begins
when its condition holds (``SimulationTimeCondition``, ``RelativeDistanceCondition``) and acts on its actor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from .schema_base import Action, Line, Many, Model, Number, Path, Slug, refuse, unknown
from .schema_scene import SoundSpec

__all__ = [
    "Actor",
    "Criteria",
    "Event",
    "Goal",
    "NeedlessStops",
    "SpeedNear",
    "StopBefore",
    "Storyboard",
    "Trigger",
    "Walk",
    "YieldWithin",
]

Metres = Annotated[Number, Field(ge=0, le=200)]
Signed = Annotated[Number, Field(ge=-200, le=200)]
Speed = Annotated[Number, Field(ge=-30, le=30)]
Seconds = Annotated[Number, Field(ge=0, le=120)]
Size = Annotated[Number, Field(gt=0, le=20)]


class Walk(Model):
    """A velocity, metres a second."""

    side: Speed = 0.0
    """To the right."""
    ahead: Speed = 0.0
    """Away from the robot; below 0 towards it."""


class Trigger(Model):
    """When an event begins: exactly one of these."""

    time: Seconds | None = None
    """At this second."""
    within: Metres | None = None
    """As soon as the robot is within so many metres, footprint to footprint."""
    after: Seconds | None = None
    """So many seconds after the actor's event before (the first: after the start)."""

    @model_validator(mode="after")
    def _one(self) -> Trigger:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise refuse("", "an event has one condition; give exactly one of time, within, after")
        return self


class Event(Model):
    """Something that an actor does; its events begin one after the other, each once."""

    when: Trigger
    """Its condition, looked at once the event before has begun."""
    walk: Walk | None = None
    """It moves so from now on; ``{}`` stands still."""
    seen: StrictBool | None = None
    """Whether it is there to be seen, and to be run into, from now on."""
    heard: StrictBool | None = None
    """Whether its sound is heard from now on."""

    @model_validator(mode="after")
    def _does(self) -> Event:
        if self.walk is None and self.seen is None and self.heard is None:
            raise refuse("", "nothing happens; give walk, seen or heard")
        return self


class Actor(Model):
    """Something on the street: it is seen, heard, or both."""

    name: Slug
    """What the criteria call it."""
    kind: Annotated[
        Literal["animal", "vehicle", "obstacle", "stop-sign", "sign", "tree"] | None,
        Field(alias="is"),
    ] = None
    """What is seen, as Courier's policy has it; left out: it is only heard."""
    which: Line | None = None
    """Name of the picture; left out: one of the kind, drawn by the scene's seed."""
    ahead: Signed
    """Of its near side, metres from the robot's front at the start."""
    side: Signed = 0.0
    """Of its middle, metres to the right of the robot's way."""
    height: Size | None = None
    """Metres; left out: an animal 0.85, a vehicle 1.6, an obstacle 0.7, a sign 0.6, a tree 3."""
    hangs: Metres | None = None
    """Metres from the ground to its lower edge; left out: 0, of signs 0.5."""
    width: Size | None = None
    """Of its footprint, metres; left out: as it is drawn, of signs 0.1."""
    depth: Size = 0.4
    """Of its footprint, metres away from its near side."""
    flip: StrictBool = False
    """Whether it is mirrored."""
    seen: StrictBool = True
    """Whether it is there from the start."""
    sound: SoundSpec | None = None
    """What it sounds like; ``level`` is at 5 m, ``start`` and ``seconds`` are not looked at."""
    heard: StrictBool = True
    """Whether it sounds from the start."""
    walk: Walk = Walk()
    """How it moves from the start."""
    events: Annotated[tuple[Event, ...], Field(max_length=32)] = ()
    """What it does, in order."""

    @model_validator(mode="after")
    def _there(self) -> Actor:
        if self.kind is None and self.sound is None:
            raise refuse("", "nothing is seen and nothing is heard of it; give is or sound")
        if self.sound is not None and {"start", "seconds"} & self.sound.model_fields_set:
            raise refuse("sound", "an actor sounds from its events; say heard there, and leave out start and seconds")
        return self


class Goal(Model):
    """Where the robot must come to: whoever never moves fails it."""

    ahead: Annotated[Number, Field(gt=0, le=200)]
    """Metres from where its front was at the start."""
    within: Annotated[Number, Field(gt=0, le=120)]
    """Seconds."""


class StopBefore(Model):
    """It must stand before an actor in its way, and leave a gap."""

    actor: Slug
    """Which one."""
    least: Metres = 0.3
    """The smallest gap that is left while the actor is in the way before it, metres."""


class YieldWithin(Model):
    """It must choose to yield soon after an actor begins to be heard."""

    actor: Slug
    """Which one."""
    seconds: Annotated[Number, Field(gt=0, le=120)]
    """From then to the decision."""
    actions: Annotated[tuple[Action, ...], Many()] = ("YIELD",)
    """The decisions that yield."""


class SpeedNear(Model):
    """It must be slow near an actor."""

    actor: Slug
    """Which one."""
    within: Metres
    """How near, metres from footprint to footprint."""
    most: Annotated[Number, Field(ge=0, le=30)]
    """Metres a second."""


class NeedlessStops(Model):
    """It must not stop for nothing.

    Reason enough is, in the last three seconds, whatever was heard, and whatever was seen before the robot, no farther
    than ``beyond``, in its way (or within half a metre of it), or walking across it; and a stop sign as near.
    """

    most: Annotated[int, Field(ge=0, le=240)] = 0
    """Decisions at most that stop it although nothing gives reason to."""
    beyond: Annotated[Number, Field(gt=0, le=200)] = 5.0
    """What is farther off gives no reason, metres."""


class Criteria(Model):
    """What must hold of the drive; no collision is always asked for."""

    goal: Goal
    """It arrives: without this a robot that never moves would do no wrong."""
    stop_before: Annotated[tuple[StopBefore, ...], Many()] = ()
    """It stands before an actor."""
    yield_within: Annotated[tuple[YieldWithin, ...], Many()] = ()
    """It yields to what is heard."""
    speed_near: Annotated[tuple[SpeedNear, ...], Many()] = ()
    """It is slow near an actor."""
    time_to_collision: Annotated[Number, Field(gt=0, le=60)] | None = None
    """The smallest time to collision, at the speeds of the moment, is at least this, seconds."""
    needless_stops: NeedlessStops | None = None
    """It does not stop for nothing."""


class Storyboard(Model):
    """A closed loop on the street of the file's ``scene``, which itself holds no things and no sounds."""

    seconds: Annotated[Number, Field(ge=1, le=120)] = 30.0
    """How long it runs at most; it ends where the goal is reached."""
    step: Annotated[Number, Field(ge=0.5, le=1)] = 1.0
    """Seconds from one decision to the next."""
    speed: Annotated[Number, Field(ge=0, le=5)] = 1.4
    """The robot's at the start, metres a second; it drove so before."""
    speeds: Annotated[Mapping[Action, Annotated[Number, Field(ge=-1, le=5)]], Field(min_length=1)] = {
        "PROCEED": 1.4,
        "SLOW": 0.5,
        "STOP": 0.0,
        "YIELD": -0.3,
    }
    """Target speed of each action, metres a second; below 0 it backs off, half a metre at most."""
    round: Annotated[tuple[Action, ...], Many()] = ("SLOW",)
    """Actions that also go around what is in the way."""
    actors: Annotated[tuple[Actor, ...], Field(max_length=16)] = ()
    """What else is on the street."""
    policy: Path | None = None
    """An oversight policy in the loop: what it has done moves the robot."""
    must: Criteria
    """What must hold."""

    @model_validator(mode="before")
    @classmethod
    def _aims(cls, value: object) -> object:
        if isinstance(value, dict) and "must" not in value:
            raise refuse("", "nothing must hold; give must, with a goal at least")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Storyboard:
        names = [actor.name for actor in self.actors]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise refuse("actors", f"two are named {twice!r}; give each a name of its own")
        heard = [actor.name for actor in self.actors if actor.sound is not None]
        seen = [actor.name for actor in self.actors if actor.kind is not None]
        for key, known in (("stop_before", seen), ("yield_within", heard), ("speed_near", seen)):
            for i, one in enumerate(getattr(self.must, key)):
                if one.actor not in known:
                    what = "actor that is heard" if key == "yield_within" else "actor that is seen"
                    raise refuse(f"must.{key}.{i}.actor", f"there is {unknown(one.actor, known, f'{what} ')}")
        for i, action in enumerate(self.round):
            if "round" in self.model_fields_set and action not in self.speeds:
                raise refuse(f"round.{i}", f"has no speed: {unknown(action, self.speeds)}")
        if self.must.goal.within > self.seconds:
            raise refuse(
                "must.goal.within", f"{self.must.goal.within:g} s, and the drive ends after {self.seconds:g} s"
            )
        return self
