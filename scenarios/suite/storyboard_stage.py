"""The street of a closed loop with its actors cast: what the robot sees, hears and reads at any second of the drive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ...errors import InputError
from ..courier.scene import FRAMES
from ..courier.sounds import RATE
from ..courier.stamps import Stamp, stamps
from ..courier.street import Body, Street, Voice, sounding
from .compose import Composed, compose
from .schema_scene import SceneSpec, ThingSpec
from .schema_storyboard import Actor, Storyboard
from .storyboard_world import BEFORE, TICK, Cast, Moment, World

__all__ = ["Stage", "stage_of"]

_HEIGHTS = {"animal": 0.85, "vehicle": 1.6, "obstacle": 0.7, "stop-sign": 0.6, "sign": 0.6, "tree": 3.0}
_SIGNS = frozenset({"sign", "stop-sign"})
_HANGS = 0.5  # metres: a low sign. From 0.8 m above the ground one at 1.4 m leaves the frame before it is read
_SIGN_WIDTH = 0.1  # metres: of a sign's footprint, which is its pole's
_PEAK = 0.99


@dataclass(frozen=True)
class Stage:
    """A street, who is on it, and what is read.

    Attributes:
        street: what does not move.
        cast: the actors, with their pictures and voices.
        bed: the street's own sound; None where there is none.
        text: the instruction.
    """

    street: Street
    cast: tuple[Cast, ...]
    bed: Voice | None
    text: str

    def observe(self, world: World) -> dict[str, Any]:
        """Return what Courier perceives now: three frames one second apart, the last three seconds' sound, the text."""
        now = world.now.time
        moments = [world.at(now - back) for back in reversed(range(FRAMES))]
        return {
            "vision": np.stack([self.see(moment) for moment in moments]),
            "audio": (self.hear(world), RATE),
            "text": self.text,
        }

    def see(self, moment: Moment) -> UInt8[np.ndarray, "size size 3"]:
        """Draw what the camera sees at one moment."""
        bodies = [
            replace(one.body, side=moment.actors[one.actor.name].side, ahead=moment.actors[one.actor.name].ahead)
            for one in self.cast
            if one.body is not None and moment.actors[one.actor.name].seen
        ]
        return self.street.see(bodies, moment.motion.ahead, moment.motion.side)

    def hear(self, world: World) -> Float[np.ndarray, " samples"]:
        """Mix the last three seconds; what would clip is scaled down as a whole, as in Courier's scenes."""
        ticks = round(BEFORE / TICK)
        last = world.moments[-ticks - 1 :]
        begin = last[0].time
        heard = np.zeros(round(BEFORE * RATE), np.float32)
        if self.bed is not None:
            heard += sounding(self.bed, begin + BEFORE, np.zeros(ticks + 1), TICK)
        for one in self.cast:
            if one.voice is None:
                continue
            levels = np.array([moment.actors[one.actor.name].level for moment in last])
            if np.isfinite(levels).any():
                heard += sounding(one.voice, begin - _began(world, one.actor.name), levels, TICK)
        peak = float(np.abs(heard).max(initial=0.0))
        return (heard / max(1.0, peak / _PEAK)).astype(np.float32)


def _began(world: World, name: str) -> float:
    """The second at which an actor was first heard."""
    return next(m.time for m in world.moments if m.actors[name].level > -math.inf)


def stage_of(board: Storyboard, scene: SceneSpec) -> Stage:
    """Cast a storyboard; what its file leaves open is drawn by the scene's seed, as in a scene without a loop.

    Args:
        board: the storyboard.
        scene: where it takes place; without things and sounds of its own.

    Raises:
        InputError: the scene has things or sounds, no picture or recording has that name, or they are not installed.
    """
    if scene.things or scene.sounds:
        key = "things" if scene.things else "sounds"
        raise InputError(f"scene.{key}: a storyboard's street is empty; make them actors of the storyboard")
    seen = [i for i, actor in enumerate(board.actors) if actor.kind is not None]
    heard = [i for i, actor in enumerate(board.actors) if actor.sound is not None]
    composed = _composed(board.actors, scene, seen, heard)
    plan = composed.plan
    bed = plan.sounds[len(heard)] if scene.traffic is not None else None
    cast = []
    for i, actor in enumerate(board.actors):
        body = voice = None
        if actor.kind is not None:
            body = _body(actor, composed.parts[f"thing {seen.index(i)}"].what, scene)
        if actor.sound is not None:
            one = plan.sounds[heard.index(i)]
            voice = Voice(one.clip, one.level, one.offset, one.speed)
        cast.append(Cast(actor, body, voice, _width(actor, body)))
    return Stage(
        street=Street(plan.background, plan.light, mark=plan.mark),
        cast=tuple(cast),
        bed=None if bed is None else Voice(bed.clip, bed.level, bed.offset),
        text=plan.instruction.text,
    )


def _composed(actors: Sequence[Actor], scene: SceneSpec, seen: Sequence[int], heard: Sequence[int]) -> Composed:
    """The actors as a scene that stands still: what draws its pictures and recordings draws theirs."""
    things = []
    for i in seen:
        given: dict[str, Any] = {"is": actors[i].kind, "which": actors[i].which}
        things.append(ThingSpec.model_validate({key: value for key, value in given.items() if value is not None}))
    sounds = [sound for i in heard if (sound := actors[i].sound) is not None]
    try:
        return compose(scene.model_copy(update={"things": tuple(things), "sounds": tuple(sounds), "seconds": 3}))
    except InputError as error:
        told = str(error)
        for key, every, inner in (("things", seen, ""), ("sounds", heard, ".sound")):
            for k, i in enumerate(every):
                told = told.replace(f"scene.{key}.{k}.", f"storyboard.actors.{i}{inner}.")
        raise InputError(told) from error


def _body(actor: Actor, which: str, scene: SceneSpec) -> Body:
    kind = str(actor.kind)
    stamp: Stamp = next(one for one in stamps(scene.partition)[kind] if one.name == which)
    height = _HEIGHTS[kind] if actor.height is None else float(actor.height)
    hangs = (_HANGS if kind in _SIGNS else 0.0) if actor.hangs is None else float(actor.hangs)
    return Body(stamp, float(actor.side), float(actor.ahead), height, hangs, actor.flip)


def _width(actor: Actor, body: Body | None) -> float:
    """Of its footprint: as it is drawn, unless it is stated; a sign's is its pole's."""
    if actor.width is not None:
        return float(actor.width)
    if body is None or actor.kind in _SIGNS:
        return _SIGN_WIDTH
    return body.width
