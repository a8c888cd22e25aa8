"""A system asked one question, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.errors import ContractError, InputError
from veridical.modalities.scorer import Scorer, logits_of, rows
from veridical.modalities.target import Target

W = torch.tensor([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


class Answers:
    """A system of two actions; the score of the first is a function of the inputs, that of the second is 0."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {}

    def __init__(self, score: Callable[[Mapping[str, Tensor]], Tensor], *modules: nn.Module) -> None:
        self.score, self.modules = score, list(modules)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        score = self.score(inputs)
        return torch.stack((score, torch.zeros_like(score)), 1)


def asked(score: Callable[[Mapping[str, Tensor]], Tensor], *modules: nn.Module) -> Scorer:
    return Scorer(Answers(score, *modules), Target(0))


def bilinear(inputs: Mapping[str, Tensor]) -> Tensor:
    return ((inputs["a"] @ W) * inputs["b"]).sum(1)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


AB = {"a": drawn(4, 2), "b": drawn(4, 3, seed=1)}


def test_of_a_bilinear_score_the_gradient_of_each_sense_is_the_other_one():
    found = asked(bilinear).gradient(AB)
    torch.testing.assert_close(found.values["a"], AB["b"] @ W.T)
    torch.testing.assert_close(found.values["b"], AB["a"] @ W)
    torch.testing.assert_close(found.scores, bilinear(AB))
    torch.testing.assert_close(found.logits, torch.stack((bilinear(AB), torch.zeros(4)), 1))
    assert not found.scores.requires_grad


def test_the_gradient_of_a_quadratic_form_and_of_the_log_odds_are_those_by_hand():
    matrix = drawn(3, 3, seed=2)
    found = asked(lambda i: torch.einsum("ni,ij,nj->n", i["b"], matrix, i["b"])).gradient({"b": AB["b"]})
    torch.testing.assert_close(found.values["b"], AB["b"] @ (matrix + matrix.T))

    class Three:
        actions = ("A", "B", "C")
        modalities: Mapping[str, Any] = {}

        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return inputs["b"]

    # d/dz of z_c - logsumexp(z_others): 1 for c, minus the softmax over the others.
    slopes = Scorer(Three(), Target(1)).gradient({"b": AB["b"]}).values["b"]
    share = AB["b"][:, [0, 2]].softmax(1)
    torch.testing.assert_close(slopes, torch.stack((-share[:, 0], torch.ones(4), -share[:, 1]), 1))


def test_each_row_is_on_its_own_and_may_have_its_own_action():
    scorer = Scorer(Answers(bilinear), Target((0, 1, 1, 0)))
    together = scorer.gradient(AB)
    for i in range(4):
        alone = scorer.at(i).gradient({m: x[i : i + 1] for m, x in AB.items()})
        torch.testing.assert_close(together.values["a"][i], alone.values["a"][0])
    plain = asked(bilinear).gradient(AB).values["a"]
    signs = torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None]
    torch.testing.assert_close(together.values["a"], plain * signs)


def test_only_the_senses_that_are_asked_for_are_differentiated():
    found = asked(bilinear).gradient(AB, ["b"])
    assert list(found.values) == ["b"]
    ids = {"ids": torch.tensor([[1, 0, 2]] * 4), "b": AB["b"]}
    table = drawn(3, 3)
    found = asked(lambda i: (table[i["ids"]].sum(1) * i["b"]).sum(1)).gradient(ids, ["b"])
    torch.testing.assert_close(found.values["b"], table[ids["ids"]].sum(1))


def test_a_second_call_gives_the_very_same_bits():
    scorer = asked(lambda i: (torch.tanh(i["a"] @ W) * i["b"]).sum(1))
    first, second = scorer.gradient(AB), scorer.gradient(AB)
    assert all(torch.equal(first.values[m], second.values[m]) for m in AB)


def test_what_the_user_gave_is_left_alone():
    given = {m: x.clone().requires_grad_(True) for m, x in AB.items()}
    given["a"].grad = torch.full_like(given["a"], 5)
    scorer = asked(bilinear)
    scorer.gradient(given)
    scorer.value(given)
    assert all(x.requires_grad and x.is_leaf for x in given.values())
    assert (given["a"].grad == 5).all()
    assert given["b"].grad is None
    assert all(torch.equal(given[m], AB[m]) for m in AB)


def test_parameters_gather_no_gradients_and_none_are_computed():
    layer = nn.Linear(2, 3)
    reached: list[str] = []
    layer.weight.register_hook(lambda g: reached.append("weight"))
    asked(lambda i: (layer(i["a"]) * i["b"]).sum(1), layer).gradient(AB)
    assert layer.weight.grad is None
    assert layer.weight.requires_grad
    assert reached == []


def test_a_batch_of_one_and_a_batch_of_none():
    one = asked(bilinear).gradient({m: x[:1] for m, x in AB.items()})
    torch.testing.assert_close(one.values["a"], (AB["b"] @ W.T)[:1])
    none = asked(bilinear).gradient({m: x[:0] for m, x in AB.items()})
    assert none.values["a"].shape == (0, 2)
    assert (none.scores.shape, none.logits.shape) == ((0,), (0, 2))


@pytest.mark.parametrize("how", ["transposed", "strided", "expanded"])
def test_inputs_need_not_be_contiguous(how: str):
    a = {
        "transposed": AB["a"].T.contiguous().T,
        "strided": AB["a"].repeat_interleave(2, 1)[:, ::2],
        "expanded": AB["a"][:1].expand(4, 2),
    }[how]
    found = asked(bilinear).gradient({"a": a, "b": AB["b"]})
    assert not a.is_contiguous()
    torch.testing.assert_close(found.values["a"], AB["b"] @ W.T)
    torch.testing.assert_close(found.values["b"], a @ W)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_integers_have_no_gradient_and_the_message_says_where_to_ask(dtype: torch.dtype):
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(InputError, match=rf"a holds {name}, .* token ids ask at the embeddings .* floats in 0\.\.1"):
        asked(bilinear).gradient({"a": torch.ones(4, 2, dtype=dtype), "b": AB["b"]})


@pytest.mark.parametrize(
    ("inputs", "wrt", "message"),
    [
        (AB, ["c"], "no input 'c'; there are a, b"),
        ({"a": AB["a"], "b": AB["b"][:2]}, None, r"one batch size .* \{'a': 4, 'b': 2\}"),
        ({}, None, "one batch size .* got nothing"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, Tensor], wrt: list[str] | None, message: str):
    with pytest.raises(InputError, match=message):
        asked(bilinear).gradient(inputs, wrt)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda i: i["a"].detach().sum(1) + i["b"].detach().sum(1), "no gradient reaches any input; .*black-box"),
        (lambda i: i["a"].sum(1), "no gradient arrives at b"),
        (lambda i: (0 * i["a"]).abs().sum(1).sqrt() + i["b"].sum(1), "the gradient of a is not finite"),
        (lambda i: i["a"].sum(1).log() + i["b"].sum(1) * torch.nan, "scores are not finite for the inputs given"),
        (lambda i: bilinear(i)[:2], r"scores of shape \(2, 2\) for the inputs given; .* \(4, 2\)"),
    ],
)
def test_what_a_system_does_wrong_is_said(score: Callable[..., Tensor], message: str):
    with pytest.raises(ContractError, match=message):
        asked(score).gradient(AB)


def test_scores_that_are_no_tensor_are_refused():
    class Lists(Answers):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Any:
            return [0.0, 1.0]

    with pytest.raises(ContractError, match=r"a list for one observation; a tensor of shape \(1, 2\)"):
        logits_of(Lists(bilinear), {}, 1, "for one observation")


def test_a_sense_without_elements_has_an_empty_gradient():
    found = asked(lambda i: i["a"].sum(1)).gradient({"a": AB["a"], "b": torch.zeros(4, 0)})
    assert found.values["b"].shape == (4, 0)


def test_it_works_inside_no_grad_and_leaves_that_as_it_was():
    with torch.no_grad():
        found = asked(bilinear).gradient(AB)
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(found.values["a"], AB["b"] @ W.T)


def test_it_works_inside_inference_mode_with_tensors_made_there():
    with torch.inference_mode():
        given = {m: x * 1 for m, x in AB.items()}
        found = asked(bilinear).gradient(given)
        assert torch.is_inference_mode_enabled()
        assert float(asked(bilinear).value(given)[0]) == pytest.approx(float(bilinear(AB)[0]))
    torch.testing.assert_close(found.values["a"], AB["b"] @ W.T)
    torch.testing.assert_close(asked(bilinear).gradient(given).values["b"], AB["a"] @ W)


def test_of_inference_tensors_one_sense_alone_can_be_asked_for():
    with torch.inference_mode():
        given = {m: x * 1 for m, x in AB.items()}
    found = asked(bilinear).gradient(given, ["a"])
    torch.testing.assert_close(found.values["a"], AB["b"] @ W.T)


def test_under_autocast_scores_are_full_floats_and_gradients_near_those_without():
    generator = torch.Generator().manual_seed(5)
    net = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 1))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5)
    scorer = asked(lambda i: net(i["a"])[:, 0], net)
    given = {"a": drawn(6, 32)}
    plain = scorer.gradient(given)
    with torch.autocast("cpu", torch.bfloat16):
        low = scorer.gradient(given)
        assert torch.is_autocast_enabled("cpu")
    assert low.scores.dtype == low.logits.dtype == low.values["a"].dtype == torch.float32
    assert not torch.equal(low.values["a"], plain.values["a"])
    cosine = torch.cosine_similarity(low.values["a"], plain.values["a"])
    assert float(cosine.min()) > 0.999


def test_double_precision_stays_double():
    found = asked(lambda i: i["a"].square().sum(1)).gradient({"a": AB["a"].double()})
    assert found.values["a"].dtype == found.scores.dtype == torch.float64
    torch.testing.assert_close(found.values["a"], 2 * AB["a"].double())


def test_in_evaluation_mode_a_recurrent_layer_has_its_gradient_through_time():
    """h_t = relu(r h_(t-1) + v x_t), all positive: ds/dx_t is v r^(T - t)."""
    net = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True).eval()
    net.load_state_dict({"weight_hh_l0": torch.tensor([[0.5]]), "weight_ih_l0": torch.tensor([[3.0]])})
    found = asked(lambda i: net(i["a"])[0][:, -1, 0], net).gradient({"a": torch.ones(2, 6, 1)})
    by_hand = 3 * 0.5 ** torch.arange(5, -1, -1.0)
    torch.testing.assert_close(found.values["a"], by_hand[None, :, None].expand(2, 6, 1))
    assert not net.training


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_in_evaluation_mode_an_lstm_and_a_gru_have_the_gradient_that_differences_give(kind: Any):
    net = kind(2, 3, 2, batch_first=True, dropout=0.5).double().eval()
    scorer = asked(lambda i: net(i["a"])[0][:, -1].sum(1), net)
    x = drawn(1, 5, 2).double()
    found = scorer.gradient({"a": x}).values["a"]
    step = 1e-6 * torch.eye(10, dtype=torch.float64).view(10, 5, 2)
    with torch.no_grad():
        measured = (scorer.value({"a": x + step}) - scorer.value({"a": x - step})) / 2e-6
    torch.testing.assert_close(found.view(10), measured, rtol=1e-6, atol=1e-8)


def test_a_loop_over_frames_has_its_gradient_through_time():
    def memory(inputs: Mapping[str, Tensor]) -> Tensor:
        state = torch.zeros(len(inputs["a"]))
        for x in inputs["a"].unbind(1):
            state = 0.5 * state + x**2
        return state

    x = drawn(3, 5)
    found = asked(memory).gradient({"a": x})
    torch.testing.assert_close(found.values["a"], 2 * x * 0.5 ** torch.arange(4, -1, -1.0))


def test_residual_additions_in_place_or_not_have_the_same_gradient():
    net = nn.Linear(3, 3)

    def added(inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["b"] * 2
        return (x + net(x)).square().sum(1)

    def in_place(inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["b"] * 2
        x += net(x)
        return x.square().sum(1)

    one, other = (asked(s, net).gradient({"b": AB["b"]}).values["b"] for s in (added, in_place))
    torch.testing.assert_close(one, other)
    with torch.no_grad():
        y = 2 * AB["b"] + net(2 * AB["b"])
        torch.testing.assert_close(one, 4 * (y + y @ net.weight))


def test_a_system_that_changes_its_input_in_place_changes_no_one_elses():
    def normalised(inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["b"].sub_(1).mul_(2).square().sum(1)

    given = AB["b"].clone()
    scorer = asked(normalised)
    value = scorer.value({"b": given})
    assert torch.equal(given, AB["b"])
    torch.testing.assert_close(value, (2 * (AB["b"] - 1)).square().sum(1))
    torch.testing.assert_close(scorer.gradient({"b": given}).values["b"], 8 * (AB["b"] - 1))


def test_a_graph_is_given_where_gradients_are_enabled_and_none_for_a_value():
    x = AB["b"].clone().requires_grad_(True)
    scorer = asked(lambda i: i["b"].square().sum(1))
    (found,) = torch.autograd.grad(scorer({"b": x}).sum(), x)
    torch.testing.assert_close(found, 2 * AB["b"])
    assert not scorer.value({"b": x}).requires_grad


def test_rows_are_counted():
    assert rows(AB) == 4
    assert rows({"a": AB["a"][:0]}) == 0
