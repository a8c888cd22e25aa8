"""Constants added to what depends on the input, or put beside it: they absorb relevance, which is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..interception.calls import dependent, name_of, named
from ..interception.intercept import in_place
from .ledger import Ledger

__all__ = ["Constants"]


class Constants:
    """Rules for an `Intercept`: a constant becomes a leaf of the graph, whose gradient says what it absorbed.

    Args:
        ledger: where constants are kept.
        plain: what answers a call that needs no rule.
    """

    def __init__(self, ledger: Ledger, plain: Callable[..., Any]) -> None:
        self._ledger, self._plain = ledger, plain

    def _held(self, name: str, value: Any, like: Tensor) -> Any:
        """Return a constant such that its share is counted; what depends on the input as it is."""
        if isinstance(value, Tensor):
            if value.requires_grad:
                return value
            kept = value if value.is_floating_point() or value.is_complex() else value.to(like.dtype)
            return self._ledger.constant(name, kept)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value == 0:
            return value
        return self._ledger.constant(name, torch.tensor(value, dtype=like.dtype, device=like.device))

    def _replaced(
        self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], places: tuple[int, ...], *names: str
    ) -> Any:
        """Call with the constants at some places, or of some names, held."""
        given = list(dependent((args, kwargs)))
        if not given or len(given) == len(places):
            return self._plain(function, args, kwargs)
        name, changed = name_of(function), in_place(function, kwargs)
        held = {k: self._held(name, v, given[0]) if k in names else v for k, v in kwargs.items()}
        if changed and not args[0].requires_grad and args[0].any():
            args[0].copy_(self._held(name, args[0].clone(), given[0]))
        return self._plain(
            function,
            tuple(
                self._held(name, v, given[0]) if k in places and not (changed and k == 0) else v
                for k, v in enumerate(args)
            ),
            held,
        )

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Sums and differences."""
        return self._replaced(function, args, kwargs, (0, 1), "other", "input")

    def where(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A choice between two."""
        # x.where(condition, y) has the condition second.
        places = (0, 2) if args and args[0].is_floating_point() else (1, 2)
        return self._replaced(function, args, kwargs, places, "self", "input", "other")

    def fill(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A mask that is filled."""
        return self._replaced(function, args, kwargs, (0, 2), "value")

    def join(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Tensors put together."""
        parts = args[0] if args else kwargs["tensors"]
        given = list(dependent(parts))
        rest = {k: v for k, v in kwargs.items() if k != "tensors"}
        if given and len(given) < len(parts):
            parts = [self._held(name_of(function), part, given[0]) for part in parts]
        return self._plain(function, (parts, *args[1:]), rest)

    def assign(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Elements that are set."""
        target, index, value = args
        given = list(dependent((target, value)))
        if given:
            if not target.requires_grad and target.any():
                target.copy_(self._held("setitem", target.clone(), given[0]))
            value = self._held("setitem", value, given[0])
        return self._plain(function, (target, index, value), kwargs)

    def pad(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A border of a constant."""
        given = named("input pad mode value", args, kwargs)
        x, value = given["input"], given.get("value")
        if not x.requires_grad or given.get("mode", "constant") != "constant" or not value:
            return self._plain(function, args, kwargs)
        frame = F.pad(torch.zeros_like(x), given["pad"], value=value)
        return F.pad(x, given["pad"]) + self._ledger.constant("pad", frame)
