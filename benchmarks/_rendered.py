"""Courier's training scenes as folders of files, as a batch reads them (private)."""

from __future__ import annotations

from pathlib import Path

import soundfile
from PIL import Image

from veridical.scenarios.courier.scene import render, sample_scene

__all__ = ["render_to"]


def render_to(folder: Path, count: int, first: int = 0) -> None:
    """Render training scenes, each into a folder of its own: camera-0.png …, microphone.wav, instruction.txt."""
    for seed in range(first, first + count):
        observation = render(sample_scene(seed, "train"))
        place = folder / f"scene-{seed:04}"
        place.mkdir(parents=True)
        for i, frame in enumerate(observation["vision"]):
            Image.fromarray(frame).save(place / f"camera-{i}.png")
        wave, rate = observation["audio"]
        soundfile.write(place / "microphone.wav", wave, rate, subtype="FLOAT")
        (place / "instruction.txt").write_text(observation["text"], encoding="utf-8")
