"""Where relevance went that did not arrive at the input: counted, so that conservation can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Num
from torch import Tensor

__all__ = ["Entry", "Ledger"]

Entry = Literal["bias", "epsilon", "elsewhere"]
"""What absorbed relevance: constants that are added, the stabiliser, or functions without a rule."""


class Ledger:
    """What one propagation absorbed.

    Attributes:
        constants: tensors that were added to what depends on the input, each a leaf of its own; their gradients say
            what they absorbed. By name of the function.
    """

    def __init__(self) -> None:
        self.constants: list[tuple[str, Tensor]] = []
        self._ids: set[int] = set()
        self._entries: list[tuple[Entry, str, Tensor]] = []

    @staticmethod
    def share(value: Num[Tensor, "*shape"], slope: Num[Tensor, "*shape"]) -> Num[Tensor, ""]:
        """Return ``sum value * slope`` in float64; of complex numbers both parts count, where the slope is 0 none."""
        product = value.detach() * slope.detach().conj()
        real = product.real if product.is_complex() else product
        # An infinite constant (a mask's) that nothing passes has no share.
        return torch.where(slope.detach() == 0, 0, real).sum(dtype=torch.float64)

    def constant(self, name: str, value: Tensor) -> Tensor:
        """Return a constant as a leaf whose gradient will be asked for."""
        leaf = value.detach().requires_grad_(True)
        self.constants.append((name, leaf))
        self._ids.add(id(leaf))
        return leaf

    def holds(self, x: Tensor) -> bool:
        """Return whether a tensor is one of the constants."""
        return id(x) in self._ids

    def add(self, kind: Entry, name: str, amount: Num[Tensor, ""]) -> None:
        """Count what a call of a function absorbed."""
        self._entries.append((kind, name, amount))

    def close(self, slopes: Sequence[Tensor | None]) -> None:
        """Count what the constants absorbed, from their gradients."""
        for (name, leaf), slope in zip(self.constants, slopes, strict=True):
            if slope is not None:
                self.add("bias", name, self.share(leaf, slope))
        self.constants.clear()
        self._ids.clear()

    def total(self, kind: Entry) -> dict[str, float]:
        """Return what was absorbed, by name of the function, those that absorbed nothing left out."""
        found: dict[str, float] = {}
        for which, name, amount in self._entries:
            if which == kind:
                found[name] = found.get(name, 0.0) + float(amount)
        return {name: amount for name, amount in found.items() if amount != 0}

    def not_finite(self) -> str | None:
        """Return the first function, from the score back, where relevance was not finite."""
        return next((name for _, name, amount in self._entries if not amount.isfinite()), None)
