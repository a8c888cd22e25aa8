"""Saliency over time: does it move as the things move, and how is it smoothed without inventing any?

Where the true motion of what is seen is known, a map should move with it. *Temporal coherence* is

    1 - mean over t of  |P_t - warp(P_(t-1))|_1 / (|P_t|_1 + |P_(t-1)|_1)

1 where every map is the one before, moved along; 0 where successive maps have no place in common. A *motion* says for
each place of a frame where it was in the frame before; places of which that is not known are left out of all three
norms.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..errors import InputError

__all__ = ["coherence", "follow", "smooth", "warp"]

Map = Float[np.ndarray, "height width"]
Maps = Float[np.ndarray, "frames height width"]
Stack = Float[np.ndarray, "frames *place"]
Labels = Int[np.ndarray, "frames *place"]
Motion = Float[np.ndarray, "pairs height width 2"]
"""For each frame after the first, where (row, column) each place was in the frame before; NaN where it is not known."""


def warp(map_: Map, motion: Float[np.ndarray, "height width 2"]) -> Map:
    """Carry a map along: each place takes the value of where it was; between places, and beyond the edge as at it.

    Bilinear. NaN where the motion is not known, or leads out of the frame by more than half a place.

    >>> warp(np.array([[1.0, 0.0]]), np.array([[[0.0, 0.0], [0.0, 0.0]]]))
    array([[1., 1.]])
    """
    height, width = map_.shape
    row, column = motion[..., 0], motion[..., 1]
    with np.errstate(invalid="ignore"):
        known = (row >= -0.5) & (row <= height - 0.5) & (column >= -0.5) & (column <= width - 0.5)
    row, column = (np.where(known, v, 0.0).clip(0, n - 1) for v, n in ((row, height), (column, width)))
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, along = row - top, column - left
    upper = (1 - along) * map_[top, left] + along * map_[top, right]
    lower = (1 - along) * map_[below, left] + along * map_[below, right]
    return np.where(known, (1 - down) * upper + down * lower, np.nan)


def coherence(maps: Maps, motion: Motion) -> float:
    """Return the temporal coherence of a map over frames, 0 to 1.

    The frame before is measured as it is carried along, so that a thing that comes nearer is not held against the map.
    Pairs of frames that hold nothing where the motion is known tell nothing and are passed over.

    Args:
        maps: one for each frame, of any sign.
        motion: for each frame after the first.

    Raises:
        InputError: fewer than two frames, a motion of another shape, values that are not finite, or no pair of frames
            that holds anything where the motion is known.
    """
    _check(maps, motion)
    if len(maps) < 2:
        raise InputError(f"coherence: {len(maps)} frames; at least 2 are wanted")
    found = []
    for before, after, way in zip(maps[:-1], maps[1:], motion, strict=True):
        carried = warp(before.astype(np.float64), way)
        known = np.isfinite(carried)
        ours, theirs = after[known].astype(np.float64), carried[known]
        size = np.abs(ours).sum() + np.abs(theirs).sum()
        if size > 0:
            found.append(np.abs(ours - theirs).sum() / size)
    if not found:
        raise InputError("coherence: the maps hold nothing where the motion is known; there is nothing to compare")
    return float(1 - np.mean(found))


def follow(motion: Motion) -> Int[np.ndarray, "frames height width"]:
    """Return for each place of each frame the number of the track that it is on.

    A place is on the track of the place nearest to where it was; one that was nowhere known begins a track.
    """
    pairs, height, width = motion.shape[:3]
    labels = np.empty((pairs + 1, height, width), np.int64)
    labels[0] = np.arange(height * width).reshape(height, width)
    count = height * width
    for t, way in enumerate(motion, 1):
        rows, columns = (np.where(np.isfinite(v), v, -1.0) for v in (way[..., 0], way[..., 1]))
        row, column = (np.floor(v + 0.5).astype(np.int64) for v in (rows, columns))
        known = np.isfinite(way).all(-1) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        labels[t][known] = labels[t - 1][row[known], column[known]]
        fresh = int((~known).sum())
        labels[t][~known] = np.arange(count, count + fresh)
        count += fresh
    return labels


def smooth(
    maps: Stack,
    tracks: Labels | None = None,
    width: float = 1.0,
) -> Stack:
    """Smooth maps over time, along tracks, without moving relevance to where there was none.

    On each track the relevance of a frame is spread over the frames in which the track has any, by a Gaussian of their
    distance in frames that is normalised for each frame spread: so the sum over each track stays what it was, a frame
    (or a place) that held nothing still holds nothing, and what is relevant in one frame alone stays as it is. Within a
    frame, places on one track share what it gets by the size of what they had.

    Args:
        maps: one for each frame, of any sign.
        tracks: track of each place, as from `follow`; by default each place is a track of its own, as nothing moves.
        width: standard deviation of the Gaussian in frames; 0 changes nothing.

    Raises:
        InputError: tracks of another shape, a width below 0, or values that are not finite.

    Example:
        >>> smooth(np.array([[1.0], [0.0], [1.0], [4.0]]), width=1.0).sum(0)
        array([6.])
    """
    if not np.isfinite(maps).all():
        raise InputError("smooth: the maps hold values that are not finite")
    if not (width >= 0 and np.isfinite(width)):
        raise InputError(f"smooth: width {width}; a number of frames of at least 0 is wanted")
    if tracks is not None and tracks.shape != maps.shape:
        raise InputError(f"smooth: tracks of shape {tracks.shape} for maps of {maps.shape}; the same shape is wanted")
    frames = len(maps)
    if width == 0 or frames < 2 or not maps.size:
        return maps.copy()
    flat = maps.reshape(frames, -1).astype(np.float64)
    labels = np.broadcast_to(np.arange(flat.shape[1]), flat.shape) if tracks is None else tracks.reshape(frames, -1)
    frame, place = np.nonzero(flat)
    # Only what is not zero takes part: pairs of a frame and a track, each a member of its track's mixing.
    held, inverse = np.unique(np.stack((labels[frame, place], frame)), axis=1, return_inverse=True)
    sizes = np.bincount(inverse, np.abs(flat[frame, place]), minlength=held.shape[1])
    sums = np.bincount(inverse, flat[frame, place], minlength=held.shape[1])
    spread = _spread(held[0], held[1], sums, width)
    out = np.zeros_like(flat)
    _, track, frames_on = np.unique(held[0], return_inverse=True, return_counts=True)
    alone = frames_on[track] == 1  # stays to the last bit
    shared = np.abs(flat[frame, place]) * (spread / sizes)[inverse]
    out[frame, place] = np.where(alone[inverse], flat[frame, place], shared)
    return out.reshape(maps.shape).astype(maps.dtype)


def _spread(track: np.ndarray, frame: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """Spread the values of (track, frame) pairs, in order of both, over the pairs of the same track."""
    total = np.zeros(len(values))
    # What each pair gives away adds up to 1; pairs of one track lie together, the k-th next is k places on.
    weight = np.ones(len(values))
    longest = int(np.bincount(np.unique(track, return_inverse=True)[1]).max(initial=1))
    near = []
    for k in range(1, longest):
        same = track[k:] == track[:-k]
        kernel = np.where(same, np.exp(-(((frame[k:] - frame[:-k]) / width) ** 2) / 2), 0.0)
        near.append(kernel)
        weight[k:] += kernel
        weight[:-k] += kernel
    given = values / weight
    total += given
    for k, kernel in enumerate(near, 1):
        total[k:] += kernel * given[:-k]
        total[:-k] += kernel * given[k:]
    return total


def _check(maps: Maps, motion: Motion) -> None:
    if motion.shape != (max(len(maps) - 1, 0), *maps.shape[1:], 2):
        raise InputError(
            f"coherence: a motion of shape {motion.shape} for maps of {maps.shape}; "
            f"({len(maps) - 1}, {maps.shape[1]}, {maps.shape[2]}, 2) is wanted"
        )
    if not np.isfinite(maps).all():
        raise InputError("coherence: the maps hold values that are not finite")
