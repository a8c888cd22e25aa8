"""Predictions, against closed forms: what each order promises, and when it says that it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.toys import EARS, EYES, READER, Dropping, Split, Toy, linear
from veridical.errors import ContractError, InputError
from veridical.fusion.tail import Head
from veridical.modalities.engines.curvature.hessian import STEP
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.model import load
from veridical.verifier.predictions import REACH, Basis, Prediction, differences, path_effects, predict

STOP = Target(0)
ZERO = {"vision": torch.zeros(1, 1, dtype=torch.float64)}
ONE = {"vision": torch.ones(1, 1, dtype=torch.float64)}


def draw(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def along(function: Callable[[Tensor], Tensor]) -> Scorer:
    """A score of one number t, at 0 the input and at 1 the edit."""
    return Scorer(Toy(lambda i: function(i["vision"][:, 0]), EYES), STOP)


def told(function: Callable[[Tensor], Tensor], **options: Any) -> Prediction:
    (found,) = predict(Basis.of(along(function), ZERO, **options), ONE)
    return found


def test_of_a_linear_score_every_order_is_the_effect_and_the_first_is_trusted():
    w, u, x, y = draw((3, 4), (5,), (1, 3, 4), (1, 5))
    score = linear({"vision": w, "audio": u}, bias=2.0)
    edited: dict[str, Tensor] = dict(zip(("vision", "audio"), draw((6, 3, 4), (6, 5), seed=1), strict=True))
    basis = Basis.of(Scorer(Toy(score, EYES, EARS), STOP), {"vision": x, "audio": y})
    for row, found in enumerate(predict(basis, edited)):
        effect = ((edited["vision"][row] - x[0]) * w).sum() + ((edited["audio"][row] - y[0]) * u).sum()
        assert (found.first, found.second) == (pytest.approx(float(effect)), pytest.approx(float(effect)))
        assert found.three_point == pytest.approx(float(effect))
        assert (found.trusted, found.within, found.path) == ("first", 1.0, None)


@given(st.integers(0, 10_000), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_of_a_quadratic_score_over_two_senses_second_order_is_the_effect(seed: int, chunk: int):
    a, x, y = draw((7, 7), (1, 4), (1, 3), seed=seed)

    def score(inputs) -> Tensor:
        z = torch.cat((inputs["vision"], inputs["text"]), 1)
        return torch.einsum("bi,ij,bj->b", z, a.to(z), z)

    scorer = Scorer(Toy(score, EYES, READER), STOP)
    inputs = {"vision": x, "text": y}
    edited: dict[str, Tensor] = dict(zip(("vision", "text"), draw((5, 4), (5, 3), seed=seed + 1), strict=True))
    found = predict(Basis.of(scorer, inputs), edited, chunk=chunk)
    effect = (scorer.value(edited) - scorer.value(inputs)).numpy()
    np.testing.assert_allclose([p.second for p in found], effect, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([p.three_point for p in found], effect, rtol=1e-9, atol=1e-9)
    assert {p.trusted for p in found} <= {"second", "first"}
    assert all(p.within == 1 for p in found)
    assert any(abs(p.first - e) > 1e-3 for p, e in zip(found, effect, strict=True))


def test_at_a_saddle_where_the_gradient_is_zero_the_second_order_is_still_trusted():
    found = told(lambda t: -3 * t**2)
    assert (found.first, found.second, found.trusted) == (0, pytest.approx(-3), "second")


@pytest.mark.parametrize("beta", [None, 10.0])
def test_of_a_relu_whose_kink_lies_within_the_reach_curvature_is_insufficient(beta: float | None):
    (found,) = predict(Basis.of(along(lambda t: 4 * torch.relu(0.05 - t)), ZERO), ONE)
    assert (found.first, found.second) == (pytest.approx(-4), pytest.approx(-4))
    assert found.three_point > -4 + 1  # the three passes see the kink that the Hessian does not
    assert (found.trusted, found.within) == ("insufficient", 0.0)


def test_of_a_relu_whose_kink_lies_beyond_the_reach_nothing_can_be_told():
    found = told(lambda t: 4 * torch.relu(0.3 - t))
    assert (found.first, found.trusted) == (pytest.approx(-4), "first")  # the effect is -1.2: the radius shows it


def test_a_surrogate_bends_where_the_relu_does_not_and_leaves_the_gradient_as_it_is():
    beta, kink = 10.0, 0.05
    found = told(lambda t: torch.relu(kink - t), beta=beta)
    s = 1 / (1 + math.exp(-beta * kink))
    assert found.first == pytest.approx(-1)
    assert found.second == pytest.approx(-1 + beta * s * (1 - s) / 2)


def test_of_a_cubic_the_remainder_is_its_cubic_term():
    """s = 5 t + b t^2 + c t^3: second order adds b, and leaves c out."""
    for b, c in ((2.0, 1.0), (2.0, -1.9), (-1.0, 0.5)):
        found = told(lambda t, b=b, c=c: 5 * t + b * t**2 + c * t**3)
        assert (found.second, found.three_point) == (pytest.approx(5 + b), pytest.approx(5 + b))
        assert (found.trusted, found.within) == ("second", 1)
    for b, c in ((2.0, 4.0), (-1.0, 1.25), (1.0, -5.0)):
        found = told(lambda t, b=b, c=c: 5 * t + b * t**2 + c * t**3)
        assert (found.trusted, found.within) == ("insufficient", pytest.approx(abs(b / c)))


def test_of_a_quartic_curvature_bears_as_far_as_the_remainder_estimated_is_smaller():
    """s = b t^2 + e t^4: of e the reach shows e / 6 in the cubic's place, at h = 1/8, and e in its own."""
    b, e = 1.0, 8.0
    found = told(lambda t: b * t**2 + e * t**4)
    assert found.second == pytest.approx(b)
    assert found.three_point == pytest.approx(b + e * STEP**2)
    cubic = e / 6
    assert found.within == pytest.approx((-cubic + math.sqrt(cubic**2 + 4 * e * b)) / (2 * e))
    assert found.trusted == "insufficient"


def test_curvature_that_is_small_beside_the_first_order_is_not_needed():
    assert told(lambda t: 100 * t + t**2).trusted == "first"
    assert told(lambda t: 100 * t + 90 * t**2).trusted == "second"
    assert told(lambda t: 100 * t + t**3).trusted == "first"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_in_float32_does_not_make_a_quadratic_score_untrusted(dtype: torch.dtype):
    (x, d) = (t.to(dtype) for t in draw((1, 50), (1, 50), seed=3))
    scorer = Scorer(Toy(lambda i: 10 + (i["vision"] ** 2).sum(1) / 5, EYES), STOP)
    (found,) = predict(Basis.of(scorer, {"vision": x}), {"vision": x + d})
    assert found.trusted == "second"


def test_no_pass_is_made_at_the_edit_nor_beyond_the_reach():
    seen: list[float] = []

    def function(t: Tensor) -> Tensor:
        seen.extend(t.detach().tolist())
        return torch.sin(t)

    for reach in (REACH, 0.5):
        seen.clear()
        told(function, reach=reach)
        assert (min(seen), max(seen)) == (-reach, reach)


def test_at_a_share_of_the_edit_first_order_is_linear_and_second_quadratic():
    found = Prediction(2.0, 3.0, 2.5, -4.0, "second", 1.0).at(np.array([0.0, 0.5, 1.0]))
    assert {k: v.tolist() for k, v in found.items()} == {
        "first": [0, 1, 2],
        "second": [0, 1.25, 3],
        "three-point": [0, 1.125, 2.5],
        "path": [0, -2, -4],
    }
    assert "path" not in Prediction(2.0, 3.0, 2.5, None, "second", 1.0).at(np.array([1.0]))


def test_an_account_predicts_minus_the_sum_of_the_units_taken_away_over_all_senses():
    values = {"vision": np.array([1.0, 2.0, 4.0]), "text": np.array([10.0, 20.0])}
    np.testing.assert_array_equal(path_effects(values, {"vision": [(0, 2), ()]}), [-5, 0])
    np.testing.assert_array_equal(path_effects(values, {"vision": [(0, 2), (1, 1)], "text": [(1,), ()]}), [-25, -2])


def test_the_accounts_prediction_stands_beside_the_derivatives():
    basis = Basis.of(along(torch.sin), ZERO, {"vision": np.array([0.5, 0.25])})
    (found,) = predict(basis, ONE, {"vision": [(0, 1)]})
    assert (found.first, found.path) == (pytest.approx(1), -0.75)


def test_edits_are_differences_of_their_own_senses():
    inputs = {"vision": torch.ones(1, 2), "text": torch.ones(1, 3)}
    found = differences(inputs, {"text": torch.full((4, 3), 3.0)})
    assert list(found) == ["text"]
    assert found["text"].tolist() == [[2.0] * 3] * 4


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ({}, r"^predictions: no edited input; give one sense at least$"),
        ({"smell": torch.zeros(1, 2)}, r"^predictions: an edit of 'smell'; the inputs are vision$"),
        ({"vision": torch.zeros(1, 3)}, r"^predictions: edited vision of shape \(1, 3\) for an input of \(1, 1\)"),
        ({"vision": torch.full((1, 1), math.nan)}, r"^predictions: edited vision is not finite; mend the infill"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edited, message: str):
    with pytest.raises(InputError, match=message):
        predict(Basis.of(along(torch.sin), ZERO), edited)


def test_units_that_do_not_fit_are_refused():
    values = {"vision": np.array([1.0, 2.0])}
    basis = Basis.of(along(torch.sin), ZERO, values)
    with pytest.raises(InputError, match=r"^predictions: units of 2 edits for 1 edited inputs; give as many$"):
        predict(basis, ONE, {"vision": [(0,), (1,)]})
    with pytest.raises(InputError, match=r"^predictions: no contributions for text; there are vision$"):
        predict(basis, ONE, {"text": [(0,)]})
    with pytest.raises(InputError, match=r"^predictions: vision has no unit 2; it has 2, counted from 0$"):
        path_effects(values, {"vision": [(0, 2)]})
    with pytest.raises(InputError, match=r"got \{'vision': 1, 'text': 0\}$"):
        path_effects(values, {"vision": [()], "text": []})
    with pytest.raises(InputError, match=r"got none$"):
        path_effects(values, {})


@pytest.mark.parametrize("reach", [0.0, -0.1, 0.6, math.nan])
def test_a_reach_that_touches_the_edit_is_refused(reach: float):
    with pytest.raises(InputError, match=r"^predictions: reach .*; give more than 0 and at most 0\.5"):
        Basis.of(along(torch.sin), ZERO, reach=reach)


def test_a_basis_is_of_one_input_and_of_finite_contributions():
    with pytest.raises(InputError, match=r"^predictions: 2 rows; predict from one input at a time$"):
        Basis.of(along(torch.sin), {"vision": torch.zeros(2, 1)})
    with pytest.raises(InputError, match=r"^predictions: the contribution of vision unit 1 is not finite; mend"):
        Basis.of(along(torch.sin), ZERO, {"vision": np.array([0.0, math.inf])})
    with pytest.raises(InputError, match=r"^predictions: chunk 0; at least 1 edit must be predicted at once$"):
        predict(Basis.of(along(torch.sin), ZERO), ONE, chunk=0)


def test_no_edits_have_no_predictions_and_an_edit_of_nothing_predicts_nothing():
    basis = Basis.of(along(torch.sin), ZERO)
    assert predict(basis, {"vision": torch.zeros(0, 1, dtype=torch.float64)}) == ()
    (found,) = predict(basis, ZERO)
    assert found == Prediction(0, 0, 0, None, "first", 1.0)


def test_scores_that_are_not_finite_near_the_input_are_the_systems_fault():
    with pytest.raises(ContractError, match=r"^system: the scores are not finite"):
        told(lambda t: torch.log(t + 0.1))


def quadratic(inputs) -> Tensor:
    return (inputs["vision"] ** 2).sum(1) + inputs["text"].sum(1)


def test_the_head_of_a_split_system_is_a_system_of_features():
    split = Split(quadratic, EYES, READER)
    head = Head(split)
    features = head.encode({"vision": torch.ones(1, 2), "text": torch.ones(1, 2)})
    assert split.encoded == [("vision", 1), ("text", 1)]
    (found,) = predict(Basis.of(Scorer(head, STOP), features), {"vision": torch.zeros(1, 2)})
    assert (found.first, found.second) == (pytest.approx(-4), pytest.approx(-2))
    assert split.encoded == [("vision", 1), ("text", 1)]  # nothing was encoded again


@pytest.mark.usefixtures("unchecked")
def test_a_system_that_cannot_be_split_has_no_head():
    whole: Any = Toy(quadratic, EYES, READER)
    with pytest.raises(InputError, match=r"^head: Toy cannot be split; it has no encode and decide"):
        Head(whole)


class Loose(Dropping):
    """A torch module with dropout that can be split."""

    def encode(self, modality: str, x: Tensor) -> Tensor:
        return x

    def decide(self, features) -> Tensor:
        return self(features)


class Short(Loose):
    """Whose encoder loses rows."""

    def encode(self, modality: str, x: Tensor) -> Tensor:
        return x[:-1]


@pytest.mark.usefixtures("unchecked")
def test_the_head_holds_the_whole_system_still_and_leaves_it_as_it_was():
    system = Loose()
    head = Head(system)
    assert system.training
    scorer = Scorer(head, STOP)
    features = {"text": torch.ones(1, 2, 8)}
    assert [float(scorer.value(features)[0]) for _ in range(3)] == [19.0] * 3
    assert system.training


@pytest.mark.usefixtures("unchecked")
def test_an_encoder_that_loses_rows_is_told():
    with pytest.raises(ContractError, match=r"^system: encode\('text'\) returned 1 rows for 2; one each is wanted$"):
        Head(Short()).encode({"text": torch.ones(2, 2, 8)})


def test_on_couriers_head_curvature_cuts_the_error_of_a_small_edit_fivefold():
    courier = load()
    prepared = {m: courier.modalities[m].prepare(signal) for m, signal in courier.example().items()}
    head = Head(courier)
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    sense, p = courier.modalities["text"], prepared["text"]
    segmentation = sense.segment(p)
    words = [(u,) for u in range(0, len(segmentation), 3)]
    edited = head.encode({"text": sense.infill(p, words, "mask", segmentation)})["text"]
    small = {"text": features["text"] + (edited - features["text"]) / 16}
    action = int(courier.decide(features).argmax())
    scorer = Scorer(head, Target(action))
    basis = Basis.of(scorer, features)
    found = predict(basis, small)
    batch = {m: x.expand(len(words), *x.shape[1:]) for m, x in features.items()} | small
    effect = scorer.value(batch).double().numpy() - basis.score
    first, second, three = (
        np.median(np.abs([getattr(p, order) for p in found] - effect)) for order in ("first", "second", "three_point")
    )
    assert second < 0.2 * first
    assert three < 0.2 * first
