"""The scores of a system on what was prepared, from features where they are known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .contract import Prepared, SplitSystem, System
from .scorer import logits_of

__all__ = ["Tail", "decide_prepared"]


@torch.no_grad()
def decide_prepared(
    system: System, prepared: Mapping[str, Prepared], features: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Return a system's scores of all actions, (actions,), from features where a split system's are known of all.

    Raises:
        ContractError: scores of another type or shape, or not finite.
    """
    if features and isinstance(system, SplitSystem) and set(features) >= set(prepared):
        tail = Tail(system)
        return logits_of(tail, features, 1, "for one observation")[0]
    return logits_of(system, {m: p.tensor for m, p in prepared.items()}, 1, "for one observation")[0]


class Tail:
    """The second half of a split system, called as a system is: with features."""

    def __init__(self, system: SplitSystem) -> None:
        self.modalities, self.actions, self._decide = system.modalities, system.actions, system.decide

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the scores of all actions."""
        return self._decide(inputs)
