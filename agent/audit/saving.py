"""Arrays of a record as files: their numbers for NumPy, or a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError, RecordError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_array_file", "picture", "save"]


def check_array_file(given: str) -> Path:
    """Return where an array is to go.

    Raises:
        InputError: its ending names no form, or its folder is not there.
    """
    path = Path(given)
    if path.suffix.lower() not in (".npy", ".png"):
        raise InputError(f"--save-array {given[:120]}: name a file that ends in .npy (numbers) or .png (a picture)")
    if not path.parent.is_dir():
        raise InputError(f"--save-array {given[:120]}: there is no folder {path.parent}; make it first")
    return path


def save(array: np.ndarray, name: str, path: Path) -> None:
    """Write an array.

    Raises:
        InputError: it is no picture, and the file is to be one.
        RecordError: the file cannot be written.
    """
    import click
    import numpy as np

    image = picture(array, name) if path.suffix.lower() == ".png" else None
    try:
        if image is None:
            with path.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
        else:
            from PIL import Image

            Image.fromarray(image).save(path, "PNG")
    except OSError as error:
        raise RecordError(f"{path} cannot be written: {error.strerror or error}; name another place") from error
    click.echo(f"array: {path}", err=True)


def picture(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array as a picture, uint8 (height, width, 3); frames stand side by side.

    Colours stay colours. Anything else is grey where all of it is of one sign, the larger the lighter; else orange
    above zero and blue below it, by the largest magnitude.

    Raises:
        InputError: an array of fewer than two axes, or of more than a picture has.
    """
    import numpy as np

    colours = array.ndim in (3, 4) and array.shape[-1] == 3 and array.dtype == np.uint8
    frames = array if array.ndim == (4 if colours else 3) else array[None]
    if not colours and array.ndim not in (2, 3):
        raise InputError(f"array {name!r} has {array.ndim} axes, and a picture two or three; save it as .npy")
    if colours:
        return np.concatenate(list(frames), axis=1)
    from ..pictures import AGAINST, FOR

    values = frames.astype(np.float64)
    top = float(np.abs(values).max(initial=0)) or 1.0
    strip = np.concatenate(list(values), axis=1) / top
    if strip.min() >= 0 or strip.max() <= 0:
        grey = (np.abs(strip) * 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    ends = np.where(strip[..., None] > 0, np.array(FOR[1], float), np.array(AGAINST[1], float))
    weight = np.sqrt(np.abs(strip))[..., None]
    return (255 * (1 - weight) + ends * weight).round().astype(np.uint8)
