"""Features as rows: one row of channels for each place (a visual cell, a sound window, a token)."""

from __future__ import annotations

from math import prod

from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError

__all__ = ["from_rows", "grid_of", "to_rows"]


def grid_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the places of features of one sense, the batch left out.

    Pictures have their channels before height and width, (batch, frames, channels, h, w) or (batch, channels, h, w);
    all else has them last, (batch, places, channels) or (batch, channels), which is one place.

    >>> grid_of((1, 3, 1280, 7, 7)), grid_of((1, 6, 521)), grid_of((1, 384))
    ((3, 7, 7), (6,), (1,))

    Raises:
        ContractError: features of none of these shapes.
    """
    if len(shape) == 5:
        return (shape[1], shape[3], shape[4])
    if len(shape) == 4:
        return (shape[2], shape[3])
    if len(shape) in (2, 3):
        return tuple(shape[1:-1]) or (1,)
    raise ContractError(
        f"concepts: features of shape {tuple(shape)}; (batch, frames, channels, height, width), (batch, channels, "
        "height, width), (batch, places, channels) or (batch, channels) is wanted"
    )


def to_rows(features: Tensor) -> Float[Tensor, "batch rows channels"]:
    """Return features with one row for each place, in the order of `grid_of`.

    Raises:
        ContractError: as `grid_of`.
    """
    grid_of(tuple(features.shape))
    if features.ndim >= 4:
        features = features.movedim(features.ndim - 3, -1)
    return features.reshape(len(features), -1, features.shape[-1])


def from_rows(rows: Float[Tensor, "batch rows channels"], shape: tuple[int, ...]) -> Tensor:
    """Return rows as features again.

    Args:
        rows: as `to_rows` gives them.
        shape: shape of the features, whatever their batch.

    Raises:
        ContractError: as `grid_of`, or another number of rows than the shape has places.
    """
    grid = grid_of(shape)
    if rows.shape[1] != prod(grid):
        raise ContractError(f"concepts: {rows.shape[1]} rows for features of shape {tuple(shape)}; {prod(grid)} wanted")
    if len(shape) == 2:
        return rows[:, 0]
    laid = rows.reshape(len(rows), *grid, rows.shape[-1])
    return laid.movedim(-1, len(shape) - 3) if len(shape) >= 4 else laid
