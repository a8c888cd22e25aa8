"""A bounded store of what was computed lately, by key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key, those used last, at most so many."""

    def __init__(self, most: int) -> None:
        """Hold nothing yet, and never more than ``most``."""
        self.most = most
        self.made = self.again = 0
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it and keep it."""
        if key not in self._values:
            self.put(key, make())
        else:
            self.again += 1
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self) -> None:
        """Forget all values; what was counted stays."""
        self._values.clear()

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value that was made; what was used longest ago goes."""
        self._values[key] = value
        self.made += 1
        while len(self._values) > self.most:
            self._values.popitem(last=False)
