"""Multi-head attention in plain functions, so that a rule can see what happens inside.

`torch.nn.functional.multi_head_attention_forward` reaches an `Intercept` as *one* call, and what it calls in turn
does not reach it at all. Here the same is computed through `F.linear`, `F.scaled_dot_product_attention` or
`F.softmax`, which do. torch's fused paths (``torch._transformer_encoder_layer_fwd`` and others) need no remedy: torch
leaves them wherever a function mode is on.
"""

from __future__ import annotations

import inspect
import math
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ....errors import InputError

__all__ = ["attention_weights", "multi_head_attention", "shared_heads"]

_SIGNATURE = inspect.signature(F.multi_head_attention_forward)


def attention_weights(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*kin keys width"],
    mask: Bool[Tensor, "..."] | Float[Tensor, "..."] | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch queries keys"]:
    """Return the weights of scaled dot-product attention, ``softmax(scale * q k' + mask)``, differentiable.

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), eq. 1. A query that may look at nothing has weights of
    zero, as in `torch.nn.functional.scaled_dot_product_attention`.

    Args:
        query: what asks.
        key: what is asked.
        mask: True where a query may look, or what is added to the products; broadcasts to (..., queries, keys).
        is_causal: a query looks at no key behind its own place.
        scale: factor of the products; by default 1 / sqrt(width).
    """
    products = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        seen = torch.ones(products.shape[-2:], dtype=torch.bool, device=query.device).tril()
        products = products.masked_fill(~seen, -torch.inf)
    if mask is not None:
        products = products.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else products + mask
    blind = (products == -torch.inf).all(-1, keepdim=True)
    return F.softmax(products.masked_fill(blind, 0), -1).masked_fill(blind, 0)


def shared_heads(x: Float[Tensor, "... kin tokens width"], heads: int) -> Float[Tensor, "... heads tokens width"]:
    """Repeat the heads of keys or values that queries share (grouped-query attention) until there are ``heads``."""
    return x if x.shape[-3] == heads else x.repeat_interleave(heads // x.shape[-3], -3)


def multi_head_attention(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    """Compute what `torch.nn.functional.multi_head_attention_forward` does, of the same arguments, in plain functions.

    Returns:
        The output, (queries, batch, features), and the weights (or None), as torch gives them.

    Raises:
        InputError: static keys or values; widths that don't fit; a causal hint without a mask.
    """
    bound = _SIGNATURE.bind(*args, **kwargs)
    bound.apply_defaults()
    a = SimpleNamespace(**bound.arguments)
    _check(a)
    alone = a.query.ndim == 2
    if alone:
        a.query, a.key, a.value = (x[:, None] for x in (a.query, a.key, a.value))
        a.key_padding_mask = None if a.key_padding_mask is None else a.key_padding_mask[None]
    query, key, value = _projected(a)
    # torch drops the mask where the causal hint alone is enough, and so takes another kernel.
    causal = bool(a.is_causal and a.key_padding_mask is None and not a.need_weights)
    mask = None if causal else _mask(a, query, key.shape[2])
    dropout = a.dropout_p if a.training else 0.0
    weights = None
    if a.need_weights:
        products = query * math.sqrt(1 / query.shape[-1]) @ key.transpose(-2, -1)
        weights = F.softmax(products if mask is None else products + mask, -1)
        weights = F.dropout(weights, dropout) if dropout > 0 else weights
        out = weights @ value
    else:
        out = F.scaled_dot_product_attention(query, key, value, mask, dropout, causal)
    out = F.linear(out.permute(2, 0, 1, 3).flatten(2), a.out_proj_weight, a.out_proj_bias)
    if weights is not None and a.average_attn_weights:
        weights = weights.mean(1)
    if alone:
        return out[:, 0], None if weights is None else weights[0]
    return out, weights


def _check(a: SimpleNamespace) -> None:
    if a.static_k is not None or a.static_v is not None:
        raise InputError("attention: static keys or values can't be looked into; give keys and values themselves")
    width = a.query.shape[-1]
    if width != a.embed_dim_to_check or width % a.num_heads:
        raise InputError(
            f"attention: queries of {width} features; {a.embed_dim_to_check} are wanted, a multiple of {a.num_heads} "
            "heads"
        )
    if a.is_causal and a.attn_mask is None:
        raise InputError("attention: is_causal is a hint only; give attn_mask too")


def _projected(a: SimpleNamespace) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, each (batch, heads, tokens, width of a head)."""
    weights = (a.q_proj_weight, a.k_proj_weight, a.v_proj_weight)
    if not a.use_separate_proj_weight:
        weights = a.in_proj_weight.chunk(3)
    biases = (None,) * 3 if a.in_proj_bias is None else a.in_proj_bias.chunk(3)
    query, key, value = (F.linear(x, w, b) for x, w, b in zip((a.query, a.key, a.value), weights, biases, strict=True))
    batch = query.shape[1]
    if a.bias_k is not None:
        key = torch.cat((key, a.bias_k.expand(1, batch, -1)))
        value = torch.cat((value, a.bias_v.expand(1, batch, -1)))
    if a.add_zero_attn:
        key, value = (torch.cat((x, x.new_zeros(1, *x.shape[1:]))) for x in (key, value))
    query, key, value = (x.unflatten(2, (a.num_heads, -1)).permute(1, 2, 0, 3) for x in (query, key, value))
    return query, key, value


def _mask(a: SimpleNamespace, query: Tensor, keys: int) -> Tensor | None:
    """Return what is added to the products of queries and keys, for (batch, heads, queries, keys)."""
    batch, heads = query.shape[:2]
    found = None
    if a.attn_mask is not None:
        mask = _additive(a.attn_mask, query)
        found = mask.unflatten(0, (batch, heads)) if mask.ndim == 3 else mask
    if a.key_padding_mask is not None:
        padding = _additive(a.key_padding_mask, query)[:, None, None, :]
        found = padding if found is None else found + padding
    # Keys that were added, the bias and the zeros, may be looked at by all.
    return found if found is None else F.pad(found, (0, keys - found.shape[-1]))


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, -torch.inf)
    return mask
