"""Scenes with known causes: composed, and rendered again without any one of them.

A scene is a short stretch of a delivery: camera frames one second apart, the microphone over the same time, a written
instruction. All of it is drawn from one seed, and rendering it *without* a cause changes nothing else, so the true
effect of that cause on any system's decision can be measured. (One exception: a mixture that would clip is scaled down,
so that without one of its sounds the others may be a little louder.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from ...errors import InputError
from .background import GROUNDS, Background, draw_background
from .instructions import Instruction, sample_instruction
from .partition import check_partition
from .policy import RULES, Rule, decide
from .shortcut import Mark
from .sounds import RATE, Clip, clips, load_clip, mix
from .stamps import Stamp, load_stamp, stamps

__all__ = ["FRAMES", "SIZE", "Cause", "Heard", "Place", "Scene", "Thing", "mask", "render", "sample_scene"]

FRAMES = 3
"""Frames of a scene, one a second; the sound lasts as many seconds."""
SIZE = 224
"""Pixels a side."""

_SEEN = frozenset({"animal", "vehicle", "obstacle", "stop-sign"})
_HEARD = frozenset({"siren", "bell", "call"})
_READ = frozenset({"halt", "tame"})


@dataclass(frozen=True)
class Place:
    """Where a thing stands in one frame: middle, foot and height as shares of the frame; not seen where height is 0."""

    x: float
    foot: float
    height: float


@dataclass(frozen=True)
class Thing:
    """An object in the scene; ``counts`` says if it is in the way (a sign: in view), else it changes nothing."""

    stamp: Stamp
    counts: bool
    track: tuple[Place, ...]
    flip: bool


@dataclass(frozen=True)
class Heard:
    """A sound in the scene.

    Attributes:
        clip: what is heard.
        level: dB of full scale, of its louder part.
        start: second at which it begins.
        seconds: how long it lasts; a shorter clip is repeated.
        offset: second of the clip from which it is taken.
        speed: how much faster (and higher) than recorded.
    """

    clip: Clip
    level: float
    start: float
    seconds: float
    offset: float
    speed: float = 1.0


@dataclass(frozen=True)
class Cause:
    """What the policy may have acted on.

    Attributes:
        kind: its kind, as the policy names it.
        sense: ``vision``, ``audio`` or ``text``.
        index: its index among the scene's things, sounds or clauses.
    """

    kind: str
    sense: str
    index: int


@dataclass(frozen=True)
class Scene:
    """A scene: everything that is needed to render it, with or without one cause.

    A ``mark`` is no cause: no rule speaks of it (see `shortcut`).
    """

    background: Background
    light: float
    things: tuple[Thing, ...]
    sounds: tuple[Heard, ...]
    instruction: Instruction
    mark: Mark | None = None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All causes that a rule of the policy may speak of."""
        seen = (
            Cause(t.stamp.kind, "vision", i) for i, t in enumerate(self.things) if t.counts and t.stamp.kind in _SEEN
        )
        heard = (Cause(s.clip.kind, "audio", i) for i, s in enumerate(self.sounds) if s.clip.kind in _HEARD)
        read = (Cause(c.kind, "text", i) for i, c in enumerate(self.instruction.clauses) if c.kind in _READ)
        return (*seen, *heard, *read)

    @property
    def rule(self) -> Rule:
        """The rule of the policy that applies."""
        return decide({cause.kind for cause in self.causes})

    def without(self, cause: Cause) -> Scene:
        """The same scene with one cause left out."""
        if cause.sense == "text":
            return replace(self, instruction=self.instruction.without(cause.index))
        name = "things" if cause.sense == "vision" else "sounds"
        every = getattr(self, name)
        return replace(self, **{name: every[: cause.index] + every[cause.index + 1 :]})


def _paste(thing: Thing, frame: int) -> tuple[tuple[slice, slice], Float[np.ndarray, "h w 4"]] | None:
    """Return where in the frame a thing is drawn, and its pixels there; None if it is not seen."""
    place = thing.track[frame]
    if place.height <= 0:
        return None
    rgba = load_stamp(thing.stamp)
    height = max(4, round(place.height * SIZE))
    width = max(4, round(height * rgba.shape[1] / rgba.shape[0]))
    picture = Image.fromarray((rgba * 255).astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.float32)[:, :: -1 if thing.flip else 1] / 255
    top, left = round(place.foot * SIZE) - height, round(place.x * SIZE) - width // 2
    rows, columns = slice(max(top, 0), min(top + height, SIZE)), slice(max(left, 0), min(left + width, SIZE))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return (rows, columns), pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def render(scene: Scene) -> dict[str, Any]:
    """Render a scene as an observation.

    Returns:
        ``vision``: uint8 frames (FRAMES, SIZE, SIZE, 3); ``audio``: (samples, rate); ``text``: the instruction.
    """
    frames = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
    for i in range(FRAMES):
        canvas = draw_background(scene.background, i, SIZE)
        for thing in scene.things:
            if pasted := _paste(thing, i):
                where, pixels = pasted
                canvas[where] += pixels[..., 3:] * (pixels[..., :3] - canvas[where])
        if scene.mark is not None:
            canvas[scene.mark.box(SIZE)] = scene.mark.picture(SIZE)
        frames[i] = np.clip(canvas * scene.light * 255 + 0.5, 0, 255).astype(np.uint8)
    layers = []
    for sound in scene.sounds:
        wave = load_clip(sound.clip)
        wave = np.roll(wave, -round(sound.offset * RATE)) if sound.offset else wave
        if sound.speed != 1:
            at = np.arange(int(len(wave) / sound.speed)) * sound.speed
            wave = np.interp(at, np.arange(len(wave)), wave).astype(np.float32)
        samples = round(sound.seconds * RATE)
        layers.append((np.tile(wave, -(-samples // len(wave)))[:samples], sound.level, round(sound.start * RATE)))
    return {"vision": frames, "audio": (mix(layers, FRAMES * RATE), RATE), "text": scene.instruction.text}


def mask(scene: Scene, cause: Cause) -> Bool[np.ndarray, "frames size size"] | tuple[float, float] | tuple[int, int]:
    """Return where a cause lies.

    Returns:
        Vision: its visible pixels, bool (FRAMES, SIZE, SIZE): opaque by more than half and not covered by a nearer
        thing. Audio: first and last second. Text: first and past-the-last character.
    """
    if cause.sense == "text":
        return scene.instruction.span(cause.index)
    if cause.sense == "audio":
        sound = scene.sounds[cause.index]
        return sound.start, sound.start + sound.seconds
    out = np.zeros((FRAMES, SIZE, SIZE), bool)
    for i in range(FRAMES):
        for k, thing in enumerate(scene.things[cause.index :], cause.index):
            if pasted := _paste(thing, i):
                where, pixels = pasted
                out[i][where] = (pixels[..., 3] > 0.5) if k == cause.index else out[i][where] & (pixels[..., 3] <= 0.5)
    return out


def _size(rng: np.random.Generator, stamp: Stamp, low: float, high: float, widest: float) -> float:
    shape = load_stamp(stamp).shape
    return float(min(rng.uniform(low, high), widest * shape[0] / shape[1]))


def _in_the_way(rng: np.random.Generator, stamp: Stamp) -> Thing:
    """A thing in the robot's way: it stays, crosses, enters, or is seen only for a moment. Some are very near."""
    near = rng.random() < 0.15
    height = _size(rng, stamp, 0.8, 1.3, 1.2) if near else _size(rng, stamp, 0.36, 0.62, 0.62)
    foot, x = rng.uniform(0.95, 1.2) if near else rng.uniform(0.74, 0.97), rng.uniform(0.4, 0.6)
    growth = rng.uniform(1.0, 1.12)
    side = rng.choice((-1.0, 1.0))
    motion = "stay" if near else rng.choice(("stay", "cross", "enter", "glimpse"), p=(0.55, 0.15, 0.15, 0.15))
    if motion == "cross":
        xs = (x + side * 0.36, x, x - side * 0.36)
    elif motion == "enter":
        xs = (x + side * 0.38, x + side * 0.18, x)
    else:
        xs = (x, x + rng.uniform(-0.03, 0.03), x + rng.uniform(-0.03, 0.03))
    first = int(rng.integers(FRAMES)) if motion == "glimpse" else 0
    seen = [motion != "glimpse" or i in (first, first + 1) for i in range(FRAMES)]
    track = tuple(Place(float(xs[i]), float(foot), height * growth**i if seen[i] else 0.0) for i in range(FRAMES))
    return Thing(stamp, True, track, bool(rng.random() < 0.5))


def _beside(rng: np.random.Generator, stamp: Stamp, counts: bool = False) -> Thing:
    """A thing beside the way in all frames; a sign hangs higher."""
    sign = stamp.kind in ("sign", "stop-sign")
    height = _size(rng, stamp, 0.24, 0.36, 0.34) if sign else _size(rng, stamp, 0.2, 0.42, 0.3)
    foot = rng.uniform(0.4, 0.62) if sign else rng.uniform(0.55, 0.9)
    side, away = rng.choice((-1.0, 1.0)), rng.uniform(0.28, 0.36) if sign else rng.uniform(0.37, 0.45)
    growth = rng.uniform(1.0, 1.08)
    track = tuple(Place(float(0.5 + side * (away + 0.01 * i)), float(foot), height * growth**i) for i in range(FRAMES))
    return Thing(stamp, counts, track, bool(not sign and rng.random() < 0.5))


def _sample_things(rng: np.random.Generator, partition: str, kinds: set[str]) -> tuple[Thing, ...]:
    pool = stamps(partition)

    def pick(kind: str) -> Stamp:
        return pool[kind][rng.integers(len(pool[kind]))]

    things = [_in_the_way(rng, pick(kind)) for kind in ("animal", "vehicle", "obstacle") if kind in kinds]
    if "stop-sign" in kinds:
        things.append(_beside(rng, pick("stop-sign"), counts=True))
    idle = rng.choice(
        ("animal", "vehicle", "obstacle", "sign", "tree"), size=rng.integers(0, 3), p=(0.25, 0.2, 0.2, 0.2, 0.15)
    )
    things = [_beside(rng, pick(kind)) for kind in idle] + things
    return tuple(sorted(things, key=lambda thing: max(place.foot for place in thing.track)))


def _sample_sounds(rng: np.random.Generator, partition: str, kinds: set[str]) -> tuple[Heard, ...]:
    pool = clips(partition)
    traffic = pool["traffic"][rng.integers(len(pool["traffic"]))]
    sounds = [Heard(traffic, float(rng.uniform(-62, -46)), 0.0, float(FRAMES), float(rng.uniform(0, 15)))]
    idle = [str(rng.choice(("noise", "voice")))] * int(rng.random() < 0.4)
    wanted = [kind for kind in ("siren", "bell", "call") if kind in kinds] + idle
    for kind in wanted:
        clip = pool[kind][rng.integers(len(pool[kind]))]
        length = len(load_clip(clip)) / RATE
        seconds = float(rng.uniform(1.2, FRAMES))
        offset = float(rng.uniform(0, length - seconds)) if length > seconds + 0.2 else 0.0
        level = rng.uniform(-30, -20) if kind in idle else rng.uniform(-24, -14)
        speed = float(rng.uniform(0.88, 1.14)) if partition == "train" else 1.0
        sounds.append(Heard(clip, float(level), float(rng.uniform(0, FRAMES - seconds)), seconds, offset, speed))
    return tuple(sounds)


def sample_scene(seed: int, partition: str = "train", rule: str | None = None) -> Scene:
    """Draw a scene.

    Rules are drawn evenly (or ``rule`` is given by name); causes of lower rules are added to a third of the scenes,
    idle things, sounds and clauses to most.

    Raises:
        InputError: an unknown partition or rule, or stamps or sounds are not installed.
    """
    check_partition(partition)
    if rule is not None and rule not in (known := [r.name for r in RULES]):
        raise InputError(f"scene: no rule is named {rule!r}; the policy has {', '.join(known)}")
    rng = np.random.default_rng([3, seed, int(partition == "held-out")])
    wanted = next(r for r in RULES if r.name == rule) if rule is not None else RULES[rng.integers(len(RULES))]
    kinds = set(wanted.causes)
    for extra in rng.permutation(sorted(_SEEN | _HEARD | _READ)):
        if (
            rng.random() < 0.12
            and decide(kinds | {extra}) is wanted
            and not (extra in _SEEN and kinds & _SEEN - {"stop-sign"})
        ):
            kinds.add(extra)
    return Scene(
        background=Background(str(rng.choice(GROUNDS)), int(rng.integers(2**31))),
        light=float(rng.uniform(0.75, 1.1)),
        things=_sample_things(rng, partition, kinds),
        sounds=_sample_sounds(rng, partition, kinds),
        instruction=sample_instruction(rng, partition, tuple(sorted(kinds & _READ))),
    )
