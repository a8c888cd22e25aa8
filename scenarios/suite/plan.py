"""A scene of any length, made of scenes of three seconds; rendered, and rendered again without one of its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..courier.background import Background
from ..courier.instructions import Instruction
from ..courier.policy import Rule, decide
from ..courier.scene import FRAMES, SIZE, Cause, Heard, Place, Scene, Thing, mask, render
from ..courier.shortcut import Mark
from ..courier.sounds import RATE, load_clip, mix

__all__ = ["GONE", "Plan"]

GONE = Place(0.5, 0.9, 0.0)
"""Where a thing is that is not seen."""


@dataclass(frozen=True)
class Plan:
    """Everything that is needed to render a scene; tracks and sounds run over its whole length.

    Attributes:
        seconds: its length; there is a frame for each.
        background: where it takes place.
        light: factor on the light.
        things: what is seen, what is farther away before what is nearer, a place for each frame.
        sounds: what is heard.
        instruction: what is read.
        mark: the mark of the planted shortcut.
    """

    seconds: int
    background: Background
    light: float
    things: tuple[Thing, ...]
    sounds: tuple[Heard, ...]
    instruction: Instruction
    mark: Mark | None = None

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Stretches of three seconds, in order, the last one filled up; with sounds only where there is one stretch."""
        firsts = range(0, self.seconds, FRAMES)
        sounds = self.sounds if len(firsts) == 1 else ()
        return tuple(self._stretch(first, sounds) for first in firsts)

    def _stretch(self, first: int, sounds: tuple[Heard, ...]) -> Scene:
        blank = (GONE,) * FRAMES
        things = tuple(replace(t, track=(*t.track[first : first + FRAMES], *blank)[:FRAMES]) for t in self.things)
        return Scene(self.background, self.light, things, sounds, self.instruction, self.mark)

    @property
    def rule(self) -> Rule:
        """The rule of Courier's policy that applies to all that is in the scene, at whatever time."""
        whole = Scene(self.background, self.light, self.things, self.sounds, self.instruction)
        return decide({cause.kind for cause in whole.causes})

    def without(self, role: str, index: int) -> Plan:
        """The same scene without one part: a ``thing``, a ``sound``, a ``clause`` or the ``patch``."""
        if role == "patch":
            return replace(self, mark=None)
        if role == "clause":
            return replace(self, instruction=self.instruction.without(index))
        name = f"{role}s"
        every = getattr(self, name)
        return replace(self, **{name: every[:index] + every[index + 1 :]})

    def render(self) -> dict[str, Any]:
        """Render the scene as an observation.

        Returns:
            ``vision``: uint8 frames (seconds, SIZE, SIZE, 3); ``audio``: (samples, rate); ``text``: the instruction.
        """
        seen = [render(scene) for scene in self.scenes]
        if len(seen) == 1:
            return seen[0]
        frames = np.concatenate([one["vision"] for one in seen])[: self.seconds]
        return {"vision": frames, "audio": (self.heard(), RATE), "text": self.instruction.text}

    def heard(self) -> Float[np.ndarray, " samples"]:
        """Mix the sounds over the whole length, as `render` of a scene does over three seconds."""
        layers = []
        for sound in self.sounds:
            wave = load_clip(sound.clip)
            wave = np.roll(wave, -round(sound.offset * RATE)) if sound.offset else wave
            if sound.speed != 1:
                at = np.arange(int(len(wave) / sound.speed)) * sound.speed
                wave = np.interp(at, np.arange(len(wave)), wave).astype(np.float32)
            samples = round(sound.seconds * RATE)
            layers.append((np.tile(wave, -(-samples // len(wave)))[:samples], sound.level, round(sound.start * RATE)))
        return mix(layers, self.seconds * RATE)

    def mask(self, index: int) -> Bool[np.ndarray, "frames size size"]:
        """Return the visible pixels of a thing in all frames; what the mark covers is not visible."""
        cause = Cause("", "vision", index)
        found = np.concatenate([np.asarray(mask(scene, cause)) for scene in self.scenes])[: self.seconds]
        return found & ~self.mark_mask()

    def mark_mask(self) -> Bool[np.ndarray, "frames size size"]:
        """Return the pixels of the mark in all frames; none where there is no mark."""
        found = np.zeros((self.seconds, SIZE, SIZE), bool)
        if self.mark is not None:
            found[(slice(None), *self.mark.box(SIZE))] = True
        return found
