"""Second order, against closed forms and torch's own Hessian."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.toys import EARS, EYES, READER, Toy, sees_red
from veridical.errors import ContractError, InputError
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.engines.curvature.hessian import (
    NOISE,
    STEP,
    exact_quadratic_form,
    expand,
    hessian_vector,
    quadratic_form,
    second_order,
)
from veridical.modalities.engines.curvature.surrogate import soft_relu
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Kind, Target

Batch = dict[str, Tensor]
STOP = Target(0)


def draw(*shapes: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)


def joined(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([x.flatten(1) for x in parts.values()], 1)


(A,) = draw((7, 7))
INPUTS: Batch = dict(zip(("vision", "text"), draw((3, 4), (3, 1, 3), seed=1), strict=True))
ALONG: Batch = dict(zip(("vision", "text"), draw((3, 4), (3, 1, 3), seed=2), strict=True))


def quadratic(inputs: Mapping[str, Tensor]) -> Tensor:
    x = joined(inputs)
    return torch.einsum("bi,ij,bj->b", x, A.to(x), x) + x.sum(1)


QUADRATIC = Scorer(Toy(quadratic, EYES, READER), STOP)


class Smooth(nn.Module):
    """Two layers with GELU over two senses."""

    def __init__(self, activation: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(7, 16), activation or nn.GELU(), nn.Linear(16, 1)).double()
        self.modalities, self.actions = {"vision": EYES, "text": READER}, ("STOP", "GO")

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        score = self.layers(joined(inputs))[:, 0]
        return torch.stack((score, torch.zeros_like(score)), 1)


def torchs_hessian(scorer: Scorer, x: Tensor) -> Tensor:
    def score(flat: Tensor) -> Tensor:
        return scorer({"vision": flat[None, :4], "text": flat[None, None, 4:]})[0]

    found = torch.autograd.functional.hessian(score, x)
    assert isinstance(found, Tensor)
    return found


def test_of_a_quadratic_form_the_product_is_that_with_a_plus_its_transpose_for_every_row():
    found = hessian_vector(QUADRATIC, INPUTS, ALONG)
    assert {m: h.shape for m, h in found.items()} == {m: x.shape for m, x in INPUTS.items()}
    torch.testing.assert_close(joined(found), joined(ALONG) @ (A + A.T), atol=1e-12, rtol=1e-12)
    exact = torch.einsum("bi,ij,bj->b", joined(ALONG), A + A.T, joined(ALONG))
    torch.testing.assert_close(exact_quadratic_form(QUADRATIC, INPUTS, ALONG), exact)


def test_of_a_bilinear_score_a_change_of_one_sense_curves_the_other_alone():
    def bilinear(inputs: Mapping[str, Tensor]) -> Tensor:
        return torch.einsum("bi,ij,bj->b", inputs["vision"], A[:4, 4:], inputs["text"][:, 0])

    scorer = Scorer(Toy(bilinear, EYES, READER), STOP)
    found = hessian_vector(scorer, INPUTS, {"vision": ALONG["vision"]})
    assert not found["vision"].any()
    torch.testing.assert_close(found["text"][:, 0], ALONG["vision"] @ A[:4, 4:])
    assert not exact_quadratic_form(scorer, INPUTS, {"vision": ALONG["vision"]}).any()


@given(st.integers(0, 10_000), st.sampled_from(["log-odds", "log-probability", "logit"]))
@settings(max_examples=15, deadline=None)
def test_of_a_gelu_network_it_is_torchs_hessian_times_the_direction(seed: int, kind: Kind):
    x, d = draw((2, 7), (2, 7), seed=seed)
    scorer = Scorer(Smooth(), Target(0, kind=kind))
    split = [{"vision": t[:, :4], "text": t[:, None, 4:]} for t in (x, d)]
    found = joined(hessian_vector(scorer, *split))
    wanted = torch.stack([torchs_hessian(scorer, row) @ way for row, way in zip(x, d, strict=True)])
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-8)


def test_of_a_linear_score_it_is_zero():
    linear = Scorer(Toy(lambda i: i["text"].sum((1, 2)), READER), STOP)
    assert not hessian_vector(linear, {"text": torch.randn(2, 3, 8)}, {"text": torch.ones(2, 3, 8)})["text"].any()


def test_one_target_for_each_row():
    scorer = Scorer(Smooth(), Target((0, 1, 0)))
    rows = [
        hessian_vector(
            scorer.at(r), {m: x[r : r + 1] for m, x in INPUTS.items()}, {m: d[r : r + 1] for m, d in ALONG.items()}
        )
        for r in range(3)
    ]
    torch.testing.assert_close(joined(hessian_vector(scorer, INPUTS, ALONG)), torch.cat([joined(r) for r in rows]))


def test_a_batch_of_none_gives_none():
    none = {m: x[:0] for m, x in INPUTS.items()}
    assert hessian_vector(QUADRATIC, none, none)["text"].shape == (0, 1, 3)


def test_three_passes_give_the_quadratic_form_of_a_cubic_but_for_rounding():
    cubic = Scorer(Toy(lambda i: (joined(i) ** 3).sum(1) / 3 + quadratic(i), EYES, READER), STOP)
    exact = exact_quadratic_form(cubic, INPUTS, ALONG)
    found = quadratic_form(cubic, INPUTS, ALONG)
    assert (found.passes, found.steps.tolist()) == (3, [STEP] * 3)
    torch.testing.assert_close(found.values, exact, atol=1e-10, rtol=1e-10)
    assert found.errors.max() < 1e-10


@pytest.mark.parametrize("step", [0.05, STEP, 0.5])
def test_in_float32_the_error_is_about_as_told(step: float):
    x, d = draw((500, 7), (500, 7))
    split = [{"vision": t[:, :4], "text": t[:, None, 4:]} for t in (x.float(), d.float())]
    wide = [{m: t.double() for m, t in each.items()} for each in split]
    found = quadratic_form(QUADRATIC, *split, step=step)  # of a quadratic score rounding is all the error
    share = (found.values - exact_quadratic_form(QUADRATIC, *wide)).abs() / found.errors
    assert (share <= 1).double().mean() > 0.98
    assert 0.01 < share.max() < 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_searched_step_is_at_least_as_sure_as_a_step_too_long_or_too_short(dtype: torch.dtype):
    scorer = Scorer(Toy(lambda i: (4 * joined(i)).sin().sum(1), EYES, READER), STOP)
    inputs, along = ({m: t.to(dtype) for m, t in each.items()} for each in (INPUTS, ALONG))
    exact = exact_quadratic_form(scorer, INPUTS, ALONG)
    found = quadratic_form(scorer, inputs, along, step=None)
    assert found.passes == 19
    off = (found.values - exact).abs()
    assert (off <= found.errors).all()
    for step in (1.0, 1e-4 if dtype == torch.float32 else 1e-7):
        assert off.max() < (quadratic_form(scorer, inputs, along, step=step).values - exact).abs().max()


def test_a_pass_of_a_real_network_loses_no_more_than_noise_has_it():
    encoder = load_minilm()
    ids = torch.tensor([encoder.tokenizer("stop if you meet a cat on the way")["input_ids"]])
    words = encoder.embedding[ids]
    width = words.shape[2]
    head = torch.randn(width, 2, generator=torch.Generator().manual_seed(0)) / width**0.5
    wide = copy.deepcopy(encoder).double()
    with torch.no_grad():
        narrow = encoder.states(words).mean(1) @ head
        exact = wide.states(words.double()).mean(1) @ head.double()
    assert float((narrow - exact).abs().max()) <= NOISE * max(1.0, float(exact.abs().max()))


class Reads:
    """MiniLM with a random head of two actions."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        self.encoder = load_minilm()
        self.modalities = {"text": READER}
        self.head = torch.randn(384, 2, generator=torch.Generator().manual_seed(0))

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.encoder.states(inputs["text"]).mean(1) @ self.head


def test_on_minilm_three_passes_and_the_exact_product_agree():
    system = Reads()
    ids = system.encoder.tokenizer("stop if you meet a cat on the way")["input_ids"]
    words = system.encoder.embedding[torch.tensor([ids])]
    mask = system.encoder.embedding[system.encoder.tokenizer.mask_token_id]
    away = torch.zeros_like(words)
    away[:, 6] = mask - words[:, 6]  # "cat" is masked
    scorer = Scorer(system, STOP)
    exact = exact_quadratic_form(scorer, {"text": words}, {"text": away})
    found = quadratic_form(scorer, {"text": words}, {"text": away}, step=None)
    assert float((found.values - exact).abs()) <= float(found.errors)
    assert float(found.errors) < 0.05 * float(exact.abs())
    # Second order predicts a small step better than first order.
    small = {"text": 0.1 * away}
    slope = scorer.gradient({"text": words}).values
    effect = scorer.value({"text": words + small["text"]}) - scorer.value({"text": words})
    first = second_order(slope, small)
    second = second_order(slope, small, 0.01 * exact)
    assert float((second - effect).abs()) < 0.5 * float((first - effect).abs())


def test_second_order_is_exact_on_a_quadratic_score():
    slope = QUADRATIC.gradient(INPUTS).values
    effect = QUADRATIC.value({m: x + ALONG[m] for m, x in INPUTS.items()}) - QUADRATIC.value(INPUTS)
    torch.testing.assert_close(second_order(slope, ALONG, exact_quadratic_form(QUADRATIC, INPUTS, ALONG)), effect)
    torch.testing.assert_close(second_order(slope, ALONG), (joined(slope) * joined(ALONG)).sum(1))
    found = expand(QUADRATIC, INPUTS, ALONG)
    torch.testing.assert_close(found.second, effect)
    torch.testing.assert_close(found.secant, found.quadratic)
    assert not found.insufficient.any()


def test_where_kinks_hold_the_curvature_it_is_told_and_a_soft_relu_sees_it():
    """s = relu(x): from -1 to 2 the gradient goes from 0 to 1, while the Hessian is 0."""
    scorer = Scorer(Toy(lambda i: i["text"].relu().sum((1, 2)) + i["text"].sum((1, 2)), READER), STOP)
    x, d = {"text": torch.tensor([[[-0.1]], [[1.0]]])}, {"text": torch.tensor([[[3.0]], [[1.0]]])}
    found = expand(scorer, x, d)
    assert found.moved.tolist() == [True, False]
    assert found.flat.tolist() == found.insufficient.tolist() == [True, False]
    assert found.quadratic.tolist() == [0, 0]
    assert found.secant.tolist() == [3, 0]
    assert found.second.tolist() == [3, 2]
    with soft_relu(5.0):
        soft = expand(scorer, x, d)
    sigmoid = 1 / (1 + math.exp(0.5))
    assert soft.flat.tolist() == [False, False]
    assert float(soft.quadratic[0]) == pytest.approx(9 * 5 * sigmoid * (1 - sigmoid), rel=1e-5)
    # Three passes see a kink that lies within their step, as the mean curvature over it.
    assert float(quadratic_form(scorer, x, d, step=0.1).values[0]) == pytest.approx(0.2 / 0.1**2, rel=1e-3)


def test_a_quartic_is_sufficient_for_a_short_step_and_not_for_a_long_one():
    """s = x^4 at 1: H is 12; the secant over d is 4 (3 + 3 d + d^2) d^2, which is twice 12 d^2 where d^2 + 3 d = 3."""
    scorer = Scorer(Toy(lambda i: i["text"].pow(4).sum((1, 2)), READER), STOP)
    long = 0.5 * (21**0.5 - 3)
    d = {"text": torch.tensor([0.01, 0.99 * long, 1.01 * long], dtype=torch.float64)[:, None, None]}
    found = expand(scorer, {"text": torch.ones_like(d["text"])}, d)
    torch.testing.assert_close(found.quadratic, 12 * d["text"][:, 0, 0] ** 2)
    assert found.insufficient.tolist() == [False, False, True]
    assert not found.flat.any()


def test_a_relu_network_asked_for_log_odds_is_not_flat_and_yet_insufficient():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 3)).double().requires_grad_(False)
    system = Toy(lambda i: i["text"].sum((1, 2)), READER)
    vars(system).update(layers=layers, actions=("STOP", "GO", "SLOW"))
    type_of = type("Three", (Toy,), {"__call__": lambda self, i: 5 * layers(i["text"].mean(1))})
    system.__class__ = type_of
    x, d = ({"text": t} for t in draw((1, 3, 8), (1, 3, 8)))
    found = expand(Scorer(system, STOP), x, {"text": 2 * d["text"]})
    assert (found.flat.tolist(), found.insufficient.tolist()) == ([False], [True])
    assert expand(Scorer(system, Target(0, kind="logit")), x, d).flat.tolist() == [True]


def test_a_system_with_fused_attention_gets_its_second_derivative():
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True).double()  # in training mode

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        x = layer(inputs["text"])
        return F.scaled_dot_product_attention(x, x, x).sin().sum((1, 2))

    system = Toy(score, READER)
    vars(system)["layer"] = layer  # so that it is held
    x, d = ({"text": t} for t in draw((2, 5, 8), (2, 5, 8)))
    scorer = Scorer(system, STOP)
    exact = exact_quadratic_form(scorer, x, d)
    torch.testing.assert_close(quadratic_form(scorer, x, d, step=1e-3).values, exact, rtol=1e-4, atol=1e-6)
    assert layer.training
    assert all(p.requires_grad and p.grad is None for p in layer.parameters())


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_have_a_second_derivative(cell):
    torch.manual_seed(0)
    layer = cell(8, 6, batch_first=True).eval()
    system = Toy(lambda i: layer(i["text"])[0][:, -1].sum(1), READER)
    vars(system)["layer"] = layer  # so that it is held
    x, d = ({"text": t} for t in draw((2, 5, 8), (2, 5, 8), dtype=torch.float32))
    exact = exact_quadratic_form(Scorer(system, STOP), x, d)
    found = quadratic_form(Scorer(system, STOP), x, d, step=None)
    assert ((found.values - exact).abs() <= found.errors).all()
    assert found.errors.max() < 0.1 * exact.abs().max()


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda i: i["text"].detach().sum((1, 2)), "no gradient reaches any input, so there is no curvature"),
        (lambda i: (i["text"] * 0).abs().pow(1.5).sum((1, 2)), "the second derivative at text is not finite"),
        (sees_red, "no gradient arrives at text"),
        (
            lambda i: torch.nn.functional.ctc_loss(
                i["text"].transpose(0, 1).log_softmax(2),
                torch.ones(len(i["text"]), 1, dtype=torch.long),
                torch.tensor([3]).expand(len(i["text"])),
                torch.tensor([1]).expand(len(i["text"])),
                reduction="none",
            ),
            r"a layer has no second derivative \(.*not implemented.*\); .*quadratic_form",
        ),
    ],
)
def test_what_has_no_curvature_says_why(score, message: str):
    inputs = {"vision": torch.rand(1, 1, 3, 32, 32), "text": torch.randn(1, 3, 8)}
    if "arrives" not in message:
        del inputs["vision"]
    with pytest.raises(ContractError, match=message):
        hessian_vector(Scorer(Toy(score, EYES, READER), STOP), inputs, {"text": torch.ones(1, 3, 8)})


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ({"audio": torch.ones(3, 4)}, "a direction for 'audio'; the inputs are vision, text"),
        ({"vision": torch.ones(3, 5)}, r"the direction of vision has shape \(3, 5\), its input \(3, 4\)"),
        ({"vision": torch.full((3, 4), torch.nan)}, "the direction of vision is not finite"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(direction: Batch, message: str):
    for ask in (hessian_vector, quadratic_form, exact_quadratic_form, expand):
        with pytest.raises(InputError, match=message):
            ask(QUADRATIC, INPUTS, direction)


def test_token_ids_and_a_step_of_zero_are_refused():
    with pytest.raises(InputError, match="text holds int64, which has no gradient"):
        hessian_vector(QUADRATIC, {"text": torch.ones(1, 3, dtype=torch.int64)}, {})
    for step in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=r"quadratic_form: step .*; give a positive number"):
            quadratic_form(QUADRATIC, INPUTS, ALONG, step=step)


def test_a_second_call_is_bit_equal():
    scorer = Scorer(Toy(lambda i: i["audio"].tanh().sum(1), EARS), STOP)
    x, d = ({"audio": t} for t in draw((2, 50), (2, 50), dtype=torch.float32))
    assert torch.equal(hessian_vector(scorer, x, d)["audio"], hessian_vector(scorer, x, d)["audio"])
