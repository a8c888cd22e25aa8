"""Multi-head attention in plain functions."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from veridical.errors import InputError
from veridical.modalities.engines.interception.intercept import ATTENTION, SOFTMAX, Intercept, rules_for
from veridical.modalities.engines.interception.multihead import attention_weights, multi_head_attention, shared_heads

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(2, 5, 8, generator=GENERATOR)
MEMORY = torch.randn(2, 7, 8, generator=GENERATOR)
PADDING = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)


def both(layer: nn.Module, *args, **kwargs):
    """What torch gives, and what our own gives in its place."""
    own = layer(*args, **kwargs)
    with Intercept({}):
        return own, layer(*args, **kwargs)


def same(pair) -> None:
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in pair), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


class Counting:
    """A rule that counts how often it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __call__(self, function, args, kwargs):
        self.calls.append(args)
        return function(*args, **kwargs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"batch_first": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"add_bias_kv": True, "add_zero_attn": True},
        {"kdim": 8, "vdim": 8},
    ],
)
@pytest.mark.parametrize("weights", [True, False])
def test_it_is_torchs_own_whatever_the_options(options: dict, weights: bool):
    torch.manual_seed(1)
    layer = nn.MultiheadAttention(8, 2, **{"batch_first": True, **options}).eval().requires_grad_(False)
    with torch.no_grad():
        for bias in (layer.bias_k, layer.bias_v):
            if bias is not None:
                bias.normal_()
    if not layer.batch_first:
        same(both(layer, X, X, X, need_weights=weights, average_attn_weights=False))
        return
    for mask, padding in product((None, CAUSAL, CAUSAL * -3.0, CAUSAL.expand(4, 5, 5)), (None, PADDING)):
        if mask is not None and mask.is_floating_point() and padding is not None:
            padding = padding * -9.0
        same(both(layer, X, X, X, key_padding_mask=padding, attn_mask=mask, need_weights=weights))
    same(both(layer, X, MEMORY, MEMORY, need_weights=weights, average_attn_weights=False))
    same(both(layer, X[0], X[0], X[0], need_weights=weights, key_padding_mask=PADDING[1]))
    same(both(layer, X, X, X, attn_mask=CAUSAL, is_causal=True, need_weights=weights))


def test_keys_and_values_of_other_widths_have_projections_of_their_own():
    torch.manual_seed(2)
    layer = nn.MultiheadAttention(8, 2, kdim=3, vdim=4, batch_first=True)
    same(both(layer, X, MEMORY[..., :3], MEMORY[..., :4]))


def test_gradients_are_torchs_own():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).requires_grad_(False)
    x = X.clone().requires_grad_(True)
    slopes = [torch.autograd.grad(out.square().sum(), x)[0] for out, _ in both(layer, x, x, x)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-6)


def test_rules_see_the_softmax_or_the_fused_call_inside():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    soft, fused = Counting(), Counting()
    with Intercept(rules_for((SOFTMAX, soft), (ATTENTION, fused))) as mode:
        layer(X, X, X, need_weights=True)
        layer(X, X, X, need_weights=False)
    assert (len(soft.calls), len(fused.calls), mode.asked) == (1, 1, 2)
    assert soft.calls[0][0].shape == (*fused.calls[0][0].shape[:3], 5) == (2, 2, 5, 5)


def test_a_rule_for_the_whole_comes_before_its_parts():
    soft, whole = Counting(), Counting()
    with Intercept(rules_for((SOFTMAX, soft), ((F.multi_head_attention_forward,), whole))):
        nn.MultiheadAttention(8, 2)(X, X, X)
    assert (len(whole.calls), len(soft.calls)) == (1, 0)


@pytest.mark.parametrize("padding", [None, PADDING])
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_fused_path_of_an_encoder_in_evaluation_hides_nothing(padding, norm_first: bool):
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=not norm_first).eval()
    fused = Counting()
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        paths = Counting()
        real = torch._transformer_encoder_layer_fwd  # type: ignore[reportPrivateImportUsage]
        patch.setattr(torch, "_transformer_encoder_layer_fwd", lambda *a: paths(real, a, {}))
        own = encoder(X)
        assert len(paths.calls) == 3  # else this test would show nothing
        paths.calls.clear()
        with Intercept(rules_for((ATTENTION, fused))):
            seen = encoder(X, src_key_padding_mask=padding)
        assert paths.calls == []
    assert len(fused.calls) == 3
    if padding is None:
        torch.testing.assert_close(own, seen, rtol=1e-5, atol=1e-6)


def test_the_fused_path_of_attention_alone_hides_nothing():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    soft = Counting()
    with torch.no_grad():
        own = layer(X, X, X)
        with Intercept(rules_for((SOFTMAX, soft))):
            seen = layer(X, X, X)
    same((own, seen))
    assert len(soft.calls) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": ~CAUSAL},
        {"attn_mask": CAUSAL * -2.0},
        {"attn_mask": torch.zeros(5, 5, dtype=torch.bool)},
    ],
)
def test_weights_times_values_are_torchs_fused_attention(options: dict):
    query, key, value = torch.randn(3, 2, 4, 5, 6, generator=GENERATOR)
    named = {k.replace("attn_", ""): v for k, v in options.items()}
    weights = attention_weights(query, key, **named)
    torch.testing.assert_close(
        weights @ value, F.scaled_dot_product_attention(query, key, value, **options), rtol=1e-5, atol=1e-6
    )


def test_heads_that_queries_share_are_torchs_grouped_queries():
    query = torch.randn(2, 4, 5, 6, generator=GENERATOR)
    key, value = torch.randn(2, 2, 2, 5, 6, generator=GENERATOR)
    own = attention_weights(query, shared_heads(key, 4)) @ shared_heads(value, 4)
    fused = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    torch.testing.assert_close(own, fused, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_looked_into_is_said():
    layer = nn.MultiheadAttention(8, 2)
    rest = (8, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0, layer.out_proj.weight, None)
    static = torch.zeros(10, 5, 4)
    with pytest.raises(InputError, match="static keys"):
        multi_head_attention(X, X, X, *rest, static_k=static)
    with pytest.raises(InputError, match="queries of 7 features; 8 are wanted"):
        multi_head_attention(X[..., :7], X, X, *rest)
    with pytest.raises(InputError, match="is_causal is a hint"):
        multi_head_attention(X, X, X, *rest, is_causal=True)


def test_an_exception_inside_leaves_no_mode_on():
    def failing(function, args, kwargs):
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"), Intercept(rules_for((SOFTMAX, failing))):
        nn.MultiheadAttention(8, 2)(X, X, X)
    assert torch.overrides._len_torch_function_stack() == 0  # type: ignore[reportPrivateImportUsage]
