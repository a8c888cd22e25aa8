"""Images: anything that is a picture, or a sequence of them, as 8-bit RGB frames."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import InputError

__all__ = ["read_frame", "read_frames"]

Frame = UInt8[np.ndarray, "_ _ 3"]

_KINDS = "give a path, a PIL image, an array of shape (height, width[, 1, 3 or 4]), or a list of these, oldest first"
_FAULTS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def read_frames(signal: Any) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    """Read one picture, or a sequence of them, oldest first.

    Returns:
        The frames, each uint8 of shape (height, width, 3), and what the user must be told, one sentence each.

    Raises:
        InputError: no frames, or a frame that cannot be read.
    """
    items = _split(signal)
    frames: list[Frame] = []
    said: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        frame, notes = read_frame(item, f"vision: frame {index}")
        frames.append(frame)
        for note in notes:
            said.setdefault(note, []).append(index)
    notes = []
    for note, where in said.items():
        notes.append(note if len(where) == len(items) else f"frame {', '.join(map(str, where))}: {note}")
    return tuple(frames), tuple(notes)


def read_frame(item: Any, where: str = "vision") -> tuple[Frame, list[str]]:
    """Read one picture: a path, a PIL image, or an array of shape (height, width[, 1, 3 or 4]).

    Any PIL mode is turned into RGB, the EXIF orientation is applied, and transparent parts are laid over white.
    Arrays hold uint8 (0..255), uint16 (0..65535), bool, or floating-point values in 0..1, which are rounded to 8 bits.

    Args:
        item: the picture.
        where: what the messages begin with.

    Returns:
        The frame and notes.

    Raises:
        InputError: the picture cannot be read, is empty, or holds values that are not finite or out of range.
    """
    if isinstance(item, (str, Path)):
        return _from_path(item, where)
    if isinstance(item, Image.Image):
        return _from_image(item, where)
    if isinstance(item, np.ndarray):
        return _from_array(item, where)
    raise InputError(f"{where} is a {type(item).__name__}, not a picture; {_KINDS}")


def _split(signal: Any) -> list[Any]:
    if isinstance(signal, (list, tuple)) or (isinstance(signal, np.ndarray) and signal.ndim == 4):
        if len(signal) == 0:
            raise InputError("vision: the sequence holds no frames; give one, or leave vision out of the observation")
        return list(signal)
    return [signal]


def _from_path(path: str | Path, where: str) -> tuple[Frame, list[str]]:
    where = f"{where} ({str(path)!r})"
    try:
        with Image.open(path) as image:
            return _from_image(image, where)
    except FileNotFoundError as error:
        raise InputError(f"{where}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{where} is a folder; give the image files in it as a list") from error
    except PermissionError as error:
        raise InputError(f"{where}: no permission to read the file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{where} is not an image that Pillow can read; is it a picture, and whole?") from error
    except InputError:
        raise
    except _FAULTS as error:
        raise InputError(f"{where}: cannot be opened as an image: {error}") from error


def _from_image(image: Image.Image, where: str) -> tuple[Frame, list[str]]:
    if 0 in image.size:
        raise InputError(f"{where}: the image is {image.width} x {image.height} pixels; it has no content")
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"the file holds {getattr(image, 'n_frames', 1)} pictures and only the first is read")
    try:
        image.load()
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        image = ImageOps.exif_transpose(image)
        if turned:
            notes.append("the picture was turned as its EXIF orientation says")
        if image.mode not in ("L", "RGB", "RGBA"):
            notes.append(f"colours were converted from mode {image.mode} to RGB")
        array = _to_array(image, where)
    except InputError:
        raise
    except _FAULTS as error:
        raise InputError(f"{where}: the image is corrupt or cut short: {error}") from error
    frame, more = _from_array(array, where)
    return frame, notes + more


def _to_array(image: Image.Image, where: str) -> np.ndarray:
    if image.mode == "F":
        return np.asarray(image)
    if image.mode.startswith("I"):
        array = np.asarray(image)
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 65535:
            raise InputError(f"{where}: mode {image.mode} holds values {low} to {high}; scale them to 0..65535")
        return array.astype(np.uint16)
    if image.mode == "La":  # Pillow has no way from here to RGBA in one step
        image = image.convert("LA")
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _from_array(array: np.ndarray, where: str) -> tuple[Frame, list[str]]:
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        hint = "channels come last: transpose it" if array.ndim == 3 and shape[0] in (1, 3, 4) else _KINDS
        raise InputError(f"{where}: an array of shape {shape} is not a picture; {hint}")
    if 0 in shape:
        raise InputError(f"{where}: an array of shape {shape} has no content")
    levels = _to_levels(array, where)
    notes = ["values were rounded to 8 bits"] if array.dtype.name == "uint16" or array.dtype.kind == "f" else []
    if levels.ndim == 2:
        levels = levels[:, :, None]
    if levels.shape[2] == 4:
        if (levels[:, :, 3] < 255).any():
            notes.append("transparent parts were laid over white")
        alpha = levels[:, :, 3:].astype(np.uint32)
        over = levels[:, :, :3] * alpha + 255 * (255 - alpha)
        levels = ((over + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, (*shape[:2], 3))), notes


def _to_levels(array: np.ndarray, where: str) -> UInt8[np.ndarray, "..."]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.name == "uint16":  # in either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InputError(
            f"{where}: values of type {array.dtype} have no agreed range; give uint8, uint16, bool or 0..1"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{where}: {int(bad.sum())} values are not finite, the first at {first}; repair the frame")
    low, high = float(array.min()), float(array.max())
    half = 0.5 / 255
    if low < -half or high > 1 + half:
        raise InputError(f"{where}: values reach from {low:.4g} to {high:.4g}; scale floats to 0..1, or give uint8")
    return np.rint(array.astype(np.float64).clip(0, 1) * 255).astype(np.uint8)
