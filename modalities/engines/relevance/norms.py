"""Relevance through normalisation: the deviation is held constant, so that what is left is affine.

Ali et al., "XAI for Transformers: Better Explanations through Conservative Propagation" (ICML 2022), the LN rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..interception.calls import named
from .ledger import Ledger

__all__ = ["Norms"]


class Norms:
    """Rules for an `Intercept`.

    Args:
        ledger: where the shares of biases are counted.
        plain: what answers a call that needs no rule.
    """

    def __init__(self, ledger: Ledger, plain: Callable[..., Any]) -> None:
        self._ledger, self._plain = ledger, plain

    def _affine(self, x: Tensor, name: str, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        x = x if weight is None else x * weight
        return x if bias is None else x + self._ledger.constant(name, bias)

    def batch_norm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Batch norm in evaluation is affine."""
        given = named("input running_mean running_var weight bias training momentum eps", args, kwargs)
        x, mean, variance = given["input"], given["running_mean"], given["running_var"]
        if not x.requires_grad or given.get("training", False) or mean is None:
            return self._plain(function, args, kwargs)
        shape = (1, -1, *[1] * (x.ndim - 2))
        scale = (variance + given.get("eps", 1e-5)).rsqrt()
        scale = scale if given.get("weight") is None else scale * given["weight"]
        shift = -mean * scale if given.get("bias") is None else given["bias"] - mean * scale
        return self._affine(x, "batch_norm", scale.to(x.dtype).view(shape), shift.to(x.dtype).view(shape))

    def layer_norm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Layer norm, its deviation held constant."""
        given = named("input normalized_shape weight bias eps", args, kwargs)
        if not given["input"].requires_grad:
            return self._plain(function, args, kwargs)
        dims = tuple(range(-len(given["normalized_shape"]), 0))
        x = _standardised(given["input"], dims, given.get("eps", 1e-5))
        return self._affine(x, "layer_norm", given.get("weight"), given.get("bias"))

    def rms_norm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """RMS norm, its scale held constant."""
        given = named("input normalized_shape weight eps", args, kwargs)
        x, eps = given["input"], given.get("eps")
        dims = tuple(range(-len(given["normalized_shape"]), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        scale = (x.detach().square().mean(dims, keepdim=True) + eps).rsqrt()
        return self._affine(x * scale, "rms_norm", given.get("weight"), None)

    def group_norm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Group norm, its deviations held constant."""
        given = named("input num_groups weight bias eps", args, kwargs)
        if not given["input"].requires_grad:
            return self._plain(function, args, kwargs)
        return self._grouped(given, given["num_groups"], "group_norm")

    def instance_norm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Instance norm, its deviations held constant; with statistics of its own it is affine."""
        given = named("input running_mean running_var weight bias use_input_stats momentum eps", args, kwargs)
        if not given["input"].requires_grad:
            return self._plain(function, args, kwargs)
        if not given.get("use_input_stats", True):
            same = {k: v for k, v in given.items() if k != "use_input_stats"}
            return self.batch_norm(F.batch_norm, (), same)
        return self._grouped(given, given["input"].shape[1], "instance_norm")

    def local_response(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Local response norm, its denominators held constant."""
        given = named("input size alpha beta k", args, kwargs)
        x = given.pop("input")
        if not x.requires_grad:
            return self._plain(function, args, kwargs)
        still = x.detach()
        return x * (function(still, **given) / torch.where(still == 0, 1, still))

    def _grouped(self, given: Mapping[str, Any], groups: int, name: str) -> Tensor:
        x = given["input"]
        grouped = x.reshape(len(x), groups, -1)
        x = _standardised(grouped, (2,), given.get("eps", 1e-5)).reshape(x.shape)
        shape = (1, -1, *[1] * (x.ndim - 2))
        weight, bias = (None if given.get(k) is None else given[k].view(shape) for k in ("weight", "bias"))
        return self._affine(x, name, weight, bias)


def _standardised(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """Subtract the mean, which is linear, and divide by a deviation that is held constant."""
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.detach().square().mean(dims, keepdim=True) + eps).rsqrt()
