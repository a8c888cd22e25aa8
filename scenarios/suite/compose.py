"""A scene in words, composed: rendered as an observation, with its parts and how it is without each of them.

The same words give the same scene. What they leave open is drawn from the scene's seed, for each part by itself, so
that one part more or less changes no other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool

from ...errors import InputError
from ..courier.background import GROUNDS, Background
from ..courier.instructions import CLAUSES, Clause, Instruction
from ..courier.policy import Rule
from ..courier.scene import Heard, Scene, Thing
from ..courier.shortcut import Mark
from ..courier.sounds import Clip, clips
from ..courier.stamps import Stamp, load_stamp, stamps
from .places import track_of
from .plan import Plan
from .schema_base import unknown
from .schema_scene import ClauseSpec, SceneSpec, SoundSpec, ThingSpec

__all__ = ["Composed", "Part", "compose"]

_LEVELS = {"traffic": -54.0, "voice": -25.0, "noise": -25.0}
_LEVEL = -18.0
_AHEAD = (0.4, 0.6)
_ROLES = {"background": 0, "thing": 1, "sound": 2, "clause": 3, "traffic": 4}

Named = TypeVar("Named", Stamp, Clip)


@dataclass(frozen=True)
class Part:
    """One part of a scene.

    Attributes:
        name: ``thing 0``, ``sound 0``, ``clause 0`` … as numbered in the file, or ``patch``.
        sense: ``vision``, ``audio`` or ``text``.
        kind: what it is: ``animal``, ``siren``, ``tame``, ``patch`` …
        what: name of its picture or recording; a clause's text.
        without: renders the observation without it.
        mask: a thing's or patch's visible pixels, bool (frames, height, width).
        time: first and last second of a sound.
        span: first and past-the-last character of a clause.
    """

    name: str
    sense: str
    kind: str
    what: str
    without: Callable[[], dict[str, Any]]
    mask: Bool[np.ndarray, "frames height width"] | None = None
    time: tuple[float, float] | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class Composed:
    """A scene, composed.

    Attributes:
        observation: ``vision``, ``audio`` and ``text``.
        parts: what may be left out, by name; the street's own sound and the background are no parts.
        scene: the scene; of one that is longer than three seconds its first stretch, without sounds.
        plan: all of it.
    """

    observation: dict[str, Any]
    parts: Mapping[str, Part]
    scene: Scene
    plan: Plan

    @property
    def rule(self) -> Rule:
        """The rule of Courier's policy that applies."""
        return self.plan.rule


def compose(spec: SceneSpec) -> Composed:
    """Compose a scene.

    Raises:
        InputError: no picture or recording has that name, or the stamps or sounds are not installed.

    Example:
        >>> spec = SceneSpec.model_validate({"things": [{"is": "animal", "which": "lion"}]})
        >>> compose(spec).rule.action                                         # doctest: +SKIP
        'STOP'
    """
    things = [_thing(spec, i, thing) for i, thing in enumerate(spec.things)]
    # What stands lower in the frame is nearer, and is drawn over what is farther away.
    order = sorted(range(len(things)), key=lambda i: max(place.foot for place in things[i].track))
    bed = () if spec.traffic is None else (_bed(spec, spec.traffic),)
    sounds = tuple(_sound(spec, i, sound) for i, sound in enumerate(spec.sounds))
    mark = None if spec.patch is None else Mark(spec.patch.x, spec.patch.y, spec.patch.side)
    plan = Plan(
        seconds=spec.seconds,
        background=_background(spec),
        light=float(spec.background.light),
        things=tuple(things[i] for i in order),
        sounds=(*sounds, *bed),
        instruction=_instruction(spec),
        mark=mark,
    )
    return Composed(plan.render(), _parts(spec, plan, order), plan.scenes[0], plan)


def _rng(spec: SceneSpec, role: str, index: int = 0) -> np.random.Generator:
    return np.random.default_rng([41, spec.seed, int(spec.partition == "held-out"), _ROLES[role], index])


def _pick(pool: Sequence[Named], which: str | None, where: str, rng: np.random.Generator) -> Named:
    """The one of that name, or one that is drawn."""
    if which is None:
        return pool[int(rng.integers(len(pool)))]
    found = next((one for one in pool if one.name == which), None)
    if found is None:
        raise InputError(f"{where}.which: {unknown(which, [one.name for one in pool])}")
    return found


def _thing(spec: SceneSpec, index: int, thing: ThingSpec) -> Thing:
    where = f"scene.things.{index}"
    stamp = _pick(stamps(spec.partition)[thing.kind], thing.which, where, _rng(spec, "thing", index))
    height, width = load_stamp(stamp).shape[:2]
    track = track_of(thing, height / width, spec.seconds)
    ahead = any(place.height > 0 and _AHEAD[0] <= place.x <= _AHEAD[1] for place in track)
    counts = thing.counts if thing.counts is not None else ahead or thing.kind == "stop-sign"
    return Thing(stamp, counts, track, thing.flip)


def _sound(spec: SceneSpec, index: int, sound: SoundSpec) -> Heard:
    where = f"scene.sounds.{index}"
    clip = _pick(clips(spec.partition)[sound.kind], sound.which, where, _rng(spec, "sound", index))
    level = sound.level if sound.level is not None else _LEVELS.get(sound.kind, _LEVEL)
    seconds = min(float(sound.seconds), spec.seconds - float(sound.start))
    return Heard(clip, float(level), float(sound.start), seconds, float(sound.offset), float(sound.speed))


def _bed(spec: SceneSpec, level: float) -> Heard:
    """The street's own sound, from end to end."""
    rng = _rng(spec, "traffic")
    clip = _pick(clips(spec.partition)["traffic"], None, "scene.traffic", rng)
    return Heard(clip, float(level), 0.0, float(spec.seconds), float(rng.uniform(0, 5)))


def _background(spec: SceneSpec) -> Background:
    rng = _rng(spec, "background")
    ground, seed = str(rng.choice(GROUNDS)), int(rng.integers(2**31))
    if spec.background.ground is not None:
        ground = "road" if spec.background.ground == "street" else spec.background.ground
    return Background(ground, seed if spec.background.seed is None else spec.background.seed)


@functools.cache
def _kinds() -> dict[str, str]:
    """What the policy makes of the clauses that are written out, by their text."""
    return {c.text: c.kind for written in CLAUSES.values() for clauses in written.values() for c in clauses}


def _instruction(spec: SceneSpec) -> Instruction:
    if spec.instruction is None:
        pool = CLAUSES[spec.partition]["talk"]
        return Instruction((pool[int(_rng(spec, "clause").integers(len(pool)))],))
    every = [c if isinstance(c, ClauseSpec) else ClauseSpec(text=c) for c in spec.instruction]
    return Instruction(tuple(Clause(c.text, c.kind or _kinds().get(c.text, "talk")) for c in every))


def _parts(spec: SceneSpec, plan: Plan, order: list[int]) -> dict[str, Part]:
    """All parts by name, in the order of the file."""

    def without(role: str, index: int) -> Callable[[], dict[str, Any]]:
        return lambda: plan.without(role, index).render()

    found = []
    for i in range(len(order)):
        at = order.index(i)
        stamp = plan.things[at].stamp
        found.append(Part(f"thing {i}", "vision", stamp.kind, stamp.name, without("thing", at), mask=plan.mask(at)))
    for i, spoken in enumerate(spec.sounds):
        heard = plan.sounds[i]
        span = (heard.start, heard.start + heard.seconds)
        found.append(Part(f"sound {i}", "audio", spoken.kind, heard.clip.name, without("sound", i), time=span))
    for i, clause in enumerate(plan.instruction.clauses):
        span = plan.instruction.span(i)
        found.append(Part(f"clause {i}", "text", clause.kind, clause.text, without("clause", i), span=span))
    if plan.mark is not None:
        found.append(Part("patch", "vision", "patch", "patch", without("patch", 0), mask=plan.mark_mask()))
    return {part.name: part for part in found}
