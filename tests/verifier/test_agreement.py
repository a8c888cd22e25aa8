"""Agreement of predicted with measured effects, and its exact test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veridical.verifier.agreement import agreement, agreement_test

FINITE = st.floats(-50, 50, allow_subnormal=False)


def pair(elements: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    def both(n: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
        one = arrays(np.float64, n, elements=elements)
        return st.tuples(one, one)

    return st.integers(1, 6).flatmap(both)


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [
        ([-4.0, -1.0], [-4.0, -1.0], 1.0),
        ([-4.0, -1.0], [-2.0, -1.0], 0.6),
        ([-4.0], [-1.0], 0.25),
        ([-1.0], [-4.0], 0.25),
        ([-4.0], [0.0], 0.0),
        ([-4.0], [4.0], -1.0),
        ([-4.0, -4.0], [-4.0, 4.0], 0.0),
        ([-2.0], [1.0], -0.5),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([], [], 0.0),
    ],
)
def test_known_agreements(predicted: list[float], measured: list[float], expected: float):
    assert agreement(np.array(predicted), np.array(measured)) == pytest.approx(expected, abs=1e-12)


@given(pair(FINITE), st.floats(0.01, 100))
def test_it_lies_between_minus_one_and_one_is_symmetric_and_knows_no_unit(both, scale: float):
    predicted, measured = both
    found = agreement(predicted, measured)
    assert -1 - 1e-12 <= found <= 1
    assert found == agreement(measured, predicted)
    assert agreement(scale * predicted, scale * measured) == pytest.approx(found, abs=1e-9)
    if np.abs(predicted).max() > 0:
        assert agreement(predicted, predicted) == 1
        assert agreement(predicted, -predicted) == pytest.approx(-1)


@given(pair(st.floats(0, 50, allow_subnormal=False)))
def test_of_one_sign_it_is_ruzickas_similarity(both):
    predicted, measured = both
    if np.maximum(predicted, measured).max() > 0:
        ruzicka = np.minimum(predicted, measured).sum() / np.maximum(predicted, measured).sum()
        assert agreement(predicted, measured) == pytest.approx(ruzicka, abs=1e-9)
        assert agreement(-predicted, -measured) == pytest.approx(ruzicka, abs=1e-9)


@st.composite
def trials(draw) -> tuple[np.ndarray, list[np.ndarray]]:
    """Predictions, and for each the effects of the claim and of its controls; small numbers, so that there are ties."""
    number = st.integers(-6, 3).map(lambda n: n / 2)
    strata = draw(st.lists(st.lists(number, min_size=1, max_size=5), min_size=1, max_size=4))
    predicted = draw(arrays(np.float64, len(strata), elements=st.integers(-8, -1).map(lambda n: n / 2)))
    return predicted, [np.array(s) for s in strata]


@given(trials())
@settings(deadline=None, max_examples=100)
def test_it_is_the_enumeration_of_all_ways_to_place_the_predictions(trial):
    predicted, strata = trial
    measured, controls = np.array([s[0] for s in strata]), [s[1:] for s in strata]
    found = agreement_test(predicted, measured, controls)
    own = agreement(predicted, measured)
    ways = [agreement(predicted, np.array(way)) for way in itertools.product(*strata)]
    assert found.agreement == own
    assert found.assignments == len(ways)
    assert found.as_good == sum(way >= own - 1e-9 for way in ways)
    assert found.p == found.as_good / found.assignments


@given(trials())
@settings(deadline=None, max_examples=50)
def test_where_the_claim_is_one_draw_among_equals_p_is_never_too_small(trial):
    """Each way to choose a member of each stratum as the claim is as likely: P(p <= alpha) <= alpha, exactly."""
    predicted, strata = trial
    found = []
    for way in itertools.product(*(range(len(s)) for s in strata)):
        measured = np.array([s[k] for s, k in zip(strata, way, strict=True)])
        controls = [np.delete(s, k) for s, k in zip(strata, way, strict=True)]
        found.append(agreement_test(predicted, measured, controls).p)
    for alpha in sorted(set(found)):
        assert np.mean(np.array(found) <= alpha) <= alpha + 1e-12


def test_without_ties_p_is_exactly_uniform():
    predicted, strata = np.array([-3.0, -1.0]), [np.array([-3.3, -1.1, 0.7, 2.9]), np.array([-1.7, -0.4, 0.1])]
    found = []
    for i, j in itertools.product(range(4), range(3)):
        controls = [np.delete(strata[0], i), np.delete(strata[1], j)]
        found.append(agreement_test(predicted, np.array([strata[0][i], strata[1][j]]), controls).p)
    assert sorted(found) == pytest.approx([k / 12 for k in range(1, 13)])


def test_predictions_that_know_nothing_are_rejected_no_oftener_than_the_level_says():
    rng, trials, rejected = np.random.default_rng(5), 1500, 0
    for _ in range(trials):
        predicted = -rng.exponential(2, 3)
        measured, controls = rng.standard_normal(3), [rng.standard_normal(k) for k in (10, 5, 5)]
        rejected += agreement_test(predicted, measured, controls).p <= 0.05
    assert rejected / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)
    assert rejected / trials >= 0.03  # it is a test, not a wall


def test_a_claim_without_controls_can_prove_nothing_alone_and_spoils_nothing_beside_others():
    found = agreement_test(np.array([-2.0]), np.array([-2.0]), [np.zeros(0)])
    assert (found.agreement, found.assignments, found.as_good, found.p) == (1.0, 1, 1, 1.0)
    beside = agreement_test(np.array([-2.0, -1.0]), np.array([-2.0, -1.0]), [np.zeros(19), np.zeros(0)])
    assert (beside.assignments, beside.p) == (20, 0.05)


def test_no_claims_prove_nothing():
    assert agreement_test(np.zeros(0), np.zeros(0), []).p == 1.0


def test_ties_count_against_the_claim_rounding_too():
    tied = np.array([-2.0, -2.0, -2.0 - 1e-12, 0.0])
    assert agreement_test(np.array([-3.0]), np.array([-2.0]), [tied]).as_good == 4
    assert agreement_test(np.array([-3.0]), np.array([-2.0]), [np.full(30, -2.0)]).p == 1.0


def test_a_control_on_which_the_prediction_is_better_counts_and_one_that_does_more_need_not():
    assert agreement_test(np.array([-2.0]), np.array([-1.5]), [np.array([-2.1, -9.0, -1.0])]).as_good == 2


def test_many_claims_with_many_controls_are_counted_without_being_listed():
    controls = [np.linspace(-0.5, 0.5, 60)] * 5
    found = agreement_test(np.full(5, -2.0), np.full(5, -2.0), controls)
    assert (found.assignments, found.as_good) == (61**5, 1)
    assert found.p == 61**-5.0
    many = agreement_test(np.full(24, -2.0), np.full(24, -1.0), [np.array([-2.0])] * 24)
    assert (many.assignments, many.p) == (2**24, 1.0)
