"""The panels of a contact sheet: a frame with its parts outlined, a sound with its parts below, an instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion, label

from ...agent import pictures
from .contact_sheet_text import INK, PAPER, SHADE, SOFT, face, fitted

__all__ = ["FRAME", "frame", "pixels_of", "samples_of", "sentences", "sound"]

FRAME = 224
"""Height of a frame on the sheet, pixels."""

_STRIP = 84  # height of a spectrogram
_LANE = 22
_HALO, _LINE = 3, 1  # pixels around an outline, as the reports draw it: white on black
_PILL = 18


def pixels_of(given: Any) -> list[np.ndarray]:
    """Return the frames of an observation, uint8 (height, width, 3) each; what is no number is black."""
    found = []
    for one in () if given is None else given:
        pixels = np.asarray(one)
        if pixels.dtype != np.uint8:
            pixels = (np.clip(np.nan_to_num(pixels.astype(np.float64), posinf=1.0), 0, 1) * 255).round()
        whole = np.asarray(pixels, np.uint8)
        found.append(np.repeat(whole[..., None], 3, 2) if whole.ndim == 2 else whole[..., :3])
    return found


def samples_of(given: Any) -> tuple[np.ndarray, int] | None:
    """Return a recording's samples in −1 to 1, one channel, and their rate in hertz; None where there is none."""
    if given is None or not len(given[0]):
        return None
    wave = np.asarray(given[0])
    scale = float(np.iinfo(wave.dtype).max) if np.issubdtype(wave.dtype, np.integer) else 1.0
    plain = np.nan_to_num(wave.astype(np.float64) / scale, posinf=1.0, neginf=-1.0)
    return (plain if plain.ndim == 1 else plain.mean(1)), int(given[1])


def frame(pixels: np.ndarray, parts: Mapping[str, np.ndarray]) -> Image.Image:
    """Draw a frame, the parts in it outlined and named.

    Args:
        pixels: uint8 (height, width, 3).
        parts: where each is seen, bool (height, width), by what is written on it.
    """
    height, width = pixels.shape[:2]
    size = (max(1, round(FRAME * width / height)), FRAME)
    drawn = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC)
    masks = {name: _sized(mask, size) for name, mask in parts.items()}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    canvas = np.asarray(drawn).copy()
    for mask in masks.values():
        # What touches the edge of the frame is outlined there, too: a part goes on outside.
        halo = binary_dilation(mask, iterations=2) & ~_eroded(mask, _HALO)
        canvas[halo] = (canvas[halo] * 0.25).astype(np.uint8)
    for mask in masks.values():
        canvas[binary_dilation(mask) & ~_eroded(mask, _LINE)] = 255
    drawn = Image.fromarray(canvas)
    _pills(drawn, masks)
    return drawn


def _sized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    drawn = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(drawn) > 127


def _eroded(mask: np.ndarray, by: int) -> np.ndarray:
    return np.asarray(binary_erosion(mask, iterations=by), bool)


def _pills(drawn: Image.Image, masks: Mapping[str, np.ndarray]) -> None:
    """Write the names above the parts, or into them; no name on another."""
    pen, own, taken = ImageDraw.Draw(drawn), face(11, bold=True), []
    for name, mask in masks.items():
        told = own.can(fitted(name, own, drawn.width - 22))
        wide = own.width(told) + 14
        found, _ = cast("tuple[np.ndarray, int]", label(mask))
        rows, columns = np.nonzero(found == np.bincount(found[mask]).argmax())
        left = round(float(np.clip(columns.mean() - wide / 2, 4, drawn.width - wide - 4)))
        top = _free(int(rows.min()) - _PILL - 4, left, wide, drawn.height, taken)
        taken.append((left, top, left + wide))
        box = (left, top, left + wide, top + _PILL)
        pen.rounded_rectangle(box, _PILL // 2, fill="#ffffff", outline="#222222", width=1)
        pen.text((left + 7, top + (_PILL - own.letters) / 2), told, font=own.font, fill="#111111")


def _free(wanted: int, left: int, wide: int, height: int, taken: Sequence[tuple[int, int, int]]) -> int:
    """The row nearest to the one wanted in which a name covers no other; the one wanted if there is none."""
    rows = sorted(range(4, height - _PILL - 3), key=lambda row: abs(row - wanted))
    for row in rows:
        if all(row + _PILL + 2 < top or top + _PILL + 2 < row or left > b or left + wide < a for a, top, b in taken):
            return row
    return rows[0] if rows else 0


def sound(
    samples: np.ndarray, rate: int, parts: Mapping[str, tuple[float, float]], width: int, top: float
) -> Image.Image:
    """Draw a spectrogram from left to right, a clock below, and a lane for each part.

    Args:
        samples: in −1 to 1.
        rate: hertz.
        parts: first and last second of each, by what is written on it.
        width: of the panel, pixels.
        top: decibels that are white.
    """
    seconds = len(samples) / rate
    decibels = pictures.spectrum(samples)
    rows = pictures.mel_rows(np.linspace(0.0, rate / 2, len(decibels)), _STRIP)
    strip = Image.fromarray(pictures.grey(decibels, top)[rows]).resize((width, _STRIP), Image.Resampling.BILINEAR)
    small = face(11)
    drawn = Image.new("RGB", (width, _STRIP + 18 + (_LANE + 3) * len(parts)), PAPER)
    drawn.paste(strip.convert("RGB"), (0, 0))
    pen = ImageDraw.Draw(drawn)
    step = max(1, round(seconds / 6))
    for second in range(0, int(seconds + 1e-6) + 1, step):
        told = small.can(f"{second} s")
        at = round(width * second / seconds)
        pen.line((min(at, width - 1), _STRIP, min(at, width - 1), _STRIP + 3), fill=SOFT)
        pen.text((np.clip(at - small.width(told) / 2, 0, width - small.width(told)), _STRIP + 3), told,
                 font=small.font, fill=SOFT)  # fmt: skip
    for i, (name, (first, last)) in enumerate(parts.items()):
        if first < seconds:
            ends = round(width * first / seconds), round(width * min(last, seconds) / seconds)
            _lane(pen, name, ends, _STRIP + 18 + i * (_LANE + 3), width)
    return drawn


def _lane(pen: ImageDraw.ImageDraw, name: str, ends: tuple[int, int], top: int, width: int) -> None:
    """A bar for as long as a part sounds, with its name in it, or beside it where the bar is too short."""
    own, (left, right) = face(12), ends
    pen.rectangle((left, top, max(right - 1, left + 3), top + _LANE - 1), fill=SHADE)
    pen.rectangle((left, top, left + 2, top + _LANE - 1), fill=INK)
    told = own.can(fitted(name, own, width - 16))
    at = left + 8
    if own.width(told) + 12 > right - left:
        at = right + 6 if right + 6 + own.width(told) <= width else max(left - 6 - own.width(told), 0)
    pen.text((at, top + 3), told, font=own.font, fill=INK)


def sentences(text: str, parts: Mapping[str, tuple[int, int]], width: int) -> Image.Image:
    """Draw an instruction, its sentences shaded and named behind.

    Args:
        text: the instruction.
        parts: first and past-the-last character of each, by name.
        width: of the panel, pixels.
    """
    own, small = face(15), face(10, bold=True)
    pieces = _pieces(text, parts)
    space, tall = own.width("n n") - own.width("nn"), own.height + 8
    words, x, y = [], 0, 0
    for shown, name in pieces:
        each = shown.split()
        for i, word in enumerate(each):
            tail = name if i == len(each) - 1 else ""
            beside = small.width(tail) + 6 if tail else 0
            told = fitted(word, own, width - 8 - beside)
            wide = own.width(told) + beside
            if x and x + wide > width - 4:
                x, y = 0, y + tall
            words.append((x, y, told, wide, tail, bool(name)))
            x += wide + (space if i < len(each) - 1 else 2 * space)
    drawn = Image.new("RGB", (width, y + tall), PAPER)
    pen = ImageDraw.Draw(drawn)
    for x, y, _, wide, tail, named in words:
        if named:
            pen.rectangle((x, y + 1, min(x + wide + (0 if tail else space), width), y + tall - 4), fill=SHADE)
    for x, y, told, _, tail, _ in words:
        pen.text((x + 2, y + 3), own.can(told), font=own.font, fill=INK)
        if tail:
            pen.text((x + 5 + own.width(told), y + 2), small.can(tail), font=small.font, fill=SOFT)
    return drawn


def _pieces(text: str, parts: Mapping[str, tuple[int, int]]) -> list[tuple[str, str]]:
    """The text in order: the parts with their names, and what stands between them with none."""
    found, at = [], 0
    for name, (first, past) in sorted(parts.items(), key=lambda item: item[1]):
        if first < at or past > len(text):
            continue
        found += [(text[at:first], "")] if text[at:first].strip() else []
        found.append((text[first:past], name))
        at = past
    return [*found, *([(text[at:], "")] if text[at:].strip() else [])]
