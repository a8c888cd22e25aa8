"""Calls into torch, answered by rules."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from veridical.modalities.engines.interception.intercept import (
    ADD,
    GELU,
    LINEAR,
    MATMUL,
    MULTIPLY,
    RELU,
    RELU6,
    SIGMOID,
    SILU,
    SOFTMAX,
    TANH,
    Intercept,
    rules_for,
    write_back,
)

X = torch.tensor([-2.0, 0.5, 9.0])


def seven(function: Any, args: Any, kwargs: Any) -> torch.Tensor:
    return write_back(function, args, kwargs, torch.full_like(args[0], 7))


WAYS = {
    "module": (RELU, nn.ReLU()),
    "module in place": (RELU, nn.ReLU(inplace=True)),
    "F.relu": (RELU, F.relu),
    "F.relu in place": (RELU, lambda x: F.relu(x, inplace=True)),
    "F.relu_": (RELU, F.relu_),
    "torch.relu": (RELU, torch.relu),
    "torch.relu_": (RELU, torch.relu_),
    "method": (RELU, lambda x: x.relu()),
    "method in place": (RELU, lambda x: x.relu_()),
    "ReLU6": (RELU6, nn.ReLU6()),
    "ReLU6 in place": (RELU6, nn.ReLU6(inplace=True)),
    "F.relu6": (RELU6, F.relu6),
    "F.hardtanh_": (RELU6, lambda x: F.hardtanh_(x, 0, 6)),
    "GELU": (GELU, nn.GELU()),
    "SiLU": (SILU, nn.SiLU()),
    "SiLU in place": (SILU, nn.SiLU(inplace=True)),
    "tanh": (TANH, nn.Tanh()),
    "sigmoid": (SIGMOID, lambda x: x.sigmoid_()),
    "softmax": (SOFTMAX, nn.Softmax(0)),
    "linear": (LINEAR, nn.Linear(3, 3)),
    "@": (MATMUL, lambda x: (x[None] @ torch.ones(3, 3))[0]),
    "+": (ADD, lambda x: x + 1),
    "*": (MULTIPLY, lambda x: x * 2),
    "2 *": (MULTIPLY, lambda x: 2 * x),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_function_is_met_however_it_is_called(way: str):
    group, call = WAYS[way]
    with torch.no_grad(), Intercept(rules_for((group, seven))) as mode:
        assert (call(X.clone()) == 7).all()
    assert mode.asked == 1


@pytest.mark.parametrize("way", ["module in place", "F.relu in place", "F.relu_", "torch.relu_", "method in place"])
def test_whoever_holds_a_tensor_that_is_changed_in_place_sees_the_change(way: str):
    x = X.clone()
    alias = x[:2]
    with Intercept(rules_for((RELU, seven))):
        WAYS[way][1](x)
    assert alias.tolist() == [7, 7]


def test_what_is_out_of_place_leaves_its_input_alone():
    x = X.clone()
    with Intercept(rules_for((RELU, seven), (ADD, seven))):
        F.relu(x)
        _ = x + 1
    assert torch.equal(x, X)


def test_plus_equals_is_in_place():
    x = X.clone()
    alias = x.view(3)
    with Intercept(rules_for((ADD, seven))):
        x += 1
    assert alias.tolist() == [7, 7, 7]


def test_a_rule_may_call_what_it_stands_for():
    with Intercept(rules_for((RELU, lambda f, args, kwargs: 2 * f(*args, **kwargs)))) as mode:
        assert torch.equal(nn.ReLU()(X), 2 * X.clamp(min=0))
    assert mode.asked == 1


def test_a_module_that_is_used_twice_is_asked_twice():
    relu = nn.ReLU()
    with Intercept(rules_for((RELU, lambda f, args, kwargs: args[0] + 1))) as mode:
        assert torch.equal(relu(relu(X)), X + 2)
    assert mode.asked == 2


def test_when_the_context_ends_all_is_as_before_even_after_an_exception():
    def broken(function: Any, args: Any, kwargs: Any) -> Any:
        raise RuntimeError("on purpose")

    module = nn.ReLU()
    with pytest.raises(RuntimeError, match="on purpose"), Intercept(rules_for((RELU, broken))):
        module(X)
    assert torch.equal(module(X), X.clamp(min=0))
    assert not module._forward_hooks
    assert not module._backward_hooks


def test_what_no_rule_stands_for_passes():
    with Intercept(rules_for((RELU, seven))) as mode:
        assert torch.equal(torch.tanh(X), X.tanh())
    assert mode.asked == 0


def test_contexts_may_be_nested_and_the_inner_one_answers_first():
    outer = Intercept(rules_for((RELU, lambda f, a, k: f(*a, **k) + 1)))
    inner = Intercept(rules_for((RELU, lambda f, a, k: f(*a, **k) * 10)))
    with outer, inner:
        assert float(F.relu(torch.tensor(2.0))) == 30  # the inner rule calls relu, which the outer one answers
    assert (outer.asked, inner.asked) == (1, 1)


def test_it_is_this_threads_alone():
    found: list[torch.Tensor] = []
    with Intercept(rules_for((RELU, seven))):
        other = threading.Thread(target=lambda: found.append(F.relu(X)))
        other.start()
        other.join()
    assert torch.equal(found[0], X.clamp(min=0))


def test_fused_recurrent_kernels_are_not_reached():
    rnn = nn.RNN(2, 3, nonlinearity="relu")
    with Intercept(rules_for((RELU, seven))) as mode:
        rnn(torch.ones(4, 1, 2))
    assert mode.asked == 0
