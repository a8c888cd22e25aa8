"""Maps at a layer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.toys import EARS, EYES, Toy, linear, picture, sound
from veridical.errors import ContractError, InputError
from veridical.modalities.engines.layer import (
    LayerGradientTimesActivation,
    LayerIntegratedGradients,
    arrange,
    integrate_layer,
    lay_map,
    layer_maps,
    layer_slopes,
)
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
ZERO = torch.zeros_like(X)


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


class Wrapped(nn.Module):
    """A layer that gives its output in a container."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.inner, self.how = nn.Linear(4, 5), how

    def forward(self, x: Tensor) -> Any:
        y = self.inner(x)
        return {"tuple": (y, None), "list": [None, y], "named": Pair(y, x), "mapping": {"ids": x.long(), "y": y}}[
            self.how
        ]


class Net(nn.Module):
    """Two actions; the score is what a function of the layers gives."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {"audio": EARS}

    def __init__(self, score: Any, **layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.score = nn.ModuleDict(layers), score

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        score = self.score(self.layers, inputs["audio"])
        return torch.stack((score, torch.zeros_like(score)), 1)


def asked(score: Any, action: int | tuple[int, ...] = 0, **layers: nn.Module) -> Scorer:
    return Scorer(Net(score, **layers), Target(action))


def wide() -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return nn.Linear(4, 5)


def square(rows: int = 4) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Linear(rows, rows)


def hooks(scorer: Scorer) -> int:
    return sum(len(m._forward_hooks) for m in scorer.system.modules())  # type: ignore[attr-defined]


def test_activations_and_gradients_are_those_by_hand():
    layer = wide()
    found = layer_slopes(asked(lambda m, x: m["a"](x).pow(3).sum(1), a=layer), {"audio": X}, "layers.a")
    with torch.no_grad():
        torch.testing.assert_close(found.activations[0], layer(X))
        torch.testing.assert_close(found.gradients[0], 3 * layer(X).square())
        torch.testing.assert_close(found.scores, layer(X).pow(3).sum(1))


def test_below_the_layer_nothing_is_differentiated():
    graphs: list[bool] = []

    class Below(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.exp()
            graphs.append(y.requires_grad)
            return y

    layer_slopes(asked(lambda m, x: m["a"](m["below"](x)).sum(1), below=Below(), a=wide()), {"audio": X}, "layers.a")
    assert graphs == [False]


def test_inputs_may_be_token_ids():
    table = nn.Embedding(9, 3)
    scorer = asked(lambda m, x: m["table"](x).square().sum((1, 2)), table=table)
    ids = torch.tensor([[1, 2], [3, 8]])
    found = layer_slopes(scorer, {"audio": ids}, "layers.table")
    torch.testing.assert_close(found.gradients[0], 2 * table(ids).detach())


@pytest.mark.parametrize("how", ["tuple", "list", "named", "mapping"])
def test_a_layer_may_give_several_things_of_which_the_first_tensor_of_floats_counts(how: str):
    layer = Wrapped(how)

    def score(m: Any, x: Tensor) -> Tensor:
        out = m["a"](x)
        y = {"tuple": 0, "list": 1, "named": 0, "mapping": "y"}[how]
        assert isinstance(out, Pair) == (how == "named")
        return out[y].pow(2).sum(1)

    found = layer_slopes(asked(score, a=layer), {"audio": X}, "layers.a")
    torch.testing.assert_close(found.gradients[0], 2 * layer.inner(X).detach())


def test_transformers_outputs_are_opened_too():
    from transformers.modeling_outputs import BaseModelOutput

    class Encoder(nn.Module):
        def forward(self, x: Tensor) -> BaseModelOutput:
            return BaseModelOutput(last_hidden_state=x * 2)

    scorer = asked(lambda m, x: m["a"](x).last_hidden_state.square().sum(1), a=Encoder())
    torch.testing.assert_close(layer_slopes(scorer, {"audio": X}, "layers.a").gradients[0], 4 * X)


def test_an_activation_that_the_next_layer_changes_in_place_is_seen_as_it_was():
    layer = wide()
    scorer = asked(lambda m, x: nn.ReLU(inplace=True)(m["a"](x)).sum(1), a=layer)
    found = layer_slopes(scorer, {"audio": X}, "layers.a")
    with torch.no_grad():
        assert (layer(X) < 0).any()
        torch.testing.assert_close(found.activations[0], layer(X))
        torch.testing.assert_close(found.gradients[0], (layer(X) > 0).float())


def test_an_activation_that_is_an_alias_of_what_changes_later_is_seen_as_it_was():
    def score(m: Any, x: Tensor) -> Tensor:
        y = x * 1
        z = m["a"](y)
        y += 100  # a residual addition in place, into what the layer, an identity, gave
        return (y * z).sum(1)

    found = layer_slopes(asked(score, a=nn.Identity()), {"audio": X}, "layers.a")
    torch.testing.assert_close(found.activations[0], X)


def test_a_layer_called_twice_beside_one_another_has_a_gradient_for_each_call():
    layer = wide()
    scorer = asked(lambda m, x: (m["a"](x).square() + 3 * m["a"](2 * x)).sum(1), a=layer)
    found = layer_slopes(scorer, {"audio": X}, "layers.a")
    torch.testing.assert_close(found.gradients[0], 2 * layer(X).detach())
    torch.testing.assert_close(found.gradients[1], torch.full((3, 5), 3.0))
    sums = layer_maps(scorer, {"audio": X}, "layers.a", lambda a, g: (a * g).sum(1))
    by_hand = 2 * layer(X).square().sum(1) + 3 * layer(2 * X).sum(1)
    torch.testing.assert_close(sums, by_hand.detach())


def test_a_layer_called_on_its_own_output_has_the_gradient_through_the_later_call():
    layer = square()
    found = layer_slopes(asked(lambda m, x: m["a"](m["a"](x)).sum(1), a=layer), {"audio": X}, "layers.a")
    torch.testing.assert_close(found.gradients[0], layer.weight.sum(0).detach().expand(3, 4))
    torch.testing.assert_close(found.gradients[1], torch.ones(3, 4))


def test_around_a_residual_addition_the_layer_has_its_own_branch():
    layer = square()
    found = layer_slopes(asked(lambda m, x: (x + m["a"](x)).square().sum(1), a=layer), {"audio": X}, "layers.a")
    torch.testing.assert_close(found.gradients[0], 2 * (X + layer(X)).detach())


def test_a_recurrent_layer_has_its_gradient_through_time_with_the_rows_where_it_has_them():
    first, last = (nn.LSTM(1, 3, batch_first=b).eval() for b in (True, False))
    last.load_state_dict(first.state_dict())
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    one = asked(lambda m, x: (m["a"](x[:, :, None])[0] * weights).sum((1, 2)), a=first)
    other = asked(lambda m, x: (m["a"](x.T[:, :, None])[0] * weights[:, None]).sum((0, 2)), a=last)
    maps = [layer_maps(s, {"audio": X}, "layers.a", lambda a, g: (a * g).sum(1)) for s in (one, other)]
    torch.testing.assert_close(maps[0], maps[1])
    assert maps[0].shape == (3, 4)
    assert torch.equal(layer_slopes(one, {"audio": X}, "layers.a").gradients[0][1], weights)
    integrals = [integrate_layer(s, {"audio": X}, {"audio": ZERO}, "layers.a", steps=4) for s in (one, other)]
    torch.testing.assert_close(integrals[0].values[0], integrals[1].values[0].transpose(0, 1))
    for found in integrals:  # linear from the layer on
        sums = found.values[0].sum(2).sum(1 if found is integrals[0] else 0)
        torch.testing.assert_close(sums, found.differences)


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_rows_go_some_at_a_time_each_with_its_action(at_once: int):
    layer = wide()
    scorer = asked(lambda m, x: m["a"](x).pow(3).sum(1), (0, 1, 0), a=layer)
    found = layer_maps(scorer, {"audio": X}, "layers.a", lambda a, g: (a * g).sum(1), at_once=at_once)
    by_hand = torch.tensor([1.0, -1.0, 1.0]) * 3 * layer(X).detach().pow(3).sum(1)
    torch.testing.assert_close(found, by_hand)


def test_integrated_over_a_power_the_contributions_are_exact():
    """Of s = sum y^5 from y0 to y each element contributes y^5 - y0^5; 3 Gauss points are exact to degree 5."""
    layer = wide()
    scorer = asked(lambda m, x: m["a"](x).pow(5).sum(1), (0, 1, 0), a=layer)
    for at_once in (1, 2, 50):
        found = integrate_layer(scorer, {"audio": X}, {"audio": ZERO}, "layers.a", steps=3, at_once=at_once)
        sign = torch.tensor([1.0, -1.0, 1.0])
        by_hand = sign[:, None] * (layer(X).pow(5) - layer(ZERO).pow(5)).detach()
        torch.testing.assert_close(found.values[0], by_hand, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.differences, by_hand.sum(1), rtol=1e-4, atol=1e-4)


def test_what_goes_round_the_layer_stays_as_the_inputs_make_it():
    layer = square()
    found = integrate_layer(
        asked(lambda m, x: (x * m["a"](x)).sum(1), a=layer), {"audio": X}, {"audio": ZERO}, "layers.a", steps=1
    )
    torch.testing.assert_close(found.values[0], (X * (layer(X) - layer(ZERO))).detach())


def test_integrated_at_a_layer_called_twice_the_calls_sum_to_the_difference():
    layer = square()

    def score(m: Any, x: Tensor) -> Tensor:
        return (m["a"](x) * m["a"](x.square())).sum(1)

    found = integrate_layer(asked(score, a=layer), {"audio": X}, {"audio": ZERO}, "layers.a", steps=2)
    assert len(found.values) == 2
    torch.testing.assert_close(sum(v.sum(1) for v in found.values), found.differences)
    with torch.no_grad():
        torch.testing.assert_close(
            found.differences, score({"a": layer}, X) - (layer(ZERO) * layer(ZERO)).sum(1), rtol=1e-4, atol=1e-5
        )


def test_a_system_that_folds_frames_into_the_batch_has_a_row_for_each():
    conv = nn.Conv2d(3, 2, 3)

    class Folded(Net):
        modalities: Mapping[str, Any] = {"vision": EYES}

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            y = self.layers["conv"](inputs["vision"].flatten(0, 1)).square()
            score = y.flatten(1).sum(1).unflatten(0, (len(inputs["vision"]), -1)).sum(1)
            return torch.stack((score, torch.zeros_like(score)), 1)

    system = Folded(None, conv=conv)
    prepared = prepare(system, {"vision": picture(2)})
    task = Task(Scorer(system, Target(0)), prepared)
    for method in (LayerGradientTimesActivation("layers.conv"), LayerIntegratedGradients("layers.conv", steps=2)):
        found = method.run(task)
        assert (found.dims, found.values.shape, found.sense) == (("row", "y", "x"), (2, 30, 30), "vision")
    # Quadratic from the layer on: contributions are y^2 - y0^2.
    with torch.no_grad():
        here, there = (conv(t[0]).square().sum(1) for t in (task.inputs["vision"], task.baselines["vision"]))
    torch.testing.assert_close(torch.from_numpy(found.values), here - there, rtol=1e-4, atol=1e-5)
    assert found.gap is not None
    assert found.gap <= 1e-4 * abs(found.facts["difference"]) + 1e-3
    assert found.facts["difference"] == pytest.approx(float((here - there).sum()), rel=1e-3)


def test_the_gap_says_how_far_few_steps_are_off():
    prepared = prepare(Toy(linear({}), EARS), {"audio": sound()})
    layer = nn.Linear(8000, 3)
    with torch.no_grad():
        layer.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(0))
    scorer = asked(lambda m, x: m["a"](x).sin().sum(1), a=layer)
    gaps = [LayerIntegratedGradients("layers.a", steps=n).run(Task(scorer, prepared)).gap for n in (1, 64)]
    assert gaps[0] is not None
    assert gaps[1] is not None
    assert gaps[0] > 0.05
    assert gaps[1] < 1e-3


def test_channels_are_found_and_may_be_named():
    picture_like, tokens = torch.zeros(2, 3, 5, 7), torch.zeros(2, 6, 4)
    assert arrange(picture_like, nn.Conv2d(3, 3, 1)).shape == (2, 3, 5, 7)
    assert arrange(picture_like, nn.Identity(), 3).shape == (2, 7, 3, 5)
    assert arrange(tokens, nn.LayerNorm(4)).shape == (2, 4, 6)
    assert arrange(tokens, nn.Sequential(nn.Conv1d(6, 6, 1), nn.ReLU())).shape == (2, 6, 4)
    assert arrange(tokens, nn.LSTM(4, 4)).shape == (6, 4, 2)
    assert arrange(torch.zeros(3), nn.Identity()).shape == (3, 1)
    for wrong in (0, 4, -1):
        with pytest.raises(InputError, match=rf"channels on axis {wrong} of shape \(2, 3, 5, 7\); give 1 to 3"):
            arrange(picture_like, nn.Identity(), wrong)
    with pytest.raises(InputError, match="one to four axes have names"):
        lay_map(torch.zeros(1, 1, 1, 1, 1), "a")


def fails(m: Any, x: Tensor) -> Tensor:
    m["a"](x)
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("score", "error", "message"),
    [
        (fails, RuntimeError, "on purpose"),
        (lambda m, x: x.sum(1), InputError, "layer 'layers.a': not called by Net"),
        (lambda m, x: m["a"](x).detach().sum(1) + x.sum(1), InputError, "no gradient arrives from the score"),
        (lambda m, x: m["a"](x).sum(1) * 0 + x.sum(1).log(), ContractError, "scores are not finite"),
        (lambda m, x: (m["a"](x) * 0).abs().sum(1).sqrt(), ContractError, "gradient at layer 'layers.a' is not finite"),
    ],
    ids=["exception", "not called", "detached", "scores", "slopes"],
)
def test_what_goes_wrong_is_said_and_no_hook_is_left_behind(score: Any, error: type[Exception], message: str):
    scorer = asked(score, a=wide())
    with pytest.raises(error, match=message):
        layer_slopes(scorer, {"audio": X}, "layers.a")
    with pytest.raises(error, match=message):
        integrate_layer(scorer, {"audio": X}, {"audio": ZERO - 1}, "layers.a")
    assert hooks(scorer) == 0


def test_what_a_no_grad_block_encloses_is_refused():
    def score(m: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = m["a"](x)
        return y.sum(1)

    with pytest.raises(InputError, match="calls it without gradients"):
        layer_slopes(asked(score, a=wide()), {"audio": X}, "layers.a")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: layer_slopes(s, {"audio": X}, "layers.b"), "has no layer 'layers.b'; near it: layers.a"),
        (lambda s: integrate_layer(s, {"audio": X}, {"audio": ZERO}, "layers.a", steps=0), "0 steps; give at least 1"),
        (lambda s: LayerIntegratedGradients("layers.a", steps=0), "0 steps; give at least 1"),
        (lambda s: layer_maps(s, {"audio": X[:0]}, "layers.a", lambda a, g: a.sum(1)), "a batch of no rows"),
        (
            lambda s: layer_maps(s.at(0), {"audio": X.long()}, "layers.ids", lambda a, g: a),
            "without a tensor of floats",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str):
    class Rounds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.round().long()

    scorer = asked(lambda m, x: m["a"](m["ids"](x).float()).sum(1), a=wide(), ids=Rounds())
    with pytest.raises(InputError, match=message):
        make(scorer)
    assert hooks(scorer) == 0


def test_actions_that_do_not_fit_the_rows_are_refused():
    with pytest.raises(InputError, match="2 actions for a batch of 3"):
        layer_maps(asked(lambda m, x: m["a"](x).sum(1), (0, 1), a=wide()), {"audio": X}, "layers.a", lambda a, g: a)


def test_calls_whose_maps_do_not_fit_one_another_are_refused():
    conv = nn.Conv1d(1, 1, 2)
    scorer = asked(lambda m, x: m["a"](m["a"](x[:, None])).sum((1, 2)), a=conv)
    with pytest.raises(InputError, match=r"called several times with maps of shapes \[\(3, 2\), \(3, 3\)\]"):
        layer_maps(scorer, {"audio": X}, "layers.a", lambda a, g: (a * g).sum(1))


def test_a_layer_called_otherwise_for_the_baseline_is_refused():
    def score(m: Any, x: Tensor) -> Tensor:
        return (m["a"](x) + m["a"](x) if bool(x.any()) else m["a"](x)).sum(1)

    with pytest.raises(InputError, match="called otherwise for the input and for its baseline"):
        integrate_layer(asked(score, a=wide()), {"audio": X}, {"audio": ZERO}, "layers.a")


def test_a_sense_that_the_observation_does_not_have_is_refused():
    prepared = prepare(Toy(linear({}), EARS), {"audio": sound()})
    scorer = asked(lambda m, x: m["a"](x).sum(1), a=nn.Linear(8000, 2))
    with pytest.raises(InputError, match="no sense 'text' in the observation; it has audio"):
        LayerGradientTimesActivation("layers.a", sense="text").run(Task(scorer, prepared))


def test_another_threads_pass_through_the_same_layer_is_left_alone():
    layer = wide()
    seen: list[Tensor] = []

    def score(m: Any, x: Tensor) -> Tensor:
        y = m["a"](x)
        other = threading.Thread(target=lambda: seen.append(layer(X)))  # while the hook is there
        other.start()
        other.join()
        return y.sum(1)

    found = layer_slopes(asked(score, a=layer), {"audio": X}, "layers.a")
    assert len(found.activations) == 1
    torch.testing.assert_close(seen[0].detach(), layer(X).detach())


def test_it_works_inside_inference_mode_and_autocast():
    layer = wide()
    scorer = asked(lambda m, x: m["a"](x).square().sum(1), a=layer)
    with torch.inference_mode():
        found = layer_slopes(scorer, {"audio": X * 1}, "layers.a")
    torch.testing.assert_close(found.gradients[0], 2 * layer(X).detach())
    with torch.autocast("cpu", torch.bfloat16):
        low = layer_slopes(scorer, {"audio": X}, "layers.a")
    assert low.gradients[0].dtype == torch.bfloat16
    torch.testing.assert_close(low.gradients[0].float(), 2 * layer(X).detach(), rtol=0.02, atol=0.02)


def test_they_are_methods():
    for method in (LayerGradientTimesActivation("a"), LayerIntegratedGradients("a")):
        assert isinstance(method, Method)
        assert method.additive
    assert LayerIntegratedGradients.name == "layer-integrated-gradients"
    assert LayerGradientTimesActivation.name == "layer-gradient-times-activation"
