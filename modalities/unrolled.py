"""Systems that remember, and systems whose attention can be seen: what they may offer beyond the core contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from .contract import SplitSystem

__all__ = ["AttentiveSystem", "RecurrentSystem", "Unrolled"]


@dataclass(frozen=True)
class Unrolled:
    """A decision made step by step: ``state = advance(state, inputs[k])`` for each step k, then ``read(state)``.

    Attributes:
        start: the state before the first step, (1, ...).
        inputs: for each step the features at hand by sense, each (batch, rows, ...); a sense that has none is left out.
        origins: for each step and sense, which rows of that sense's features (along axis 1 of what ``encode`` gave)
            its inputs are.
        times: first and last second that each step stands for, on the signals' own clock.
        advance: from a state (batch, ...) and a step's inputs to the next state; batches of one are broadcast.
        read: from a state to the scores of all actions.
    """

    start: Tensor
    inputs: tuple[Mapping[str, Tensor], ...]
    origins: tuple[Mapping[str, Int[np.ndarray, " _"]], ...]
    times: tuple[tuple[float, float], ...]
    advance: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    read: Callable[[Tensor], Float[Tensor, "batch actions"]]


@runtime_checkable
class RecurrentSystem(SplitSystem, Protocol):
    """A split system whose second half carries a state from step to step."""

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        """Return the steps by which features become scores, from a state on (by default the very first)."""
        ...


@runtime_checkable
class AttentiveSystem(SplitSystem, Protocol):
    """A split system whose second half attends to features, and shows where."""

    def attention(self, features: Mapping[str, Tensor]) -> tuple[Mapping[str, Float[Tensor, "batch rows *place"]], ...]:
        """Return for each step (one, where there are no steps) how much each row of features is attended to, by sense.

        Weights are means over heads and queries; rows are those of ``encode``'s axis 1, with their places (the cells of
        a frame) behind. In each step they sum to at most 1 over all senses; what is missing went to nothing.
        """
        ...
