"""Calls into torch, answered differently for a while: no hooks, no changed modules, nothing to put back.

A rule stands for a *function* (ReLU, softmax, a matrix product ...), however it is called: as a module, used once or
ten times, in place or not, or as a function or a method. That is what peers that hook modules get wrong on reused and
in-place activations. The mode is local to the thread and ends with its context. It does not reach into compiled or
scripted code, nor into fused kernels (cuDNN's and MKL's LSTM): `asked` stays 0 where no rule was ever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = [
    "ADD",
    "ATTENTION",
    "GELU",
    "LAYER_NORM",
    "LINEAR",
    "MATMUL",
    "MULTIPLY",
    "RELU",
    "RELU6",
    "SIGMOID",
    "SILU",
    "SOFTMAX",
    "TANH",
    "Intercept",
    "Rule",
    "rules_for",
    "write_back",
]

Rule = Callable[..., Any]
"""``rule(function, args, kwargs)`` returns what the call gives; ``function`` is what was called, which it may call."""

_T = Tensor
RELU = (torch.relu, torch.relu_, F.relu, _T.relu, _T.relu_)
RELU6 = (F.relu6, F.hardtanh, F.hardtanh_, torch._C._nn.relu6, torch._C._nn.hardtanh, torch._C._nn.hardtanh_)
GELU = (F.gelu,)
SILU = (F.silu, torch._C._nn.silu, torch._C._nn.silu_)
TANH = (torch.tanh, torch.tanh_, F.tanh, _T.tanh, _T.tanh_)
SIGMOID = (torch.sigmoid, torch.sigmoid_, F.sigmoid, _T.sigmoid, _T.sigmoid_)
SOFTMAX = (torch.softmax, F.softmax, _T.softmax)
ATTENTION = (F.scaled_dot_product_attention,)
LAYER_NORM = (F.layer_norm, torch.layer_norm)
LINEAR = (F.linear,)
MATMUL = (torch.matmul, torch.bmm, torch.mm, _T.matmul, _T.bmm, _T.mm, _T.__matmul__)
ADD = (torch.add, _T.add, _T.add_, _T.__add__, _T.__radd__, _T.__iadd__)
MULTIPLY = (torch.mul, _T.mul, _T.mul_, _T.__mul__, _T.__rmul__, _T.__imul__)


def rules_for(*pairs: tuple[tuple[Callable[..., Any], ...], Rule]) -> dict[Callable[..., Any], Rule]:
    """Return one mapping from function to rule, from pairs of a group (`RELU` ...) and its rule."""
    return {function: rule for group, rule in pairs for function in group}


class Intercept(TorchFunctionMode):
    """A context in which calls of some functions are answered by rules.

    Inside a rule the mode is off, so that a rule may call what it stands for.

    Attributes:
        asked: how often a rule was asked, over all calls.

    Example:
        >>> with Intercept(rules_for((RELU, lambda function, args, kwargs: 2 * function(*args, **kwargs)))):
        ...     torch.nn.ReLU(inplace=True)(torch.ones(1))
        tensor([2.])
    """

    def __init__(self, rules: Mapping[Callable[..., Any], Rule]) -> None:
        super().__init__()
        self.rules = rules
        self.asked = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer by a rule, or as torch does."""
        rule = self.rules.get(func)
        if rule is None:
            return func(*args, **(kwargs or {}))
        self.asked += 1
        return rule(func, args, kwargs or {})


def write_back(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Tensor) -> Tensor:
    """Return ``value``; where the call was in place, the tensor given takes it on.

    A rule computes anew, from a copy of its input if the call was in place, and what else holds the tensor must see
    the change.
    """
    name = getattr(function, "__name__", "")
    in_place = (
        kwargs.get("inplace", False) or (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
    )
    if in_place and isinstance(args[0], Tensor):
        return args[0].copy_(value)
    return value
