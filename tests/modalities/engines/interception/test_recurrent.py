"""Recurrent layers, step by step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from veridical.errors import InputError
from veridical.modalities.engines.interception.intercept import SIGMOID, TANH, Intercept, rules_for
from veridical.modalities.engines.interception.recurrent import RECURRENT

X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))  # steps, batch, features

# Of its own kernels torch says that they know no projections.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

LAYERS = [
    lambda **o: nn.LSTM(4, 6, **o),
    lambda **o: nn.LSTM(4, 6, proj_size=2, **o),
    lambda **o: nn.GRU(4, 6, **o),
    lambda **o: nn.RNN(4, 6, **o),
    lambda **o: nn.RNN(4, 6, nonlinearity="relu", **o),
]


def unrolled() -> Intercept:
    return Intercept({}, RECURRENT)


def flat(found) -> list[torch.Tensor]:
    out, state = found
    return [out, *(state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_first": True},
        {"bidirectional": True},
        {"num_layers": 3},
        {"bias": False},
        {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False, "dropout": 0.5},
    ],
)
def test_a_layer_step_by_step_is_torchs_own(make, options: dict):
    torch.manual_seed(1)
    layer = make(**options).eval().requires_grad_(False)
    x = X.clone().requires_grad_(True)
    fused = flat(layer(x))
    with unrolled():
        stepped = flat(layer(x))
    for a, b in zip(fused, stepped, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    slopes = [
        torch.autograd.grad(torch.stack([t.square().sum() for t in found]).sum(), x)[0] for found in (fused, stepped)
    ]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", LAYERS)
def test_a_state_to_begin_with_and_a_single_sequence_are_as_torch_has_them(make):
    torch.manual_seed(2)
    layer = make(bidirectional=True).double()
    x = X.double()
    _, state = layer(x)
    with unrolled():
        found = flat(layer(x, state))
        single = flat(layer(x[:, 0]))
    for a, b in zip(flat(layer(x, state)), found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for a, b in zip(flat(layer(x[:, 0])), single, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "RNN relu"])
def test_a_cell_is_torchs_own(kind: str, bias: bool):
    torch.manual_seed(3)
    name, _, nonlinearity = kind.partition(" ")
    cell = getattr(nn, f"{name}Cell")(4, 6, bias, **({"nonlinearity": nonlinearity} if nonlinearity else {}))
    state = cell(X[0])
    with unrolled():
        stepped = cell(X[1], state)
    fused = cell(X[1], state)
    for a, b in zip(*(f if isinstance(f, tuple) else (f,) for f in (fused, stepped)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_rules_see_every_gate_of_every_step():
    seen = []

    def looking(function, args, kwargs):
        seen.append(function.__name__)
        return function(*args, **kwargs)

    with Intercept(rules_for((SIGMOID, looking), (TANH, looking)), RECURRENT):
        nn.LSTM(4, 6, num_layers=2)(X)
        assert (seen.count("sigmoid"), seen.count("tanh")) == (2 * 5 * 3, 2 * 5 * 2)
        seen.clear()
        nn.GRU(4, 6)(X)
        assert (seen.count("sigmoid"), seen.count("tanh")) == (5 * 2, 5)
    seen.clear()
    with Intercept(rules_for((SIGMOID, looking))):
        nn.LSTM(4, 6)(X)
    assert seen == []


def test_dropout_between_layers_falls_where_it_is_asked_for():
    torch.manual_seed(4)
    layer = nn.LSTM(4, 6, num_layers=2, dropout=0.9)
    with unrolled():
        assert not torch.equal(layer(X)[0], layer(X)[0])
        layer.eval()
        assert torch.equal(layer(X)[0], layer(X)[0])


def test_a_packed_sequence_is_refused_in_words():
    packed = nn.utils.rnn.pack_padded_sequence(X, torch.tensor([5, 4, 2]))
    with unrolled(), pytest.raises(InputError, match=r"a packed sequence, .* give padded sequences"):
        nn.GRU(4, 6)(packed)
