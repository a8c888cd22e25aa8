"""Stand-ins for functions that have no useful second derivative: smooth ReLUs, and attention in plain products.

A ReLU network's Hessian is zero almost everywhere, whatever its gradient does a step away; with SoftPlus in place of
ReLU it has one that tells. Fused attention kernels have no second derivative at all; the same attention in matrix
products has. Grouped convolutions have one that is slow. All hold inside their context only, in this thread only, and
change no module and no weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ....errors import InputError
from ..interception.intercept import ATTENTION, CONV, RELU, RELU6, Intercept, Rule, rules_for, write_back
from ..interception.multihead import attention_weights, shared_heads

__all__ = ["attention", "eager_attention", "frozen_convolutions", "soft_clamp", "soft_relu"]


def soft_clamp(
    x: Float[Tensor, "*shape"], low: float = 0.0, high: float = math.inf, beta: float = 10.0
) -> Float[Tensor, "*shape"]:
    """Clamp smoothly: ``low + softplus(x - low) - softplus(x - high)``, each ``log(1 + exp(beta x)) / beta``.

    With the bounds as they stand it is SoftPlus, a smooth ReLU. Its first derivative is a sigmoid's difference; it is
    within ``log(2) / beta`` of the clamp.

    Dugas et al., "Incorporating Second-Order Functional Knowledge" (NeurIPS 2000); as a surrogate for explanations
    Dombrowski et al., "Explanations Can Be Manipulated and Geometry Is to Blame" (NeurIPS 2019), section 4.
    """
    lower = low + F.softplus(x - low, beta)
    return lower if math.isinf(high) else lower - F.softplus(x - high, beta)


def attention(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*kin keys width"],
    value: Float[Tensor, "*kin keys depth"],
    mask: Bool[Tensor, "..."] | Float[Tensor, "..."] | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Float[Tensor, "*batch queries depth"]:
    """Return scaled dot-product attention in plain products, which have derivatives of every order.

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), eq. 1. A query that may attend to nothing gives zeros,
    as torch's does.

    Args:
        query: what asks.
        key: what is asked.
        value: what is answered.
        mask: True where a query may look, or what is added to the products; broadcasts to (..., queries, keys).
        is_causal: a query looks at no key behind its own place.
        scale: factor of the products; by default 1 / sqrt(width).
        enable_gqa: the query has a multiple of the keys' heads (third axis from behind), which share a key in turn.
    """
    if enable_gqa:
        key, value = (shared_heads(x, query.shape[-3]) for x in (key, value))
    return attention_weights(query, key, mask, is_causal=is_causal, scale=scale) @ value


def _smooth(beta: float) -> tuple[Rule, Rule]:
    """Return the rules of ReLU and of the clamps that torch calls ReLU6 and hard tanh."""

    def answer(function: Any, x: Tensor, bounds: tuple[float, float], kwargs: Mapping[str, Any]) -> Tensor:
        # From a copy: where the call is in place, what the derivative needs must not be written over.
        return write_back(function, (x,), kwargs, soft_clamp(x.clone(), *bounds, beta))

    def relu(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        x = args[0] if args else kwargs["input"]
        return answer(function, x, (0.0, math.inf), kwargs)

    def clamp(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        given = dict(zip(("input", "min_val", "max_val"), args, strict=False)) | dict(kwargs)
        wide = "hardtanh" in function.__name__
        low, high = (given.get("min_val", -1.0), given.get("max_val", 1.0)) if wide else (0.0, 6.0)
        return answer(function, given["input"], (float(low), float(high)), kwargs)

    return relu, clamp


@contextmanager
def soft_relu(beta: float = 10.0) -> Iterator[Intercept]:
    """Make every ReLU a SoftPlus while the context lasts, and every ReLU6 or hard tanh a smooth clamp.

    As module, function or method, reused or in place. Each unit's output moves by at most ``log(2) / beta``; a small
    ``beta`` is smoother and farther from the network that is explained. Other piecewise linear functions (leaky ReLU,
    ``clamp``, max pooling) stay. The context gives the `Intercept`: its ``asked`` tells how many calls were answered.

    Args:
        beta: sharpness, per unit of the activation; about 5 to 10 serves.

    Raises:
        InputError: ``beta`` is not positive and finite.

    Example:
        >>> with soft_relu(beta=10.0):
        ...     torch.relu(torch.zeros(1))
        tensor([0.0693])
    """
    if not (math.isfinite(beta) and beta > 0):
        raise InputError(f"soft_relu: beta {beta}; give a positive number, about 5 to 10")
    relu, clamp = _smooth(float(beta))
    with Intercept(rules_for((RELU, relu), (RELU6, clamp))) as mode:
        yield mode


def _attend(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    if given.get("dropout_p", 0.0) > 0:
        raise InputError(
            f"attention: dropout of {given['dropout_p']} while derivatives are taken; put the system in evaluation mode"
        )
    settings = {n: given[n] for n in ("is_causal", "scale", "enable_gqa") if n in given}
    return attention(given["query"], given["key"], given["value"], given.get("attn_mask"), **settings)


@contextmanager
def eager_attention() -> Iterator[Intercept]:
    """Compute scaled dot-product attention in plain products while the context lasts.

    Fused kernels have a first derivative only. Masks, causality, a scale of one's own and grouped queries are kept;
    memory grows with queries times keys. ``nn.MultiheadAttention`` and transformer layers of torch count too.

    Raises:
        InputError: (at the call) dropout in the attention; a system in evaluation mode has none.

    Example:
        >>> with eager_attention():
        ...     F.scaled_dot_product_attention(torch.ones(1, 2, 4), torch.ones(1, 3, 4), torch.ones(1, 3, 1))[0, :, 0]
        tensor([1., 1.])
    """
    with Intercept(rules_for((ATTENTION, _attend))) as mode:
        yield mode


_Settings = tuple[list[int], list[int], list[int], bool, list[int], int]
"""Stride, padding, dilation, whether transposed, output padding, groups."""


class _Convolution(torch.autograd.Function):
    """A convolution by weights that are constant: linear in x, so its derivatives are itself and its transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, settings: _Settings) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.settings = x.shape, settings
        return torch.ops.aten.convolution(x, weight, None, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _Transposed.apply(gradients[0], *ctx.saved_tensors, ctx.shape, ctx.settings), None, None


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor, shape: torch.Size, settings: _Settings) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.settings = settings
        x = g.new_empty(shape)  # of which the shape alone is read
        only_x = [True, False, False]
        return torch.ops.aten.convolution_backward(g, x, weight, None, *settings, only_x)[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Convolution.apply(gradients[0], *ctx.saved_tensors, ctx.settings), None, None, None


def _convolve(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    x, weight, bias, padding = given["input"], given["weight"], given.get("bias"), given.get("padding", 0)
    plain = "transpose" in function.__name__ or given.get("groups", 1) == 1 or isinstance(padding, str)
    if plain or weight.requires_grad or x.ndim != weight.ndim or torch.is_autocast_enabled(x.device.type):
        return function(*args, **kwargs)
    sides = weight.ndim - 2

    def each(value: Any) -> list[int]:
        values = [value] if isinstance(value, int) else list(value)
        return values * sides if len(values) == 1 else values

    numbers = [each(v) for v in (given.get("stride", 1), padding, given.get("dilation", 1))]
    out = _Convolution.apply(x, weight, (*numbers, False, [0] * sides, given["groups"]))
    return out if bias is None else out + bias.view(-1, *[1] * sides)


@contextmanager
def frozen_convolutions() -> Iterator[Intercept]:
    """Differentiate grouped convolutions as what they are with frozen weights, linear, while the context lasts.

    torch's second derivative of a convolution always finds that of the weights too, group by group: on
    EfficientNet-Lite0, whose groups are as many as its channels, that takes most of the time. Scores and derivatives
    are the same. Convolutions whose weights learn, and those under autocast, are left to torch.
    """
    with Intercept(rules_for((CONV, _convolve))) as mode:
        yield mode
