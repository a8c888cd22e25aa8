"""A store of tensors within a bound of bytes: what was computed lately is not computed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

__all__ = ["STORE", "TensorStore"]

STORE = 128 * 2**20
"""Bytes of edited inputs, or of their features, that are kept to be used again."""


class TensorStore:
    """Tensors by key, those used last, within a bound of bytes."""

    def __init__(self, bound: int = STORE) -> None:
        self.bound, self.bytes = bound, 0
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable) -> Tensor | None:
        """Return what is kept under a key, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, value: Tensor) -> None:
        """Keep a copy; those used longest ago go first. What is larger than the bound is not kept."""
        size = value.numel() * value.element_size()
        if size > self.bound or key in self._kept:
            return
        # A copy: a row of a batch would keep the whole batch alive.
        self._kept[key] = value.clone()
        self.bytes += size
        while self.bytes > self.bound:
            _, old = self._kept.popitem(last=False)
            self.bytes -= old.numel() * old.element_size()
