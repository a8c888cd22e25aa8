"""Weights drawn anew and put back."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.toys import EYES, Toy, picture, sees_red
from tests.verifier.nets import ACTIONS, Deep, Linear, digest
from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.model import load
from veridical.verifier.redrawn import Layer, find_layers, grouped, redrawn

X = {"vision": prepare(Linear(), {"vision": picture()})["vision"].tensor}


class Holder:
    """A system that hands its input to a function; what it holds is an attribute."""

    actions = ACTIONS
    modalities = {"vision": EYES}  # noqa: RUF012 - a test's own

    def __init__(self, held, run) -> None:
        self.held, self.run = held, run

    def __call__(self, inputs):
        x = inputs["vision"].flatten(1).mean(1, keepdim=True)
        return self.run(self.held, x).reshape(len(x), 1).expand(-1, 3).clone()


def test_layers_come_in_the_order_of_their_last_use_bare_parameters_too_and_the_unused_last():
    names = [layer.name for layer in find_layers(Deep(), X)]
    assert names == ["top", "middle.1", "middle.0", "Deep", "norm", "bottom", "unused"]


def test_a_layer_used_again_near_the_top_counts_where_it_was_used_last():
    held = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
    once = Holder(held, lambda h, x: h["b"](h["a"](x)))
    again = Holder(held, lambda h, x: h["a"](h["b"](h["a"](x))))
    assert [layer.name for layer in find_layers(once, X)] == ["held.b", "held.a"]
    assert [layer.name for layer in find_layers(again, X)] == ["held.a", "held.b"]


def test_a_parameter_used_by_a_function_or_in_a_fused_call_is_seen():
    recurrent = nn.LSTM(1, 2)
    bare = nn.ParameterList([nn.Parameter(torch.ones(2, 1))])
    held = nn.ModuleList([bare, recurrent])
    system = Holder(held, lambda h, x: nn.functional.linear(h[1](x)[0], h[0][0].T))
    layers = find_layers(system, X)
    assert [layer.name for layer in layers] == ["held.0", "held.1"]
    assert min(layer.last for layer in layers) > 0


def test_asking_for_a_shape_or_a_device_is_no_use():
    held = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    asked = Holder(held, lambda h, x: (h[1](h[0](x)), h[0].weight.device, h[0].weight.shape)[0])
    assert [layer.name for layer in find_layers(asked, X)] == ["held.1", "held.0"]


def test_a_shared_parameter_counts_once_and_is_drawn_once():
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    second.weight = first.weight
    system = Holder(nn.ModuleList([first, second]), lambda h, x: h[1](h[0](x)))
    layers = {layer.name: layer.keys for layer in find_layers(system, X)}
    assert layers == {"held.0": ("weight", "bias"), "held.1": ("bias",)}


def test_couriers_head_stands_above_its_encoders():
    courier = load()
    inputs = {m: p.tensor for m, p in prepare(courier, {"text": "Go to the station"}).items()}
    names = [layer.name for layer in find_layers(courier, inputs)]
    assert names[0] == "head.read.5"
    ends = [max(i for i, name in enumerate(names) if name.startswith(f"{part}.")) for part in ("head.read", "reader")]
    assert ends == sorted(ends)
    assert {"head", "head.kind"} <= set(names)


@given(st.integers(1, 60), st.integers(1, 12))
def test_groups_keep_the_order_and_differ_by_one_at_the_most(count: int, most: int):
    layers = [Layer(str(i), nn.Identity(), (), i) for i in range(count)]
    groups = grouped(layers, most)
    assert [layer for group in groups for layer in group] == layers
    assert len(groups) == min(most, count)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_each_layer_is_drawn_as_is_said():
    deep = Deep()
    layers = find_layers(deep, X)
    before = {name: value.clone() for name, value in deep.state_dict().items()}
    with redrawn(deep, layers) as weights:
        weights.redraw(layers, 0)
        after = {name: value.clone() for name, value in deep.state_dict().items()}
    limit = 1 / math.sqrt(16)  # of nn.Linear's own initialisation
    for name in ("top.weight", "top.bias", "middle.0.weight"):
        assert not torch.equal(after[name], before[name])
        assert float(after[name].abs().max()) <= limit
    assert float(after["middle.0.weight"].abs().max()) > 0.8 * limit
    assert torch.equal(after["norm.weight"], torch.ones(4))
    assert torch.equal(after["norm.bias"], torch.zeros(4))
    assert torch.equal(after["norm.running_mean"], torch.zeros(4))
    assert torch.equal(after["norm.running_var"], torch.ones(4))
    assert torch.equal(after["steady"], before["steady"])
    assert not (after["scale"] == before["scale"]).any()
    assert not torch.equal(after["unused.weight"], before["unused.weight"])


def redrawn_parameter(value: torch.Tensor, seed: int = 0) -> torch.Tensor:
    holder = nn.Module()
    holder.p = nn.Parameter(value, requires_grad=False)
    layers = (Layer("holder", holder, ("p",), 0),)
    with redrawn(holder, layers) as weights:
        weights.redraw(layers, seed)
        return holder.p.detach().clone()


def test_a_bare_parameter_keeps_its_mean_and_spread_and_nothing_else():
    value = 3 + 0.5 * torch.randn(40_000, generator=torch.Generator().manual_seed(1))
    found = redrawn_parameter(value)
    assert float(found.mean()) == pytest.approx(3, abs=0.01)
    assert float(found.std()) == pytest.approx(0.5, abs=0.01)
    assert abs(float(torch.corrcoef(torch.stack((found, value)))[0, 1])) < 0.02


def test_a_single_number_moves_by_about_its_size_and_zeros_stay():
    found = torch.stack([redrawn_parameter(torch.tensor(2.0), seed) for seed in range(400)])
    assert float(found.mean()) == pytest.approx(2, abs=0.3)
    assert float(found.std()) == pytest.approx(2, abs=0.3)
    assert not redrawn_parameter(torch.zeros(5)).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_every_precision_is_drawn_in_its_own_type(dtype):
    value = torch.linspace(-1, 1, 50).to(dtype)
    found = redrawn_parameter(value)
    assert found.dtype == dtype
    assert not torch.equal(found, value)
    assert float(found.abs().float().mean()) == pytest.approx(0.5, abs=0.2)


def test_an_initialisation_that_does_nothing_is_not_trusted():
    class Lazy(nn.Linear):
        def reset_parameters(self) -> None:
            """Leave what there is."""

    lazy = Lazy(6, 6)
    nn.init.eye_(lazy.weight)
    nn.init.zeros_(lazy.bias)
    layers = (Layer("lazy", lazy, ("weight", "bias"), 0),)
    with redrawn(lazy, layers) as weights:
        weights.redraw(layers, 0)
        assert not (lazy.weight == torch.eye(6)).any()
        assert not lazy.bias.any()


def test_an_initialisation_that_reaches_into_other_layers_is_not_called():
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.own = nn.Linear(2, 2), nn.Parameter(torch.randn(2))

        def reset_parameters(self) -> None:
            self.inner.reset_parameters()

    outer = Outer()
    inner = outer.inner.weight.detach().clone()
    layers = (Layer("outer", outer, ("own",), 0),)
    with redrawn(outer, layers) as weights:
        weights.redraw(layers, 0)
        assert torch.equal(outer.inner.weight, inner)


def test_a_layers_draw_is_the_seeds_and_its_names_however_layers_are_grouped():
    deep = Deep()
    layers = find_layers(deep, X)
    states = []
    with redrawn(deep, layers) as weights:
        for groups, seed in (((layers,), 0), ((layers[:2], layers[2:]), 0), ((layers,), 1)):
            for group in groups:
                weights.redraw(group, seed)
            states.append(torch.cat([p.detach().flatten() for p in deep.parameters()]))
            weights.restore()
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_running_statistics_stay_drawn_over_forward_passes():
    """Whoever holds a system puts its buffers back after each call: these must be taken for what was found."""
    deep = Deep()
    layers = [layer for layer in find_layers(deep, X) if layer.name == "norm"]
    scorer = Scorer(deep, Target(0))
    with redrawn(deep, layers) as weights:
        weights.redraw(layers, 0)
        first, second = scorer.value(X), scorer.value(X)
        assert not deep.norm.get_buffer("running_mean").any()
    assert torch.equal(first, second)
    assert not torch.equal(first, scorer.value(X))


def test_all_is_put_back_bit_for_bit_also_after_an_exception():
    deep = Deep().train()
    before, random = digest(deep), torch.get_rng_state()
    layers = find_layers(deep, X)

    def interrupted() -> None:
        with redrawn(deep, layers) as weights:
            weights.redraw(layers, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert digest(deep) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_a_graph_made_before_is_still_good():
    net = Linear()
    x = X["vision"].clone().requires_grad_(True)
    score = net({"vision": x})[0, 0]
    layers = find_layers(net, X)
    with redrawn(net, layers) as weights:
        weights.redraw(layers, 0)
    score.backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad.flatten(), net.layer.weight[0].detach())


def test_weights_made_in_inference_mode_are_drawn_and_put_back():
    with torch.inference_mode():
        net = Linear().requires_grad_(False)
    before, layers = digest(net), find_layers(net, X)
    kept = net.layer.weight.clone()
    with redrawn(net, layers) as weights:
        weights.redraw(layers, 0)
        assert not torch.equal(net.layer.weight, kept)
    assert digest(net) == before


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.arange(3), requires_grad=False)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (Toy(sees_red, EYES), "Toy holds no torch module, so there are no weights to draw anew; keep its networks as"),
        (Holder(nn.ReLU(), lambda h, x: h(x)), "the torch modules of Holder hold no parameters"),
        (Holder(Whole(), lambda h, x: x), r"held.codes holds int64; give the system unquantised"),
    ],
)
def test_what_has_no_weights_to_draw_is_told(system, message: str):
    with pytest.raises(InputError, match=message):
        find_layers(system, X)


def test_no_stages_at_all_is_an_error():
    with pytest.raises(InputError, match="0 stages; give at least 1"):
        grouped([Layer("a", nn.Identity(), (), 0)], 0)
