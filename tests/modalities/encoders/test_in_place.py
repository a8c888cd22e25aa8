"""Activations overwrite what nobody else reads, and only that; what they return is the same either way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from veridical.modalities.encoders.in_place import InPlaceReLU, InPlaceReLU6, is_unseen

PAIRS = [pytest.param(InPlaceReLU, nn.ReLU(), id="relu"), pytest.param(InPlaceReLU6, nn.ReLU6(), id="relu6")]


@pytest.mark.parametrize(("kind", "plain"), PAIRS)
@pytest.mark.parametrize("wants_gradient", [False, True])
def test_it_is_the_plain_activation(kind: type, plain: nn.Module, wants_gradient: bool):
    x = torch.linspace(-3, 9, 25).requires_grad_(wants_gradient)
    kept = x.detach().clone()
    found = kind(nn.Identity())(x * 1)
    assert torch.equal(found, plain(kept))
    assert torch.equal(x.detach(), kept)
    if wants_gradient:
        (slope,) = torch.autograd.grad(found.sum(), x)
        (asked,) = torch.autograd.grad(plain(y := kept.requires_grad_()).sum(), y)
        assert torch.equal(slope, asked)


@pytest.mark.parametrize(("kind", "plain"), PAIRS)
def test_without_a_gradient_the_memory_is_the_same(kind: type, plain: nn.Module):
    x = torch.tensor([-1.0, 1.0])
    assert kind(nn.Identity())(x).data_ptr() == x.data_ptr()
    y = torch.tensor([-1.0, 1.0], requires_grad=True)
    assert kind(nn.Identity())(y).data_ptr() != y.data_ptr()


@pytest.mark.parametrize("where", ["before", "own"])
def test_what_a_hook_saw_stays_as_it_was(where: str):
    before = nn.Linear(1, 2)
    act = InPlaceReLU6(before)
    seen = list[Tensor]()
    if where == "before":
        handle = before.register_forward_hook(lambda *told: seen.append(told[-1]))
    else:
        handle = act.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        before.weight[:], before.bias[:] = torch.tensor([[-1.0], [9.0]]), 0.0
        assert act(before(torch.ones(1, 1))).tolist() == [[0.0, 6.0]]
        assert seen[0].tolist() == [[-1.0, 9.0]]
        handle.remove()
        assert is_unseen(torch.ones(1), before, act)


def test_the_module_before_is_no_part_of_it():
    assert list(InPlaceReLU(nn.Linear(1, 1)).parameters()) == []
    assert not InPlaceReLU(nn.Linear(1, 1)).inplace
