"""Rules of layer-wise relevance propagation, as changed local slopes.

Relevance is written ``R = x g``: g flows back by torch's own differentiation, and a rule changes how it passes one
function. Whatever is homogeneous of degree one in what depends on the input (pooling, sums, shapes, ReLU, a product
with a constant) conserves ``sum x g`` as it stands, by Euler's theorem. For the rest there are rules:

====================  =================================================================================================
linear layers         epsilon: ``g z / (z + epsilon sign z)``; gamma: positive parts weigh ``1 + gamma`` (Bach et al.,
                      PLoS ONE 2015; Montavon et al., "Layer-Wise Relevance Propagation: An Overview" 2019; for inputs
                      of both signs Andeol et al. 2021)
activations           slope ``(f(x) - f(0)) / x``, so that ``x g_x = (f(x) - f(0)) g_y``; what ``f(0)`` gave is a bias's
products              each factor half; or all to the signal and none to its gate (Arras et al., WASSA 2017)
attention, softmax    weights held constant (Ali et al., "XAI for Transformers", ICML 2022: AH rule)
normalisation         deviation held constant (ibid., LN rule); so are denominators
powers                ``g / p``, which Euler's theorem asks for degree p
====================  =================================================================================================

Constants that are added take a share with them. All of it is counted in a `Ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..interception.calls import dependent, mapped, name_of, named
from ..interception.intercept import (
    ADD,
    ATTENTION,
    CONV,
    DIVIDE,
    EINSUM,
    EXPANSIONS,
    LINEAR,
    MATMUL,
    MULTIPLY,
    POWER,
    SIGMOID,
    SOFTMAX,
    SUBTRACT,
    Intercept,
    in_place,
    rules_for,
    write_back,
)
from ..interception.multihead import attention_weights, shared_heads
from ..interception.recurrent import RECURRENT
from .constants import Constants
from .ledger import Ledger
from .norms import Norms
from .slopes import ACTIVATION, DEGREES, INVERSE, PASSES, Local, Scaled, Stabilised

__all__ = ["Gate", "RelevanceRules"]

Gate = Literal["half", "signal"]
"""What a factor gets that came from a sigmoid: half, as any factor, or nothing."""

_T = Tensor
_GATES = (*SIGMOID, F.hardsigmoid, torch.special.expit)
_JOIN = (torch.cat, torch.concat, torch.concatenate, torch.stack, torch.hstack, torch.vstack, torch.dstack)
_PRODUCT = (*MULTIPLY, *MATMUL, torch.mv, torch.dot, torch.inner, torch.outer, torch.tensordot, _T.mv, _T.dot)


class RelevanceRules(Intercept):
    """A context in which what is computed can be differentiated for relevance.

    Args:
        epsilon: stabiliser of linear layers.
        gammas: how much more positive parts weigh, in dense layers and in convolutions; 0 is the epsilon rule.
        gate: what gates get.
        ledger: where absorbed relevance is counted.

    Attributes:
        unmeasured: functions without a rule whose effect on conservation can't be counted.
    """

    def __init__(self, epsilon: float, gammas: tuple[float, float], gate: Gate, ledger: Ledger) -> None:
        self.epsilon, self.signal, self.ledger = epsilon, gate == "signal", ledger
        self.gammas = gammas
        self.unmeasured: set[str] = set()
        self._gates: set[Any] = set()
        constants, norms = Constants(ledger, self.plain), Norms(ledger, self.plain)
        super().__init__(
            rules_for(
                (LINEAR, self._dense),
                (CONV, self._convolution),
                ((torch.addmm, _T.addmm), self._addmm),
                (ACTIVATION, self._activation),
                (_GATES, self._sigmoid),
                (SOFTMAX, self._constant),
                (INVERSE, self._constant),
                (ATTENTION, self._attention),
                (_PRODUCT, self._product),
                (EINSUM, self._einsum),
                (DIVIDE, self._divide),
                (POWER, self._power),
                (tuple(DEGREES), self._degree),
                ((*ADD, *SUBTRACT), constants.add),
                (_JOIN, constants.join),
                ((torch.where, _T.where), constants.where),
                ((_T.masked_fill, _T.masked_fill_, torch.masked_fill), constants.fill),
                ((_T.__setitem__,), constants.assign),
                ((F.pad,), constants.pad),
                ((F.batch_norm,), norms.batch_norm),
                ((F.layer_norm, torch.layer_norm), norms.layer_norm),
                ((F.rms_norm,), norms.rms_norm),
                ((F.group_norm,), norms.group_norm),
                ((F.instance_norm,), norms.instance_norm),
                ((F.local_response_norm,), norms.local_response),
            ),
            {**EXPANSIONS, **RECURRENT, **_EXPANSIONS},
        )

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer by a rule, an expansion, or plainly; to all of them parameters are constants."""
        # Those of modules that a system hides in a function could not be held still.
        if any(isinstance(t, nn.Parameter) for t in dependent((args, kwargs or {}))):
            args, kwargs = mapped((args, kwargs), lambda t: t.detach() if isinstance(t, nn.Parameter) else t)
        return super().__torch_function__(func, types, args, kwargs)

    def plain(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer a call for which there is no rule; what it does to conservation is measured on the way back."""
        given = list(dependent((args, kwargs)))
        own = [t for t in given if not self.ledger.holds(t)] if self._gates else []
        gated = bool(own) and all(t.grad_fn in self._gates for t in own)
        result = function(*args, **kwargs)
        out = list(dependent(result)) if given and isinstance(result, (Tensor, tuple, list)) else []
        if gated:
            self._gates.update(t.grad_fn for t in out)
        if out and name_of(function) not in PASSES:
            self._measure(function, args, kwargs, out)
        return result

    def _measure(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Sequence[Tensor]
    ) -> None:
        name = name_of(function)
        if len(out) != 1 or in_place(function, kwargs) or out[0]._is_view():
            self.unmeasured.add(name)
            return
        still = mapped((args, dict(kwargs)), lambda t: t.detach().requires_grad_(t.requires_grad))

        def leak(slope: Tensor) -> None:
            with torch.enable_grad():
                given = list(dependent(still))
                again = function(*still[0], **still[1])
                slopes = torch.autograd.grad(again, given, slope, allow_unused=True)
            amounts = [Ledger.share(x, g) for x, g in zip(given, slopes, strict=True) if g is not None]
            self.ledger.add("elsewhere", name, Ledger.share(again, slope) - sum(amounts))

        out[0].register_hook(leak)

    def _tagged(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.grad_fn is not None and x.grad_fn in self._gates

    # ---- linear layers

    def _dense(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._layer(function, args, kwargs, self.gammas[0])

    def _convolution(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._layer(function, args, kwargs, self.gammas[1])

    def _addmm(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if len(args) != 3 or kwargs or args[2].requires_grad or args[0].requires_grad:
            return self.plain(function, args, kwargs)
        bias, x, weight = args

        def call(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            return x @ weight if bias is None else torch.addmm(bias, x, weight)

        call.__name__ = "addmm"
        return self._layer(call, (x, weight, bias), {}, self.gammas[0])

    def _layer(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], gamma: float) -> Any:
        options = named("input weight bias", args[:3], kwargs)
        x, weight, bias = options.pop("input"), options.pop("weight"), options.pop("bias", None)
        if not (x.requires_grad or weight.requires_grad):
            return self.plain(function, args, kwargs)

        def call(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            return function(x, weight, bias, *args[3:], **options)

        name = name_of(function)
        if bias is not None and not bias.requires_grad:
            bias = self.ledger.constant(name, bias)
        if weight.requires_grad:
            z = call(x, weight)
            z = Scaled.apply(z, 0.5) if x.requires_grad else z
            return z if bias is None else z + _channels(bias, weight)
        if gamma == 0:
            z = call(x, weight, bias)
            return z if self.epsilon == 0 else Stabilised.apply(z, z.detach(), self.epsilon, self.ledger, name)
        return self._gamma(call, (x, weight, bias), gamma, name)

    def _gamma(
        self, call: Callable[..., Tensor], given: tuple[Tensor, Tensor, Tensor | None], gamma: float, name: str
    ) -> Tensor:
        """Where z > 0 its positive parts ``x w`` weigh ``1 + gamma``, where z < 0 its negative ones; signs stay."""
        x, weight, bias = given
        z = call(x, weight)
        up = x * (x >= 0)
        positive = call(up, weight.clamp_min(0))
        if (x < 0).any():
            positive = positive + call(x - up, weight.clamp_max(0))
        negative = z - positive
        if bias is not None:
            bias = _channels(bias, weight)
            above = bias > 0
            z, positive, negative = z + bias, positive + bias * above, negative + bias * ~above
        extended = z + gamma * torch.where(z > 0, positive, negative)
        return Stabilised.apply(extended, z.detach(), self.epsilon, self.ledger, name)

    # ---- activations, gates, powers

    def _activation(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = args[0] if args else None
        if not isinstance(x, Tensor) or not x.requires_grad:
            return self.plain(function, args, kwargs)
        changed = in_place(function, kwargs)

        def call(x: Tensor) -> Tensor:
            return function(x.clone() if changed else x, *args[1:], **kwargs)

        value = Local.apply(x.clone() if changed else x, call, self.ledger, name_of(function))
        return write_back(function, args, kwargs, value)

    def _sigmoid(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        result = self._activation(function, args, kwargs)
        if self.signal and result.requires_grad:
            self._gates.add(result.grad_fn)
        return result

    def _constant(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not list(dependent((args, kwargs))):
            return self.plain(function, args, kwargs)
        given = (args[0].clone(), *args[1:]) if in_place(function, kwargs) else args
        with torch.no_grad():
            value = function(*given, **kwargs)
        return write_back(function, args, kwargs, value)

    def _power(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        exponent = (*args, kwargs.get("exponent"))[1]
        if not isinstance(exponent, (int, float)) or not isinstance(args[0], Tensor) or exponent in (0, 1):
            return self.plain(function, args, kwargs)
        if exponent < 0:
            return self._constant(function, args, kwargs)
        return self._scaled(function, args, kwargs, 1 / exponent)

    def _degree(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._scaled(function, args, kwargs, 1 / DEGREES[function])

    def _scaled(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], factor: float) -> Any:
        if not list(dependent((args, kwargs))):
            return self.plain(function, args, kwargs)
        given = (args[0].clone(), *args[1:]) if in_place(function, kwargs) else args
        return write_back(function, args, kwargs, Scaled.apply(function(*given, **kwargs), factor))

    # ---- products

    def _product(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        names = [k for k in ("input", "other", "mat2", "vec", "vec2", "tensor") if k in kwargs]
        pair = [*args[:2], *(kwargs[k] for k in names)]
        if len(list(dependent(pair))) < 2:
            return self.plain(function, args, kwargs)
        if names:
            args, kwargs = (*pair, *args[2:]), {k: v for k, v in kwargs.items() if k not in names}
        left, right = (self._tagged(x) for x in pair)
        given = args
        if left != right:
            given = (pair[0].detach() if left else pair[0], pair[1].detach() if right else pair[1], *args[2:])
        if in_place(function, kwargs):
            given = (given[0].clone(), *given[1:])
        value = function(*given, **kwargs)
        value = write_back(function, args, kwargs, value if left != right else Scaled.apply(value, 0.5))
        if left and right:
            self._gates.add(value.grad_fn)
        return value

    def _einsum(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        given = list(dependent(args))
        if len(given) < 2:
            return self.plain(function, args, kwargs)
        gates = [x for x in given if self._tagged(x)]
        if 0 < len(gates) < len(given):
            args = mapped(args, lambda t: t.detach() if self._tagged(t) else t)
            given = list(dependent(args))
        return Scaled.apply(function(*args, **kwargs), 1 / len(given))

    def _attention(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        given = named("query key value attn_mask dropout_p is_causal", args, kwargs)
        query, key, value = given["query"], given["key"], given["value"]
        if given.get("enable_gqa"):
            key, value = (shared_heads(x, query.shape[-3]) for x in (key, value))
        causal, scale = bool(given.get("is_causal")), given.get("scale")
        with torch.no_grad():
            weights = attention_weights(query, key, given.get("attn_mask"), is_causal=causal, scale=scale)
        return weights @ value

    def _divide(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs.get("rounding_mode"):
            return self.plain(function, args, kwargs)
        if function in (_T.__rdiv__, _T.__rtruediv__):
            return self._constant(function, args, kwargs)
        still = mapped((args[1:], dict(kwargs)), torch.detach)
        return self.plain(function, (args[0], *still[0]), still[1])


def _channels(bias: Tensor, weight: Tensor) -> Tensor:
    """Return a layer's bias such that it broadcasts over the layer's output."""
    return bias.view(-1, *[1] * (weight.ndim - 2)) if bias.ndim == 1 else bias


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    signal, gate = x.chunk(2, dim)
    return signal * torch.sigmoid(gate)


def _normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    return x / x.detach().norm(p, dim, keepdim=True).clamp_min(eps)


def _cosine(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    return (_normalize(x1, 2.0, dim, eps) * _normalize(x2, 2.0, dim, eps)).sum(dim)


_EXPANSIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    F.glu: _glu,
    F.normalize: _normalize,
    F.cosine_similarity: _cosine,
}
"""Functions that hold a product or a denominator."""
