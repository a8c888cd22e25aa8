"""Infill for texts: rows of embeddings closed up where tokens are gone, and the size of such a change."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["close_up", "least_change"]

SAME = 1e-10
"""Squared distance, as a share of two rows' squared lengths, below which the rows are the same."""


def close_up(
    rows: Float[Tensor, "edits tokens features"], kept: Bool[Tensor, "edits tokens"]
) -> Float[Tensor, "edits tokens features"]:
    """Move the rows that are kept up, in order; rows of zeros, which are padding, fill the end."""
    order = (~kept).byte().argsort(dim=1, stable=True)
    left = torch.arange(rows.shape[1], device=rows.device) < kept.sum(1, keepdim=True)
    return torch.where(left[:, :, None], rows.gather(1, order[:, :, None].expand_as(rows)), 0.0)


def least_change(
    before: Float[Tensor, "tokens features"],
    after: Float[Tensor, "edits tokens features"],
    absent: Float[Tensor, " features"],
) -> Float[Tensor, " edits"]:
    """Return the squared distance from a text to shorter ones: each row that is left is held against one of before.

    Rows keep their order. As many as can be are held against a row that is the same (the longest common subsequence);
    of the ways to do so, the one of least change counts. A row held against another counts their squared distance, a
    row of before that none is held against its squared distance to ``absent``. Where rows were only taken out, that is
    the sum over these; where none was taken out, the sum in place.

    Args:
        before: the text's rows.
        after: edited ones, closed up; rows of zeros are padding.
        absent: what stands for nothing.
    """
    present = (after != 0).any(2)
    lost = (before - absent).pow(2).sum(1)
    lengths, own = after.pow(2).sum(2), before.pow(2).sum(1)
    shape = (len(after), after.shape[1] + 1)
    # Column j: the first rows of `before` against the first j rows of `after`; more rows than there were cannot be.
    same = torch.zeros(shape, dtype=torch.long, device=after.device)
    cost = torch.full(shape, torch.inf, dtype=before.dtype, device=after.device)
    cost[:, 0] = 0
    for row, length, alone in zip(before, own, lost, strict=True):
        apart = (length + lengths - 2 * (after @ row)).clamp_min(0)
        equal = apart <= SAME * (length + lengths)
        paired, matched = cost[:, :-1] + torch.where(equal, 0.0, apart), same[:, :-1] + equal
        cost = cost + alone
        better = (matched > same[:, 1:]) | ((matched == same[:, 1:]) & (paired < cost[:, 1:])) | cost[:, 1:].isinf()
        better &= paired.isfinite()
        cost[:, 1:] = torch.where(better, paired, cost[:, 1:])
        same[:, 1:] = torch.where(better, matched, same[:, 1:])
    return cost.gather(1, present.sum(1, keepdim=True))[:, 0]
