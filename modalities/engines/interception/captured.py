"""Self-attention caught where it is made: the weights of each layer, and the target's gradient with respect to them.

Any model's attention is caught (fused or not, `torch.nn.MultiheadAttention` included), with its place in the graph:
which sense a layer reads is found there, not guessed from names. Compiled code and attention kernels of other packages
are not seen. Attention across senses, from a decoder to an encoder, or inside windows, mixes other things than the
tokens of one sense; it is left out and counted, or refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ....errors import InputError
from ...scorer import Inputs, Scorer
from .intercept import ATTENTION, SOFTMAX, Intercept, rules_for
from .multihead import attention_weights, shared_heads

__all__ = ["Captured", "Weights", "capture_attention"]

Weights = Float[Tensor, "rows heads tokens tokens"]
"""Of one layer: how much each token (third axis) looks at each (last axis)."""


@dataclass(frozen=True)
class Captured:
    """The self-attention of one sense.

    Attributes:
        sense: which.
        maps: weights of the layers, (rows, heads, tokens, tokens), the first layer first, detached; rows are those of
            the batch, times the frames that a system folds into it.
        gradients: of the target with respect to the maps.
        left_out: attention layers that are not among them: across senses, or over other tokens.
        scores: the target's value for each row of the batch.
    """

    sense: str
    maps: tuple[Weights, ...]
    gradients: tuple[Weights, ...]
    left_out: int
    scores: Float[Tensor, " batch"]


def capture_attention(scorer: Scorer, inputs: Inputs, sense: str | None = None) -> Captured:
    """Catch the weights of a sense's self-attention layers, and the target's gradient with respect to them.

    Args:
        scorer: the system and the question.
        inputs: batches by sense.
        sense: which sense's; needed only where several have attention of their own.

    Raises:
        InputError: no attention to be seen, several senses have some and none is named, attention inside windows, or
            layers that don't build upon one another.
    """
    caught: list[Tensor] = []
    with torch.inference_mode(False), torch.enable_grad(), scorer.held():
        leaves = {m: x.detach().clone().requires_grad_(x.is_floating_point()) for m, x in inputs.items()}
        with _catching(caught):
            logits = scorer.logits(leaves)
        if not logits.requires_grad:
            raise InputError("attention: no gradient reaches any input, so which layer reads which sense can't be told")
        origins = _origins([w for w in caught if w.requires_grad], leaves)
        sense = _sense([o.senses for o in origins if o.square], inputs, sense)
        own = _chain(origins, sense, _rows(sense, inputs[sense]))
        score = scorer.target(logits)
        slopes = torch.autograd.grad(score.sum(), own, allow_unused=True)
    maps = tuple(_heads(w.detach(), _rows(sense, inputs[sense])) for w in own)
    gradients = tuple(
        torch.zeros_like(w) if g is None else g.detach().reshape(w.shape) for w, g in zip(maps, slopes, strict=True)
    )
    return Captured(sense, maps, gradients, len(caught) - len(own), score.detach())


def _catching(caught: list[Tensor]) -> Intercept:
    """Return a context in which attention weights are put into ``caught``, and attention is computed unfused."""

    def fused(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        return _unfused(caught, *args, **kwargs)

    def softmax(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        weights = function(*args, **kwargs)
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if weights.ndim in (3, 4) and dim in (-1, weights.ndim - 1):
            caught.append(weights)
        return weights

    return Intercept(rules_for((ATTENTION, fused), (SOFTMAX, softmax)))


def _unfused(
    caught: list[Tensor], query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any,
    **options: Any,
) -> Tensor:  # fmt: skip
    # Dropout is off in a system that is held, and heads that are shared tell themselves by their number.
    named = dict(zip(("dropout_p", "is_causal"), rest, strict=False)) | options
    shared = bool(named.get("enable_gqa"))
    key, value = (shared_heads(x, query.shape[-3]) if shared else x for x in (key, value))
    causal, scale = bool(named.get("is_causal")), named.get("scale")
    weights = attention_weights(query, key, attn_mask, is_causal=causal, scale=scale)
    if weights.ndim in (3, 4):
        caught.append(weights)
    return weights @ value


@dataclass(frozen=True)
class _Origin:
    """Where caught weights come from: senses, and earlier ones among those caught."""

    weights: Tensor
    senses: frozenset[str]
    before: frozenset[int]
    index: int

    @property
    def square(self) -> bool:
        return self.weights.shape[-1] == self.weights.shape[-2] > 1


def _origins(caught: Sequence[Tensor], leaves: Mapping[str, Tensor]) -> list[_Origin]:
    """Walk the graph back from each of the weights to the leaves, each node once."""
    index = {w.grad_fn: k for k, w in enumerate(caught)}
    named = {id(x): m for m, x in leaves.items()}
    found: dict[Any, frozenset[str | int]] = {}

    def children(node: Any) -> Iterator[Any]:
        return (child for child, _ in node.next_functions if child is not None)

    for w in caught:
        stack = [w.grad_fn]
        while stack:
            node = stack[-1]
            missing = [child for child in children(node) if child not in found]
            if node in found or not missing:
                stack.pop()
                found.setdefault(node, _reached(node, list(children(node)), found, index, named))
            else:
                stack.extend(missing)
    origins = []
    for k, w in enumerate(caught):
        reached = found[w.grad_fn]
        senses = frozenset(r for r in reached if isinstance(r, str))
        origins.append(_Origin(w, senses, frozenset(r for r in reached if isinstance(r, int) and r != k), k))
    return origins


def _reached(
    node: Any, children: Sequence[Any], found: Mapping[Any, frozenset[str | int]], index: Mapping[Any, int],
    named: Mapping[int, str],
) -> frozenset[str | int]:  # fmt: skip
    own: set[str | int] = {index[node]} if node in index else set()
    leaf = named.get(id(getattr(node, "variable", None)))
    if leaf is not None:
        own.add(leaf)
    return frozenset(own).union(*(found[child] for child in children))


def _sense(square: Sequence[frozenset[str]], inputs: Inputs, asked: str | None) -> str:
    """Return the sense to follow; ``square`` are the senses behind each self-attention."""
    if asked is not None and asked not in inputs:
        raise InputError(f"attention: no sense {asked!r} in the observation; it has {', '.join(inputs)}")
    alone = [m for m in inputs if frozenset((m,)) in square]
    if not square or (asked is not None and asked not in alone):
        what = f"of {asked} alone " if asked is not None else ""
        told = f"; there is some of {', '.join(alone)}" if alone else ""
        raise InputError(
            f"attention: no self-attention {what}is to be seen in this system{told}. It may have none, or hide it in "
            "compiled code or another package's kernel; use gradients, integrated-gradients say"
        )
    if asked is not None:
        return asked
    if len(alone) != 1:
        have = f"{', '.join(alone)} each have" if alone else "only attention across senses is"
        raise InputError(f"attention: {have} self-attention; name one by sense=, or use integrated-gradients for all")
    return alone[0]


def _rows(sense: str, x: Tensor) -> tuple[int, ...]:
    """Return how many rows a layer may have, the likeliest first; frames may have been folded into the batch."""
    folded = len(x) * x.shape[1] if sense == "vision" and x.ndim == 5 else len(x)
    return (folded, len(x))


def _heads(weights: Tensor, rows: Sequence[int]) -> Weights:
    """Return weights as (rows, heads, tokens, tokens); three axes are rows and heads as one."""
    if weights.ndim == 4:
        return weights
    folded = next((r for r in rows if len(weights) % r == 0), 1)
    return weights.unflatten(0, (folded, -1))


def _chain(origins: Sequence[_Origin], sense: str, rows: Sequence[int]) -> list[Tensor]:
    """Return the weights that read this sense alone, over the same tokens, each building upon the one before."""
    own = [o for o in origins if o.square and o.senses == {sense}]
    first = own[0].weights
    chain = [o for o in own if o.weights.shape[-1] == first.shape[-1]]
    for o in chain:
        # Rows of other senses than vision can't be told from their input: windows of a sound, say.
        count = len(_heads(o.weights, rows))
        if (sense in ("vision", "text") and count not in rows) or count != len(_heads(first, rows)):
            raise InputError(
                f"attention: {count} rows of {first.shape[-1]} tokens in a layer, where {rows[0]} were expected; "
                "inside windows (Swin) tokens are not the same from layer to layer, so rollout means nothing; use "
                "grad-cam or integrated-gradients"
            )
    for before, after in pairwise(chain):
        if before.index not in after.before:
            raise InputError(
                f"attention: of {len(chain)} layers of {sense} one does not build upon the one before, so the system "
                "reads it twice (once for each frame, say); fold frames into the batch, or use integrated-gradients"
            )
    return [o.weights for o in chain]
