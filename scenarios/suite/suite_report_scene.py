"""What a scenario's report shows of its scene: frames with their parts outlined, the sound, the instruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from PIL import Image
from scipy.ndimage import label

from ...agent import pictures
from ...agent.wording import clean
from .result import Exhibits

__all__ = ["pictured"]

_ROWS = 120  # height of a drawn spectrogram in pixels
_MOST = 12  # frames that are shown


def pictured(exhibits: Exhibits | None) -> dict[str, Any]:
    """Return ``frames``, ``sound``, ``text`` and a sentence on what is shown, for the template."""
    if exhibits is None:
        return {"frames": [], "sound": None, "text": None, "scene_given": ""}
    frames = [_frame(exhibits, i) for i in range(min(len(exhibits.frames), _MOST))]
    parts = [*exhibits.masks, *exhibits.spans, *exhibits.clauses]
    given = "Parts are named as the scenario counts them." if parts else "It has no parts that have names."
    left = len(exhibits.frames) - len(frames)
    return {
        "frames": frames,
        "sound": _sound(exhibits),
        "text": None if exhibits.text is None else _pieces(exhibits.text, exhibits.clauses),
        "scene_given": given + (f" {left} further frames are not shown." if left else ""),
    }


def _frame(exhibits: Exhibits, index: int) -> dict[str, Any]:
    pixels = exhibits.frames[index]
    height, width = pixels.shape[0], pixels.shape[1]
    marks = []
    for name, mask in exhibits.masks.items():
        own = _fitted(mask[index], (height, width)) if index < len(mask) else np.zeros((0, 0), bool)
        if own.any():
            marks.append({"name": clean(name), "path": pictures.outline(own), **_top(own)})
    return {
        "number": index + 1,
        "image": pictures.png(pixels[..., :3] if pixels.ndim == 3 else pixels),
        "width": width,
        "height": height,
        "marks": marks,
    }


def _fitted(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask in the resolution of the frame that it is drawn on."""
    if mask.shape == shape:
        return mask
    drawn = Image.fromarray(mask.astype(np.uint8) * 255).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return np.asarray(drawn) > 127


def _top(mask: np.ndarray) -> dict[str, float]:
    """Where the name of a part stands: at the top of its largest connected piece, in per cent."""
    found, _ = cast("tuple[np.ndarray, int]", label(mask))
    rows, columns = np.nonzero(found == np.bincount(found[mask]).argmax())
    top = int(rows.min())
    left = float(columns[rows == top].mean())
    return {"left": round(100 * left / mask.shape[1], 1), "top": round(100 * top / mask.shape[0], 1)}


def _sound(exhibits: Exhibits) -> dict[str, Any] | None:
    if exhibits.sound is None or not len(exhibits.sound[0]):
        return None
    given, rate = exhibits.sound
    scale = float(np.iinfo(given.dtype).max) if np.issubdtype(given.dtype, np.integer) else 1.0
    wave = np.asarray(given, np.float32) / scale
    samples = np.nan_to_num(wave if wave.ndim == 1 else wave.mean(1))
    seconds = len(samples) / rate
    decibels = pictures.spectrum(samples)
    rows = pictures.mel_rows(np.linspace(0.0, rate / 2, len(decibels)), _ROWS)
    step = max(1, round(seconds / 6))
    clock = [(round(100 * t / seconds, 2), f"{t} s") for t in range(0, int(seconds + 1e-6) + 1, step)]
    lanes = [
        {"name": clean(name), "left": round(100 * first / seconds, 2),
         "width": round(100 * (min(last, seconds) - first) / seconds, 2)}
        for name, (first, last) in exhibits.spans.items()
        if first < seconds
    ]  # fmt: skip
    return {
        "image": pictures.png(pictures.grey(decibels)[rows]),
        "wav": pictures.wav(samples, rate),
        "clock": clock,
        "lanes": lanes,
    }


def _pieces(text: str, clauses: Mapping[str, tuple[int, int]]) -> list[dict[str, str]]:
    """The instruction in pieces: the parts by name, and what stands between them."""
    found, at = [], 0
    for name, (first, past) in sorted(clauses.items(), key=lambda item: item[1]):
        if first < at or past > len(text):
            continue
        found += [{"text": clean(text[at:first]) + " ", "name": ""}] if at < first else []
        found.append({"text": clean(text[first:past]), "name": clean(name)})
        at = past
    return [*found, {"text": clean(text[at:]), "name": ""}]
