"""Which evidence units a part of a scene is: those that lie in it by at least half.

A thing has the units whose area is at least half inside its mask, over all frames. A sound has the cells of the
short-time spectrum to whose energy it gives at least half (the ideal binary mask of auditory scene analysis, Wang,
"On ideal binary mask as the computational goal of auditory scene analysis", 2005, at 0 dB). A clause has the words of
which at least half the characters are its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ...modalities.evidence import Segmentation
from ...modalities.spectrum import forward

__all__ = ["box_units", "divided", "masked_share", "span_share", "wave_share"]

HALF = 0.5
"""Share of a unit that must lie in a part."""

_SILENT = 1e-10
"""Share of the loudest cell's energy below which a cell holds nothing."""


def masked_share(segmentation: Segmentation, mask: Bool[np.ndarray, "frames height width"]) -> Float[np.ndarray, " n"]:
    """Return the share of each unit's area that lies inside a mask, which may be of another resolution.

    A mask of another number of frames fits nothing: all shares are zero.
    """
    labels = segmentation.labels
    if mask.ndim != 3 or labels.ndim != 3 or len(mask) != len(labels):
        return np.zeros(len(segmentation))
    rows, columns = (_nearest(mask.shape[axis], labels.shape[axis]) for axis in (1, 2))
    fitted = mask[:, rows][:, :, columns]
    area = segmentation.total(np.ones(labels.shape))
    return segmentation.total(fitted.astype(np.float64)) / np.maximum(area, 1.0)


def wave_share(
    segmentation: Segmentation, part: Float[Tensor, " samples"], rest: Float[Tensor, " others"]
) -> Float[np.ndarray, " n"]:
    """Return the share of each cell's energy that one sound gives, |P|² / (|P|² + |R|²).

    Args:
        segmentation: cells of the recording.
        part: the sound alone.
        rest: all that is heard beside it; another length fits nothing, and all shares are zero.
    """
    if part.shape != rest.shape:
        return np.zeros(len(segmentation))
    own, others = (forward(wave).abs().double().square().cpu().numpy() for wave in (part, rest))
    if own.shape != segmentation.labels.shape:
        return np.zeros(len(segmentation))
    mine, theirs = segmentation.total(own), segmentation.total(others)
    both = mine + theirs
    loud = both > _SILENT * max(float(both.max(initial=0.0)), 1e-30)
    return np.where(loud, mine / np.maximum(both, 1e-300), 0.0)


def span_share(segmentation: Segmentation, span: tuple[int, int]) -> Float[np.ndarray, " n"]:
    """Return the share of each word's characters that lie within a span of the text."""
    found = []
    for unit in segmentation.units:
        first, past = unit.span if unit.span is not None else (0, 0)
        inside = min(past, span[1]) - max(first, span[0])
        found.append(max(inside, 0) / max(past - first, 1))
    return np.array(found, np.float64)


def box_units(segmentation: Segmentation, box: tuple[float, float, float, float]) -> tuple[int, ...]:
    """Return the units of all frames that lie by at least half in a box.

    Args:
        segmentation: superpixels.
        box: left, top, right, bottom as shares of the frame.
    """
    labels = segmentation.labels
    if labels.ndim != 3:
        return ()
    height, width = labels.shape[1:]
    y, x = ((np.arange(n) + 0.5) / n for n in (height, width))
    inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))[None, :]
    share = masked_share(segmentation, np.broadcast_to(inside, labels.shape))
    return tuple(np.flatnonzero(share >= HALF).tolist())


def divided(shares: Mapping[str, Float[np.ndarray, " n"]]) -> dict[str, tuple[int, ...]]:
    """Give each unit to the part that has the most of it, if that is at least half; of equals, to the first.

    So that the parts are disjoint: a unit that two parts fill by half each is one's alone.
    """
    names = list(shares)
    if not names:
        return {}
    table = np.stack([shares[name] for name in names])
    if not table.shape[1]:
        return dict.fromkeys(names, ())
    owner = np.where(table.max(0) >= HALF, table.argmax(0), -1)
    return {name: tuple(np.flatnonzero(owner == k).tolist()) for k, name in enumerate(names)}


def _nearest(given: int, wanted: int) -> np.ndarray:
    """Index of the nearest of so many rows for each of the rows wanted."""
    return np.minimum(((np.arange(wanted) + 0.5) * given / wanted).astype(np.int64), given - 1)
