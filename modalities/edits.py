"""Edits: which evidence units are replaced, checked once for all senses."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from jaxtyping import Bool
from torch import Tensor

from ..errors import InputError
from .evidence import Segmentation

__all__ = ["check_operator", "membership"]


def check_operator(modality: str, operator: str, operators: Sequence[str]) -> None:
    """Raise if the infill operator is not one of the modality's.

    Raises:
        InputError: an unknown operator.
    """
    if operator not in operators:
        raise InputError(f"{modality}: no infill operator {operator!r}; it has {', '.join(operators)}")


def membership(
    modality: str, edits: Sequence[Sequence[int]], segmentation: Segmentation, shape: Sequence[int]
) -> Bool[Tensor, "edits units_and_none"]:
    """Return which units each edit replaces.

    The last column stands for elements of no unit and is always False, so that the result can be indexed by the
    segmentation's labels as they are (-1 means none).

    Args:
        modality: name of the modality, for messages.
        edits: unit indices of each edit; an empty edit replaces nothing.
        segmentation: the units.
        shape: shape that the labels must have to belong to the signal.

    Raises:
        InputError: a unit that does not exist, or a segmentation of another signal.
    """
    if tuple(segmentation.labels.shape) != tuple(shape):
        raise InputError(
            f"{modality}: the segmentation has shape {tuple(segmentation.labels.shape)} but the signal needs "
            f"{tuple(shape)}; segment this very signal"
        )
    count = len(segmentation)
    chosen = torch.zeros(len(edits), count + 1, dtype=torch.bool)
    for number, edit in enumerate(edits):
        for unit in edit:
            if not isinstance(unit, Integral) or not 0 <= unit < count:
                known = f"units 0 to {count - 1}" if count else "no units"
                raise InputError(f"{modality}: edit {number} names unit {unit!r}; this signal has {known}")
        chosen[number, [int(unit) for unit in edit]] = True
    return chosen
