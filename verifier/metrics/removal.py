"""Removal: what a system scores once some of its evidence is gone; on input elements, or on evidence units.

What deletion, insertion, faithfulness correlation, comprehensiveness and sufficiency have in common: each asks for the
scores of inputs with certain elements removed, and none cares what an element is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...errors import ContractError, InputError

__all__ = [
    "Elements",
    "Named",
    "Remembered",
    "Removal",
    "Score",
    "Units",
    "checked_map",
    "class_probability",
    "name_of",
    "order_of",
    "scored_in_order",
    "scores_of",
]

Score = Callable[[Tensor], Tensor]
"""Rows (batch, ...) go in, one number for each (batch,) comes out."""

_BLOCK = 2**25
"""Bytes of masks that are made at once."""


@runtime_checkable
class Removal(Protocol):
    """Scores of one input with some of its elements removed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the maps that fit; elements are numbered along it, the last axis first."""
        ...

    @property
    def name(self) -> str:
        """Substrate, and what stands in for what is gone, in words."""
        ...

    def __call__(self, removed: Bool[np.ndarray, "edits elements"]) -> Float[np.ndarray, " edits"]:
        """Return the score with the elements of each row removed, float64."""
        ...


@dataclass(frozen=True)
class Named:
    """A score with a name, which results then carry in their protocol."""

    score: Score
    name: str

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the score of each row."""
        return self.score(rows)


def name_of(score: Score) -> str:
    """Return a score's name; of one that has none, that it was given."""
    return score.name if isinstance(score, Named) else "the score given"


def class_probability(network: Callable[[Tensor], Tensor], action: int) -> Named:
    """Return the softmax probability of one class as a score; ``network`` gives logits (batch, classes)."""
    return Named(lambda rows: network(rows).softmax(1)[:, action], f"softmax probability of class {action}")


def scores_of(score: Score, rows: Tensor) -> Float[np.ndarray, " batch"]:
    """Return the score of each row, float64, without a graph.

    Raises:
        ContractError: not one finite number for each row.
    """
    with torch.no_grad():
        found: object = score(rows)
    if not isinstance(found, Tensor) or tuple(found.shape) != (len(rows),):
        got = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise ContractError(f"score: {got} for {len(rows)} rows; one number for each row, shape ({len(rows)},)")
    values = found.detach().double().cpu().numpy()
    if not np.isfinite(values).all():
        raise ContractError(f"score: {values[~np.isfinite(values)][0]} for an edited input; make it bear edited inputs")
    return values


def checked_map(values: Float[np.ndarray, "..."] | Tensor, shape: tuple[int, ...]) -> Float[np.ndarray, " elements"]:
    """Return a map's values in one row, float64.

    Raises:
        InputError: another shape than ``shape``, or values that are not finite.
    """
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
    if array.shape != shape:
        raise InputError(f"map: shape {array.shape}; {shape} is wanted, one value for each element that is removed")
    if not np.isfinite(array).all():
        raise InputError(f"map: {int((~np.isfinite(array)).sum())} values are not finite; attribute again")
    return array.reshape(-1)


def order_of(values: Float[np.ndarray, " elements"]) -> np.ndarray | None:
    """Return element indices from the largest value to the smallest; None where all are the same: there is no order.

    Elements of the same value stand in the order in which they lie.
    """
    if len(values) == 0 or values.min() == values.max():
        return None
    return np.argsort(-values, kind="stable")


class Elements:
    """Input elements, which are replaced by those of another input.

    Args:
        score: what is asked.
        x: the input, a batch of one.
        fill: what stands in, shaped like ``x``.
        channel: axis of ``x`` (colours) that a map does not have: its elements go together. None: there is no such.
        chunk: edited inputs scored at once.
        name: substrate, and what the fill is, in words.

    Raises:
        InputError: not a batch of one, or a fill of another shape.

    Example:
        >>> x = torch.tensor([[1.0, 2.0]])
        >>> Elements(lambda x: x.sum(1), x, torch.zeros_like(x))(np.array([[False, True]]))
        array([1.])
    """

    def __init__(
        self,
        score: Score,
        x: Float[Tensor, "..."],
        fill: Float[Tensor, "..."],
        channel: int | None = None,
        chunk: int = 32,
        name: str = "input elements",
    ) -> None:
        if x.ndim < 2 or len(x) != 1 or fill.shape != x.shape:
            raise InputError(
                f"removal: input of shape {tuple(x.shape)}, fill {tuple(fill.shape)}; a batch of one is wanted, and a "
                "fill of its shape"
            )
        self._score, self._x, self._fill, self._chunk = score, x, fill, max(1, chunk)
        self._axis = None if channel is None else channel % x.ndim
        if self._axis == 0:
            raise InputError(f"removal: channel axis {channel} is that of the batch; name another, or None")
        self._shape = tuple(n for i, n in enumerate(x.shape) if i not in (0, self._axis))
        self._name = f"{name_of(score)}; {name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the maps that fit: that of a row, without the channels."""
        return self._shape

    @property
    def name(self) -> str:
        """Score, substrate and fill."""
        return self._name

    def __call__(self, removed: Bool[np.ndarray, "edits elements"]) -> Float[np.ndarray, " edits"]:
        """Return the score with the elements of each row removed, float64.

        Raises:
            ContractError: a score that is not one finite number for each row.
        """
        found = [np.zeros(0)]
        for first in range(0, len(removed), self._chunk):
            part = torch.from_numpy(removed[first : first + self._chunk]).to(self._x.device)
            gone = part.reshape(len(part), *self._shape)
            if self._axis is not None:
                gone = gone.unsqueeze(self._axis)
            found.append(scores_of(self._score, torch.where(gone, self._fill, self._x)))
        return np.concatenate(found)


class Units:
    """Evidence units of one sense or of all: ``worth`` scores sets of units that are *there*.

    A `veridical.modalities.engines.blackbox.coalitions.Game` of unit players is such a function, and edits through each
    sense's own infill operator.

    Args:
        worth: from (edits, units), whether a unit is there, to one number each.
        elements: how many units there are.
        name: substrate, operators and score, in words.
        told: turns the numbers into those asked for, such as log-odds into a probability.
    """

    def __init__(
        self,
        worth: Callable[[np.ndarray], np.ndarray],
        elements: int,
        name: str = "evidence units",
        told: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        self._worth, self._elements, self._name, self._told = worth, elements, name, told

    @property
    def shape(self) -> tuple[int, ...]:
        """One axis, the units."""
        return (self._elements,)

    @property
    def name(self) -> str:
        """Substrate, operators and score."""
        return self._name

    def __call__(self, removed: Bool[np.ndarray, "edits elements"]) -> Float[np.ndarray, " edits"]:
        """Return the score with the units of each row removed, float64."""
        return np.asarray(self._told(self._worth(~removed)), np.float64)


class Remembered:
    """Another removal, of which no edit is scored twice: the metrics of one input share most of theirs."""

    def __init__(self, removal: Removal) -> None:
        self._removal = removal
        self._known: dict[bytes, float] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the maps that fit."""
        return self._removal.shape

    @property
    def name(self) -> str:
        """Substrate and fill."""
        return self._removal.name

    @property
    def scored(self) -> int:
        """How many different edits were scored so far."""
        return len(self._known)

    def __call__(self, removed: Bool[np.ndarray, "edits elements"]) -> Float[np.ndarray, " edits"]:
        """Return the score with the elements of each row removed, float64."""
        keys = [hashlib.blake2b(np.packbits(row).tobytes(), digest_size=16).digest() for row in removed]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._known}
        if fresh:
            found = self._removal(removed[list(fresh.values())])
            self._known |= dict(zip(fresh, found.tolist(), strict=True))
        return np.array([self._known[key] for key in keys], np.float64)


def scored_in_order(
    removal: Removal, order: np.ndarray, counts: np.ndarray, *, keep: bool = False
) -> Float[np.ndarray, " points"]:
    """Return the scores once the first ``counts[i]`` elements of an order are removed, or (``keep``) all others."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    block = max(1, _BLOCK // max(1, len(order)))
    found = [np.zeros(0)]
    for first in range(0, len(counts), block):
        gone = rank[None, :] < counts[first : first + block, None]
        found.append(removal(~gone if keep else gone))
    return np.concatenate(found)
