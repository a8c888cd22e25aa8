"""What a call into torch is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

__all__ = ["dependent", "mapped", "name_of", "named"]


def named(names: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by name, those given by position too; ``names`` are in the order of the positions."""
    return dict(zip(names.split(), args, strict=False)) | dict(kwargs)


def name_of(function: Any) -> str:
    """Return the name of a function of torch, the same for what works in place."""
    return getattr(function, "__name__", str(function)).strip("_")


def dependent(values: Any) -> Iterator[Tensor]:
    """Yield the tensors that depend on the input."""
    if isinstance(values, Tensor):
        if values.requires_grad:
            yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from dependent(value)
    elif isinstance(values, Mapping):
        yield from dependent(list(values.values()))


def mapped(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change the tensors in tuples, lists and mappings."""
    if isinstance(values, Tensor):
        return change(values)
    if type(values) in (tuple, list):
        return type(values)(mapped(value, change) for value in values)
    if type(values) is dict:
        return {k: mapped(v, change) for k, v in values.items()}
    return values
