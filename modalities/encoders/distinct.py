"""Rows of a batch that are the same to the last bit: encoded once, and handed to all that have them.

Most of what an edit leaves is as it was: of an edited film most frames, of an edited recording most windows.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from torch import Tensor

__all__ = ["Distinct", "distinct"]


class Distinct(NamedTuple):
    """Which rows are their like's first, and where each row's like is.

    Attributes:
        first: rows that none before equals, in their order.
        back: for each row the place in ``first`` of the row that it equals.
    """

    first: list[int]
    back: list[int]


def distinct(rows: Tensor) -> Distinct:
    """Compare rows by their bytes (SHA-256), along the first axis.

    Not for tensors that a gradient is to flow through: two rows may be the same and be differentiated apart.

    >>> import torch
    >>> distinct(torch.tensor([[1.0], [2.0], [1.0]]))
    Distinct(first=[0, 1], back=[0, 1, 0])
    """
    first, back, place = list[int](), list[int](), dict[bytes, int]()
    for i, row in enumerate(rows.detach().cpu()):
        key = sha256(row.contiguous().numpy().data).digest()
        if key not in place:
            place[key] = len(first)
            first.append(i)
        back.append(place[key])
    return Distinct(first, back)
