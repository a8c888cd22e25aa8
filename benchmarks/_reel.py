"""Scenes one after the other as sensors would send them: frames at a rate, sound in chunks, instructions (private)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from veridical.agent.stream.stream import Stream
from veridical.scenarios.courier.scene import FRAMES, render, sample_scene
from veridical.scenarios.courier.sounds import RATE

__all__ = ["Reel"]

_CHUNK = 0.1


class Reel:
    """Training scenes of three seconds each; every frame has a camera's noise, so that no two are the same.

    Args:
        seed: of the first scene, and of the noise.
        rate: frames a second.
        scenes: how many there are before it begins anew (the noise does not).
    """

    def __init__(self, seed: int, rate: float, scenes: int = 64) -> None:
        self.rate, self._seed, self._scenes = rate, seed, scenes
        self._noise = np.random.default_rng(seed)
        self._rendered: dict[int, Any] = {}
        self._shown, self._heard, self._read = 0, 0, -1

    def _scene(self, at: float) -> tuple[int, Any]:
        number = int(at / FRAMES + 1e-6) % self._scenes
        if number not in self._rendered:
            self._rendered[number] = render(sample_scene(self._seed + number, "train"))
        return number, self._rendered[number]

    def until(self, end: float) -> Iterator[tuple[str, Any, float]]:
        """What comes in before a second of the reel: sense, signal and timestamp; each is handed out once."""
        while (at := self._heard * _CHUNK) + _CHUNK <= end + 1e-6:
            number, scene = self._scene(at)
            if number != self._read:
                self._read = number
                yield "text", scene["text"], at
            wave, _ = scene["audio"]
            start = round((at % FRAMES) * RATE)
            yield "audio", wave[start : start + round(_CHUNK * RATE)], at
            self._heard += 1
        while (at := self._shown / self.rate) <= end + 1e-6:
            frame = self._scene(at)[1]["vision"][min(int(at % FRAMES + 1e-6), FRAMES - 1)].astype(np.int16)
            noise = self._noise.integers(-2, 3, frame.shape, dtype=np.int16)
            yield "vision", (frame + noise).clip(0, 255).astype(np.uint8), at
            self._shown += 1

    def play(self, streams: list[Stream], end: float) -> None:
        """Push what comes in before a second of the reel into streams."""
        for sense, signal, at in self.until(end):
            for stream in streams:
                stream.push(sense, signal, at)
