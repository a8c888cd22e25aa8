"""Calls into torch, answered differently for a while: no hooks, no changed modules, nothing to put back.

A rule stands for a *function* (ReLU, softmax, a matrix product ...), however it is called: as a module, used once or
ten times, in place or not, or as a function or a method. That is what peers that hook modules get wrong on reused and
in-place activations. The mode is local to the thread and ends with its context. It does not reach into compiled or
scripted code, nor into fused kernels (cuDNN's and MKL's LSTM): `asked` stays 0 where no rule was ever asked. What torch
computes in one call can be computed in several that rules do see, by an *expansion*: multi-head attention is, always;
recurrent layers can be (`veridical.modalities.engines.interception.recurrent`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .multihead import multi_head_attention

__all__ = [
    "ADD",
    "ATTENTION",
    "CONV",
    "DIVIDE",
    "EINSUM",
    "EXPANSIONS",
    "GELU",
    "LAYER_NORM",
    "LINEAR",
    "MATMUL",
    "MULTIPLY",
    "POWER",
    "RELU",
    "RELU6",
    "SIGMOID",
    "SILU",
    "SOFTMAX",
    "SUBTRACT",
    "TANH",
    "Intercept",
    "Rule",
    "in_place",
    "rules_for",
    "write_back",
]

Rule = Callable[..., Any]
"""``rule(function, args, kwargs)`` returns what the call gives; ``function`` is what was called, which it may call."""

_T = Tensor
_NN: Any = getattr(torch._C, "_nn")  # noqa: B009 - torch has no stub of it
RELU = (torch.relu, torch.relu_, F.relu, _T.relu, _T.relu_)
RELU6 = (F.relu6, F.hardtanh, F.hardtanh_, _NN.relu6, _NN.hardtanh, _NN.hardtanh_)
GELU = (F.gelu,)
SILU = (F.silu, _NN.silu, _NN.silu_)
TANH = (torch.tanh, torch.tanh_, F.tanh, _T.tanh, _T.tanh_)
SIGMOID = (torch.sigmoid, torch.sigmoid_, F.sigmoid, _T.sigmoid, _T.sigmoid_)
SOFTMAX = (torch.softmax, F.softmax, _T.softmax)
ATTENTION = (F.scaled_dot_product_attention,)
LAYER_NORM = (F.layer_norm, torch.layer_norm)
LINEAR = (F.linear,)
CONV = (
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
)
EINSUM = (torch.einsum,)
MATMUL = (torch.matmul, torch.bmm, torch.mm, _T.matmul, _T.bmm, _T.mm, _T.__matmul__, _T.__rmatmul__)
ADD = (torch.add, _T.add, _T.add_, _T.__add__, _T.__radd__, _T.__iadd__)
SUBTRACT = (torch.sub, torch.subtract, torch.rsub, _T.sub, _T.subtract, _T.sub_, _T.__sub__, _T.__rsub__, _T.__isub__)
MULTIPLY = (torch.mul, torch.multiply, _T.mul, _T.multiply, _T.mul_, _T.__mul__, _T.__rmul__, _T.__imul__)
DIVIDE = (
    *(torch.div, torch.divide, torch.true_divide, _T.div, _T.divide, _T.true_divide, _T.div_, _T.true_divide_),
    *(_T.__truediv__, _T.__rtruediv__, _T.__itruediv__, _T.__rdiv__, _T.__idiv__),
)
POWER = (torch.pow, _T.pow, _T.pow_, _T.__pow__, _T.__ipow__)

EXPANSIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {F.multi_head_attention_forward: multi_head_attention}
"""Functions that are computed in others, which rules see."""


def rules_for(*pairs: tuple[tuple[Callable[..., Any], ...], Rule]) -> dict[Callable[..., Any], Rule]:
    """Return one mapping from function to rule, from pairs of a group (`RELU` ...) and its rule."""
    return {function: rule for group, rule in pairs for function in group}


class Intercept(TorchFunctionMode):
    """A context in which calls of some functions are answered by rules.

    Inside a rule the mode is off, so that a rule may call what it stands for. Inside an expansion it is on.

    Args:
        rules: by function.
        expansions: by function, what computes the same in several calls; asked where there is no rule.

    Attributes:
        asked: how often a rule was asked, over all calls.

    Example:
        >>> with Intercept(rules_for((RELU, lambda function, args, kwargs: 2 * function(*args, **kwargs)))):
        ...     torch.nn.ReLU(inplace=True)(torch.ones(1))
        tensor([2.])
    """

    def __init__(
        self,
        rules: Mapping[Callable[..., Any], Rule],
        expansions: Mapping[Callable[..., Any], Callable[..., Any]] = EXPANSIONS,
    ) -> None:
        super().__init__()
        self.rules, self.expansions = rules, expansions
        self.asked = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer by a rule, or as torch does."""
        rule = self.rules.get(func)
        if rule is not None:
            self.asked += 1
            return rule(func, args, kwargs or {})
        expansion = self.expansions.get(func)
        if expansion is None:
            return self.plain(func, args, kwargs or {})
        with self:
            return expansion(*args, **(kwargs or {}))

    def plain(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer a call for which there is no rule: as torch does."""
        return function(*args, **kwargs)


def in_place(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call changes its first argument."""
    name = getattr(function, "__name__", "")
    return bool(
        kwargs.get("inplace", False) or (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
    )


def write_back(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Tensor) -> Tensor:
    """Return ``value``; where the call was in place, the tensor given takes it on.

    A rule computes anew, from a copy of its input if the call was in place, and what else holds the tensor must see
    the change.
    """
    if in_place(function, kwargs) and isinstance(args[0], Tensor):
        return args[0].copy_(value)
    return value
