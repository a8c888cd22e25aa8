"""Clocks."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.modalities.clock import Clock, Stamps

UNIX = 1.7e9
RAGGED: Any = [[0.0], 1.0]

rising = st.lists(st.floats(0.01, 50), min_size=2, max_size=12).map(lambda gaps: tuple(np.cumsum(gaps).tolist()))


@given(st.floats(-1e3, 1e3), st.floats(-0.1, 0.1), st.floats(-1e4, 1e4))
def test_an_affine_clock_is_start_and_drift(start: float, drift: float, at: float):
    clock = Clock.affine(start, drift)
    assert clock(at) == pytest.approx(start + (1 + drift) * at, abs=1e-8)
    assert clock.drift == pytest.approx(drift, abs=1e-12)


def test_at_unix_times_a_day_is_still_exact_to_a_microsecond():
    clock = Clock.affine(UNIX, 5e-5)
    assert clock(86400.0) - UNIX == pytest.approx(86400 * (1 + 5e-5), abs=1e-6)


@given(rising, rising, st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_the_inverse_leads_back_within_between_and_beyond_the_knots(local, reference, at):
    count = min(len(local), len(reference))
    clock = Clock(local[:count], reference[:count])
    times = np.array([*at, *clock.local])
    steepest = max(np.diff(clock.local) / np.diff(clock.reference))
    np.testing.assert_allclose(clock.inverse(clock(times)), times, rtol=1e-9, atol=1e-9 * max(1, steepest))
    assert (np.diff(clock(np.sort(times))) >= 0).all()
    np.testing.assert_allclose(clock(np.array(clock.local)), clock.reference, rtol=1e-12)


def test_numbers_and_arrays_of_any_shape_are_answered_in_kind():
    clock = Clock((0, 1, 3), (10, 12, 13))
    assert [clock(t) for t in (-1.0, 0.5, 1.0, 2.0, 5.0)] == [8.0, 11.0, 12.0, 12.5, 14.0]
    assert isinstance(clock(0.5), float)
    np.testing.assert_array_equal(clock(np.array([[0.0, 2.0], [3.0, -1.0]])), [[10, 12.5], [13, 8]])


def test_stamped_samples_last_until_the_next_and_the_last_as_long_as_most():
    clock = Clock.of_stamps([5.0, 6.2, 7.0, 8.0], 0.5, 0.02)
    assert clock(np.array([0, 0.5, 1.0, 1.5, 2.0])).tolist() == [5.0, 6.2, 7.0, 8.0, 9.0]
    assert clock(0.25) == pytest.approx(5.6)
    assert (clock.stamped, clock.uncertainty_at(1.0)) == (True, 0.02)


def test_a_single_stamp_lasts_the_nominal_interval():
    clock = Clock.of_stamps([4.0], 0.25)
    assert (clock(0.0), clock(0.25)) == (4.0, 4.25)


@given(st.floats(-0.09, 0.09), st.floats(-100, 100), st.permutations(range(6)))
def test_a_fit_to_exact_events_in_any_order_recovers_start_and_drift(drift: float, start: float, order):
    local = np.array([0.0, 1.0, 2.5, 7.0, 30.0, 61.0])[list(order)]
    clock = Clock.fit(local, start + (1 + drift) * local)
    assert clock.drift == pytest.approx(drift, abs=1e-10)
    assert clock(0.0) == pytest.approx(start, abs=1e-9)
    assert clock.uncertainty_at(61.0) == pytest.approx(0, abs=1e-9)


def test_a_fits_uncertainty_is_the_standard_error_of_the_line():
    """Worked by hand: residuals (+1, -2, +1) * 0.01 at -1, 0, 1 around the mean; s^2 = 6e-4 / 1."""
    clock = Clock.fit([9.0, 10.0, 11.0], [109.01, 109.98, 111.01])
    s = math.sqrt(6e-4)
    assert (clock.pivot, clock.drift) == (10.0, pytest.approx(0.0, abs=1e-9))
    assert clock.uncertainty == pytest.approx(s / math.sqrt(3))
    assert clock.drift_uncertainty == pytest.approx(s / math.sqrt(2))
    assert clock.uncertainty_at(14.0) == pytest.approx(s * math.sqrt(1 / 3 + 16 / 2))


def test_a_fits_uncertainty_is_calibrated_on_noisy_events():
    rng = np.random.default_rng(5)
    within = []
    for _ in range(400):
        local = np.sort(rng.uniform(0, 60, 12))
        clock = Clock.fit(local, 3 + 1.0002 * local + rng.normal(0, 0.02, 12))
        at = rng.uniform(-20, 100)
        within.append(abs(clock(at) - (3 + 1.0002 * at)) < 2.228 * clock.uncertainty_at(at))  # 95 % of t with 10 d.f.
    assert 0.92 < np.mean(within) < 0.98


def test_of_two_events_the_uncertainty_is_not_known():
    clock = Clock.fit([0.0, 10.0], [1.0, 11.01])
    assert (clock(0.0), clock.drift) == (pytest.approx(1.0), pytest.approx(1e-3))
    assert clock.uncertainty is None
    assert clock.uncertainty_at(5.0) == math.inf
    assert (clock.uncertainty_at(np.zeros(2)) == math.inf).all()


def test_the_uncertainty_grows_away_from_where_the_clock_was_set():
    clock = Clock.affine(0.0, 0.0, 0.03, 1e-4)
    assert clock.uncertainty_at(0.0) == 0.03
    np.testing.assert_allclose(clock.uncertainty_at(np.array([-400.0, 400.0])), 0.05)


@given(rising, rising, st.sampled_from([None, 0.0, 0.25]))
@settings(max_examples=30, deadline=None)
def test_json_keeps_a_clock(local, reference, uncertainty):
    count = min(len(local), len(reference))
    clock = Clock(local[:count], reference[:count], uncertainty, 1e-5, 2.0, True)
    assert Clock.from_dict(json.loads(json.dumps(clock.to_dict()))) == clock


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"local": [0, 1]}, "the keys local, reference, uncertainty, .* are wanted, got local"),
        ({}, "got nothing"),
        ([1], "got list"),
        (Clock.affine().to_dict() | {"stamped": 1}, "stamped 1; true or false"),
        (Clock.affine().to_dict() | {"local": [1, 0]}, "go backwards at knot 1"),
        (Clock.affine().to_dict() | {"local": "ab"}, "local seconds are of type"),
    ],
)
def test_what_json_is_no_clock_is_refused(unchecked: None, content, message: str):
    with pytest.raises(InputError, match=message):
        Clock.from_dict(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Stamps.of([0, 1.5, 1.2, 3]),
            r"timestamps go backwards at sample 2: 1.2 s after 1.5 s at sample 1; put the samples in order",
        ),
        (
            lambda: Clock.of_stamps([0, 1, 1, 2, 2], 1.0),
            r"timestamps stand twice at samples 1 and 2 \(1.0 s\), 3 and 4 \(2.0 s\); drop one of each",
        ),
        (lambda: Stamps.of([1.0] * 6), r"\(1.0 s\) and 2 more; drop"),
        (lambda: Stamps.of([0, math.nan, 1]), "timestamps: number 1 is nan, not finite; drop that sample"),
        (lambda: Stamps.of([]), "no timestamps; give one for each sample"),
        (lambda: Stamps.of(np.array(["0", "1"])), "timestamps are of type <U1; numbers are wanted"),
        (lambda: Stamps.of(np.array([[0.0, 1.0]])), r"timestamps of shape \(1, 2\); a list of seconds"),
        (lambda: Stamps.of(RAGGED), "timestamps are not numbers"),
        (lambda: Stamps.of([0.0], -0.1), "uncertainty -0.1 is negative; give a standard deviation, or None"),
        (lambda: Stamps.of([0.0]).clock(0.0), "interval 0 s between samples"),
        (lambda: Clock((0, 1), (0, 1, 2)), "2 local and 3 reference seconds; a knot has one of each"),
        (lambda: Clock((0,), (0,)), "1 knot; give at least two"),
        (lambda: Clock((0, 1), (1, 0)), "reference seconds go backwards at knot 1: 0.0 s after 1.0 s"),
        (lambda: Clock((0, 0), (0, 1)), r"local seconds stand twice at knots 0 and 1"),
        (lambda: Clock((0, math.inf), (0, 1)), "local seconds: number 1 is inf, not finite"),
        (lambda: Clock.affine(drift=0.2), r"drift 0.2 is beyond ±0.1; it is a share \(50 parts"),
        (lambda: Clock.affine(start=math.inf), "start inf; a finite number is wanted"),
        (lambda: Clock.affine(uncertainty=-1), "uncertainty -1 is negative"),
        (lambda: Clock.affine(drift_uncertainty=-1), "drift_uncertainty -1 is negative"),
        (lambda: Clock.fit([1.0], [1.0]), "1 event; two give start and drift"),
        (lambda: Clock.fit([1.0, 2.0], [1.0]), "2 events on the one clock, 1 on the other; pair them"),
        (lambda: Clock.fit([2.0, 2.0], [1.0, 3.0]), "all 2 events are at 2 s"),
        (lambda: Clock.fit([0.0, 1.0], [0.0, 1000.0]), r"a drift of 9.99e\+04 %, beyond 10 %; are they the same"),
    ],
)
def test_what_is_no_clock_is_refused_in_words(unchecked: None, make, message: str):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("value", ["1", True, None, [1]])
def test_a_start_that_is_no_number_is_refused(unchecked: None, value):
    with pytest.raises(InputError, match=r"start .*; a finite number is wanted"):
        Clock.affine(start=value)
