"""Smooth ReLUs and plain attention, inside a context."""

from __future__ import annotations

import math
import threading

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from veridical.errors import InputError
from veridical.modalities.engines.curvature.surrogate import (
    attention,
    eager_attention,
    frozen_convolutions,
    soft_clamp,
    soft_relu,
)

X = torch.linspace(-3, 9, 97)
CALLS = {
    "torch.relu": torch.relu,
    "F.relu": F.relu,
    "method": lambda x: x.relu(),
    "by name": lambda x: torch.relu(input=x),
    "module": nn.ReLU(),
    "in place, module": lambda x: nn.ReLU(inplace=True)(x.clone()),
    "in place, method": lambda x: x.clone().relu_(),
    "in place, torch": lambda x: torch.relu_(x.clone()),
}
CLAMPS = {
    "F.relu6": (F.relu6, 0, 6),
    "module": (nn.ReLU6(), 0, 6),
    "in place": (lambda x: nn.ReLU6(inplace=True)(x.clone()), 0, 6),
    "hardtanh": (nn.Hardtanh(), -1, 1),
    "hardtanh of its own": (lambda x: F.hardtanh(x, -2.0, 3.0), -2, 3),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_relu_is_softplus_inside_and_bit_equal_outside(call):
    before = call(X)
    with soft_relu(4.0) as mode:
        inside = call(X)
    torch.testing.assert_close(inside, torch.log1p(torch.exp(4 * X.double())).float() / 4, atol=1e-6, rtol=1e-6)
    assert mode.asked == 1
    assert torch.equal(call(X), before)


@pytest.mark.parametrize(("call", "low", "high"), CLAMPS.values(), ids=CLAMPS)
def test_every_clamp_is_a_difference_of_softplus_inside(call, low: float, high: float):
    before = call(X)
    with soft_relu(4.0):
        inside = call(X)
    x = X.double()
    exact = low + torch.log1p(torch.exp(4 * (x - low))) / 4 - torch.log1p(torch.exp(4 * (x - high))) / 4
    torch.testing.assert_close(inside, exact.float(), atol=1e-5, rtol=1e-5)
    assert torch.equal(before, X.clamp(low, high))
    assert torch.equal(call(X), before)


@given(st.floats(-50, 50), st.floats(0.1, 1000), st.sampled_from([math.inf, 6.0]))
def test_it_is_within_log_2_over_beta_of_the_clamp(x: float, beta: float, high: float):
    point = torch.tensor([x], dtype=torch.float64)
    off = soft_clamp(point, 0.0, high, beta) - point.clamp(0, high)
    # softplus turns linear where its argument passes 20, which leaves exp(-20).
    assert float(off.abs()) <= math.log(2) / beta + 1e-8


def test_as_beta_grows_a_network_becomes_the_relu_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 9), nn.ReLU(inplace=True), nn.Linear(9, 9), nn.ReLU6(), nn.Linear(9, 2)).eval()
    x = torch.randn(7, 5)
    with torch.no_grad():
        plain = network(x)
        off = []
        for beta in (1.0, 10.0, 100.0, 1000.0):
            with soft_relu(beta):
                off.append(float((network(x) - plain).abs().max()))
        assert torch.equal(network(x), plain)
    assert off == sorted(off, reverse=True)
    assert off[-1] < 2e-3
    assert off[0] > 0.02


def test_a_relu_in_place_is_seen_by_whoever_holds_the_tensor_and_differentiates_twice():
    x = torch.tensor([-0.1, 0.2], dtype=torch.float64, requires_grad=True)
    with soft_relu(3.0):
        y = 2 * x
        held = y
        F.relu(y, inplace=True)
        assert y is held
        (first,) = torch.autograd.grad(held.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
    sigmoid = torch.sigmoid(6 * x.detach())
    torch.testing.assert_close(first, 2 * sigmoid)
    torch.testing.assert_close(second, 12 * sigmoid * (1 - sigmoid))


def test_another_thread_has_plain_relus_meanwhile():
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other() -> None:
        inside.wait(5)
        seen.append(torch.relu(X))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with soft_relu(1.0):
        inside.set()
        assert done.wait(5)
        mine = torch.relu(X)
    thread.join()
    assert torch.equal(seen[0], X.clamp_min(0))
    assert not torch.equal(mine, seen[0])


def test_an_exception_leaves_nothing_behind():
    with pytest.raises(RuntimeError, match="of the user"), soft_relu(), eager_attention():
        raise RuntimeError("of the user")
    assert torch.equal(torch.relu(X), X.clamp_min(0))


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_a_beta_out_of_range_is_refused(beta: float):
    with pytest.raises(InputError, match=r"soft_relu: beta .*; give a positive number, about 5 to 10"), soft_relu(beta):
        pass


def _cases():
    torch.manual_seed(1)
    q, k, v = torch.randn(2, 4, 5, 8), torch.randn(2, 4, 7, 8), torch.randn(2, 4, 7, 3)
    seen = torch.rand(2, 1, 5, 7) > 0.4
    blind = seen.clone()
    blind[0, 0, 2] = False
    return {
        "plain": ((q, k, v), {}),
        "three axes": ((q[0], k[0], v[0]), {}),
        "scale": ((q, k, v), {"scale": 0.3}),
        "boolean mask": ((q, k, v), {"attn_mask": seen}),
        "a query that sees nothing": ((q, k, v), {"attn_mask": blind}),
        "additive mask": ((q, k, v), {"attn_mask": torch.randn(5, 7)}),
        "additive mask of infinities": ((q, k, v, torch.where(blind, 0.0, -torch.inf)), {}),
        "causal": ((q, k, v), {"is_causal": True}),
        "causal by position": ((q, k, v, None, 0.0, True), {}),
        "grouped queries": ((q, k[:, :2], v[:, :2]), {"enable_gqa": True}),
    }


@pytest.mark.parametrize(("args", "kwargs"), _cases().values(), ids=_cases())
def test_attention_in_plain_products_is_torchs_with_its_gradient(args, kwargs):
    def both(call):
        leaves = [x.clone().requires_grad_(True) for x in args[:3]]
        out = call(*leaves, *args[3:], **kwargs)
        return out, torch.autograd.grad(out.sin().sum(), leaves)

    fused, slopes = both(F.scaled_dot_product_attention)
    with eager_attention() as mode:
        plain, plain_slopes = both(F.scaled_dot_product_attention)
    assert mode.asked == 1
    torch.testing.assert_close(plain, fused, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain_slopes, slopes, atol=1e-5, rtol=1e-4)
    assert torch.equal(F.scaled_dot_product_attention(*args, **kwargs), fused.detach())


def test_fused_attention_has_no_second_derivative_and_plain_attention_has():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 4, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def twice():
        out = F.scaled_dot_product_attention(q, k, v)
        slopes = torch.autograd.grad(out.pow(2).sum(), (q, k, v), create_graph=True)
        return torch.autograd.grad(torch.stack([s.pow(2).sum() for s in slopes]).sum(), (q, k, v))

    with pytest.raises(RuntimeError, match="not implemented"):
        twice()
    with eager_attention():
        assert all(h.isfinite().all() and h.any() for h in twice())
    assert torch.autograd.gradgradcheck(lambda *qkv: attention(*qkv, is_causal=True), (q, k, v))


@pytest.mark.parametrize("masked", [False, True])
def test_a_transformer_layer_of_torch_differentiates_twice(masked: bool):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True).double().eval()
    x = torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2]) if masked else None
    with torch.no_grad():
        fast = layer(x, src_key_padding_mask=padding)
        with eager_attention():
            plain = layer(x, src_key_padding_mask=padding)
    real = ~padding if padding is not None else torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(plain[real], fast[real])
    with eager_attention():
        slope = torch.autograd.grad(layer(x, src_key_padding_mask=padding)[real].sin().sum(), x, create_graph=True)[0]
        assert torch.autograd.grad(slope.pow(2).sum(), x)[0].any()


def test_multi_head_attention_gives_weights_only_to_who_asks():
    heads = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = torch.randn(1, 3, 8)
    with eager_attention():
        assert heads(x, x, x, need_weights=False)[1] is None
        assert heads(x, x, x)[1].shape == (1, 3, 3)


def test_dropout_in_attention_is_refused():
    q = torch.randn(1, 2, 4)
    with pytest.raises(InputError, match=r"dropout of 0.5 while derivatives"), eager_attention():
        F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)


CONVOLUTIONS = {
    "by channel": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (2, 6, 7, 5)),
    "strides, no bias": (nn.Conv2d(6, 12, (3, 2), (2, 1), (1, 0), groups=3, bias=False), (2, 6, 7, 5)),
    "dilated, one axis": (nn.Conv1d(4, 4, 3, dilation=2, groups=2), (2, 4, 9)),
    "three axes": (nn.Conv3d(2, 2, 2, groups=2), (1, 2, 3, 4, 3)),
    "padding by name": (nn.Conv2d(4, 4, 3, padding="same", groups=4), (1, 4, 5, 5)),
    "no groups": (nn.Conv2d(4, 3, 3), (1, 4, 5, 5)),
    "transposed": (nn.ConvTranspose2d(4, 4, 3, groups=2), (1, 4, 3, 3)),
    "no batch": (nn.Conv2d(4, 4, 3, groups=4), (4, 5, 5)),
}


@pytest.mark.parametrize(("layer", "shape"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("learns", [False, True])
def test_frozen_convolutions_are_torchs_with_both_derivatives(layer, shape, learns: bool):
    layer = layer.double().requires_grad_(learns)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)

    def all_three():
        out = layer(x)
        slope = torch.autograd.grad(out.sin().sum(), x, create_graph=True)[0]
        return out.detach(), slope.detach(), torch.autograd.grad(slope.cos().sum(), x)[0]

    theirs = all_three()
    with frozen_convolutions() as mode:
        ours = all_three()
    assert mode.asked == 1
    for mine, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_of_a_frozen_convolution_the_derivatives_pass_torchs_own_check():
    layer = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2).double().requires_grad_(False)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    with frozen_convolutions():
        assert "_Convolution" in type(layer(x).grad_fn.next_functions[0][0]).__name__
        assert torch.autograd.gradcheck(layer, x)
        assert torch.autograd.gradgradcheck(lambda t: layer(t).sin(), x)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer.float()(x.float()).dtype == torch.bfloat16
