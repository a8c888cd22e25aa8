"""What happens to a camera: its frames disturbed.

Every function takes frames (float, height × width × colours, 0..1), a strength above 0 and up to 1, and a generator of
random numbers; it returns frames of the same shapes. A draw does not depend on the strength, so that a greater strength
does more of the same. Scales named ImageNet-C are those of severity 5 in Hendrycks & Dietterich, "Benchmarking neural
network robustness to common corruptions and perturbations", ICLR 2019, at strength 1.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

from .perturb_signal import Frame, as_image

__all__ = [
    "blur",
    "box_of",
    "broken",
    "compression",
    "darken",
    "dropout",
    "freeze",
    "laid",
    "motion_blur",
    "noise",
    "occlusion",
    "patch",
    "pattern",
    "salt_pepper",
    "saturate",
]

Frames = Sequence[Frame]
Draw = np.random.Generator
At = Sequence[float] | None

NOISE, SPECKS, WIDTH = 0.38, 0.27, 6.0  # ImageNet-C: Gaussian noise, impulse noise, Gaussian blur at 224 pixels
SMEAR = 1 / 6
BEST, WORST = 95, 5
CELLS = 8


def noise(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """White noise: x + 0.38 s N(0, 1), cut off at 0 and 1 (ImageNet-C's Gaussian noise)."""
    return [np.clip(f + NOISE * strength * draw.standard_normal(f.shape), 0, 1) for f in frames]


def salt_pepper(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """A share 0.27 s of the pixels turns black or white, as often the one as the other (ImageNet-C's impulse noise)."""
    made = []
    for frame in frames:
        hit, white = draw.random(frame.shape[:2]), draw.random(frame.shape[:2]) < 0.5
        speck = np.broadcast_to(white[..., None], frame.shape)
        made.append(np.where((hit < SPECKS * strength)[..., None], speck, frame))
    return made


def blur(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """Gaussian blur, σ = 6 s pixels where the shorter side has 224 (ImageNet-C)."""
    del draw
    return [
        ndimage.gaussian_filter(f, (sigma := WIDTH * strength * min(f.shape[:2]) / 224, sigma, 0), mode="nearest")
        for f in frames
    ]


def motion_blur(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """The mean over a sideways stretch of 1 + s W / 6 pixels, W the width: what a turning camera sees."""
    del draw
    made = []
    for frame in frames:
        reach = SMEAR * strength * frame.shape[1] / 2
        whole = int(reach)
        # Ends of a stretch of any length weigh what they fill.
        kernel = np.ones(2 * whole + 3)
        kernel[[0, -1]] = reach - whole
        made.append(ndimage.convolve1d(frame, kernel / kernel.sum(), axis=1, mode="nearest"))
    return made


def compression(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """Written and read as JPEG of quality 95 − 90 s."""
    del draw
    made = []
    for frame in frames:
        file = io.BytesIO()
        as_image(frame).save(file, "JPEG", quality=round(BEST - (BEST - WORST) * strength))
        with Image.open(file) as picture:
            made.append(np.asarray(picture, np.float64).reshape(frame.shape) / 255)
    return made


def darken(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """Less light: (1 − s) x."""
    del draw
    return [f * (1 - strength) for f in frames]


def saturate(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """Over-exposed: min(1, (1 + 4 s) x)."""
    del draw
    return [np.clip(f * (1 + 4 * strength), 0, 1) for f in frames]


def dropout(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """⌈s n⌉ of n frames are black, drawn evenly."""
    lost = set(draw.permutation(len(frames))[: _part(strength, len(frames))].tolist())
    return [np.zeros_like(f) if i in lost else f for i, f in enumerate(frames)]


def freeze(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """The camera stalls: the last ⌈s (n − 1)⌉ of n frames are the one before them; one frame alone stays as it is."""
    del draw
    kept = len(frames) - _part(strength, len(frames) - 1)
    last = frames[kept - 1]
    return [f if i < kept else _fitted(last, f) for i, f in enumerate(frames)]


def broken(frames: Frames, strength: float, draw: Draw) -> list[Frame]:
    """⌈s n⌉ of the n pixels of each frame are not a number, +∞ or −∞; frames of integers come back as floats."""
    made = []
    for frame in frames:
        pixels = frame.reshape(-1, frame.shape[-1]).copy()
        order, kinds = draw.permutation(len(pixels)), draw.integers(3, size=len(pixels))
        hit = order[: _part(strength, len(pixels))]
        pixels[hit] = np.array([np.nan, np.inf, -np.inf])[kinds[hit]][:, None]
        made.append(pixels.reshape(frame.shape))
    return made


def occlusion(frames: Frames, strength: float, draw: Draw, at: At = None) -> list[Frame]:
    """A grey box (0.5) of the share s of the frame and of its shape, in the same place in all frames."""
    where = draw.random(2)
    return [laid(f, np.full((1, 1, f.shape[-1]), 0.5), box_of(f.shape[:2], strength, where, at)) for f in frames]


def patch(frames: Frames, strength: float, draw: Draw, at: At = None) -> list[Frame]:
    """A patch of 8 × 8 squares in the strongest colours, of the share s of the frame, the same in all frames."""
    where = draw.random(2)
    drawn = pattern(draw)
    return [laid(f, drawn[..., : f.shape[-1]], box_of(f.shape[:2], strength, where, at)) for f in frames]


def pattern(draw: Draw) -> Frame:
    """Squares of colours at the corners of the colour cube."""
    return draw.integers(2, size=(CELLS, CELLS, 3)).astype(np.float64)


def box_of(size: tuple[int, int], share: float, where: np.ndarray, at: At = None) -> tuple[slice, slice]:
    """Return rows and columns of a box that covers a share of a frame and is of its shape, at least a pixel.

    Args:
        size: height and width, pixels.
        share: of the frame.
        where: two numbers in 0..1 that place it, from the left and from above; a larger one encloses a smaller one.
        at: its middle instead, as shares of the frame; it is moved so far that it lies in the frame.
    """
    side = math.sqrt(share)
    found = []
    for axis, whole in ((1, size[0]), (0, size[1])):
        first = (1 - side) * float(where[axis]) if at is None else min(max(at[axis] - side / 2, 0.0), 1 - side)
        start = min(round(first * whole), whole - 1)
        found.append(slice(start, min(max(round((first + side) * whole), start + 1), whole)))
    return found[0], found[1]


def laid(frame: Frame, piece: Frame, box: tuple[slice, slice]) -> Frame:
    """Lay a piece over a box of a frame, its pixels enlarged to fit."""
    made = frame.copy()
    rows, columns = (
        ((np.arange(s.stop - s.start) + 0.5) * n / (s.stop - s.start)).astype(int)
        for s, n in zip(box, piece.shape[:2], strict=True)
    )
    made[box] = piece[rows[:, None], columns]
    return made


def _part(strength: float, count: int) -> int:
    """⌈s n⌉, where a product that is whole but for rounding is whole."""
    return min(count, math.ceil(strength * count - 1e-9))


def _fitted(frame: Frame, like: Frame) -> Frame:
    """A frame in the shape of another one."""
    if frame.shape == like.shape:
        return frame
    whole = (slice(0, like.shape[0]), slice(0, like.shape[1]))
    colours = frame if frame.shape[-1] == like.shape[-1] else frame.mean(-1, keepdims=True).repeat(like.shape[-1], -1)
    return laid(like, colours, whole)
