"""A drive for tests and benchmarks: frames, sound and an instruction, as a robot would have recorded them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veridical.agent.seams.mcap_write import DriveWriter

RATE = 8000


def frame(index: int, side: int = 32) -> np.ndarray:
    """A frame that tells its index: red is the index, green and blue a gradient."""
    out = np.zeros((side, side, 3), np.uint8)
    out[..., 0] = index
    out[..., 1], out[..., 2] = np.arange(side) * 7, (np.arange(side) * 5)[:, None]
    return out


def sound(seconds: float, rate: int = RATE) -> np.ndarray:
    """A ramp, so that each sample tells its time: int16."""
    return (np.arange(round(seconds * rate)) % 30_000).astype(np.int16)


def write_drive(path: Path, seconds: float = 6.0, start: float = 0.0, **options: Any) -> Path:
    """Write a drive of a frame each half second, sound in pieces of a quarter, and two instructions."""
    whole = sound(seconds)
    with DriveWriter(path, **options) as drive:
        drive.words("Go home.", start)
        for index in range(round(seconds * 4)):
            at = start + index / 4
            drive.sound(whole[index * RATE // 4 : (index + 1) * RATE // 4], RATE, at)
            if index % 2 == 0:
                drive.frame(frame(index // 2), at)
            if index == 16:
                drive.words("Wait.", at)
    return path
