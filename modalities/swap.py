"""Swaps: where in the same signal something else can be taken from to stand in for what is edited."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["draw", "moves"]


def draw(*content: np.ndarray) -> np.random.Generator:
    """Return a random generator whose seed is the content: SHA-256 of the arrays' bytes, in order.

    What is drawn from it is the same on every machine and whatever other edits stand beside.
    """
    digest = hashlib.sha256()
    for array in content:
        digest.update(np.ascontiguousarray(array).tobytes())
    return np.random.default_rng(int.from_bytes(digest.digest()[:16], "big"))


def moves(
    wanted: Bool[np.ndarray, "rows columns"],
    given: Bool[np.ndarray, "rows columns"],
    axes: Sequence[int],
    pick: np.random.Generator,
    weights: Float[np.ndarray, " rows"] | None = None,
) -> tuple[Int[np.ndarray, "rows columns"], Int[np.ndarray, "rows columns"]]:
    """Return for each wanted cell the row and the column of the given cell that stands in for it.

    The whole of what is wanted is moved to where it finds the most given cells; ``pick`` draws one of several such
    moves. What found none is moved again, until no move finds any: then row and column are -1.

    Args:
        wanted: cells to be replaced.
        given: cells that may be taken; none that is wanted.
        axes: axes along which may be moved, of 0 and 1.
        pick: see `draw`.
        weights: how much a cell of each row counts; 1 by default.
    """
    size = [2 * n if axis in axes else 1 for axis, n in enumerate(wanted.shape)]
    shape, along = [size[axis] for axis in axes], tuple(axes)
    weigh = np.ones((len(wanted), 1)) if weights is None else weights[:, None]
    offered = np.fft.rfftn(given.astype(np.float64), shape, along)
    index = np.indices(wanted.shape)
    source = np.full((2, *wanted.shape), -1)
    left = wanted.copy()
    while left.any():
        asked = np.fft.rfftn(left * weigh, shape, along)
        found = np.fft.irfftn(_summed(np.conj(asked) * offered, along), shape, along)
        best = float(found.max())
        if best < 0.5 * float(weigh.min()):
            break
        # Counts are whole: what differs by less than rounding is alike.
        alike = np.argwhere(found > best - 1e-3 * float(weigh.min()))
        chosen = alike[pick.integers(len(alike))]
        step = np.zeros((2, 1, 1), np.int64)
        for axis in axes:
            step[axis] = chosen[axis] if chosen[axis] < wanted.shape[axis] else chosen[axis] - size[axis]
        to = index + step
        inside = np.logical_and.reduce([(to[a] >= 0) & (to[a] < n) for a, n in enumerate(wanted.shape)])
        taken = left & inside
        taken[taken] = given[to[0][taken], to[1][taken]]
        source[:, taken] = to[:, taken]
        left &= ~taken
    return source[0], source[1]


def _summed(products: np.ndarray, along: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes that are not moved along, which stay with length one."""
    other = tuple(axis for axis in (0, 1) if axis not in along)
    return products.sum(other, keepdims=True) if other else products
