"""Courier on streams: its camera, its microphone and its instructions as they come in."""

from __future__ import annotations

import math

from ...agent.stream.source import Rows, Source
from ...modalities.encoders.yamnet import HOP_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES
from .scene import FRAMES

__all__ = ["courier_sources"]


def courier_sources(camera: float = 10.0, hold: float = 1.5) -> dict[str, Source]:
    """Return the sources of Courier's senses: a window of three seconds, three frames one second apart.

    A frame's features are its own, so that each frame is encoded once. A sound window's are those of its own 0.975 s,
    one each 0.48 s from the first sample that is decided from. They are the same again only where that first sample
    lies a multiple of 0.48 s from an earlier one, and never those of the last, which is filled up with silence. Words
    are encoded once an instruction.

    Args:
        camera: frames a second.
        hold: seconds after which a silent camera or microphone counts as absent.

    Raises:
        InputError: a rate or a hold out of range.
    """
    window = float(FRAMES)
    return {
        "vision": Source("frames", camera, window, max(hold, 1.5 / camera), rows=Rows()),
        "audio": Source("sound", SAMPLE_RATE, window, hold, rows=Rows(WINDOW_SAMPLES, HOP_SAMPLES)),
        "text": Source("words", None, window, math.inf),
    }
