"""A street in metres, as Courier sees and hears it: a pinhole camera at the robot's front, and sounds by distance.

`scene` places things by shares of the frame, for a decision by itself. In a closed loop a thing's place in the frame
follows from where it stands and from how far the robot has driven. Metres are counted from the robot's front at the
start: *ahead* along its way, *side* to the right of it.

The camera's values are chosen so that what is in the way is drawn as in the scenes that Courier was trained on, whose
things in the way are 0.36 to 0.62 of the frame high with their feet 0.74 to 0.97 from above: from 0.8 m above the
ground and with a focal length of 1.2 frames, a thing of 0.85 m is drawn so from 2.8 m down to 1.6 m.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from .background import Background, draw_background
from .scene import SIZE, Place
from .shortcut import Mark
from .sounds import RATE, Clip, Sound, load_clip, mix
from .stamps import Stamp, load_stamp

__all__ = ["NEAREST", "REFERENCE", "Body", "Camera", "Street", "Voice", "falloff", "horizon", "sounding"]

NEAREST = 0.25
"""Metres; what is nearer to the camera, or behind it, is not seen."""
REFERENCE = 5.0
"""Metres at which a sound has the level that is stated for it."""

_STRIDE = 1.4  # metres by which the ground moves on from one frame of a scene to the next, at a walking pace
_LOUDEST = 1.0  # metres within which a sound grows no louder: no source is a point
_LEVEL = -20.0  # dB at which a recording is kept, so that it does not clip before it is scaled


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks level along the way, its horizon where the street's is.

    Attributes:
        height: above the ground, metres.
        focal: focal length as a share of the frame's side; 1.2 is a field of view of 45 degrees.
    """

    height: float = 0.8
    focal: float = 1.2

    @property
    def field(self) -> float:
        """Field of view from edge to edge, degrees: ``2 atan(1 / 2f)``."""
        return math.degrees(2 * math.atan(0.5 / self.focal))

    def place(self, side: float, ahead: float, height: float, hangs: float, level: float) -> Place:
        """Project what stands upright: by similar triangles, all lengths shrink as ``f / distance``.

        Args:
            side: metres to the right of the camera.
            ahead: metres before it.
            height: of the thing, metres.
            hangs: metres from the ground to its lower edge.
            level: the horizon, as a share of the frame from above.

        Returns:
            Where it is drawn; of height 0 where it is nearer than `NEAREST`.
        """
        if ahead < NEAREST:
            return Place(0.5, 1.0, 0.0)
        scale = self.focal / ahead
        return Place(0.5 + scale * side, level + scale * (self.height - hangs), scale * height)


@dataclass(frozen=True)
class Body:
    """Something that can be seen on the street.

    Attributes:
        stamp: its picture.
        side: of its middle, metres.
        ahead: of its near side, metres.
        height: metres.
        hangs: metres from the ground to its lower edge.
        flip: whether it is mirrored.
    """

    stamp: Stamp
    side: float
    ahead: float
    height: float
    hangs: float = 0.0
    flip: bool = False

    @property
    def width(self) -> float:
        """Metres, by its picture's shape."""
        rows, columns = load_stamp(self.stamp).shape[:2]
        return self.height * columns / rows


@dataclass(frozen=True)
class Street:
    """What does not move: the place, the light, the camera, and the mark of the planted shortcut, if there is one."""

    background: Background
    light: float = 1.0
    camera: Camera = Camera()
    mark: Mark | None = None

    def see(self, bodies: Sequence[Body], ahead: float = 0.0, side: float = 0.0) -> UInt8[np.ndarray, "size size 3"]:
        """Draw what the camera sees from a place on the street; nearer things cover farther ones.

        Args:
            bodies: what stands there.
            ahead: the camera's place, metres from the start.
            side: likewise, to the right.
        """
        ground = draw_background(self.background, round(ahead / _STRIDE), SIZE)
        canvas = Image.fromarray((np.clip(ground, 0, 1) * 255 + 0.5).astype(np.uint8))
        level = horizon(self.background)
        for body in sorted(bodies, key=lambda body: -body.ahead):
            place = self.camera.place(body.side - side, body.ahead - ahead, body.height, body.hangs, level)
            _paste(canvas, body, place)
        drawn = np.asarray(canvas, np.float32) / 255
        if self.mark is not None:
            drawn = drawn.copy()
            drawn[self.mark.box(SIZE)] = self.mark.picture(SIZE)
        return np.clip(drawn * self.light * 255 + 0.5, 0, 255).astype(np.uint8)


def horizon(background: Background) -> float:
    """Return where the ground ends, as a share of the frame from above; `draw_background` draws it by the same draw."""
    return int(SIZE * np.random.default_rng([11, background.seed]).uniform(0.3, 0.48)) / SIZE


def _paste(canvas: Image.Image, body: Body, place: Place) -> None:
    if place.height <= 0:
        return
    rgba = load_stamp(body.stamp)
    height = min(max(4, round(place.height * SIZE)), 4 * SIZE)
    width = max(4, round(height * rgba.shape[1] / rgba.shape[0]))
    top, left = round(place.foot * SIZE) - height, round(place.x * SIZE) - width // 2
    if top >= SIZE or left >= SIZE or top + height <= 0 or left + width <= 0:
        return
    picture = Image.fromarray((rgba[:, :: -1 if body.flip else 1] * 255).astype(np.uint8))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    canvas.paste(picture, (left, top), picture)


def falloff(distance: float) -> float:
    """Return by how many decibels a sound is quieter than at `REFERENCE` metres: 20 log10 of the distances' ratio.

    The inverse distance law of a point source in the open, 6 dB for each doubling (ISO 9613-2, geometrical divergence);
    air, ground and echoes are left out, and within a metre it grows no louder.
    """
    return 20 * math.log10(max(distance, _LOUDEST) / REFERENCE)


@dataclass(frozen=True)
class Voice:
    """A sound on the street: what is heard, and how loud it is at `REFERENCE` metres.

    Attributes:
        clip: the recording; it is repeated as long as it is heard.
        level: dB of full scale of its louder part.
        offset: second of the recording at which it begins.
        speed: how much faster, and higher, than recorded.
    """

    clip: Clip
    level: float
    offset: float = 0.0
    speed: float = 1.0


@functools.lru_cache(maxsize=64)
def _recording(clip: Clip, speed: float) -> Sound:
    wave = load_clip(clip)
    if speed != 1:
        at = np.arange(int(len(wave) / speed)) * speed
        wave = np.interp(at, np.arange(len(wave)), wave).astype(np.float32)
    return mix([(wave, _LEVEL, 0)], len(wave))


def sounding(voice: Voice, since: float, levels: Float[np.ndarray, " ticks"], tick: float) -> Sound:
    """Return a stretch of a sound, its level going in straight lines (of amplitude) from tick to tick.

    Args:
        voice: what is heard.
        since: seconds from when it began to the stretch's begin.
        levels: dB relative to the level that is stated for it, at each end of each tick; minus infinity is silence.
        tick: seconds from one to the next.
    """
    samples = round((len(levels) - 1) * tick * RATE)
    wave = _recording(voice.clip, voice.speed)
    first = round((since + voice.offset) * RATE)
    gains = 10 ** ((levels + voice.level - _LEVEL) / 20)
    gain = np.interp(np.arange(samples) / RATE, np.arange(len(levels)) * tick, gains)
    return (wave[(first + np.arange(samples)) % len(wave)] * gain).astype(np.float32)
