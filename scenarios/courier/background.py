"""Where a scene takes place: photographed ground under a sky, or a drawn road.

The photographs are scikit-image's (grass, gravel, brick), seen in perspective; what stands beside the road is drawn.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import skimage.data
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["GROUNDS", "Background", "draw_background"]

GROUNDS = ("grass", "gravel", "brick", "road")
"""Three photographed grounds and a drawn road."""


@dataclass(frozen=True)
class Background:
    """A place, drawn the same from the same values.

    Attributes:
        ground: one of `GROUNDS`.
        seed: decides colours, the horizon, houses, light.
    """

    ground: str
    seed: int


@functools.cache
def _texture(name: str) -> Float[np.ndarray, "height width"]:
    return np.asarray(getattr(skimage.data, name)(), np.float32) / 255


def _perspective(
    texture: Float[np.ndarray, "h w"], rows: int, width: int, offset: tuple[int, int], advance: float
) -> np.ndarray:
    """Look along a plane: row r below the horizon lies at distance 1/(r+1)."""
    depth = rows / (np.arange(rows) + rows * 0.12)
    y = (offset[0] + depth * 150 - advance * 20).astype(int) % texture.shape[0]
    x = ((np.arange(width) - width / 2)[None, :] * depth[:, None] * 0.45 + offset[1]).astype(int) % texture.shape[1]
    return texture[y[:, None], x]


def _sky_and_houses(rng: np.random.Generator, size: int, horizon: int) -> Image.Image:
    cast = np.array((-0.5, 0.0, 0.5))  # from a blue day to a warm evening
    top = np.clip(rng.uniform(0.4, 0.8) + cast * rng.uniform(-0.15, 0.4), 0, 1)
    low = np.clip(rng.uniform(0.75, 0.95) + cast * rng.uniform(-0.25, 0.1), 0, 1)
    sky = np.linspace(0, 1, size)[:, None, None] * (low - top) + top
    picture = Image.fromarray((np.broadcast_to(sky, (size, size, 3)) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    x = -int(rng.integers(0, 30))
    while rng.random() < 0.9 and x < size:
        width, height = int(rng.integers(24, 70)), int(rng.integers(15, max(16, horizon - 10)))
        grey = rng.uniform(90, 200)
        wall = tuple(int(np.clip(grey + c, 0, 255)) for c in rng.uniform(-35, 35, 3))
        draw.rectangle((x, horizon - height, x + width, horizon), fill=wall)
        pane = tuple(int(c * rng.uniform(0.4, 0.8)) for c in wall)
        for wx in range(x + 5, x + width - 8, 14):
            for wy in range(horizon - height + 6, horizon - 10, 16):
                draw.rectangle((wx, wy, wx + 6, wy + 8), fill=pane)
        x += width + int(rng.integers(0, 25))
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5))))


def _road(rng: np.random.Generator, size: int, horizon: int, advance: float) -> np.ndarray:
    """A drawn road from the lower edge to the horizon, with kerbs and a dashed line."""
    verge = tuple(int(c) for c in rng.integers((60, 100, 40), (130, 170, 90)))
    grey = int(rng.integers(70, 130))
    picture = Image.new("RGB", (size, size), verge)
    draw = ImageDraw.Draw(picture)
    middle, near, far = size / 2, size * rng.uniform(0.42, 0.6), size * 0.04
    draw.polygon(
        ((middle - far, horizon), (middle + far, horizon), (middle + near, size), (middle - near, size)),
        fill=(grey,) * 3,
    )
    for side in (-1, 1):
        draw.line(((middle + side * far, horizon), (middle + side * near, size)), fill=(215, 215, 205), width=3)
    for k in range(8):
        a, b = (((k + d - 0.5 * (advance % 2)) / 8) ** 2 for d in (0.0, 0.45))
        ya, yb = (horizon + (size - horizon) * float(np.clip(v, 0, 1)) for v in (a, b))
        draw.line((middle, ya, middle, yb), fill=(235, 235, 225), width=2 + int(4 * b))
    return np.asarray(picture, np.float32) / 255


def draw_background(background: Background, frame: int, size: int) -> Float[np.ndarray, "size size 3"]:
    """Draw the place as seen in one frame (the robot has come a little nearer with each), RGB in 0..1."""
    rng = np.random.default_rng([11, background.seed])
    horizon = int(size * rng.uniform(0.3, 0.48))
    picture = np.array(_sky_and_houses(rng, size, horizon), np.float32) / 255
    if background.ground == "road":
        picture[horizon:] = _road(rng, size, horizon, float(frame))[horizon:]
    else:
        texture = _texture(background.ground)
        offset = (int(rng.integers(512)), int(rng.integers(512)))
        tint = {"grass": (0.55, 0.85, 0.4), "gravel": (0.9, 0.85, 0.8), "brick": (1.0, 0.75, 0.65)}[background.ground]
        colour = np.asarray(tint) * rng.uniform(0.8, 1.15, 3)
        contrast = rng.uniform(0.5, 1.0)
        ground = _perspective(texture, size - horizon, size, offset, float(frame))
        ground = texture.mean() + contrast * (ground - texture.mean())
        picture[horizon:] = np.clip(1.25 * ground[..., None] * colour, 0, 1)
    return picture
