"""Pictures and sounds of a report: arrays in, data URIs and SVG paths out. No plotting library, no file."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

__all__ = [
    "AGAINST",
    "FOR",
    "density",
    "grey",
    "legend",
    "level",
    "mel_rows",
    "outline",
    "per_unit",
    "png",
    "spectrum",
    "tint",
    "wav",
]

# Weak to strong: oranges after ColorBrewer's PuOr, blues after its RdBu; told apart with any colour vision.
FOR = ((253, 208, 130), (241, 133, 30), (196, 72, 0))
AGAINST = ((160, 205, 232), (67, 147, 205), (24, 84, 160))
_SMOOTH = 4.0  # pixels; an integrated gradient is noise at the pixel, and evidence at the neighbourhood
_FLOOR = 70.0  # decibels below the loudest that a spectrogram shows


def png(pixels: np.ndarray) -> str:
    """Return an image, uint8 (height, width), (height, width, 3) or (height, width, 4), as a data URI."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def wav(samples: np.ndarray, rate: int) -> str:
    """Return a sound, float (samples,) in -1..1, as a data URI of 16-bit mono WAV; beyond that it is clipped."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).round().astype("<i2").tobytes())
    return f"data:audio/wav;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def level(values: np.ndarray, limit: float) -> np.ndarray:
    """Map contributions in nats to -1..1 by a signed square root, so that small ones stay visible beside large ones.

    Args:
        values: nats, any shape.
        limit: nats at which the colour is full; beyond it stays full.
    """
    share = np.clip(np.asarray(values, np.float64) / (limit or 1.0), -1.0, 1.0)
    return np.asarray(np.sign(share) * np.sqrt(np.abs(share)))


def tint(values: np.ndarray, limit: float) -> np.ndarray:
    """Colour contributions, (height, width) in nats, for laying over a picture: uint8 (height, width, 4).

    Orange speaks for the decision, blue against it; colour and opacity grow with the size as `level` has it.
    """
    signed = level(values, limit)
    size = np.abs(signed)[..., None]
    position = np.linspace(0.0, 1.0, len(FOR))
    channels = [
        np.where(
            signed >= 0,
            np.interp(np.abs(signed), position, [stop[c] for stop in FOR]),
            np.interp(np.abs(signed), position, [stop[c] for stop in AGAINST]),
        )
        for c in range(3)
    ]
    return np.concatenate([np.stack(channels, -1), 255 * np.minimum(1.2 * size, 0.92)], -1).round().astype(np.uint8)


def legend(width: int = 256) -> str:
    """Return the colours from full against to full for, as a data URI; position is linear in `level`."""
    signed = np.linspace(-1.0, 1.0, width)
    return png(np.repeat(tint((np.sign(signed) * signed**2)[None], 1.0), 8, axis=0))


def per_unit(labels: np.ndarray, contributions: Mapping[int, float]) -> np.ndarray:
    """Give every element the whole contribution of its evidence unit; 0 where there is none."""
    table = np.zeros(max(int(labels.max(initial=-1)), max(contributions, default=-1)) + 2)
    for index, value in contributions.items():
        table[index] = value
    return table[labels]  # -1 finds the last entry, which no unit has


def density(saliency: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return saliency (…, height, width) in nats per unit-sized area: smoothed, times the mean size of a unit.

    Brings a fine map to the scale of `per_unit`; smoothed by a Gaussian (sigma 4 elements) along the last two axes.
    """
    inside = labels >= 0
    size = inside.sum() / max(np.unique(labels[inside]).size, 1)
    sigma = (0.0,) * (saliency.ndim - 2) + (_SMOOTH, _SMOOTH)
    return gaussian_filter(saliency.astype(np.float64), sigma) * size


def outline(mask: np.ndarray) -> str:
    """Return the border of a mask, bool (height, width), as an SVG path in its own pixel coordinates.

    The path is made of the longest straight runs, each a move and a line.
    """
    padded = np.pad(mask.astype(np.int8), 1)
    across = np.diff(padded, axis=0)[:, 1:-1] != 0  # (height + 1, width): horizontal pieces
    down = np.diff(padded, axis=1)[1:-1] != 0  # (height, width + 1): vertical pieces
    lines = [f"M{a} {y}H{b}" for y, row in enumerate(across) for a, b in _runs(row)]
    lines += [f"M{x} {a}V{b}" for x, column in enumerate(down.T) for a, b in _runs(column)]
    return "".join(lines)


def _runs(row: np.ndarray) -> list[tuple[int, int]]:
    """First and past-the-last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def mel_rows(frequencies: np.ndarray, rows: int) -> np.ndarray:
    """Return for each row of a picture, from the top, the frequency bin that it shows, equally spaced in mel.

    The mel of O'Shaughnessy (1987), 2595 log10(1 + f / 700).
    """
    mel = 2595.0 * np.log10(1.0 + np.asarray(frequencies, np.float64) / 700.0)
    wanted = np.linspace(mel[-1], mel[0], rows)
    return np.abs(mel[None, :] - wanted[:, None]).argmin(axis=1)


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Return the short-time spectrum of a sound (samples,) in dB, (257, windows): 512-sample Hann windows, hop 128."""
    padded = np.pad(samples.astype(np.float64), 256)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 512)[::128] * np.hanning(513)[:-1]
    return 20.0 * np.log10(np.maximum(np.abs(np.fft.rfft(windows, axis=1)).T, 1e-6))


def grey(decibels: np.ndarray, top: float | None = None) -> np.ndarray:
    """Draw decibels as grey, uint8: white at ``top`` (default: the loudest), black 70 dB below."""
    top = float(decibels.max()) if top is None else top
    return (np.clip((decibels - top) / _FLOOR + 1.0, 0.0, 1.0) * 235 + 10).round().astype(np.uint8)
