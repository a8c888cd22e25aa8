"""The radius of validity: known where the score is known, and honest where nothing moves."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, reads_cat
from veridical.errors import ContractError, InputError
from veridical.fusion.tail import Head
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.model import load
from veridical.verifier.predictions import Basis, Prediction, predict
from veridical.verifier.radius import STRENGTHS, Radius, RadiusSettings, measure_strengths, radii, valid_to

STOP = Target(0)
ZERO = {"vision": torch.zeros(1, 1, dtype=torch.float64)}
ONE = {"vision": torch.ones(1, 1, dtype=torch.float64)}
FINE = tuple((np.arange(1000) + 1) / 1000)


def along(function: Callable[[Tensor], Tensor]) -> Scorer:
    """A score of one number t, at 0 the input and at 1 the edit."""
    return Scorer(Toy(lambda i: function(i["vision"][:, 0]), EYES), STOP)


def found(function: Callable[[Tensor], Tensor], settings: RadiusSettings | None = None, **contributions) -> Radius:
    basis = Basis.of(along(function), ZERO, contributions)
    units = {m: [range(len(v))] for m, v in contributions.items()} or None
    (one,) = radii(basis, ONE, predict(basis, ONE, units), settings)
    return one


def test_by_default_nine_strengths_run_from_a_sixteenth_to_all_of_it():
    assert len(STRENGTHS) == 9
    assert (STRENGTHS[0], STRENGTHS[4], STRENGTHS[-1]) == (1 / 16, 1 / 4, 1)
    np.testing.assert_allclose(np.diff(np.log2(STRENGTHS)), 0.5)


def test_of_a_linear_score_every_order_holds_all_the_way():
    one = found(lambda t: 7 * t, vision=np.array([-3.0, -4.0]))
    assert one.radius == {"first": 1, "second": 1, "three-point": 1, "path": 1}
    np.testing.assert_allclose(one.measured, 7 * np.array(STRENGTHS))
    assert (one.gain, one.telling) == (0, True)


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (3.0, -1.5), (0.0, 4.0)])
def test_of_a_quadratic_score_first_order_holds_to_the_root_of_tolerance_over_curvature(a: float, b: float):
    """s = a t + b t^2: the first order errs by b t^2, which passes the tolerance at sqrt(tolerance / |b|)."""
    one = found(lambda t: a * t + b * t**2, RadiusSettings(FINE, least=0.1, share=0.25))
    largest = max(abs(a * t + b * t**2) for t in FINE)
    assert one.tolerance == pytest.approx(max(0.1, 0.25 * largest))
    assert one.radius["first"] == pytest.approx(min(1, math.sqrt(one.tolerance / abs(b))), abs=1e-3)
    assert one.radius["second"] == one.radius["three-point"] == 1
    assert one.gain == 1 - one.radius["first"]


def test_of_a_cubic_second_order_holds_to_the_cube_root():
    """s = 4 t + 2 t^2 + 3 t^3: first order errs by 2 t^2 + 3 t^3, second by 3 t^3."""
    one = found(lambda t: 4 * t + 2 * t**2 + 3 * t**3, RadiusSettings(FINE, least=0.2, share=0))
    assert one.radius["second"] == pytest.approx((0.2 / 3) ** (1 / 3), abs=1e-3)
    assert one.radius["first"] == max(t for t in FINE if 2 * t**2 + 3 * t**3 <= 0.2)
    assert one.gain > 0.1


def test_where_curvature_misleads_its_gain_is_negative():
    """s = 4 t + 2 t^2 - 3 t^3: what the square adds the cube takes away, and first order holds for longer."""
    one = found(lambda t: 4 * t + 2 * t**2 - 3 * t**3, RadiusSettings(FINE, least=0.2, share=0))
    assert one.radius["second"] == pytest.approx((0.2 / 3) ** (1 / 3), abs=1e-3)
    assert one.radius["first"] == max(t for t in FINE if abs(2 * t**2 - 3 * t**3) <= 0.2) > 0.7
    assert one.gain < -0.3


def test_of_a_relu_first_and_second_order_hold_to_the_kink_and_a_little():
    """s = 8 relu(0.3 - t): beyond 0.3 it is constant, the prediction falls on by 8 (t - 0.3)."""
    one = found(lambda t: 8 * torch.relu(0.3 - t), RadiusSettings(FINE, least=0.4, share=0))
    assert one.radius["first"] == one.radius["second"] == pytest.approx(0.3 + 0.4 / 8, abs=1.1e-3)
    assert one.gain == 0


def test_an_account_of_contributions_holds_where_its_line_does():
    """The path's line meets s = t^2 at both ends, and errs by t - t^2, at most 1/4, between."""
    assert found(torch.square, RadiusSettings(least=0.26, share=0), vision=np.array([-1.0])).radius["path"] == 1
    narrow = found(torch.square, RadiusSettings(FINE, least=0.09, share=0), vision=np.array([-1.0]))
    assert narrow.radius["path"] == pytest.approx(0.1, abs=1.1e-3)


@pytest.mark.parametrize("function", [lambda t: 0 * t, lambda t: 0.05 * torch.sin(9 * t)])
def test_where_no_edit_counts_the_radius_is_one_and_tells_nothing(function):
    one = found(function)
    assert not one.telling
    assert found(lambda t: 0.2 * t).telling
    assert one.radius["first"] <= 1


def test_the_largest_effect_sets_the_tolerance_where_an_effect_comes_and_goes():
    one = found(lambda t: 8 * t * (1 - t))
    assert one.measured[-1] == pytest.approx(0)
    assert one.tolerance == pytest.approx(0.25 * np.abs(one.measured).max())


def test_a_prediction_that_agrees_again_further_on_holds_only_to_where_it_failed_first():
    strengths = np.array([0.25, 0.5, 0.75, 1.0])
    assert valid_to(strengths, np.array([0.0, 0.0, -0.3, 0.0]), 0.2) == 0.5
    assert valid_to(strengths, np.array([0.3, 0.0, 0.0, 0.0]), 0.2) == 0
    assert valid_to(strengths, np.array([0.2, -0.2, 0.2, 0.2]), 0.2) == 1


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.floats(0.01, 1), st.floats(1, 3))
def test_a_wider_tolerance_never_shortens_the_radius(errors, tolerance: float, wider: float):
    strengths = np.linspace(0.1, 1, len(errors))
    assert valid_to(strengths, np.array(errors), wider * tolerance) >= valid_to(strengths, np.array(errors), tolerance)


def test_several_senses_are_edited_jointly_in_one_direction():
    scorer = Scorer(Toy(lambda i: i["vision"][:, 0] * i["audio"][:, 0], EYES, EARS), STOP)
    inputs = {"vision": torch.ones(1, 1), "audio": torch.ones(1, 1)}
    edited = {"vision": torch.zeros(1, 1), "audio": torch.full((1, 1), 3.0)}
    t = np.array(STRENGTHS)
    np.testing.assert_allclose(measure_strengths(scorer, inputs, edited), (1 - t) * (1 + 2 * t) - 1, atol=1e-6)
    basis = Basis.of(scorer, inputs)
    (one,) = radii(basis, edited, predict(basis, edited), RadiusSettings(least=0.05))
    assert one.radius["second"] == 1  # the block of H between the senses is what curves
    assert one.radius["first"] < 0.5


def test_several_edits_have_a_radius_each():
    basis = Basis.of(along(lambda t: t + t**2), ZERO)
    edited = {"vision": torch.tensor([[1.0], [-1.0], [4.0]], dtype=torch.float64)}
    all_of_them = radii(basis, edited, predict(basis, edited))
    for row, one in enumerate(all_of_them):
        t = np.array(STRENGTHS) * float(edited["vision"][row])
        np.testing.assert_allclose(one.measured, t + t**2)


def test_at_full_strength_stands_the_very_edit():
    seen: list[Tensor] = []

    def score(inputs) -> Tensor:
        seen.append(inputs["vision"].detach())
        return inputs["vision"].sum(1)

    (x, edited) = (torch.rand(1, 100, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    measure_strengths(Scorer(Toy(score, EYES), STOP), {"vision": x}, {"vision": edited})
    batch = seen[-1]
    assert batch.shape == (1 + len(STRENGTHS), 100)
    assert torch.equal(batch[0], x[0])
    assert torch.equal(batch[-1], edited[0])


def test_the_infill_of_a_sense_is_what_stands_at_full_strength():
    prepared = READER.prepare(SENTENCE)
    edited = {"text": READER.infill(prepared, [(20,)], "mask", READER.segment(prepared))}
    measured = measure_strengths(Scorer(Toy(reads_cat, READER), STOP), {"text": prepared.tensor}, edited)
    np.testing.assert_allclose(measured, -4 * np.array(STRENGTHS), rtol=1e-5)  # the score is linear in the embedding


def test_a_score_that_is_not_finite_at_some_strength_is_the_systems_fault():
    with pytest.raises(ContractError, match=r"^system: the scores are not finite under an edit of some strength"):
        measure_strengths(along(lambda t: torch.sqrt(0.5 - t)), ZERO, ONE)


def test_a_system_that_scores_its_input_otherwise_in_a_batch_cannot_be_measured():
    scorer = Scorer(Toy(lambda i: i["vision"][:, 0] + len(i["vision"]), EYES), STOP)
    with pytest.raises(ContractError, match=r"scores 1\.000 alone and 10\.000 among its edits; call eval\(\)"):
        measure_strengths(scorer, ZERO, ONE)


@pytest.mark.parametrize("strengths", [(), (0.0, 1.0), (0.5, 0.25), (0.5, 1.5), (math.nan,)])
def test_strengths_out_of_order_or_range_are_refused(strengths):
    with pytest.raises(InputError, match=r"^radius: strengths .*; give ascending shares, more than 0 and at most 1"):
        RadiusSettings(strengths)


@pytest.mark.parametrize(("least", "share"), [(0.0, 0.0), (-0.1, 0.2), (0.1, math.nan), (math.inf, 0.0)])
def test_tolerances_out_of_range_are_refused(least: float, share: float):
    with pytest.raises(InputError, match=r"^radius: least .*; tolerances are finite, not negative, and not both 0$"):
        RadiusSettings(least=least, share=share)


def test_predictions_and_edits_must_be_as_many():
    basis = Basis.of(along(torch.sin), ZERO)
    promise = Prediction(1.0, 1.0, 1.0, None, "second", 1.0)
    with pytest.raises(InputError, match=r"^radius: 2 predictions for 1 edits; give one for each$"):
        radii(basis, ONE, [promise, promise])
    with pytest.raises(InputError, match=r"^radius: 2 edits; one at a time is measured"):
        measure_strengths(along(torch.sin), ZERO, {"vision": torch.ones(2, 1, dtype=torch.float64)})


def test_on_couriers_head_a_radius_is_measured_for_every_order():
    courier = load()
    prepared = {m: courier.modalities[m].prepare(signal) for m, signal in courier.example().items()}
    head = Head(courier)
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    sense, p = courier.modalities["audio"], prepared["audio"]
    segmentation = sense.segment(p)
    edits = [tuple(range(k, len(segmentation), 3)) for k in range(3)]
    edited = head.encode({"audio": sense.infill(p, edits, "silence", segmentation)})
    action = int(courier.decide(features).argmax())
    basis = Basis.of(Scorer(head, Target(action)), features)
    for row, one in enumerate(radii(basis, edited, predict(basis, edited))):
        whole = courier.decide({**features, "audio": edited["audio"][row : row + 1]})
        effect = float(Target(action)(whole)[0]) - basis.score
        assert one.measured[-1] == pytest.approx(effect, abs=1e-3)
        assert 0 < one.radius["second"] <= 1
        assert abs(one.measured[0] - one.predicted["second"][0]) < 0.1
