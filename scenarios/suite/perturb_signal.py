"""Signals of an observation as numbers that can be disturbed, and put back in the form in which they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from ...errors import InputError
from ...modalities.images import read_frames
from ...modalities.recordings import read_recording

__all__ = ["Frame", "Heard", "Picture", "as_image", "heard", "picture"]

Frame = Float[np.ndarray, "_ _ _"]
"""One frame: height, width, colours, 0..1."""

_FULL_SCALE = {"uint8": (128.0, 128.0), "int8": (0.0, 2.0**7), "int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31)}


@dataclass(frozen=True)
class Picture:
    """Camera frames as numbers.

    Attributes:
        frames: float64, colours without transparency, 0..1.
        back: puts frames in the form of the signal; those that are not disturbed come back bit for bit.
    """

    frames: tuple[Frame, ...]
    back: Callable[[Sequence[Frame]], Any]


@dataclass(frozen=True)
class Heard:
    """A recording as numbers.

    Attributes:
        wave: float64, (samples, channels), full scale is −1..1.
        rate: samples a second.
        back: puts a wave in the form of the signal.
    """

    wave: Float[np.ndarray, "samples channels"]
    rate: int
    back: Callable[[Float[np.ndarray, "samples channels"]], Any]


def picture(signal: Any) -> Picture:
    """Take frames apart: arrays of uint8 or of floats as they are, anything else as `read_frames` reads it.

    Raises:
        InputError: a frame that cannot be read.
    """
    stacked = isinstance(signal, np.ndarray) and signal.ndim == 4
    several = stacked or isinstance(signal, (list, tuple))
    items: list[Any] = list(signal) if several else [signal]
    if not items or not all(_plain(item) for item in items):
        items, several = [*read_frames(signal)[0]], True

    def back(frames: Sequence[Frame]) -> Any:
        made = [_as(item, frame) for item, frame in zip(items, frames, strict=True)]
        if stacked:
            return np.stack(made)
        return made if several else made[0]

    return Picture(tuple(map(_colours, items)), back)


def _plain(item: Any) -> bool:
    """Whether an item is pixels that can be disturbed in place of themselves."""
    if not isinstance(item, np.ndarray) or not (item.dtype == np.uint8 or item.dtype.kind == "f"):
        return False
    return bool(item.size) and (item.ndim == 2 or (item.ndim == 3 and item.shape[-1] in (1, 3, 4)))


def _colours(item: np.ndarray) -> Frame:
    values = item[..., None] if item.ndim == 2 else item[..., : 3 if item.shape[-1] == 4 else None]
    return values.astype(np.float64) / (255 if item.dtype == np.uint8 else 1)


def _as(item: np.ndarray, frame: Frame) -> np.ndarray:
    """A frame in the form of the one that it stands for; one with broken values as float32."""
    broken = not np.isfinite(frame).all() and item.dtype == np.uint8
    kind = np.dtype(np.float32) if broken else item.dtype
    shaped = frame[..., 0] if item.ndim == 2 else frame
    made = np.floor(shaped * 255 + 0.5).astype(np.uint8) if kind == np.uint8 else shaped.astype(kind)
    if item.ndim == 3 and item.shape[-1] == 4:
        alpha = item[..., 3:].astype(kind) / (255 if broken else 1)
        made = np.concatenate([made, alpha.astype(kind)], -1)
    return made


def heard(signal: Any) -> Heard:
    """Take a recording apart: a pair (array, rate), or a file.

    Raises:
        InputError: it cannot be read, or its rate is not known.
    """
    if isinstance(signal, (str, Path)):
        signal = _from_file(signal)
    if not (isinstance(signal, (tuple, list)) and len(signal) == 2 and isinstance(signal[0], np.ndarray)):
        raise InputError("perturb: the sound has no rate; give a pair (samples, rate in hertz), or a file")
    array, rate = signal
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate <= 0:
        raise InputError(f"perturb: a rate of {rate!r}; give samples a second, a whole number")
    known = array.dtype.kind == "f" or array.dtype.name in _FULL_SCALE
    if not known or array.ndim not in (1, 2) or not array.size:
        told = f"an array of {array.dtype} and shape {array.shape}"
        raise InputError(f"perturb: {told} is no sound; give (samples,) or (samples, channels) of floats or integers")
    middle, scale = _FULL_SCALE.get(array.dtype.name, (0.0, 1.0))
    wave = (array.reshape(len(array), -1).astype(np.float64) - middle) / scale
    most = max(1.0, float(np.nanmax(np.abs(wave), initial=0.0)))

    def back(made: Float[np.ndarray, "samples channels"]) -> Any:
        shaped = made.reshape(array.shape)
        whole = bool(np.isfinite(shaped).all())
        if array.dtype.kind == "f":
            return (np.clip(shaped, -most, most) if whole else shaped).astype(array.dtype), rate
        if not whole:  # integers have no values that are not finite
            return shaped.astype(np.float32), rate
        limits = np.iinfo(array.dtype)
        return np.clip(np.rint(shaped * scale + middle), limits.min, limits.max).astype(array.dtype), rate

    return Heard(wave, int(rate), back)


def _from_file(path: str | Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        rate = int(soundfile.info(str(path)).samplerate)
    except (OSError, RuntimeError) as error:
        raise InputError(f"perturb: {str(path)!r} cannot be read as a sound: {error}; check the file") from error
    return read_recording(path, rate)[0], rate


def as_image(frame: Frame) -> Image.Image:
    """Return a frame as an 8-bit picture."""
    values = np.floor(np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
