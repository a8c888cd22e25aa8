"""Scenes in which the cause is long past when the decision falls: a siren, then an idle street, then the turn.

A siren is heard in the first three seconds and ends with the third. Then follow ``delay`` seconds of the same street on
which nothing is a cause: things beside the way, traffic, perhaps voices. The decision that is looked at is the one at
the end. Everything is made of scenes of three seconds (`scene`) of the rule "clear", one after the other; rendering it
without the siren changes nothing else. (The sounds of its stretch are made so quiet that their mixture does not clip.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import InputError
from .partition import check_partition
from .scene import FRAMES, Cause, Heard, Scene, render, sample_scene
from .sounds import RATE, clips, load_clip

__all__ = ["LONGEST", "DelayedScene", "delayed_scene"]

LONGEST = 600
"""Seconds of delay at most."""
_PEAK = 0.985  # a mixture that would clip is scaled down to 0.99: what is quieter was not


@dataclass(frozen=True)
class DelayedScene:
    """A long scene: stretches of three seconds each, the siren in the first.

    Attributes:
        parts: the stretches in order; the last may be cut short.
        delay: whole seconds from the siren's end to the end of the scene.
    """

    parts: tuple[Scene, ...]
    delay: int

    @property
    def seconds(self) -> int:
        """Length of the scene; there is a frame for each."""
        return FRAMES + self.delay

    @property
    def cause(self) -> Cause | None:
        """The siren, as a cause of the first stretch; None in a scene without."""
        return next((c for c in self.parts[0].causes if c.kind == "siren"), None)

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last second of the siren; None in a scene without."""
        if self.cause is None:
            return None
        siren = self.parts[0].sounds[self.cause.index]
        return siren.start, siren.start + siren.seconds

    def without(self) -> DelayedScene:
        """The same scene without the siren.

        Raises:
            InputError: it has none.
        """
        if self.cause is None:
            raise InputError("delayed scene: there is no siren to leave out; it was left out before")
        return replace(self, parts=(self.parts[0].without(self.cause), *self.parts[1:]))

    def render(self) -> dict[str, Any]:
        """Render the scene as an observation.

        Returns:
            ``vision``: uint8 frames (seconds, SIZE, SIZE, 3); ``audio``: (samples, rate); ``text``: the instruction.
        """
        seen = [render(part) for part in self.parts]
        audio = np.concatenate([one["audio"][0] for one in seen])[: self.seconds * RATE]
        frames = np.concatenate([one["vision"] for one in seen])[: self.seconds]
        return {"vision": frames, "audio": (audio, RATE), "text": seen[0]["text"]}


def _siren(rng: np.random.Generator, partition: str) -> Heard:
    """A siren of two to three seconds that ends with the third second; louder than all else, as in `scene`."""
    pool = clips(partition)["siren"]
    clip = pool[rng.integers(len(pool))]
    seconds = float(rng.uniform(2.0, FRAMES))
    offset = float(rng.uniform(0, max(len(load_clip(clip)) / RATE - seconds, 0.0)))
    return Heard(clip, float(rng.uniform(-24, -14)), FRAMES - seconds, seconds, offset)


def delayed_scene(seed: int, delay: int, partition: str = "train") -> DelayedScene:
    """Draw a scene whose one cause, a siren, ended ``delay`` seconds before the decision.

    Scenes of one seed begin alike, whatever the delay: a longer one goes on where a shorter one ends.

    Args:
        seed: of all that is drawn.
        delay: whole seconds between the siren's end and the end of the scene, 0 to `LONGEST`.
        partition: ``"train"`` or ``"held-out"``.

    Raises:
        InputError: a delay out of range, an unknown partition, or stamps or sounds are not installed.

    Example:
        >>> scene = delayed_scene(1, 30)                                # doctest: +SKIP
        >>> scene.seconds, scene.span                                   # doctest: +SKIP
        (33, (0.63, 3.0))
    """
    check_partition(partition)
    if not 0 <= delay <= LONGEST:
        raise InputError(f"delayed scene: a delay of {delay} s; 0 to {LONGEST} is wanted")
    siren = _siren(np.random.default_rng([29, seed, int(partition == "held-out")]), partition)
    seeds = np.random.default_rng([31, seed])
    count = -(-(FRAMES + delay) // FRAMES)
    parts = [sample_scene(int(seeds.integers(2**31)), partition, "clear") for _ in range(count)]
    first = parts[0]
    # One street: what is beside the way changes, the ground, the light and the traffic go on.
    traffic = [replace(first.sounds[0], offset=first.sounds[0].offset + FRAMES * i) for i in range(count)]
    street = [
        replace(part, background=first.background, light=first.light, sounds=(heard, *part.sounds[1:]))
        for part, heard in zip(parts, traffic, strict=True)
    ]
    return DelayedScene((_quiet(replace(street[0], sounds=(*street[0].sounds, siren))), *street[1:]), delay)


def _quiet(scene: Scene) -> Scene:
    """Lower what is heard above the traffic until nothing clips, neither with the siren, which comes last, nor without.

    Without it the rest may well be louder: waves cancel.
    """
    while True:
        both = scene, replace(scene, sounds=scene.sounds[:-1])
        if max(np.abs(render(one)["audio"][0]).max() for one in both) <= _PEAK:
            return scene
        traffic, *above = scene.sounds
        scene = replace(scene, sounds=(traffic, *(replace(heard, level=heard.level - 1) for heard in above)))
